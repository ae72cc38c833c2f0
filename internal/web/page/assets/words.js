// How things are said: states, times, amounts. The server says the same, in
// words.go.

// A device's clock may be wrong, and so may be the one here: ages are told by
// the device's own clock, which each event "device" brings.
let ahead = 0;

/** Remembers what time it is on the device. */
export function setClock(at) {
  const time = Date.parse(at);
  if (time > 0) ahead = time - Date.now();
}

const now = () => Date.now() + ahead;

/** How long ago something was, in the one unit that matters. */
export function age(then) {
  const minutes = Math.floor((now() - Date.parse(then)) / 60000);
  if (minutes < 1) return 'less than a minute';
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 60 / 24)} days`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n) => String(n).padStart(2, '0');

/** A time for people; the year is left out as long as it is this one. */
export function moment(at) {
  const time = new Date(at);
  const year = time.getFullYear() === new Date(now()).getFullYear() ? '' : ` ${time.getFullYear()}`;
  return `${time.getDate()} ${months[time.getMonth()]}${year}, ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** A number of things. */
export const count = (n, one, many) => (n === 1 ? `1 ${one}` : `${n} ${many}`);

/** A number of bytes in the units that disks are sold in. */
export function size(bytes) {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  while (value >= 999.95 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${value.toFixed(1)} ${units[0]}`;
}

/** A coordinate with a tenth, and none where it is zero. */
export const number = (value) => value.toFixed(1).replace(/\.0$/, '');

/** Joins what is not empty. */
export const join = (between, ...texts) => texts.filter(Boolean).join(between);

/** A sentence begins like one. */
export const firstUpper = (sentence) => sentence.charAt(0).toUpperCase() + sentence.slice(1);

const state = (tone, word, rest) => ({ tone, word, rest: rest || '' });

/** How the program is: a tone, a word, and the rest of the sentence. */
export function wordsOfProgram(program) {
  const exit = program.last_exit;
  const last = exit ? `${exitText(exit)}, ${age(exit.at)} ago` : '';
  switch (program.state) {
    case 'running': {
      const phase = program.phase && program.phase !== 'ready' ? program.phase : '';
      const since = program.started ? `for ${age(program.started)}` : '';
      return state(program.crash_looping ? 'bad' : 'good', 'Running', join(', ', since, phase));
    }
    case 'finished':
      return state('plain', 'Finished', last);
    case 'backoff':
      return state('bad', 'Failed', join('; ', last, 'it is started again after a pause'));
    case 'equipping':
      return state('notice', 'Getting ready', 'its environment is made, then it is started');
    case 'stopped':
      return state('notice', 'Stopped', 'on request');
    case 'waiting':
      return state('notice', 'Waiting', 'for the first upload');
    default:
      return state('plain', 'Not known', 'nobody looks after the program');
  }
}

/** How a process ended. */
export function exitText({ code, signal, cause }) {
  let text = 'ended';
  if (signal) text = `killed by ${signal}`;
  else if (code !== null && code !== undefined) text = `exit code ${code}`;
  return cause ? `${text} (${cause})` : text;
}

/** What the state of a release is called. */
export function wordsOfRelease(name) {
  switch (name) {
    case 'confirmed':
      return state('good', 'confirmed');
    case 'trial':
      return state('notice', 'on trial');
    case 'rolled back':
      return state('bad', 'rolled back');
    default:
      return state('plain', name);
  }
}

/** What happens to the upload in deposit/. */
export function wordsOfDeposit(deposit) {
  const much = deposit.files > 0 ? `${count(deposit.files, 'file', 'files')}, ${size(deposit.bytes)}` : '';
  switch (deposit.state) {
    case 'empty':
      if (deposit.arriving !== null) return state('notice', 'Uploading', wordsOfProgress(deposit.arriving));
      return state('plain', 'Empty', 'what is put here becomes the next release');
    case 'receiving':
      return state('notice', 'Receiving', much);
    case 'checking':
      return state('notice', 'Checking', much);
    case 'held':
      return state('bad', 'Held', much);
    case 'deferred':
      return state('notice', 'Ready, and waiting', much);
    case 'switching':
      return state('notice', 'Switching', much);
    default:
      return state('plain', 'Not known', 'nobody looks at deposit/');
  }
}

/** How much of an upload has come. */
export function wordsOfProgress({ files, done, bytes, received }) {
  const share = bytes > 0 ? `${Math.floor((100 * received) / bytes)} %, ` : '';
  const whole = bytes > 0 ? ` of ${size(bytes)}` : '';
  return `${share}${size(received)}${whole}, ${done} of ${count(files, 'file', 'files')}`;
}

/** What to do about an upload, or what will happen to it. */
export function adviceOnDeposit({ state, reasons }) {
  switch (state) {
    case 'receiving':
      return reasons.length > 0
        ? 'It is used as soon as it is complete. What it waits for:'
        : 'It is used as soon as it is complete and nothing changes any more.';
    case 'held':
      return 'This upload is not used; the program runs on without it. Upload a corrected file: it is laid over what is here.';
    case 'deferred':
      return 'All checks have passed. What it waits for:';
    case 'checking':
      return 'The program runs on until all checks have passed.';
    default:
      return '';
  }
}

/** The text of a line of output without the escapes of colours, which stand in it as text. */
export const withoutColours = (text) => text.replace(/\\x1b\[[0-9;]*m/g, '');
