// Copying gives whole lines as they stand in the log file, also those between the
// ends of a selection that are not in sight; within one line, what is selected.
import { plain } from './log-ansi.js';
import { rowOf } from './log-view.js';

/** Sees to what is copied out of a view. */
export function mountCopy(view) {
  const { selection } = view;
  let all = false;
  const text = (first, last) => {
    const lines = [];
    for (let place = first; place <= last; place++) {
      const number = selection.shown.at(place);
      lines.push(selection.ring.fileLine(number, plain(selection.ring.text(number))));
    }
    return lines.join('\n') + '\n';
  };
  view.box.addEventListener('keydown', (event) => {
    if (['Control', 'Meta', 'Shift', 'Alt'].includes(event.key)) return;
    const isCommand = event.ctrlKey || event.metaKey;
    if (!isCommand || event.key !== 'c') all = isCommand && event.key === 'a';
    if (!all || event.key === 'c') return;
    event.preventDefault();
    view.pause();
    document.getSelection().selectAllChildren(view.space);
  });
  view.box.addEventListener('pointerdown', () => (all = false));
  view.box.addEventListener('copy', (event) => {
    const { shown } = selection;
    const chosen = document.getSelection();
    const ends = [rowOf(chosen.anchorNode), rowOf(chosen.focusNode)];
    let places = [0, shown.length - 1];
    if (!all) {
      if (!ends[0] || !ends[1] || (ends[0] === ends[1] && isWithinText(chosen))) return;
      places = ends.map((row) => shown.below(+row.dataset.line)).sort((a, b) => a - b);
    }
    if (places[1] < places[0]) return;
    event.clipboardData.setData('text/plain', text(...places));
    event.preventDefault();
  });
  document.addEventListener('selectionchange', () => {
    const chosen = document.getSelection();
    if (chosen && !chosen.isCollapsed && view.box.contains(chosen.anchorNode)) view.pause();
  });
}

const textOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement).closest('.log-text');

function isWithinText(chosen) {
  const text = textOf(chosen.anchorNode);
  return text !== null && text === textOf(chosen.focusNode);
}
