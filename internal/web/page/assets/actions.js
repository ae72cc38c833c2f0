// What the buttons do.
import { h, nameOf } from './dom.js';
import { count } from './words.js';
import { isBusy, setBusy } from './parts.js';
import { get, post } from './api.js';
import { confirm } from './dialog.js';
import { complain, tell } from './toast.js';

// Each says why it can fail, may ask first, and returns what to say when it is
// done; '' if the one who was asked said no.
const actions = {
  start: { failed: "The program can't be started", run: () => post('start').then(() => 'The program runs.') },
  restart: { failed: "The program can't be restarted", run: () => post('restart').then(() => 'The program was restarted.') },
  stop: {
    failed: "The program can't be stopped",
    ask: () => ({
      title: 'Stop the program?',
      body: h('p', null, 'It stays stopped, with all that it started, until somebody starts it. Uploads are still taken.'),
      yes: 'Stop it',
      tone: 'bad',
    }),
    run: () => post('stop').then(() => 'The program is stopped.'),
  },
  apply: { failed: "The upload can't be used now", run: () => post('apply').then(becameOf) },
  'apply-now': { failed: "The upload can't be used now", run: () => post('apply', { now: true }).then(becameOf) },
  insist: {
    failed: "The upload can't be used",
    ask: () => ({
      title: 'Apply it as it is?',
      body: h('p', null, 'Only whether it compiles is still checked: not what seems to be cut off or missing. It is on trial as any release; if it fails, the release before is back.'),
      yes: 'Apply it',
    }),
    run: () => post('apply').then(becameOf),
  },
  retry: { failed: "It can't be tried again now", run: () => post('retry').then(becameOf) },
  discard: {
    failed: "The upload can't be discarded",
    ask: ({ status }) => ({
      title: 'Discard this upload?',
      body: h('p', null, `${count(status.deposit.files, 'file is', 'files are')} moved out of deposit/ into a folder below .ota/discarded/. Nothing is deleted, and the program stays as it is.`),
      yes: 'Discard it',
      tone: 'bad',
    }),
    run: () => post('discard').then(({ files, folder }) =>
      files > 0 ? `${count(files, 'file is', 'files are')} in ${folder} now.` : 'There was nothing in deposit/.'),
  },
  rollback: {
    failed: "It can't be gone back to that release",
    ask: askRollback,
    run: (number) => post('rollback', { release: number }).then(({ release, state }) =>
      state === 'trial' ? `Release ${release} is in main/ again, and on trial.` : `Release ${release} is in main/ again.`),
  },
  pin: { failed: "The release can't be pinned", run: (n) => post('pin', { release: n }).then(() => `Release ${n} is kept for good.`) },
  unpin: { failed: "The release can't be unpinned", run: (n) => post('unpin', { release: n }).then(() => `Release ${n} is dropped in time.`) },
};

function becameOf({ outcome, release }) {
  switch (outcome) {
    case 'applied':
      return `It is release ${release} now.`;
    case 'nothing changed':
      return 'It was the same as what is in main/: nothing changed.';
    case 'held':
      return 'It is held: the reasons are shown.';
    case 'deferred':
      return 'It is good, and waits for its time.';
    case 'busy':
      return 'Another upload is being switched in: try again when that is done.';
    default:
      return 'There was nothing in deposit/.';
  }
}

const filesNamed = 8;

// Says what a rollback will change before it is asked for.
async function askRollback({ status }, number) {
  const from = status.release ? status.release.number : undefined;
  const { files } = await get('diff', { from, to: number });
  return {
    title: `Roll back to release ${number}?`,
    body: [
      h('p', null, `The program is stopped, ${count(files.length, 'file changes', 'files change')}, and it is started again with release ${number}, on trial.`),
      h(
        'ul',
        { class: 'changes' },
        files.slice(0, filesNamed).map(({ path, change }) =>
          h('li', null, h('span', { class: 'change', 'data-change': change }, change), ' ', nameOf(path))),
        files.length > filesNamed && h('li', { class: 'muted' }, `and ${files.length - filesNamed} more`),
      ),
      h('p', { class: 'muted' }, `What the program itself has written stays. Release ${from} is kept: you can go back to it in the same way.`),
    ],
    yes: 'Roll back',
  };
}

/** Does what a button says; `state` is what is known, `changed` is called when a button has to be drawn anew. */
export async function act(name, what, state, changed) {
  const action = actions[name];
  if (!action || isBusy(name, what)) return;
  setBusy(name, what, true);
  changed();
  try {
    if (action.ask && !(await confirm(await action.ask(state, what)))) return;
    tell(await action.run(what));
  } catch (problem) {
    complain(action.failed, problem);
  } finally {
    setBusy(name, what, false);
    changed();
  }
}
