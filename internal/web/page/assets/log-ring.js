// The last lines of the log, in little memory. Each line has a number of its own
// that counts from 0 and never changes, however many lines before it are dropped.

/** Who speaks, by the code under which it is kept. */
export const sources = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'MAIN', 'MAIN!'];
/** The code of a line that the page itself puts in. */
export const noteCode = sources.length;

const codes = new Map(sources.map((name, code) => [name, code]));
const wide = /[^\u0000-\u00ff]/;
const lineCost = 48; // of a line besides its text
const longest = 16384; // characters of a text; the log file has all of it

/** A queue of growing numbers. */
export class Numbers {
  constructor() {
    this.clear();
  }

  clear() {
    this.slots = new Uint32Array(1024);
    this.head = 0;
    this.length = 0;
  }

  at(i) {
    return this.slots[(this.head + i) % this.slots.length];
  }

  push(number) {
    if (this.length === this.slots.length) {
      const larger = new Uint32Array(2 * this.slots.length);
      for (let i = 0; i < this.length; i++) larger[i] = this.at(i);
      this.slots = larger;
      this.head = 0;
    }
    this.slots[(this.head + this.length) % this.slots.length] = number;
    this.length++;
  }

  /** Drops the numbers below `number` and says how many that were. */
  dropBelow(number) {
    let dropped = 0;
    while (this.length > 0 && this.slots[this.head] < number) {
      this.head = (this.head + 1) % this.slots.length;
      this.length--;
      dropped++;
    }
    return dropped;
  }

  /** How many numbers are below `number`. */
  below(number) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at(middle) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Lines up to a number of them and of bytes; the oldest make room. */
export class Ring {
  constructor(mostLines = 100000, mostBytes = 16 << 20) {
    this.mostLines = mostLines;
    this.mostBytes = mostBytes;
    this.texts = [];
    this.times = new Float64Array(mostLines);
    this.offsets = new Int16Array(mostLines);
    this.codes = new Uint8Array(mostLines);
    this.costs = new Uint32Array(mostLines);
    this.first = 0; // the number of the oldest line
    this.end = 0; // the number of the next line
    this.bytes = 0;
    this.counts = new Array(sources.length + 1).fill(0); // of what is kept, by code
  }

  /** Puts a line in and returns its number. */
  push(time, source, text) {
    const code = codes.get(source);
    const [at, offset] = parseTime(time);
    return this.put(at, offset, code === undefined ? 1 : code, cut(String(text)));
  }

  /** Puts in a line of the page itself. */
  note(text) {
    return this.put(NaN, 0, noteCode, text);
  }

  put(at, offset, code, text) {
    const cost = text.length * (wide.test(text) ? 2 : 1) + lineCost;
    while (this.end > this.first && (this.end - this.first >= this.mostLines || this.bytes + cost > this.mostBytes)) this.drop();
    const slot = this.end % this.mostLines;
    this.texts[slot] = text;
    this.times[slot] = at;
    this.offsets[slot] = offset;
    this.codes[slot] = code;
    this.costs[slot] = cost;
    this.bytes += cost;
    this.counts[code]++;
    return this.end++;
  }

  drop() {
    const slot = this.first % this.mostLines;
    this.counts[this.codes[slot]]--;
    this.bytes -= this.costs[slot];
    this.texts[slot] = '';
    this.first++;
  }

  text(number) {
    return this.texts[number % this.mostLines];
  }

  code(number) {
    return this.codes[number % this.mostLines];
  }

  /** The time of day, as on the device: "18:04:05". */
  clock(number) {
    return this.local(number).slice(11, 19);
  }

  /** The whole of it: "2026-11-26 18:04:05.123 +01:00". */
  date(number) {
    const local = this.local(number);
    return local && local.slice(0, 10) + ' ' + local.slice(11, 23) + ' ' + offsetText(this.offsets[number % this.mostLines]);
  }

  /** The line as it stands in the log file, whose text is `text`. */
  fileLine(number, text) {
    const code = this.code(number);
    if (code === noteCode) return text;
    const local = this.local(number);
    const day = `${local.slice(8, 10)}/${local.slice(5, 7)}/${local.slice(2, 4)}`;
    return `[${day} ${local.slice(11, 19)}] ${sources[code]} : ${text}`;
  }

  // local is ISO 8601 of the device's own time; empty where there is none.
  local(number) {
    const slot = number % this.mostLines;
    const at = this.times[slot];
    return Number.isNaN(at) ? '' : new Date(at + this.offsets[slot] * 60000).toISOString();
  }
}

function cut(text) {
  if (text.length <= longest) return text;
  return `${text.slice(0, longest)} … (${text.length - longest} more characters are in the log file)`;
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3})\d*)?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Reads RFC 3339: milliseconds since 1970, and minutes that the zone is ahead. */
export function parseTime(text) {
  const match = rfc3339.exec(text);
  if (!match) return [NaN, 0];
  const offset = (match[8] === '-' ? -1 : 1) * (Number(match[9] || 0) * 60 + Number(match[10] || 0));
  const milliseconds = Number((match[7] || '').padEnd(3, '0'));
  const local = Date.UTC(+match[1], +match[2] - 1, +match[3], +match[4], +match[5], +match[6], milliseconds);
  return [local - offset * 60000, offset];
}

function offsetText(minutes) {
  const two = (value) => String(value).padStart(2, '0');
  const size = Math.abs(minutes);
  return (minutes < 0 ? '-' : '+') + two(Math.floor(size / 60)) + ':' + two(size % 60);
}
