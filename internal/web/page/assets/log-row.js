// A line of the log as an element. Whatever it holds is text and nothing else.
import { luminance, parts, plain, readable } from './log-ansi.js';
import { noteCode, sources } from './log-ring.js';
import { ranges } from './log-search.js';

const words = [
  'ota, only for those who look for faults', 'ota', 'ota warns', 'ota, an error', 'the program', "the program's errors",
];
const kinds = ['debug', 'info', 'warning', 'error', 'main', 'main-error'];

/** An element with a class and a text. */
export function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Makes rows for a background, which decides what colours can be read. */
export class Rows {
  constructor(ring) {
    this.ring = ring;
    this.expression = null; // what is marked
    this.background = [255, 255, 255];
    this.current = -1; // the line that the search is at
  }

  /** Looks at what is behind the rows. */
  measure(element) {
    const found = /^rgba?\((\d+), (\d+), (\d+)/.exec(getComputedStyle(element).backgroundColor);
    if (found) this.background = found.slice(1).map(Number);
  }

  make(number) {
    const code = this.ring.code(number);
    const row = make('div', 'log-line');
    row.dataset.line = number;
    if (code === noteCode) {
      row.classList.add('log-restart');
      row.append(make('span', 'log-text', this.ring.text(number)));
      return row;
    }
    row.classList.add(code < 4 ? 'log-ota' : 'log-program', 'log-' + kinds[code]);
    if (number === this.current) row.classList.add('log-current');
    const time = make('time', 'log-time', this.ring.clock(number));
    time.title = this.ring.date(number);
    const source = make('span', 'log-source', sources[code]);
    source.title = words[code];
    const text = make('span', 'log-text');
    this.fill(text, this.ring.text(number));
    row.append(time, ' ', source, ' ', text);
    return row;
  }

  fill(element, text) {
    const marks = this.expression ? ranges(this.expression, plain(text)) : [];
    let at = 0;
    let mark = 0;
    for (const part of parts(text)) {
      const end = at + part.text.length;
      while (at < end) {
        while (mark < marks.length && marks[mark][1] <= at) mark++;
        const [from, to] = marks[mark] || [Infinity, Infinity];
        const until = Math.min(end, at < from ? from : to);
        const piece = part.text.slice(part.text.length - (end - at), part.text.length - (end - until));
        element.append(this.piece(piece, part, at >= from));
        at = until;
      }
    }
  }

  piece(text, { style, faint }, isMatch) {
    if (isMatch) return make('mark', '', text);
    if (!style && !faint) return document.createTextNode(text);
    const span = make('span', faint ? 'log-escape' : '', text);
    if (style) this.dress(span, style);
    return span;
  }

  dress(span, style) {
    for (const name of ['bold', 'dim', 'italic', 'underline', 'strike', 'inverse']) {
      if (style[name]) span.classList.add('log-' + name);
    }
    let [fg, bg] = [style.fg, style.bg];
    if (typeof fg === 'number') span.classList.add('log-f' + fg);
    if (typeof fg === 'number' && !style.inverse) span.classList.add('log-colour');
    if (typeof bg === 'number' && !style.inverse) span.classList.add('log-b' + bg);
    if (style.inverse) {
      // What is read on the page is read on it too, the other way round.
      if (Array.isArray(fg)) span.style.backgroundColor = css(readable(fg, this.background));
      return;
    }
    if (Array.isArray(bg)) {
      span.style.backgroundColor = css(bg);
      if (!Array.isArray(fg)) {
        // The theme's colours are for the theme's background.
        fg = luminance(bg) > 0.18 ? [0, 0, 0] : [255, 255, 255];
      }
      span.style.color = css(readable(fg, bg));
    } else if (Array.isArray(fg)) {
      span.style.color = css(readable(fg, this.background));
    }
  }
}

const css = ([red, green, blue]) => `rgb(${red}, ${green}, ${blue})`;
