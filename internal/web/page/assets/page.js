// The page: what comes in goes to the section that shows it.
import { h, patch } from './dom.js';
import { setClock, wordsOfProgram } from './words.js';
import { stateMark } from './parts.js';
import { programBody } from './program.js';
import { deviceBody } from './device.js';
import { depositBody } from './deposit.js';
import { fillOpen, historyBody } from './history.js';
import { mountFiles } from './files.js';
import { mountColours } from './colours.js';
import { listen } from './stream.js';
import { act } from './actions.js';
import { complain, tell } from './toast.js';
import { get, whenEnded } from './api.js';

const byId = (id) => document.getElementById(id);

// All that is known. What the server has drawn stands until it is known here.
const state = { status: null, device: null, history: null, why: null, connection: 'open' };

const main = mountFiles(byId('files'), 'main', { showEmpty: true, onError: complain });
const deposit = mountFiles(byId('deposit-files'), 'deposit', { showEmpty: false, onError: complain });

function render() {
  const { status, device, history, why } = state;
  if (status && device) {
    patch(byId('program'), programBody(status, device));
    patch(byId('device'), deviceBody(device, status));
    const program = wordsOfProgram(status.program);
    patch(byId('summary'), stateMark(program));
    patch(byId('host'), device.name);
    document.title = `${device.name || 'ota'}: ${program.word}`;
  }
  if (status && why) patch(byId('deposit-body'), depositBody(status.deposit, why));
  if (history) {
    patch(byId('history'), historyBody(history));
    fillOpen(byId('history'), history);
  }
}

// What is not in the stream is asked for when the status says that it changed.
const seen = { pid: null, history: null, deposit: null, files: null, release: null };

function setStatus(status) {
  const before = { ...seen };
  seen.pid = status.program.pid;
  seen.history = status.history;
  seen.deposit = status.deposit.state;
  seen.files = `${status.deposit.files} ${status.deposit.bytes}`;
  seen.release = status.release && status.release.digest;
  state.status = status;
  if (seen.history !== before.history || seen.deposit !== before.deposit) askWhy();
  if (seen.history !== before.history) askHistory();
  if (seen.deposit !== before.deposit || seen.files !== before.files) refreshDeposit();
  if (seen.release !== before.release) main.refresh();
  if (seen.pid !== before.pid) measure();
  render();
}

// What was just started can be measured a second later; the stream would tell it
// after ten.
let measuring = 0;

function measure() {
  clearTimeout(measuring);
  measuring = setTimeout(async () => {
    try {
      setDevice(await get('device'));
    } catch {
      // The stream tells it, too.
    }
  }, 1200);
}

function setDevice(device) {
  setClock(device.usage.at);
  state.device = device;
  render();
}

// While a large file arrives deposit/ changes all the time.
let refreshing = 0;

function refreshDeposit() {
  refreshing = refreshing || setTimeout(() => {
    refreshing = 0;
    deposit.refresh();
  }, state.history ? 1000 : 0);
}

async function askHistory() {
  try {
    state.history = await get('history');
    render();
  } catch (problem) {
    complain("The history can't be shown", problem);
  }
}

// Without an answer a held upload is shown all the same.
async function askWhy() {
  try {
    state.why = await get('why');
  } catch {
    state.why = state.why || { release: null, evidence: null };
  }
  render();
}

// Parts that live on their own. If one is missing, or too new for this browser,
// all the others work.
let log = { lines() {}, restarted() {}, connection() {} };
const waiting = [];

async function mountParts() {
  try {
    const { mount } = await import('./log.js');
    log = mount(byId('log'));
    for (const lines of waiting.splice(0)) log.lines(lines);
  } catch {
    log.lines = () => {};
  }
  try {
    const { mount } = await import('./upload.js');
    mount(byId('upload'), {
      onError: (problem) => complain('The upload has failed', problem),
      onDone: () => tell('The upload is complete.'),
    });
  } catch {
    // The text that stands there says how to do without.
  }
}

let lost = 0;

// A connection that is back at once is not worth a word.
function setConnection(connection) {
  if (state.connection === 'ended') return;
  if (connection === 'lost') {
    lost = lost || setTimeout(() => showConnection('lost'), 1500);
    return;
  }
  clearTimeout(lost);
  lost = 0;
  showConnection(connection);
}

function showConnection(connection) {
  state.connection = connection;
  document.body.setAttribute('data-connection', connection);
  log.connection(connection);
  patch(
    byId('banner'),
    connection === 'lost' && h('p', { class: 'banner' }, 'Connection lost, trying again … What is shown is how things were.'),
    connection === 'ended' && h('p', { class: 'banner' }, 'This session has ended. ', h('a', { href: '/login' }, 'Log in again')),
  );
}

log.lines = (lines) => waiting.push(lines);
mountParts();
mountColours(document.querySelector('[data-act="theme"]'));
whenEnded(() => setConnection('ended'));

byId('history').addEventListener('toggle', () => state.history && fillOpen(byId('history'), state.history), true);

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-act]');
  if (button) act(button.dataset.act, button.dataset.what || '', state, render);
});

listen({
  status: setStatus,
  device: setDevice,
  log: (lines) => log.lines(lines),
  started({ version }, isAnother) {
    if (isAnother) log.restarted();
    if (version !== byId('content').dataset.version) {
      patch(byId('version'), `ota ${version}: `, h('a', { href: '/' }, 'load the new page'));
    }
  },
  connection: setConnection,
});
