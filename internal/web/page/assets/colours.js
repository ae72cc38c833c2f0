// The switch for light and dark. The choice stays in this browser.
import { patch } from './dom.js';
import { icon } from './parts.js';

const choices = ['auto', 'light', 'dark'];
const names = { auto: 'as the system', light: 'light', dark: 'dark' };

/** Makes a button the switch. */
export function mountColours(button) {
  let choice = document.documentElement.getAttribute('data-theme') || 'auto';
  const draw = () => {
    if (choice === 'auto') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.setAttribute('data-theme', choice);
    button.setAttribute('aria-label', `Colours: ${names[choice]}`);
    button.setAttribute('title', `Colours: ${names[choice]}`);
    patch(button, icon(choice));
  };
  button.addEventListener('click', () => {
    choice = choices[(choices.indexOf(choice) + 1) % choices.length];
    try {
      localStorage.setItem('ota-theme', choice);
    } catch {
      // Storage may be forbidden: then it lasts until the page is closed.
    }
    draw();
  });
  draw();
}
