// Dialogs. Browsers of 2021 have no <dialog>: there the same is built by hand.
import { h } from './dom.js';

const isNative = typeof HTMLDialogElement === 'function' && 'showModal' in HTMLDialogElement.prototype;
let serial = 0;

/** Asks before something is done; the answer is true or false. */
export async function confirm({ title, body, yes, tone }) {
  const looks = tone === 'bad' ? 'button button-bad' : 'button button-main';
  return (await open({ title, body, buttons: [choice('no', 'Cancel', 'button'), choice('yes', yes, looks)] })) === 'yes';
}

/** Shows something until it is closed. */
export const show = ({ title, body, wide }) => open({ title, body, wide, buttons: [choice('no', 'Close', 'button')] });

const choice = (value, label, looks) => h('button', { type: 'button', class: looks, 'data-choice': value }, label);

function open({ title, body, buttons, wide }) {
  const id = `dialog-${++serial}`;
  const before = document.activeElement;
  const dialog = h(
    isNative ? 'dialog' : 'div',
    { class: wide ? 'dialog wide' : 'dialog', role: 'dialog', 'aria-modal': 'true', 'aria-labelledby': id },
    h('h2', { id }, title),
    h('div', { class: 'dialog-body' }, body),
    h('div', { class: 'dialog-actions' }, buttons),
  );
  const shown = isNative ? dialog : h('div', { class: 'backdrop' }, dialog);
  document.body.append(shown);
  return new Promise((answer) => {
    const close = (value) => {
      if (isNative) dialog.close();
      else setInert(false, shown);
      shown.remove();
      if (before && before.isConnected) before.focus();
      answer(value);
    };
    dialog.addEventListener('click', (event) => {
      const button = event.target.closest('[data-choice]');
      if (button) close(button.dataset.choice);
      else if (isNative && event.target === dialog) close('no'); // beside it
    });
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      close('no');
    });
    if (isNative) dialog.showModal();
    else openByHand(dialog, shown, close);
    buttons[0].focus(); // what changes nothing
  });
}

// What the element <dialog> does by itself: Escape, no way out by Tab, nothing
// behind it for those who can't see.
function openByHand(dialog, shown, close) {
  setInert(true, shown);
  shown.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close('no');
    if (event.key !== 'Tab') return;
    const stops = dialog.querySelectorAll('a[href], button, input, [tabindex="0"]');
    const [first, last] = [stops[0], stops[stops.length - 1]];
    if (document.activeElement === (event.shiftKey ? first : last)) {
      event.preventDefault();
      (event.shiftKey ? last : first).focus();
    }
  });
  shown.addEventListener('click', (event) => event.target === shown && close('no'));
}

function setInert(isInert, except) {
  for (const element of document.body.children) {
    if (element === except) continue;
    if (isInert) element.setAttribute('aria-hidden', 'true');
    else element.removeAttribute('aria-hidden');
  }
}
