// What is used now, as a number, and its last hour as a curve. The server draws
// the same in curve.go.
import { h } from './dom.js';
import { count, number } from './words.js';

const width = 100;
const height = 32;
const minute = 60e3; // in milliseconds

/**
 * A tile. The curve grows until it shows an hour, and there is none before it
 * has a minute. The plane is at least as high as `least`: noise is not made to look
 * like a mountain.
 */
export function tile(name, samples, least, words) {
  const known = samples.filter(({ value }) => value !== null);
  const { at: newest, value: last } = samples[samples.length - 1];
  const length = known.length > 0 ? newest - known[0].at : 0;
  const values = known.map(({ value }) => value);
  return h(
    'div',
    { class: 'tile' },
    h('p', { class: 'tile-name' }, name),
    h('p', { class: 'tile-value' }, last === null ? '–' : words(last)),
    length < minute
      ? h('p', { class: 'muted small' }, 'The curve begins in a minute or two.')
      : plane(samples, [Math.min(...values), Math.max(...values)], length, least, words),
  );
}

function plane(samples, [low, high], length, least, words) {
  const top = 1.1 * Math.max(high, least);
  const [line, area] = curve(samples, top, Math.min(Math.max(length, 10 * minute), 60 * minute));
  const about = words(low) === words(high) ? words(low) : `${words(low)} to ${words(high)}`;
  return [
    h(
      'svg',
      { class: 'curve', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      h('path', { class: 'curve-area', d: area }),
      h('path', { class: 'curve-line', d: line }),
      h('path', { class: 'curve-now', d: spot(samples[samples.length - 1].value, top) }),
    ),
    h('p', { class: 'muted small' }, `${about} in the last ${spanWords(length)}`),
  ];
}

// What is nearly an hour is taken for one.
function spanWords(length) {
  const minutes = Math.floor(length / minute);
  return minutes >= 55 ? 'hour' : count(minutes, 'minute', 'minutes');
}

// Where the curve is now.
const spot = (value, top) => (value === null ? '' : `M${width} ${heightOf(value, top)}h0`);

const heightOf = (value, top) => number(height - height * Math.min(value / top, 1));

// The newest sample is at the right edge; where nothing was measured is a gap.
function curve(samples, top, span) {
  const newest = samples[samples.length - 1].at;
  let line = '';
  let area = '';
  let open = false;
  let last = '';
  const end = () => {
    if (open) area += `V${height}z`; // down to the ground and back to where it began
    open = false;
  };
  for (const { at, value } of samples) {
    const x = width * (1 - (newest - at) / span);
    if (value === null || x < 0 || x > width) {
      end();
      continue;
    }
    const column = number(x);
    const point = `${column} ${heightOf(value, top)}`;
    if (!open) {
      line += `M${point}`;
      area += `M${column} ${height}L${point}`;
    } else if (column !== last) {
      line += `L${point}`;
      area += `L${point}`;
    }
    open = true;
    last = column;
  }
  end();
  return [line, area];
}
