// Folders to look through. The server writes the top of them, in files.go.
import { h, nameOf, patch } from './dom.js';
import { count, size } from './words.js';
import { icon } from './parts.js';
import { get, getText, url } from './api.js';
import { show } from './dialog.js';

/**
 * Makes an element a browser of main/ or deposit/. The result's refresh() looks
 * again at the folder that is shown. An empty top is shown only if showEmpty.
 */
export function mountFiles(element, area, { showEmpty, onError }) {
  let path = '';
  let asking = 0;

  async function open(to) {
    const mine = ++asking;
    try {
      const listing = await get(`files/${area}`, { path: to });
      if (mine !== asking) return; // another folder was opened meanwhile
      path = to;
      const isNothing = path === '' && listing.entries.length === 0 && !showEmpty;
      patch(element, isNothing ? null : listingParts(area, path, listing));
    } catch (problem) {
      if (mine !== asking) return;
      if (problem.status === 404 && to !== '') await open(''); // it went away
      else onError(`Can't look into ${area}/`, problem);
    }
  }

  element.addEventListener('click', (event) => {
    const target = event.target.closest('[data-path]');
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const to = decodeURIComponent(target.dataset.path);
    if (target.dataset.act === 'open') open(to);
    else view(area, to, target.getAttribute('href')).catch((problem) => onError('The file can\'t be shown', problem));
  });
  return { refresh: () => open(path) };
}

// Elements have what people see; a path to ask for must stay what it is.
const inAttribute = encodeURIComponent;

function listingParts(area, path, { entries, more }) {
  return [
    crumbs(area, path),
    entries.length > 0
      ? h('ul', { class: 'entries' }, entries.map((entry) => entryPart(area, path, entry)))
      : h('p', { class: 'muted' }, 'There is nothing in it.'),
    more > 0 && h('p', { class: 'muted' }, `and ${count(more, 'more', 'more')}`),
  ];
}

// The way to a folder; each part of it leads back.
function crumbs(area, path) {
  const names = path === '' ? [] : path.split('/');
  const crumb = (name, i) => {
    if (i === names.length) return h('bdi', { 'aria-current': 'location' }, `${name}/`);
    return h(
      'button',
      { type: 'button', class: 'crumb', 'data-act': 'open', 'data-path': inAttribute(names.slice(0, i).join('/')) },
      nameOf(`${name}/`),
    );
  };
  return h('nav', { class: 'crumbs', 'aria-label': `Where in ${area}/` }, [area, ...names].map(crumb));
}

function entryPart(area, folder, entry) {
  const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
  if (entry.kind === 'folder') {
    return h(
      'li',
      null,
      h('button', { type: 'button', class: 'entry', 'data-act': 'open', 'data-path': inAttribute(path) }, icon('folder'), nameOf(`${entry.name}/`)),
    );
  }
  if (entry.kind !== 'file') {
    return h('li', null, h('span', { class: 'entry' }, icon('link'), nameOf(entry.name), entry.target !== null && [' → ', nameOf(entry.target)]));
  }
  return h(
    'li',
    null,
    h(
      'a',
      { class: 'entry', href: url(`files/${area}/content`, { path, view: true }), 'data-act': 'view', 'data-path': inAttribute(path) },
      icon('file'),
      nameOf(entry.name),
    ),
    h(
      'a',
      { class: 'button-quiet small', href: url(`files/${area}/content`, { path }), download: true },
      h('span', { class: 'hidden' }, 'Download ', nameOf(entry.name), ', '),
      size(entry.size),
    ),
  );
}

const bytesShown = 256 * 1024;

// Shows the beginning of a text, a line a line.
async function view(area, path, href) {
  const text = await getText(href, bytesShown);
  const isText = !text.includes('\0');
  const lines = text.split('\n');
  if (lines[lines.length - 1] === '') lines.pop();
  await show({
    title: [`${area}/`, nameOf(path)],
    wide: true,
    body: [
      h('p', null, h('a', { class: 'button', href: url(`files/${area}/content`, { path }), download: true }, 'Download')),
      isText
        ? h('div', { class: 'text', tabindex: '0', role: 'region', 'aria-label': 'The text' }, lines.map((line, i) =>
            h('div', { class: 'line' }, h('span', { class: 'line-number', 'aria-hidden': 'true' }, i + 1), h('span', null, line || ' '))))
        : h('p', { class: 'muted' }, 'It is no text.'),
      text.length >= bytesShown && h('p', { class: 'muted' }, 'This is the beginning; the download has all of it.'),
    ],
  });
}
