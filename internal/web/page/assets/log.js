// The log as it is written: followed or held still, searched, filtered. It takes
// thousands of lines a second; what is not in sight costs nothing but its memory.
import { filesMenu } from './log-menu.js';
import { mountCopy } from './log-copy.js';
import { Ring, sources } from './log-ring.js';
import { make, Rows } from './log-row.js';
import { parseQuery, Selection } from './log-search.js';
import { View } from './log-view.js';

const lookTime = 6; // milliseconds of a frame for the search
const tellPause = 250; // between two looks at the numbers
const sayPause = 15000; // between two words to who listens to the page

const levels = [
  ['ota', [['debug', 0], ['info', 1], ['warning', 2], ['error', 3]]],
  ['program', [['output', 4], ['errors', 5]]],
];

const restartedText = 'ota was started again; lines in between may be missing: see the log files';
const droppedText = 'Older lines are in the log files.';
const connections = { lost: 'No connection: new lines will follow.', ended: 'The session has ended: no new lines come.' };

/** Makes an element the log, in place of what it holds. */
export function mount(element) {
  const log = new Log();
  element.replaceChildren(log.element);
  log.view.resize();
  return { lines: (list) => log.add(list), restarted: () => log.restarted(), connection: (state) => log.connection(state) };
}

class Log {
  constructor() {
    this.ring = new Ring();
    this.selection = new Selection(this.ring);
    this.rows = new Rows(this.ring);
    this.view = new View(this.selection, this.rows, () => this.told());
    this.unread = 0; // lines that came while it was held still
    this.unsaid = 0;
    this.frame = 0;
    this.timer = 0;
    this.sayTimer = 0;
    this.foundTimer = 0;
    this.saidAt = 0;
    this.element = make('div', 'log');
    this.element.append(this.tools(), this.notes(), this.frameOfView(), this.voice());
    mountCopy(this.view);
    this.watchTheme();
    this.setWrap(this.wantsWrap());
    this.told();
  }

  add(list) {
    for (const { time, source, text } of list) {
      const number = this.ring.push(time, source, text);
      this.view.dropped(this.selection.dropped());
      if (this.selection.added(number)) this.unread++;
      this.view.widen(text.length);
    }
    this.unsaid += list.length;
    this.soon();
  }

  restarted() {
    const number = this.ring.note(restartedText);
    this.view.dropped(this.selection.dropped());
    this.selection.added(number);
    this.soon();
  }

  connection(state) {
    this.lost.textContent = connections[state] || '';
    this.element.dataset.connection = state;
  }

  // soon draws in the next frame, once for all that has come until then.
  soon() {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw());
    if (this.timer === 0) this.timer = setTimeout(() => this.told(), tellPause);
  }

  draw() {
    this.frame = 0;
    const now = () => performance.now();
    if (!this.selection.look(now, now() + lookTime)) this.soon();
    this.view.draw();
    if (this.view.follows) this.unread = 0;
  }

  // told brings the numbers and words up to date.
  told() {
    clearTimeout(this.timer);
    this.timer = 0;
    for (const { count, code } of this.chips) setText(count, number(this.ring.counts[code]));
    const { follows } = this.view;
    if (follows) this.unread = 0;
    setText(this.follow, follows ? 'Pause' : 'Follow');
    this.follow.title = follows ? 'Hold the log still' : 'Go to the newest lines and stay there (End)';
    this.more.hidden = follows || this.unread === 0;
    setText(this.more, `↓ ${number(this.unread)} new ${this.unread === 1 ? 'line' : 'lines'}`);
    this.drops.hidden = this.ring.first === 0;
    const isEmpty = this.selection.shown.length === 0;
    setText(this.empty, this.ring.end === 0 ? 'There is no line yet.' : isEmpty ? 'No line of those that are chosen.' : '');
    this.tellFound();
    this.say();
  }

  tellFound() {
    const { expression, found } = this.selection;
    this.previous.disabled = this.next.disabled = found.length === 0;
    if (!expression) return setText(this.result, this.wrong ? `This is no regular expression: ${this.wrong}` : '');
    const place = found.below(this.rows.current);
    const isAt = place < found.length && found.at(place) === this.rows.current;
    const count = found.length === 1 ? '1 line' : `${number(found.length)} lines`;
    const isThrough = this.selection.looked >= this.ring.end;
    setText(this.result, found.length === 0 ? (isThrough ? 'no line' : 'looking …') : isAt ? `${number(place + 1)} of ${count}` : count);
  }

  // say tells who can't see how much has come, now and then.
  say() {
    const now = Date.now();
    if (this.unsaid === 0) return;
    if (now - this.saidAt < sayPause) {
      clearTimeout(this.sayTimer);
      this.sayTimer = setTimeout(() => this.say(), sayPause - (now - this.saidAt));
      return;
    }
    this.spoken.textContent = `${number(this.unsaid)} new ${this.unsaid === 1 ? 'line' : 'lines'} in the log`;
    this.saidAt = now;
    this.unsaid = 0;
  }

  tools() {
    const bar = make('div', 'log-tools');
    this.follow = button('Pause', () => (this.view.follows ? this.view.pause() : this.view.follow()), 'button log-follow');
    this.wrapping = button('Wrap', () => this.chooseWrap(!this.view.wraps), 'button-quiet log-switch');
    this.wrapping.title = 'Long lines go on in the next row';
    bar.append(this.searchBox(), this.follow, this.wrapping, filesMenu(), this.levelChips());
    return bar;
  }

  searchBox() {
    const form = make('form', 'log-search');
    form.setAttribute('role', 'search');
    this.input = make('input', 'log-input');
    Object.assign(this.input, { type: 'search', placeholder: 'Search text or /regex/', autocomplete: 'off', spellcheck: false });
    this.input.setAttribute('aria-label', 'Search the log; text or /regex/');
    this.input.setAttribute('aria-describedby', 'log-result');
    this.input.setAttribute('enterkeyhint', 'search');
    this.previous = button('↑', () => this.go(false), 'button-quiet button-icon');
    this.previous.setAttribute('aria-label', 'Previous line that matches');
    this.next = button('↓', () => this.go(true), 'button-quiet button-icon');
    this.next.setAttribute('aria-label', 'Next line that matches');
    this.result = make('span', 'log-result');
    this.result.id = 'log-result';
    this.input.addEventListener('input', () => this.search());
    form.addEventListener('submit', (event) => event.preventDefault());
    this.input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.isComposing) return;
      event.preventDefault();
      this.go(!event.shiftKey);
    });
    form.append(this.input, this.previous, this.next, this.result);
    return form;
  }

  levelChips() {
    this.chips = [];
    const groups = make('div', 'log-levels');
    for (const [who, list] of levels) {
      const group = make('div', 'log-group');
      group.setAttribute('role', 'group');
      group.setAttribute('aria-label', `Lines of ${who === 'ota' ? 'ota' : 'the program'} that are shown`);
      group.append(make('span', 'log-who', who));
      for (const [word, code] of list) {
        const chip = button(word + ' ', () => this.toggle(chip, code), 'log-chip');
        const count = make('span', 'log-count', '0');
        chip.dataset.kind = word;
        chip.title = `Lines marked ${sources[code]}`;
        chip.setAttribute('aria-pressed', 'true');
        chip.append(count);
        group.append(chip);
        this.chips.push({ count, code });
      }
      groups.append(group);
    }
    return groups;
  }

  notes() {
    const notes = make('div', 'log-notes');
    this.drops = make('p', 'log-faint', droppedText);
    this.lost = make('p', 'log-lost');
    this.lost.setAttribute('role', 'status');
    notes.append(this.drops, this.lost);
    return notes;
  }

  frameOfView() {
    const frame = make('div', 'log-frame');
    const { box } = this.view;
    box.tabIndex = 0;
    box.setAttribute('role', 'log');
    box.setAttribute('aria-label', 'The log');
    // Thousands of lines a second are nothing to be read out.
    box.setAttribute('aria-live', 'off');
    this.empty = make('p', 'log-empty');
    this.more = button('', () => {
      this.view.follow();
      box.focus();
    }, 'button log-more');
    frame.append(box, this.empty, this.more);
    return frame;
  }

  voice() {
    this.spoken = make('p', 'log-spoken');
    this.spoken.setAttribute('role', 'status');
    return this.spoken;
  }

  search() {
    const { expression, wrong } = parseQuery(this.input.value);
    this.wrong = wrong;
    this.input.setAttribute('aria-invalid', String(Boolean(wrong)));
    this.rows.expression = expression;
    this.rows.current = -1;
    this.selection.lookFor(expression);
    this.view.redraw();
    this.draw();
    this.told();
    this.sayFound();
  }

  // sayFound waits until nobody types any more.
  sayFound() {
    clearTimeout(this.foundTimer);
    this.foundTimer = setTimeout(() => (this.spoken.textContent = this.result.textContent), 700);
  }

  // go goes to the line that matches after where the search is, or else after
  // what is in sight.
  go(forward) {
    this.selection.look(() => 0, 1);
    const isNew = this.rows.current < this.ring.first;
    const from = isNew ? this.view.numberAtTop() - (forward ? 1 : 0) : this.rows.current;
    const number = this.selection.next(from, forward);
    if (number < 0) return;
    this.rows.current = number;
    this.view.show(number);
    this.view.redraw();
    const mark = this.view.box.querySelector('.log-current mark');
    if (mark && !this.view.wraps) mark.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    this.told();
    this.sayFound();
  }

  toggle(chip, code) {
    const isShown = chip.getAttribute('aria-pressed') !== 'true';
    chip.setAttribute('aria-pressed', String(isShown));
    const anchor = this.view.numberAtTop();
    this.selection.setLevel(code, isShown);
    if (this.view.follows) this.view.redraw();
    else this.view.show(anchor, 0);
    this.soon();
    this.told();
  }

  // Where there is little room a line that goes on to the right is not read.
  wantsWrap() {
    try {
      const chosen = localStorage.getItem('ota-log-wrap');
      if (chosen) return chosen === 'yes';
    } catch {
      // Storage may be forbidden.
    }
    return window.matchMedia('(max-width: 40rem)').matches;
  }

  chooseWrap(wraps) {
    try {
      localStorage.setItem('ota-log-wrap', wraps ? 'yes' : 'no');
    } catch {
      // Then it is for this time.
    }
    this.setWrap(wraps);
  }

  setWrap(wraps) {
    this.wrapping.setAttribute('aria-pressed', String(wraps));
    this.view.wrap(wraps);
  }

  // watchTheme makes the rows anew where other colours can be read.
  watchTheme() {
    const again = () => {
      this.rows.measure(this.view.box);
      this.view.redraw();
    };
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
    new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  }
}

function button(text, act, looks) {
  const made = make('button', looks, text);
  made.type = 'button';
  made.addEventListener('click', act);
  return made;
}

// setText leaves alone what is the same: who listens to the page would hear it
// again.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
