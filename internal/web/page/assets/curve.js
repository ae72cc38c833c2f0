// What is used now, as a number, and its last hour as a curve. The server draws
// the same in curve.go.
import { h } from './dom.js';
import { number } from './words.js';

const width = 100;
const height = 32;
const span = 3600e3; // an hour, in milliseconds

/**
 * A tile. The plane is at least as high as `least`: noise is not made to look
 * like a mountain.
 */
export function tile(name, samples, least, words) {
  const known = samples.map(({ value }) => value).filter((value) => value !== null);
  const last = samples[samples.length - 1].value;
  const high = Math.max(...known, 0);
  const [line, area] = curve(samples, 1.1 * Math.max(high, least));
  return h(
    'div',
    { class: 'tile' },
    h('p', { class: 'tile-name' }, name),
    h('p', { class: 'tile-value' }, last === null ? '–' : words(last)),
    h(
      'svg',
      { class: 'curve', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      h('path', { class: 'curve-area', d: area }),
      h('path', { class: 'curve-line', d: line }),
    ),
    h(
      'p',
      { class: 'muted small' },
      known.length > 0 ? `${words(Math.min(...known))} to ${words(high)} in the last hour` : 'not known yet',
    ),
  );
}

// The newest sample is at the right edge; where nothing was measured is a gap.
function curve(samples, top) {
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
    const point = `${column} ${number(height - height * Math.min(value / top, 1))}`;
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
