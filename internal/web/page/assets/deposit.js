// What is in deposit/: its state, what is wrong with it, what is on its way. The
// server writes the same in deposit.go.
import { h } from './dom.js';
import { adviceOnDeposit, wordsOfDeposit, wordsOfProgress } from './words.js';
import { action, actions, head, note, stateLine } from './parts.js';
import { evidenceParts, isFailedBefore, reasonList } from './evidence.js';

/** The section without the files and the place for uploads. */
export function depositBody(deposit, why) {
  const isHeld = deposit.state === 'held';
  const hasEvidence = isHeld && why && why.release !== null && why.evidence !== null;
  const advice = adviceOnDeposit(deposit);
  return [
    head('deposit', 'Deposit', actions(depositActions(deposit))),
    stateLine(wordsOfDeposit(deposit)),
    deposit.doing !== null && note('notice', deposit.doing),
    deposit.arriving !== null && arriving(deposit.arriving, deposit.state !== 'empty'),
    advice && h('p', { class: 'muted' }, advice),
    reasonList(hasEvidence ? deposit.reasons.filter((one) => !isFailedBefore(one)) : deposit.reasons, isHeld ? 'bad' : 'notice'),
    hasEvidence &&
      h('div', { class: 'evidence' }, evidenceParts(why.release, why.evidence)),
  ];
}

// What failed its trial can only be tried again; what is held by a check somebody
// may know better than the check.
function depositActions({ state, reasons }) {
  const discard = action('discard', '', 'Discard …', 'button');
  switch (state) {
    case 'receiving':
      return [action('apply', '', 'Apply now', 'button button-main'), discard];
    case 'deferred':
      return [action('apply-now', '', 'Apply now', 'button button-main'), discard];
    case 'held':
      return [
        action('retry', '', 'Try again', 'button button-main'),
        !reasons.some(isFailedBefore) && action('insist', '', 'Apply now …', 'button'),
        discard,
      ];
    default:
      return null;
  }
}

// An upload that comes through the page or the API, in words where the state of
// deposit/ does not tell.
function arriving(progress, inWords) {
  const { bytes, received } = progress;
  return h(
    'div',
    { class: 'arriving' },
    inWords && h('p', null, h('strong', null, 'Uploading'), ' ', h('span', { class: 'rest' }, wordsOfProgress(progress))),
    h('progress', { 'aria-label': 'Upload', max: Math.max(bytes, 1), value: received }),
  );
}
