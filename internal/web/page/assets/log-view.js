// What is seen of the log: only the rows in sight are there. Without wrapping all
// rows are equally high, and the whole length can be scrolled through; with
// wrapping a part of the lines is there, which grows where somebody scrolls to.
import { make } from './log-row.js';

const around = 12; // rows beyond what is seen
const partLines = 120; // of a part when wrapping
const mostLines = 480;

export class View {
  /** `changed` is called when it is followed or not any more. */
  constructor(selection, rows, changed) {
    this.selection = selection;
    this.rows = rows;
    this.changed = changed;
    this.box = make('div', 'log-view');
    this.space = make('div', 'log-space');
    this.box.append(this.space);
    this.there = new Map(); // rows by number, in the order of the page
    this.wraps = false;
    this.follows = true;
    this.height = 18; // of a row
    this.seen = 0; // height of the box
    this.top = 0; // where we scrolled to last
    this.from = 0; // number of the first line of the part, when wrapping
    this.behind = 0; // the first line after the part
    this.widest = 0;
    this.gone = 0; // lines dropped since the last look
    this.listen();
  }

  listen() {
    this.box.addEventListener('scroll', () => this.scrolled(), { passive: true });
    this.box.addEventListener('wheel', (event) => event.deltaY < 0 && this.leave(), { passive: true });
    this.box.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'End') {
        event.preventDefault();
        this.follow();
      } else if (event.key === 'Home') {
        event.preventDefault();
        this.toBegin();
      } else if (event.key === 'ArrowUp' || event.key === 'PageUp') {
        this.leave();
      }
    });
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  resize() {
    const probe = make('div', 'log-line', 'X');
    this.space.append(probe);
    this.height = probe.getBoundingClientRect().height || 18;
    probe.remove();
    this.seen = this.box.clientHeight;
    this.rows.measure(this.box);
    this.draw();
  }

  /** Makes all rows anew: something about all of them has changed. */
  redraw() {
    for (const row of this.there.values()) row.remove();
    this.there.clear();
    this.draw();
  }

  wrap(wraps) {
    const anchor = this.numberAtTop();
    this.wraps = wraps;
    this.box.classList.toggle('log-wraps', wraps);
    this.space.style.height = '';
    this.from = this.behind = 0;
    this.redraw();
    if (!this.follows) this.show(anchor, 0);
  }

  numberAtTop() {
    const { shown } = this.selection;
    if (this.wraps) {
      for (const [number, row] of this.there) if (row.offsetTop + row.offsetHeight > this.box.scrollTop) return number;
      return this.selection.ring.first;
    }
    return shown.length ? shown.at(Math.min(shown.length - 1, Math.floor(this.box.scrollTop / this.height))) : 0;
  }

  follow() {
    const was = this.follows;
    this.follows = true;
    this.draw();
    if (!was) this.changed();
  }

  /** Stays where it is, whatever comes. */
  pause() {
    if (!this.follows) return;
    this.follows = false;
    this.changed();
  }

  // leave pauses where there is something above.
  leave() {
    if (this.box.scrollTop > 0) this.pause();
  }

  scrolled() {
    // A window that became larger scrolls it up to what is its end then, whatever
    // has come that is not drawn yet; and how high it is is told after this.
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < this.height / 2;
    if (this.follows && !isAtEnd && scrollTop < this.top - 1) this.pause();
    else if (!this.follows && isAtEnd && this.endsHere() && scrollTop > this.top) this.follow();
    this.top = scrollTop;
    if (!this.follows) this.draw();
  }

  endsHere() {
    const { shown } = this.selection;
    return !this.wraps || shown.length === 0 || this.behind > shown.at(shown.length - 1);
  }

  toBegin() {
    this.pause();
    const { shown } = this.selection;
    if (shown.length > 0) this.show(shown.at(0), 0);
  }

  /** Scrolls to a line; `share` of the height is left above it. */
  show(number, share = 0.4) {
    this.pause();
    const { shown } = this.selection;
    const at = shown.below(number);
    if (this.wraps) {
      this.from = this.numberOf(at - partLines / 2);
      this.behind = this.numberOf(at + partLines / 2);
      this.drawPart();
      const row = this.there.get(number);
      if (row) this.scrollTo(row.offsetTop - share * this.seen);
    } else {
      this.setSpace();
      this.scrollTo(at * this.height - share * this.seen);
    }
    this.draw();
  }

  scrollTo(top) {
    this.box.scrollTop = Math.max(0, top);
    this.top = this.box.scrollTop;
  }

  // numberOf is the line at a place among those that are shown, which may lie
  // before or behind all of them.
  numberOf(place) {
    const { shown, ring } = this.selection;
    if (place >= shown.length) return ring.end;
    return shown.length ? shown.at(Math.max(0, place)) : ring.first;
  }

  /** Lines were dropped, so many of them shown: what is seen stays in its place. */
  dropped(count) {
    this.gone += count;
  }

  /** Widens the space for the longest line, so that it does not jump sideways. */
  widen(length) {
    if (length <= this.widest) return;
    this.widest = Math.min(length, 2000);
    this.space.style.setProperty('--log-columns', String(this.widest + 20));
  }

  draw() {
    if (this.seen === 0) return;
    if (this.wraps) this.drawWrapped();
    else this.drawEven();
  }

  setSpace() {
    this.space.style.height = this.selection.shown.length * this.height + 'px';
  }

  drawEven() {
    const { shown } = this.selection;
    this.setSpace();
    const length = shown.length * this.height;
    if (this.gone > 0 && !this.follows) this.scrollTo(this.box.scrollTop - this.gone * this.height);
    this.gone = 0;
    if (this.follows) this.scrollTo(length - this.seen);
    const first = Math.max(0, Math.floor(this.top / this.height) - around);
    const last = Math.min(shown.length, Math.ceil((this.top + this.seen) / this.height) + around);
    this.put(first, last);
    let place = first;
    for (const [number, row] of this.there) {
      const at = number === shown.at(place) ? place++ : shown.below(number);
      row.style.top = at * this.height + 'px';
    }
  }

  drawWrapped() {
    const { shown } = this.selection;
    if (this.follows) {
      this.from = this.numberOf(shown.length - partLines);
      this.behind = this.selection.ring.end;
      this.drawPart();
      this.scrollTo(this.box.scrollHeight);
      return;
    }
    if (this.behind === 0) this.behind = this.numberOf(partLines);
    this.drawPart();
    const below = this.box.scrollHeight - this.box.scrollTop - this.seen;
    const [first, last] = [shown.below(this.from), shown.below(this.behind)];
    if (this.box.scrollTop < this.seen && first > 0) this.from = this.numberOf(first - partLines);
    else if (below < this.seen && last < shown.length) this.behind = this.numberOf(last + partLines);
    else return;
    this.drawPart();
    this.trim();
  }

  // trim takes away what is farthest from what is seen.
  trim() {
    const { shown } = this.selection;
    const [first, last] = [shown.below(this.from), shown.below(this.behind)];
    if (last - first <= mostLines) return;
    if (this.box.scrollTop > this.box.scrollHeight / 2) this.from = this.numberOf(last - mostLines);
    else this.behind = this.numberOf(first + mostLines);
    this.drawPart();
  }

  // drawPart puts the part in, and leaves what is seen in its place.
  drawPart() {
    const { shown } = this.selection;
    let anchor = null;
    let before = 0;
    if (!this.follows) {
      const firstKept = Math.max(this.from, this.selection.ring.first);
      const top = this.box.scrollTop;
      for (const [number, row] of this.there) {
        if (number < firstKept || number >= this.behind || row.offsetTop + row.offsetHeight <= top) continue;
        anchor = row;
        before = row.offsetTop - top;
        break;
      }
    }
    this.put(shown.below(this.from), shown.below(this.behind));
    if (anchor && anchor.isConnected && anchor.offsetTop - this.box.scrollTop !== before) this.scrollTo(anchor.offsetTop - before);
  }

  // put makes the rows at these places those that are there, and keeps the two
  // between which somebody has selected.
  put(first, last) {
    const { shown, ring } = this.selection;
    const wanted = new Set();
    for (let place = first; place < last; place++) wanted.add(shown.at(place));
    const kept = this.wraps ? [] : this.selectedRows();
    for (const [number, row] of this.there) {
      if (wanted.has(number) || (number >= ring.first && kept.includes(row))) continue;
      row.remove();
      this.there.delete(number);
    }
    for (const row of kept) if (this.there.has(+row.dataset.line)) wanted.add(+row.dataset.line);
    const order = [...wanted].sort((a, b) => a - b);
    const next = new Map();
    let here = this.space.firstChild;
    for (const number of order) {
      let row = this.there.get(number);
      if (row === here && row) {
        here = here.nextSibling;
      } else {
        row = row || this.rows.make(number);
        this.space.insertBefore(row, here);
      }
      next.set(number, row);
    }
    this.there = next;
  }

  selectedRows() {
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed) return [];
    return [rowOf(selection.anchorNode), rowOf(selection.focusNode)].filter((row) => row && this.box.contains(row));
  }
}

/** The row that a node is in, or null. */
export function rowOf(node) {
  const element = node && (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement);
  return element ? element.closest('.log-line') : null;
}
