// Short messages about what was done, or was not.
import { h } from './dom.js';

const shortly = 6000;

/** Says that something was done. It goes away by itself. */
export function tell(sentence) {
  const toast = add('good', [h('p', null, sentence)]);
  const leave = () => {
    // Not while somebody reads it.
    if (toast.matches(':hover') || toast.contains(document.activeElement)) setTimeout(leave, shortly);
    else toast.remove();
  };
  setTimeout(leave, shortly);
}

/** Says that something was not done, and why. It stays until it is closed. */
export function complain(what, problem) {
  add('bad', [
    h('p', null, h('strong', null, `${what}: `), h('bdi', null, problem.message), '.'),
    problem.hint && h('p', { class: 'hint' }, h('bdi', null, problem.hint)),
  ]);
}

function add(tone, content) {
  const toast = h(
    'div',
    { class: 'toast', 'data-tone': tone },
    h('div', null, content),
    h('button', { type: 'button', class: 'button-quiet', 'aria-label': 'Close this message' }, '×'),
  );
  toast.querySelector('button').addEventListener('click', () => toast.remove());
  const region = document.getElementById('toasts');
  region.append(toast);
  while (region.children.length > 4) region.firstChild.remove();
  return toast;
}
