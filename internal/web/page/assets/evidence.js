// Why an upload is held and what was seen of a release when it failed. The
// server writes the same in reasons.go and evidence.go.
import { h } from './dom.js';
import { count, exitText, firstUpper, withoutColours } from './words.js';
import { badge, changeList, excerpt, moment, place } from './parts.js';

/** What holds an upload, or what it waits for. */
export function reasonList(reasons, tone) {
  if (reasons.length === 0) return null;
  return h('ul', { class: 'reasons' }, reasons.map((reason) => h('li', { class: 'reason', 'data-tone': tone }, reasonParts(reason))));
}

/**
 * Whether a reason is that the files came back from a release that failed. The
 * evidence tells it better, and the buttons are what it advises.
 */
export const isFailedBefore = ({ path, message }) => path === null && message.startsWith('this failed its trial as release ');

function reasonParts({ path, line, column, source, message, hint }) {
  return [
    path !== null && place(path, line),
    h('p', { class: 'message' }, h('bdi', null, message)),
    source !== null && excerpt(source, line, column),
    hint !== null && h('p', { class: 'hint' }, h('bdi', null, hint)),
  ];
}

const outputShown = 20;

/** What was seen of a release when it failed. */
export function evidenceParts(release, evidence) {
  const { back_to: backTo, traceback, files } = evidence;
  const before = backTo === null ? 'the release before' : `release ${backTo}`;
  const output = evidence.output.slice(-outputShown);
  return [
    h('h3', null, backTo === null ? `Release ${release} failed its trial` : `Release ${release} was rolled back to ${before}`),
    h('p', { class: 'message' }, firstUpper(evidence.why) + exitWords(evidence) + ', ', moment(evidence.at), '.'),
    traceback &&
      h(
        'div',
        { class: 'reason', 'data-tone': 'bad' },
        place(traceback.file, traceback.line, traceback.function),
        traceback.source !== null && excerpt(traceback.source, traceback.line),
        h('p', { class: 'raised' }, h('bdi', null, traceback.error)),
      ),
    evidence.probes.map((probe) => probePart(probe, before)),
    output.length > 0 &&
      h(
        'details',
        { class: 'fold', 'data-key': 'output' },
        h('summary', null, `The last ${count(output.length, 'line', 'lines')} of its output`),
        h('p', { class: 'output' }, output.map((line) => h('span', null, withoutColours(line) + ' '))),
      ),
    files.length > 0 &&
      h(
        'details',
        { class: 'fold', 'data-key': 'files' },
        h('summary', null, `What differs from ${before}: ${count(files.length, 'file', 'files')}`),
        changeList(files),
      ),
  ];
}

// How the program ended, where the sentence before does not say it.
function exitWords({ why, exit }) {
  const words = exit ? exitText(exit) : '';
  return words && !why.includes(words) ? ` (${words})` : '';
}

function probePart({ probe, answer, detail, before }, releaseBefore) {
  const tone = { OK: 'good', BAD: 'bad' }[answer] || 'notice';
  const rest = (detail ? ` ${detail}` : '') + (before ? `; ${releaseBefore} said ${before}` : '');
  return h('p', { class: 'probe' }, badge(tone, answer), ' ', h('bdi', { class: 'path' }, probe), rest);
}
