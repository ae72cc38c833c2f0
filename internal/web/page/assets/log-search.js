// Which lines are shown and which of them match. Each line is looked at once, in
// the order in which they come; only another question looks at all of them again,
// a little in each frame.
import { plain } from './log-ansi.js';
import { Numbers, noteCode, sources } from './log-ring.js';

const regexForm = /^\/(.+)\/([ims]*)$/s;

/**
 * What was typed, as { expression } (null: nothing is looked for) or as { wrong },
 * which says why it can't be. Text is looked for without regard to case;
 * /…/ is a regular expression, with i behind it without regard to case.
 */
export function parseQuery(typed) {
  if (typed === '') return { expression: null };
  const regex = regexForm.exec(typed);
  try {
    if (!regex) return { expression: new RegExp(typed.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'giu') };
    return { expression: new RegExp(regex[1], [...new Set('gu' + regex[2])].join('')) };
  } catch (problem) {
    return { expression: null, wrong: String(problem.message).replace(/^Invalid regular expression: /, '') };
  }
}

/** Where an expression matches a text: [begin, end] pairs, none of them empty. */
export function ranges(expression, text) {
  const found = [];
  if (!expression) return found;
  expression.lastIndex = 0;
  for (let match = expression.exec(text); match; match = expression.exec(text)) {
    if (match[0] === '') expression.lastIndex += step(text, expression.lastIndex);
    else found.push([match.index, expression.lastIndex]);
    if (expression.lastIndex > text.length || found.length >= 1000) break;
  }
  return found;
}

// An expression with the flag u must not begin within a character.
function step(text, at) {
  return text.codePointAt(at) > 0xffff ? 2 : 1;
}

function matches(expression, text) {
  expression.lastIndex = 0;
  const first = expression.exec(text);
  return first !== null && (first[0] !== '' || ranges(expression, text).length > 0);
}

/** Which lines of a ring are shown, and which of these match. */
export class Selection {
  constructor(ring) {
    this.ring = ring;
    this.levels = new Array(sources.length).fill(true);
    this.shown = new Numbers();
    this.found = new Numbers();
    this.expression = null;
    this.looked = 0; // the lines below this number have been looked at
  }

  shows(code) {
    return code === noteCode || this.levels[code];
  }

  /** A line has been put into the ring. It returns whether it is shown. */
  added(number) {
    const isShown = this.shows(this.ring.code(number));
    if (isShown) this.shown.push(number);
    return isShown;
  }

  /** Lines may have been dropped; it returns how many of those that are shown. */
  dropped() {
    this.found.dropBelow(this.ring.first);
    return this.shown.dropBelow(this.ring.first);
  }

  setLevel(code, isShown) {
    this.levels[code] = isShown;
    this.shown.clear();
    for (let number = this.ring.first; number < this.ring.end; number++) this.added(number);
    this.lookFor(this.expression);
  }

  lookFor(expression) {
    this.expression = expression;
    this.found.clear();
    this.looked = this.ring.first;
  }

  /** Looks at more lines until the deadline; it returns whether it is through. */
  look(now, deadline) {
    const { ring, expression } = this;
    this.looked = Math.max(this.looked, ring.first);
    if (!expression) this.looked = ring.end;
    for (let count = 1; this.looked < ring.end; count++) {
      const number = this.looked++;
      if (this.shows(ring.code(number)) && matches(expression, plain(ring.text(number)))) this.found.push(number);
      if (count % 64 === 0 && now() >= deadline) break;
    }
    return this.looked >= ring.end;
  }

  /** The next matching line after a number, or before it; begins anew at the other end. -1: none. */
  next(number, forward) {
    const { found } = this;
    if (found.length === 0) return -1;
    const below = found.below(number);
    if (forward) {
      const at = below < found.length && found.at(below) === number ? below + 1 : below;
      return found.at(at < found.length ? at : 0);
    }
    return found.at(below > 0 ? below - 1 : found.length - 1);
  }
}
