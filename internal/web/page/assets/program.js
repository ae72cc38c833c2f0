// What runs. The server writes the same in program.go.
import { h } from './dom.js';
import { exitText, size, wordsOfProgram, wordsOfRelease } from './words.js';
import { action, actions, badge, fact, head, moment, note, stateLine } from './parts.js';
import { alarmOf } from './device.js';
import { tile } from './curve.js';

/** The section, from the status and what is known of the device. */
export function programBody({ program, release }, device) {
  return [
    head('program', 'Program', actions(programActions(program.state))),
    stateLine(wordsOfProgram(program)),
    notes(program, device),
    program.state !== 'waiting' && h(
      'dl',
      { class: 'facts' },
      fact('Release', releaseWords(release)),
      fact('Running since', program.started ? moment(program.started) : '–'),
      fact('Restarts', String(program.restarts)),
      fact('Process', program.pid ? String(program.pid) : 'none'),
    ),
    program.state !== 'waiting' && h(
      'div',
      { class: 'tiles' },
      tile('Memory', samplesOf(device, 'memory'), 1e6, size),
      tile('Processor', samplesOf(device, 'cpu'), 5, (value) => `${value.toFixed(1)} %`),
    ),
  ];
}

// The button that ends or begins comes first, so that it is still in its place,
// and has the focus, after it was used.
function programActions(state) {
  switch (state) {
    case 'running':
    case 'backoff':
    case 'equipping':
      return [action('stop', '', 'Stop …', 'button'), action('restart', '', 'Restart', 'button')];
    case 'stopped':
    case 'finished':
      return action('start', '', 'Start', 'button button-main');
    default:
      return null;
  }
}

function releaseWords(release) {
  if (!release) return 'none yet';
  const { tone, word } = wordsOfRelease(release.state);
  return [
    h('span', { class: 'number' }, String(release.number)),
    ' ',
    badge(tone, word),
    release.packed?.version && [' ', badge('plain', release.packed.version)],
    release.pinned && [' ', badge('plain', 'pinned')],
  ];
}

// What its owner should know, gravest first.
function notes(program, device) {
  const exit = program.last_exit;
  const alarm = alarmOf(device);
  return [
    program.crash_looping &&
      note('bad', h('strong', null, 'It crashes again and again.'), ' It is started again all the same. Upload a corrected file, or roll back.'),
    alarm && note('bad', h('strong', null, 'The device: '), `${alarm}.`),
    program.state === 'waiting' &&
      note('notice', 'Put your program into deposit/: drop its folder below. What is run is main.py.'),
    program.doing && note('notice', program.doing),
    program.notice && note('notice', program.notice),
    exit && program.restarts > 0 && program.state === 'running' &&
      note('plain', `It ended before with ${exitText(exit)}, `, moment(exit.at), '.'),
    program.status_text && note('plain', 'It says: ', h('bdi', null, program.status_text)),
  ];
}

const samplesOf = (device, what) =>
  [...device.samples, device.usage].map((usage) => ({ at: Date.parse(usage.at), value: usage[what] }));
