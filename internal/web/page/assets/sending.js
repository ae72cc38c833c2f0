// Sends files in pieces with the tus protocol (tus.io), and goes on with them
// after a lost connection.
import { Problem, get } from './api.js';

const base = '/api/v1/';
const atOnce = 2; // files
const small = 1 << 20; // bytes that are sent with the request that begins a file
const stall = 45000; // ms without progress before a connection is taken for lost
const pauses = [500, 1000, 2000, 4000, 8000, 15000, 30000]; // ms, the last one again and again

/** One attempt was in vain; another may not be. */
class Again extends Error {
  constructor(why, isLost) {
    super(why);
    this.isLost = isLost; // nobody knows what became of the request
  }
}

/** What cancelled work ends with. */
export class Cancelled extends Error {}

/**
 * The way of some files to the device. `files` are {path, file}; `drop` is one
 * that is to be continued, or null. `changed` is called whenever something has
 * changed; `waits` says then why nothing comes on, or ''.
 */
export class Sending {
  constructor(files, drop, changed) {
    this.changed = changed;
    this.drop = drop;
    this.waits = '';
    this.state = 'sending'; // completing, done, failed, cancelled
    const known = new Map((drop ? drop.files : []).map((one) => [one.path, one]));
    this.files = files.map(({ path, file }) => {
      const there = known.get(path);
      return { path, file, size: file.size, id: there ? there.id : '', sent: there ? there.offset : 0, kept: 0, done: Boolean(there) && there.offset === file.size };
    });
    this.bytes = this.files.reduce((sum, one) => sum + one.size, 0);
    this.requests = new Set();
    this.wakers = new Set();
    this.online = () => this.wake();
    window.addEventListener('online', this.online);
  }

  get sent() {
    return this.files.reduce((sum, one) => sum + one.sent, 0);
  }

  /** Sends all, and says that the upload is complete. The error is a Problem or Cancelled. */
  async run() {
    try {
      this.state = 'sending';
      this.failure = null;
      if (!this.drop) this.drop = await this.persist(() => this.begin());
      const queue = this.files.filter((one) => !one.done);
      await Promise.all(Array.from({ length: atOnce }, () => this.work(queue)));
      this.state = 'completing';
      this.changed();
      await this.complete();
      this.finish('done');
    } catch (error) {
      const cause = this.failure || error;
      if (this.state !== 'cancelled') this.state = 'failed';
      this.changed();
      throw cause;
    }
  }

  async work(queue) {
    try {
      for (let one = queue.shift(); one && !this.failure; one = queue.shift()) await this.send(one);
    } catch (error) {
      if (!this.failure) this.failure = error; // what else runs ends, and is gone on with later
      this.abort();
      throw error;
    }
  }

  /** Ends all requests and removes what has come. */
  async cancel() {
    this.finish('cancelled');
    this.abort();
    if (this.drop) await removeDrop(this.drop.id);
  }

  finish(state) {
    this.state = state;
    window.removeEventListener('online', this.online);
    this.changed();
  }

  abort() {
    for (const request of this.requests) request.abort();
    this.wake();
  }

  wake() {
    for (const wake of this.wakers) wake();
  }

  // persist tries until it is done, refused or cancelled. The pauses grow for as
  // long as `kept` does not: a network that lets something through is good for more.
  async persist(attempt, kept = () => 0) {
    let before = kept();
    let pause = 0;
    for (let failed = 0; ; failed++) {
      if (this.state === 'cancelled') throw new Cancelled();
      if (this.failure) throw this.failure;
      try {
        const result = await attempt(failed);
        if (this.waits) {
          this.waits = '';
          this.changed();
        }
        return result;
      } catch (error) {
        if (this.state === 'cancelled') throw new Cancelled();
        if (!(error instanceof Again)) throw error;
        this.waits = navigator.onLine === false ? 'this computer is offline' : error.message;
        this.changed();
        if (kept() > before) pause = 0;
        before = kept();
        await this.pause(pauses[Math.min(pause++, pauses.length - 1)]);
      }
    }
  }

  pause(time) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.wakers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, time * (0.8 + 0.4 * Math.random()));
      this.wakers.add(wake);
    });
  }

  async begin() {
    const text = JSON.stringify({ files: this.files.length, bytes: this.bytes });
    const answer = await this.request('POST', 'drops', { 'Content-Type': 'application/json' }, text);
    return JSON.parse(answer.responseText);
  }

  // A completion whose answer was lost has been made if the drop is gone.
  async complete() {
    let lost = false;
    await this.persist(async () => {
      try {
        await this.request('POST', `drops/${this.drop.id}/complete`, {}, null, null, 0);
      } catch (error) {
        if (lost && error instanceof Problem && error.status === 404) return;
        lost = lost || (error instanceof Again && error.isLost);
        throw error;
      }
    });
  }

  async send(one) {
    await this.persist(async (failed) => {
      // A request with a file that can't be read looks like a lost connection.
      const start = await read(one, one.size <= small ? one.size : 1);
      if (one.id && (failed || this.resumed(one))) await this.ask(one);
      if (!one.id) await this.create(one, start);
      // An empty file is whole as soon as it has begun.
      while (one.sent < one.size) await this.add(one);
    }, () => one.kept);
    one.done = true;
    this.changed();
  }

  // resumed: what another page has sent is asked for before it is gone on with.
  resumed(one) {
    if (one.asked) return false;
    one.asked = true;
    return true;
  }

  async create(one, start) {
    const whole = one.size <= small;
    one.sent = 0;
    const headers = {
      'Upload-Length': String(one.size),
      'Upload-Metadata': `relativePath ${base64(one.path)},drop ${base64(this.drop.id)}`,
    };
    if (whole && one.size > 0) headers['Content-Type'] = 'application/offset+octet-stream';
    const answer = await this.request('POST', 'uploads', headers, whole && one.size > 0 ? start : null, one);
    one.id = (answer.getResponseHeader('Location') || '').split('/').pop();
    one.asked = true;
    one.sent = whole ? one.size : 0;
  }

  async ask(one) {
    try {
      const answer = await this.request('HEAD', `uploads/${one.id}`, {});
      one.sent = Number(answer.getResponseHeader('Upload-Offset'));
      one.kept = one.sent;
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) throw error;
      one.id = ''; // begun anew
      one.sent = 0;
      one.kept = 0;
    }
    this.changed();
  }

  async add(one) {
    const headers = { 'Upload-Offset': String(one.sent), 'Content-Type': 'application/offset+octet-stream' };
    const answer = await this.request('PATCH', `uploads/${one.id}`, headers, one.file.slice(one.sent), one);
    one.sent = Number(answer.getResponseHeader('Upload-Offset'));
  }

  // request resolves with the finished XMLHttpRequest: fetch tells nothing of how
  // much has been sent. It rejects with Again or a Problem.
  request(method, path, headers, body = null, one = null, limit = stall) {
    return new Promise((resolve, reject) => {
      const xhr = new XMLHttpRequest();
      const from = one ? one.sent : 0;
      let timer = 0;
      const alive = () => {
        clearTimeout(timer);
        if (limit) timer = setTimeout(() => xhr.abort(), limit);
      };
      const lost = () => reject(new Again('the device does not answer', true));
      xhr.open(method, base + path);
      if (path.startsWith('uploads')) xhr.setRequestHeader('Tus-Resumable', '1.0.0');
      for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
      xhr.upload.addEventListener('progress', (event) => {
        alive();
        if (one) {
          one.sent = Math.min(one.size, from + event.loaded);
          this.changed();
        }
      });
      xhr.addEventListener('load', () => (xhr.status < 300 ? resolve(xhr) : reject(refusal(xhr))));
      xhr.addEventListener('error', lost);
      xhr.addEventListener('abort', lost);
      xhr.addEventListener('loadend', () => {
        clearTimeout(timer);
        this.requests.delete(xhr);
      });
      this.requests.add(xhr);
      alive();
      xhr.send(body);
    });
  }
}

/** The uploads that are on the device and not complete. */
export const unfinished = () => get('drops');

/** Removes what has come of an upload. */
export async function removeDrop(id) {
  const response = await fetch(`${base}drops/${id}`, { method: 'DELETE' });
  if (!response.ok && response.status !== 404) {
    const said = await response.json().catch(() => ({}));
    throw new Problem(response.status, said.detail || 'it could not be removed', said.hint);
  }
}

// What may go better in a while: another connection still has the file, the
// offset was another, somebody was too slow, or ota starts anew.
const temporary = new Set([408, 423, 425, 429, 500, 502, 503, 504]);

function refusal(xhr) {
  let said = {};
  try {
    said = JSON.parse(xhr.responseText);
  } catch {
    // HEAD has no body, and what stands in between may answer anything.
  }
  if (temporary.has(xhr.status)) return new Again(said.detail || 'the device is busy');
  // An offset that is not the right one comes with the one that is.
  if (xhr.status === 409 && xhr.getResponseHeader('Upload-Offset') !== null) return new Again('the device has more than it said');
  if (xhr.status === 401) get('drops').catch(() => {}); // who looks after the session hears of it there
  const words = { 401: 'you are not logged in any more', 403: 'you may not upload here', 507: 'it does not fit on the device' };
  return new Problem(xhr.status, words[xhr.status] || said.detail || `the answer was ${xhr.status}`, said.hint);
}

// read returns the first bytes of a file.
async function read(one, length) {
  try {
    return await new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.addEventListener('load', () => resolve(reader.result));
      reader.addEventListener('error', () => reject(reader.error));
      reader.readAsArrayBuffer(one.file.slice(0, length));
    });
  } catch (error) {
    throw new Problem(0, `${one.path} can't be read: ${error.message}`, 'it was changed or moved since it was chosen: choose it again');
  }
}

function base64(text) {
  let bytes = '';
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return btoa(bytes);
}
