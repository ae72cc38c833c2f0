// What is in deposit/: its state, what is wrong with it, what is on its way. The
// server writes the same in deposit.go.
import { h } from './dom.js';
import { adviceOnDeposit, count, size, wordsOfDeposit } from './words.js';
import { action, actions, head, note, stateLine } from './parts.js';
import { evidenceParts, reasonList } from './evidence.js';

/** The section without the files and the place for uploads. */
export function depositBody(deposit, why) {
  const isHeld = deposit.state === 'held';
  const advice = adviceOnDeposit(deposit);
  return [
    head('deposit', 'Deposit', actions(depositActions(deposit.state))),
    stateLine(wordsOfDeposit(deposit)),
    deposit.doing !== null && note('notice', deposit.doing),
    deposit.arriving !== null && arriving(deposit.arriving),
    advice && h('p', { class: 'muted' }, advice),
    reasonList(deposit.reasons, isHeld ? 'bad' : 'notice'),
    isHeld && why && why.release !== null && why.evidence !== null &&
      h('div', { class: 'evidence' }, evidenceParts(why.release, why.evidence)),
  ];
}

function depositActions(state) {
  const discard = action('discard', '', 'Discard …', 'button');
  switch (state) {
    case 'receiving':
      return [action('apply', '', 'Apply now', 'button button-main'), discard];
    case 'deferred':
      return [action('apply-now', '', 'Apply now', 'button button-main'), discard];
    case 'held':
      return [action('retry', '', 'Try again', 'button button-main'), discard];
    default:
      return null;
  }
}

// An upload that comes through the page or the API.
function arriving({ files, done, bytes, received }) {
  let words = size(received);
  if (bytes > 0) words = `${Math.floor((100 * received) / bytes)} %, ${words} of ${size(bytes)}`;
  return h(
    'div',
    { class: 'arriving' },
    h(
      'p',
      null,
      h('strong', null, 'Uploading'),
      ' ',
      h('span', { class: 'rest' }, `${words}, ${done} of ${count(files, 'file', 'files')}`),
    ),
    h('progress', { 'aria-label': 'Upload', max: Math.max(bytes, 1), value: received }),
  );
}
