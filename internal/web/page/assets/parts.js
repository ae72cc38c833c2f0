// Small parts that several sections are built from. The server has the same in
// html.go.
import { h, nameOf } from './dom.js';
import { moment as momentText, number } from './words.js';

/** A state in colour, shape and words. */
export const stateMark = ({ tone, word }) => [
  h('span', { class: 'dot', 'data-tone': tone, 'aria-hidden': 'true' }),
  h('strong', null, word),
];

/** The line that says how something is. */
export const stateLine = (state) =>
  h('p', { class: 'state' }, stateMark(state), ' ', h('span', { class: 'rest' }, state.rest));

/** A small word with a colour. */
export const badge = (tone, word) => h('span', { class: 'badge', 'data-tone': tone }, word);

/** A time. */
export const moment = (at) =>
  h('time', { datetime: new Date(at).toISOString().replace(/\.\d+Z$/, 'Z') }, momentText(at));

/** A line of a list of facts. */
export const fact = (name, ...value) => h('div', null, h('dt', null, name), h('dd', null, value));

/** A paragraph that stands out. */
export const note = (tone, ...content) => h('p', { class: 'note', 'data-tone': tone }, content);

/** The head of a card. */
export const head = (id, name, ...beside) =>
  h('div', { class: 'card-head' }, h('h2', { id: `${id}-title` }, name), beside);

/** Buttons in a row. */
export const actions = (...buttons) => h('div', { class: 'actions' }, buttons);

// Actions that are under way: their buttons say so however often they are built.
const busy = new Set();
const keyOf = (name, what) => `${name} ${what || ''}`;

/** Remembers that an action is under way, or that it is over. */
export function setBusy(name, what, isBusy) {
  if (isBusy) busy.add(keyOf(name, what));
  else busy.delete(keyOf(name, what));
}

/** Whether an action is under way. */
export const isBusy = (name, what) => busy.has(keyOf(name, what));

/** A button. What it does stands in actions.js, by its name. */
export function action(name, what, label, looks) {
  const working = isBusy(name, what);
  return h(
    'button',
    { type: 'button', class: `${looks} needs-js`, 'data-act': name, 'data-what': what || null, 'aria-busy': working && 'true' },
    label,
  );
}

const pictures = {
  auto: 'M2 3h12v8H2zM5.5 13.5h5M8 11v2.5',
  light: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  dark: 'M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z',
  upload: 'M8 10V2.5M5 5.3l3-3 3 3M2.5 9.5v4h11v-4',
  folder: 'M1.5 4V3h4.5l1.5 1.5h7v8.5h-13z',
  file: 'M3.5 1.5H9l3.5 3.5v9.5h-9zM9 1.5V5h3.5',
  link: 'M6.5 3.5h-4v10h10v-4M9 2.5h4.5V7M13.5 2.5L7 9',
};

/** A small picture that only decorates. */
export const icon = (name) =>
  h('svg', { class: `icon icon-${name}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' }, h('path', { d: pictures[name] }));

/** A share of a whole, from 0 to 1. */
export const bar = (tone, share) =>
  h(
    'svg',
    { class: 'bar', 'data-tone': tone, viewBox: '0 0 100 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    h('rect', { width: number(100 * Math.min(Math.max(share, 0), 1)), height: '1' }),
  );

/** A path that may be broken after its slashes. */
export function wholePath(path) {
  const names = path.split('/');
  const last = names.length - 1;
  return h('bdi', { class: 'path' }, names.map((name, i) => [i > 0 && h('wbr'), i < last ? `${name}/` : name]));
}

/** Files that a release changed. */
export const changeList = (files) =>
  h('ul', { class: 'changes' }, files.map((file) => h('li', null, changeMark(file.change), ' ', h('bdi', { class: 'path' }, file.path))));

/** What a release did to a file. */
export const changeMark = (change) => h('span', { class: 'change', 'data-change': change }, change);

/** Where something is wrong. */
export const place = (path, line, inFunction) =>
  h('p', { class: 'place' }, nameOf(path), line > 0 && `, line ${line}`, inFunction && [', in ', nameOf(inFunction)]);

/** A line of a program with the spot marked; columns count characters, from 1. */
export function excerpt(source, line, column) {
  const characters = [...source.replace(/[ \t\r\n]+$/, '')];
  const cut = characters.findIndex((character) => !' \t\f'.includes(character));
  if (cut < 0) return null;
  let code = characters.slice(cut).join('');
  if (column > cut && column <= characters.length + 1) {
    const at = column - 1;
    code = [characters.slice(cut, at).join(''), h('mark', null, characters[at] || ' '), characters.slice(at + 1).join('')];
  }
  return h(
    'p',
    { class: 'excerpt' },
    line > 0 && h('span', { class: 'line-number', 'aria-hidden': 'true' }, line),
    h('code', null, code),
  );
}
