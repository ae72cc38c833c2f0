// What a program says about colours, and what must not be obeyed. In the log an
// escape stands as text, ESC as the four characters \x1b.

const sgr = /\\x1b\[([0-9;:]*)m/g;

// Escapes that are no colours, and characters that the server wrote out.
const other =
  /\\x1b\[[0-9;:<=>?]*[ -/]*[@-~]|\\x1b\].*?(?:\\x07|\\a|\\x1b\\)|\\x1b[ -/]*[0-~]|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U000[0-9a-f]{5}/g;

// What steers a terminal, turns the order of characters round or can't be seen,
// but for tabs and the two joiners without which some languages are spelt wrong.
// The server has written it out; a text that comes another way must not do more.
const unseen = /[\p{C}\p{Zl}\p{Zp}]/gu;
const stays = new Set(['\t', '\u200c', '\u200d']);
const ordinary = /^[\t -~\u00a1-\u00ac\u00ae-\u024f]*$/;

/** Text in which what can't be seen is written out, as in \u202e. */
export function visible(text) {
  if (ordinary.test(text)) return text;
  return text.replace(unseen, (character) => {
    if (stays.has(character)) return character;
    const code = character.codePointAt(0);
    if (code < 0x80) return '\\x' + code.toString(16).padStart(2, '0');
    return code <= 0xffff ? '\\u' + code.toString(16).padStart(4, '0') : '\\U' + code.toString(16).padStart(8, '0');
  });
}

/** The text as it is read, without colours. */
export function plain(text) {
  const shown = visible(text);
  return shown.includes('\\x1b[') ? shown.replace(sgr, '') : shown;
}

/**
 * The parts of a text that look alike: { text, style, faint }. `style` is null or
 * { fg, bg, bold, dim, italic, underline, strike, inverse }; a colour is a number
 * from 0 to 15, which the theme decides, or [red, green, blue]. What is `faint`
 * is an escape that nobody obeys. Together the texts are plain(text).
 */
export function parts(text) {
  const shown = visible(text);
  if (!shown.includes('\\')) return shown === '' ? [] : [{ text: shown, style: null, faint: false }];
  const found = [];
  let style = null;
  let from = 0;
  sgr.lastIndex = 0;
  for (let match = sgr.exec(shown); match; match = sgr.exec(shown)) {
    split(found, shown.slice(from, match.index), style);
    style = after(style, match[1]);
    from = sgr.lastIndex;
  }
  split(found, shown.slice(from), style);
  return found;
}

function split(found, text, style) {
  let from = 0;
  const add = (piece, faint) => piece !== '' && found.push({ text: piece, style, faint });
  if (text.includes('\\')) {
    for (const match of text.matchAll(other)) {
      add(text.slice(from, match.index), false);
      add(match[0], true);
      from = match.index + match[0].length;
    }
  }
  add(text.slice(from), false);
}

const none = {
  fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false,
};

const on = { 1: 'bold', 2: 'dim', 3: 'italic', 4: 'underline', 7: 'inverse', 9: 'strike' };
const off = { 22: ['bold', 'dim'], 23: ['italic'], 24: ['underline'], 27: ['inverse'], 29: ['strike'] };

// after is the style behind a sequence with these parameters.
function after(style, parameters) {
  let next = { ...(style || none) };
  const list = parameters.split(';');
  for (let i = 0; i < list.length; i++) {
    const sub = list[i].split(':');
    const code = Number(sub[0]);
    if (code === 0) next = { ...none };
    else if (code === 4 && sub[1] === '0') next.underline = false;
    else if (on[code]) next[on[code]] = true;
    else if (off[code]) for (const name of off[code]) next[name] = false;
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
    else if (code === 39) next.fg = null;
    else if (code === 49) next.bg = null;
    else if (code === 38 || code === 48) {
      const [colour, used] = sub.length > 1 ? [inColons(sub), 0] : inList(list, i + 1);
      if (colour !== undefined) next[code === 38 ? 'fg' : 'bg'] = colour;
      i += used;
    }
  }
  return Object.keys(none).every((name) => next[name] === none[name]) ? null : next;
}

// inList reads 5;n or 2;r;g;b, and says how many parameters that were.
function inList(list, at) {
  if (list[at] === '5') return [indexed(list[at + 1]), 2];
  if (list[at] === '2') return [direct(list.slice(at + 1, at + 4)), 4];
  return [undefined, list.length]; // nobody knows what the rest means
}

// inColons reads 38:5:n, 38:2:r:g:b and 38:2:space:r:g:b (ITU-T T.416).
function inColons(sub) {
  if (sub[1] === '5') return indexed(sub[2]);
  if (sub[1] === '2') return direct(sub.slice(sub.length > 5 ? 3 : 2, sub.length > 5 ? 6 : 5));
  return undefined;
}

function byte(text) {
  const value = Number(text);
  return text !== undefined && Number.isInteger(value) && value >= 0 && value <= 255 ? value : undefined;
}

function direct(texts) {
  const values = texts.map(byte);
  return values.length === 3 && !values.includes(undefined) ? values : undefined;
}

// indexed is one of the 256 colours of xterm: 16 of the theme, a cube, greys.
function indexed(text) {
  const n = byte(text);
  if (n === undefined || n < 16) return n;
  if (n >= 232) return Array(3).fill(8 + 10 * (n - 232));
  const level = (value) => (value === 0 ? 0 : 55 + 40 * value);
  return [level(Math.floor((n - 16) / 36)), level(Math.floor((n - 16) / 6) % 6), level((n - 16) % 6)];
}

/** How bright a colour is, from 0 to 1 (WCAG 2.2, relative luminance). */
export function luminance([red, green, blue]) {
  const linear = (value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** The contrast of two colours, from 1 to 21. */
export function contrast(a, b) {
  const [bright, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (bright + 0.05) / (dark + 0.05);
}

const enough = 4.5;

/** The colour, or where it can't be read on that background a lighter or darker one. */
export function readable(colour, background) {
  const target = luminance(background) > 0.18 ? 0 : 255;
  for (let step = 0; step < 10; step++) {
    const mixed = colour.map((value) => Math.round(value + ((target - value) * step) / 10));
    if (contrast(mixed, background) >= enough) return mixed;
  }
  return [target, target, target];
}
