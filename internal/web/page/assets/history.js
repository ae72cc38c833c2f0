// Every release there has been. The server writes the same in history.go; what
// changed inside the files, and why a release failed, is asked for when it is
// folded out.
import { h, patch } from './dom.js';
import { count, firstUpper, join, size, wordsOfRelease } from './words.js';
import { action, actions, badge, changeList, head, moment, note } from './parts.js';
import { evidenceParts } from './evidence.js';
import { fileDiffs } from './diff.js';
import { get } from './api.js';

/** The section. */
export function historyBody(entries) {
  return [
    head('history', 'History', entries.length > 0 && h('p', { class: 'muted' }, count(entries.length, 'release', 'releases'))),
    entries.length > 0
      ? h('ol', { class: 'releases' }, entries.map((entry) => h('li', { 'data-key': entry.number }, releasePart(entry))))
      : h('p', { class: 'muted' }, 'No release yet: the first upload becomes release 1.'),
  ];
}

function releasePart(entry) {
  const { tone, word } = wordsOfRelease(entry.state);
  return h(
    'details',
    { class: 'release', 'data-release': entry.number },
    h(
      'summary',
      null,
      h('span', { class: 'number' }, h('span', { class: 'hidden' }, 'Release '), String(entry.number)),
      ' ',
      h(
        'span',
        { class: 'badges' },
        badge(tone, word),
        entry.packed?.version && [' ', badge('plain', entry.packed.version)],
        entry.current && [' ', badge('plain', 'in main/')],
        entry.pinned && [' ', badge('plain', 'pinned')],
      ),
      ' ',
      h('span', { class: 'release-time' }, moment(entry.created)),
      ' ',
      h('span', { class: 'release-size' }, changesText(entry)),
    ),
    h('div', { class: 'release-body' }, releaseBody(entry)),
  );
}

function releaseBody(entry) {
  const archive = (format) =>
    h(
      'a',
      { class: 'button-quiet', href: `/api/v1/releases/${entry.number}/archive?format=${format}`, download: true },
      `Download .${format}`,
    );
  return [
    actions(
      !entry.current && action('rollback', entry.number, 'Roll back to it …', 'button'),
      entry.pinned ? action('unpin', entry.number, 'Unpin', 'button') : action('pin', entry.number, 'Pin', 'button'),
      archive('zip'),
      archive('tar.gz'),
    ),
    h('p', { class: 'muted' }, entry.from === null ? 'It was the first.' : `Laid over release ${entry.from}.`),
    h('div', { class: 'release-more', 'data-own': true }, reasonNote(entry), changeList(entry.files)),
  ];
}

const reasonNote = ({ reason }) => reason !== null && note('bad', h('bdi', null, firstUpper(reason)));

// What a release did: "2 added, 1 replaced, 4.2 kB".
function changesText({ files, bytes }) {
  const words = ['added', 'replaced', 'removed'].map((kind) => {
    const n = files.filter((file) => file.change === kind).length;
    return n > 0 && `${n} ${kind}`;
  });
  return join(', ', ...words, words.some(Boolean) && bytes > 0 && size(bytes)) || 'nothing changed';
}

// What was asked for of each release that was folded out, and in which state it
// was then.
const asked = new Map();

/** Asks for more of what is folded out, and again when a release has failed since. */
export function fillOpen(section, entries) {
  for (const entry of entries) {
    const open = section.querySelector(`details[open][data-release="${entry.number}"]`);
    if (open && asked.get(entry.number) !== entry.state) {
      asked.set(entry.number, entry.state);
      fill(open.querySelector('.release-more'), entry);
    }
  }
}

async function fill(place, entry) {
  try {
    const [diff, why] = await Promise.all([
      get('diff', { to: entry.number, patch: true }),
      entry.state === 'rolled back' ? get('why', { release: entry.number }) : null,
    ]);
    const evidence = why && why.evidence;
    patch(
      place,
      evidence ? h('div', { class: 'evidence' }, evidenceParts(entry.number, evidence)) : reasonNote(entry),
      fileDiffs(diff),
    );
  } catch (problem) {
    asked.delete(entry.number); // the next time it is folded out
    patch(place, note('notice', problem.message), reasonNote(entry), changeList(entry.files));
  }
}
