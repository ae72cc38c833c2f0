// The log files, for taking away.
import { visible } from './log-ansi.js';
import { make } from './log-row.js';

/** Makes a button with a menu of the log files. */
export function filesMenu() {
  const holder = make('div', 'log-files');
  const button = make('button', 'button-quiet', 'Log files');
  const list = make('ul', 'log-menu');
  button.type = 'button';
  button.setAttribute('aria-expanded', 'false');
  list.hidden = true;
  holder.append(button, list);
  const close = () => {
    list.hidden = true;
    button.setAttribute('aria-expanded', 'false');
  };
  button.addEventListener('click', async () => {
    if (!list.hidden) return close();
    list.hidden = false;
    button.setAttribute('aria-expanded', 'true');
    list.replaceChildren(make('li', '', 'Looking …'));
    list.replaceChildren(...(await entries()));
  });
  holder.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || list.hidden) return;
    event.stopPropagation();
    close();
    button.focus();
  });
  document.addEventListener('pointerdown', (event) => !holder.contains(event.target) && close());
  holder.addEventListener('focusout', ({ relatedTarget }) => relatedTarget && !holder.contains(relatedTarget) && close());
  return holder;
}

async function entries() {
  try {
    const answer = await fetch('/api/v1/logs/files', { cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status === 401 ? 'you are not logged in any more' : `the answer was ${answer.status}`);
    const files = await answer.json();
    if (files.length === 0) return [make('li', '', 'There is no log file yet.')];
    return files.reverse().map(entry);
  } catch (problem) {
    return [make('li', '', `The log files can't be listed: ${visible(problem.message)}`)];
  }
}

function entry({ name, size, modified }, place) {
  const item = make('li');
  const link = make('a', '', name);
  link.href = '/api/v1/logs/files/' + encodeURIComponent(name);
  link.setAttribute('download', '');
  const when = String(modified).slice(0, 16).replace('T', ' ');
  item.append(link, make('span', 'log-faint', ` ${amount(size)}, ${place === 0 ? 'this one is written now' : 'until ' + visible(when)}`));
  return item;
}

/** A number of bytes as in "5.6 MB". */
export function amount(bytes) {
  const units = ['B', 'kB', 'MB', 'GB'];
  let unit = 0;
  for (; bytes >= 999.5 && unit < units.length - 1; unit++) bytes /= 1000;
  return (unit > 0 && bytes < 9.95 ? bytes.toFixed(1) : Math.round(bytes)) + ' ' + units[unit];
}
