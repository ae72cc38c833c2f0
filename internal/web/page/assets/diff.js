// What changed inside files: unified patches, as people read them.
import { h } from './dom.js';
import { count } from './words.js';
import { changeMark } from './parts.js';

const linesShown = 1000; // of one file; more only slows the page down
const filesOpen = 12; // more are folded

/** The files by which two releases differ. */
export function fileDiffs({ files }) {
  if (files.length === 0) return h('p', { class: 'muted' }, 'No file differs.');
  return h('div', { class: 'diffs' }, files.map((file, i) => fileDiff(file, i < filesOpen)));
}

function fileDiff({ path, change, patch, note }, open) {
  const lines = patch === null ? [] : linesOf(patch);
  const added = lines.filter(({ kind }) => kind === 'add').length;
  const removed = lines.filter(({ kind }) => kind === 'remove').length;
  const title = [changeMark(change), ' ', h('bdi', { class: 'path' }, path)];
  const about = note !== null && h('span', { class: 'muted' }, ` ${note}`);
  if (lines.length === 0) return h('p', { class: 'diff', 'data-key': path }, title, about);
  const more = lines.length - linesShown;
  return h(
    'details',
    { class: 'diff', 'data-key': path, open },
    h(
      'summary',
      null,
      title,
      about,
      h('span', { class: 'diff-size' }, added > 0 && h('span', { class: 'plus' }, `+${added}`), ' ', removed > 0 && h('span', { class: 'minus' }, `−${removed}`)),
    ),
    h('div', { class: 'patch' }, lines.slice(0, linesShown).map(linePart)),
    more > 0 && h('p', { class: 'muted' }, `and ${count(more, 'line', 'lines')} more`),
  );
}

const kinds = { '+': 'add', '-': 'remove', '@': 'hunk', '\\': 'remark' };

// The lines from the first hunk on: what is before only names the file.
function linesOf(patch) {
  const lines = patch.split('\n');
  if (lines[lines.length - 1] === '') lines.pop();
  const first = lines.findIndex((line) => line.startsWith('@@'));
  return first < 0 ? [] : lines.slice(first).map((line) => ({ kind: kinds[line.charAt(0)] || 'same', line }));
}

// The sign stays a character of the line: colour alone tells nothing.
function linePart({ kind, line }) {
  if (kind === 'hunk' || kind === 'remark') return h('div', { class: `line ${kind}` }, line);
  return h('div', { class: `line ${kind}` }, h('span', { class: 'sign' }, line.charAt(0)), h('span', null, line.slice(1) || ' '));
}
