// What is known of the machine; what it can't tell is left out. The server
// writes the same in device.go.
import { h } from './dom.js';
import { age, count, size } from './words.js';
import { badge, bar, fact, head, note, wholePath } from './parts.js';

/** The section. */
export function deviceBody(device, status) {
  const { temperature, disk_free, disk_total, memory_free, memory_total, load, booted, clock_set } = device;
  return [
    head('device', 'Device'),
    h('p', { class: 'device-name' }, h('bdi', null, device.name)),
    device.model !== null && h('p', { class: 'muted' }, device.model),
    status.web.problem !== null && note('notice', `The page is not where it should be: ${status.web.problem}`),
    h(
      'dl',
      { class: 'rows' },
      temperature !== null && temperatureFact(temperature),
      device.power_known && powerFact(device.power),
      disk_free !== null && disk_total !== null && roomFact('Free space', disk_free, disk_total, 0.1, 0.05),
      memory_free !== null && memory_total !== null && roomFact('Free memory', memory_free, memory_total, 0.08, 0.04),
      load !== null &&
        fact('Load', load.toFixed(2), h('span', { class: 'muted' }, ` on ${count(device.processors, 'processor', 'processors')}`)),
      booted !== null && fact('Up', `for ${age(booted)}`),
      clock_set !== null && clockFact(clock_set),
      fact('Folder', wholePath(status.dir)),
    ),
  ];
}

/** What a program can't run well with, in words. */
export function alarmOf({ power, temperature, disk_free, disk_total }) {
  const alarms = power.filter(isNow);
  if (temperature !== null && temperature >= 80) alarms.push('too hot');
  if (disk_free !== null && disk_total !== null && disk_free < 0.05 * disk_total) alarms.push('nearly no free space');
  return alarms.join(', ');
}

// Other words are about what was.
const isNow = (words) => words.endsWith(' now');

// A Pi slows itself down from 80 °C on.
function temperatureFact(celsius) {
  const [tone, words] = celsius >= 80 ? ['bad', 'too hot'] : celsius >= 70 ? ['notice', 'hot'] : ['plain', ''];
  return fact('Temperature', `${celsius.toFixed(1)} °C`, words && [' ', badge(tone, words)], bar(tone, celsius / 100));
}

// What is so now is worse than what was.
function powerFact(power) {
  if (power.length === 0) return fact('Power', badge('good', 'good'));
  const words = power.map((one) => badge(isNow(one) ? 'bad' : 'notice', one));
  return fact('Power', words.map((word, i) => [i > 0 && ' ', word]));
}

function roomFact(name, free, total, low, veryLow) {
  const share = free / Math.max(total, 1);
  const [tone, words] = share < veryLow ? ['bad', 'nearly none'] : share < low ? ['notice', 'low'] : ['plain', ''];
  return fact(
    name,
    size(free),
    h('span', { class: 'muted' }, ` of ${size(total)}`),
    words && [' ', badge(tone, words)],
    bar(tone, 1 - share),
  );
}

function clockFact(set) {
  if (set) return fact('Clock', 'set');
  return fact('Clock', badge('notice', 'not set'), h('span', { class: 'muted' }, ' so times may be wrong'));
}
