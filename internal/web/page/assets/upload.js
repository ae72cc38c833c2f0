// The place for uploads: choose or drop files and folders, see them arrive, go on
// with what was interrupted.
import { h, nameOf, patch } from './dom.js';
import { icon } from './parts.js';
import { commonFolder, fromInput, fromTransfer, isLeftOut, isProgram, leftOutNames } from './gather.js';
import { Cancelled, Sending, removeDrop, unfinished } from './sending.js';

const fewFiles = 8; // more are summed up by folder
const mostRows = 40;
const showEvery = 200; // ms
const sayEvery = 5000; // ms, to a screen reader
const rateOver = 6000; // ms

/** Fills an element with the place for uploads. */
export function mount(element, { onError, onDone }) {
  const view = new View(element, onError, onDone);
  view.show();
  view.look();
}

class View {
  constructor(element, onError, onDone) {
    Object.assign(this, { element, onError, onDone });
    this.chosen = null; // what was found and is not sent yet
    this.sending = null;
    this.offers = []; // drops that another page has begun
    this.failed = null; // the problem that stopped the sending
    this.rates = [];
    this.timer = 0;
    this.said = 0;
    this.build();
    this.listen();
  }

  build() {
    this.files = h('input', { type: 'file', multiple: true, class: 'hidden', tabindex: '-1', 'aria-hidden': 'true' });
    this.folder = h('input', { type: 'file', webkitdirectory: true, class: 'hidden', tabindex: '-1', 'aria-hidden': 'true' });
    const chooseFolder = h('button', { type: 'button', class: 'button', 'data-choose': 'folder' }, 'Choose a folder');
    this.zone = h(
      'div',
      { class: 'upload-zone' },
      h('p', { class: 'upload-what' }, icon('upload'), ' ', 'Drop files or a folder here'),
      h(
        'p',
        { class: 'upload-choose' },
        h('button', { type: 'button', class: 'button', 'data-choose': 'files' }, 'Choose files'),
        'webkitdirectory' in this.folder && chooseFolder,
      ),
      this.files,
      this.folder,
    );
    this.body = h('div', { class: 'upload-body' });
    this.live = h('p', { class: 'hidden', 'aria-live': 'polite' });
    this.overlay = h('div', { class: 'upload-overlay', hidden: true }, h('p', null, 'Drop to upload'));
    this.element.replaceChildren(this.zone, this.body, this.live);
    document.body.append(this.overlay);
  }

  listen() {
    this.zone.addEventListener('click', (event) => {
      const button = event.target.closest('[data-choose]');
      if (button) (button.dataset.choose === 'folder' ? this.folder : this.files).click();
    });
    for (const input of [this.files, this.folder]) {
      input.addEventListener('change', () => {
        const found = fromInput(input);
        input.value = ''; // the same may be chosen again
        this.take(found);
      });
    }
    this.body.addEventListener('click', (event) => {
      const button = event.target.closest('button[data-do]');
      if (button) this[button.dataset.do](button.dataset.of);
    });
    this.body.addEventListener('change', (event) => {
      if (event.target.dataset.option) this.choose(event.target.dataset.option, event.target.checked);
    });
    this.listenToWindow();
  }

  // Everything that is dragged over the window may be dropped anywhere in it.
  listenToWindow() {
    let depth = 0; // of elements that were entered and not left
    const hasFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
    const over = (shown) => {
      if (!shown) depth = 0;
      this.overlay.hidden = !shown || this.isBusy();
    };
    window.addEventListener('dragenter', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth++;
      over(true);
    });
    window.addEventListener('dragover', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = this.isBusy() ? 'none' : 'copy';
    });
    window.addEventListener('dragleave', (event) => {
      if (hasFiles(event) && --depth <= 0) over(false);
    });
    window.addEventListener('drop', async (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      over(false);
      if (!this.isBusy()) this.take(await fromTransfer(event.dataTransfer));
    });
    window.addEventListener('beforeunload', (event) => {
      if (!this.isBusy() || this.failed) return;
      event.preventDefault();
      event.returnValue = ''; // what browsers before 2023 ask for
    });
  }

  isBusy() {
    return this.sending !== null;
  }

  /** Asks for what another page has begun. */
  async look() {
    try {
      this.offers = await unfinished();
    } catch {
      this.offers = []; // it may not be looked at, or nobody answers: an upload will tell
    }
    this.show();
  }

  // take looks through what was chosen. Where there is nothing to decide it is
  // sent at once.
  take(found) {
    if (this.isBusy()) return;
    const paths = found.files.map((one) => one.path);
    const folder = commonFolder(paths);
    const leftOut = paths.filter(isLeftOut).length;
    this.chosen = { ...found, folder, leftOut, strip: folder !== '' && isProgram(folder, paths), all: false, drop: null };
    this.continueIfKnown();
    if (!folder && !leftOut && !found.unreadable.length && found.files.length) this.start();
    else this.decide();
  }

  // decide shows what there is to decide, wherever the page was scrolled to, and
  // leads there who has no mouse.
  decide() {
    this.show();
    this.body.querySelector('.upload-review [data-do]').focus();
  }

  // continueIfKnown goes on with a drop if these are its files, whichever way
  // they were chosen then.
  continueIfKnown() {
    const { chosen } = this;
    for (const drop of this.offers) {
      for (const strip of chosen.folder ? [false, true] : [false]) {
        for (const all of chosen.leftOut ? [false, true] : [false]) {
          const files = outcome({ ...chosen, strip, all });
          if (isSame(files, drop)) {
            this.chosen = { ...chosen, strip, all, drop };
            return;
          }
        }
      }
    }
  }

  choose(option, value) {
    this.chosen[option] = value;
    this.chosen.drop = null;
    this.show();
  }

  forget() {
    this.chosen = null;
    this.show();
  }

  start() {
    const files = outcome(this.chosen);
    const { drop } = this.chosen;
    this.chosen = null;
    this.rates = [];
    this.offers = this.offers.filter((one) => one !== drop);
    this.sending = new Sending(files, drop, () => this.showSoon());
    this.go();
    // The button that had the focus is gone.
    if (document.activeElement === document.body) this.body.querySelector('button').focus();
  }

  async go() {
    const { sending } = this;
    this.failed = null;
    this.show();
    try {
      await sending.run();
      this.say(`The upload is complete: ${count(sending.files.length, 'file')}.`);
      this.sending = null;
      this.show();
      this.onDone({ files: sending.files.length });
    } catch (problem) {
      if (problem instanceof Cancelled || sending.state === 'cancelled') return;
      this.failed = problem;
      this.show();
      this.onError(problem);
    }
  }

  again() {
    this.go();
  }

  async cancel() {
    const { sending } = this;
    this.sending = null;
    this.failed = null;
    this.show();
    this.zone.querySelector('button').focus();
    try {
      await sending.cancel();
      this.say('The upload is cancelled.');
    } catch (problem) {
      this.onError(problem);
    }
    this.look();
  }

  async remove(id) {
    try {
      await removeDrop(id);
    } catch (problem) {
      this.onError(problem);
    }
    this.look();
  }

  showSoon() {
    if (!this.timer) this.timer = setTimeout(() => this.show(), showEvery);
  }

  show() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.zone.hidden = this.isBusy();
    // What this page sends itself is not shown a second time.
    document.body.toggleAttribute('data-sends', this.isBusy());
    patch(
      this.body,
      this.sending ? this.running() : null,
      this.chosen && !this.sending ? review(this.chosen) : null,
      this.sending ? null : this.offers.map(offer),
    );
  }

  running() {
    const { sending } = this;
    const line = this.failed ? this.failed.message : this.progressLine();
    if (!this.failed && Date.now() - this.said > sayEvery) this.say(line);
    return h(
      'div',
      { class: 'upload-running', 'data-key': 'running' },
      h('progress', { class: 'upload-total', max: Math.max(1, sending.bytes), value: sending.bytes ? sending.sent : 1, 'aria-label': 'Upload' }),
      h('p', { class: this.failed ? 'problem' : 'number' }, line, this.failed && this.failed.hint && ` (${this.failed.hint})`),
      h(
        'p',
        { class: 'upload-choose' },
        this.failed && h('button', { type: 'button', class: 'button button-main', 'data-do': 'again', 'data-key': 'again' }, 'Try again'),
        h('button', { type: 'button', class: 'button', 'data-do': 'cancel', 'data-key': 'cancel' }, 'Cancel'),
      ),
      h('ul', { class: 'upload-files' }, rows(sending.files)),
    );
  }

  progressLine() {
    const { sending } = this;
    if (sending.state === 'completing') return 'Everything is there. It is put into the deposit.';
    const parts = [`${bytes(sending.sent)} of ${bytes(sending.bytes)}`];
    const done = sending.files.filter((one) => one.done).length;
    if (sending.files.length > 1) parts.push(`${done} of ${sending.files.length} files`);
    if (sending.waits) parts.push(`${sending.waits}: it goes on by itself`);
    else if (this.rate()) parts.push(`${bytes(this.rate())}/s`);
    return parts.join(', ');
  }

  rate() {
    const now = Date.now();
    this.rates.push({ at: now, sent: this.sending.sent });
    while (this.rates.length > 2 && now - this.rates[0].at > rateOver) this.rates.shift();
    const [first] = this.rates;
    return now - first.at < 500 ? 0 : Math.max(0, ((this.sending.sent - first.sent) * 1000) / (now - first.at));
  }

  say(text) {
    this.said = Date.now();
    this.live.textContent = text;
  }
}

// outcome is what is sent of what was chosen, as it was decided.
function outcome({ files, folder, strip, all }) {
  const cut = strip ? folder.length + 1 : 0;
  return files.filter((one) => all || !isLeftOut(one.path)).map(({ path, file }) => ({ path: path.slice(cut), file }));
}

function isSame(files, drop) {
  const sizes = new Map(files.map(({ path, file }) => [path, file.size]));
  const sum = files.reduce((all, { file }) => all + file.size, 0);
  return files.length === drop.expected && sum === drop.bytes && drop.files.every((one) => sizes.get(one.path) === one.size);
}

// review is what is to be decided before anything is sent.
function review(chosen) {
  const files = outcome(chosen);
  const sum = files.reduce((all, { file }) => all + file.size, 0);
  return h(
    'div',
    { class: 'upload-review', 'data-key': 'review' },
    h('p', null, h('strong', null, `${count(files.length, 'file')}, ${bytes(sum)}`), chosen.drop && ', of which a part is there already'),
    unreadable(chosen),
    chosen.folder && option('strip', chosen.strip, ['Without the folder ', nameOf(chosen.folder), ': only what is in it']),
    chosen.leftOut > 0 &&
      option('all', chosen.all, `Also what is left out otherwise: ${count(chosen.leftOut, 'file')} in ${leftOutNames.join(', ')}`),
    chosen.empty > 0 && h('p', { class: 'muted small' }, `${count(chosen.empty, 'empty folder')} can't be uploaded.`),
    h(
      'p',
      { class: 'upload-choose' },
      files.length > 0 &&
        h('button', { type: 'button', class: 'button button-main', 'data-do': 'start', 'data-key': 'start' }, chosen.drop ? 'Continue' : 'Upload'),
      h('button', { type: 'button', class: 'button', 'data-do': 'forget', 'data-key': 'forget' }, 'Cancel'),
    ),
  );
}

function unreadable({ unreadable: list }) {
  if (!list.length) return null;
  return h(
    'div',
    { class: 'problem' },
    h('p', null, `${count(list.length, 'file')} can't be read and would be missing:`),
    h('ul', null, list.slice(0, mostRows).map(({ path, why }) => h('li', null, nameOf(path), `: ${why}`))),
    list.length > mostRows && h('p', null, `and ${list.length - mostRows} more`),
  );
}

function option(name, checked, label) {
  const input = h('input', { type: 'checkbox', 'data-option': name, checked });
  return h('p', { 'data-key': name }, h('label', { class: 'upload-option' }, input, ' ', h('span', null, label)));
}

// offer is an upload that was interrupted.
function offer(drop) {
  const whole = drop.expected ? ` of ${count(drop.expected, 'file')}` : '';
  return h(
    'div',
    { class: 'upload-offer note', 'data-tone': 'notice', 'data-key': drop.id },
    h('p', null, `An upload${whole} is not finished: ${bytes(drop.received)}${drop.bytes ? ` of ${bytes(drop.bytes)}` : ''} have come. To go on with it, choose or drop the same files again.`),
    h('p', { class: 'upload-choose' }, h('button', { type: 'button', class: 'button', 'data-do': 'remove', 'data-of': drop.id }, 'Cancel this upload')),
  );
}

// rows are the files, or their folders if there are many.
function rows(files) {
  const groups = new Map();
  for (const one of files) {
    const cut = one.path.indexOf('/');
    const name = files.length <= fewFiles ? one.path : cut < 0 ? '' : one.path.slice(0, cut + 1);
    const group = groups.get(name) || { name, files: 0, done: 0, bytes: 0, sent: 0 };
    group.files++;
    group.done += one.done ? 1 : 0;
    group.bytes += one.size;
    group.sent += one.sent;
    groups.set(name, group);
  }
  const all = [...groups.values()];
  return [
    ...all.slice(0, mostRows).map((group) => row(group, files.length > fewFiles)),
    all.length > mostRows && h('li', { class: 'muted', 'data-key': 'more' }, `and ${all.length - mostRows} more`),
  ];
}

function row(group, isFolder) {
  const isDone = group.done === group.files;
  const state = isFolder ? `${group.done} of ${count(group.files, 'file')}` : isDone ? 'there' : bytes(group.bytes);
  const part = group.bytes ? group.sent / group.bytes : isDone ? 1 : 0;
  return h(
    'li',
    { 'data-key': `row ${group.name}`, class: isDone && 'upload-there' },
    group.name ? nameOf(group.name) : h('span', null, 'Files at the top'),
    h('span', { class: 'muted number' }, state),
    h('progress', { max: 1, value: part.toFixed(3), 'aria-hidden': 'true' }),
  );
}

const count = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;

function bytes(n) {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; n >= 1000 && unit < units.length - 1; unit++) n /= 1000;
  return `${unit && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}
