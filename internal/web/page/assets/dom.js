// The only way in which this page makes elements. Nothing from outside can be
// more than text here: nothing is read as markup (the page's policy forbids it),
// and each text and value goes through visible().

// What steers a terminal, turns the order of characters round or can't be seen
// (the categories C, Zl and Zp of Unicode), but for tabs and the two joiners
// without which some languages are spelt wrong. The server does the same.
const unseen = /[\p{C}\p{Zl}\p{Zp}]/gu;
const stays = new Set(['\t', '\u200c', '\u200d']);
const short = { '\x07': 'a', '\b': 'b', '\n': 'n', '\v': 'v', '\f': 'f', '\r': 'r' };

/** Text in which what can't be seen is written out, as in \u202e. */
export function visible(text) {
  return String(text).replace(unseen, (character) => {
    if (stays.has(character)) return character;
    if (short[character]) return '\\' + short[character];
    const code = character.codePointAt(0);
    const [letter, digits] = code < 0x80 ? ['x', 2] : code <= 0xffff ? ['u', 4] : ['U', 8];
    return '\\' + letter + code.toString(16).padStart(digits, '0');
  });
}

const svgNames = new Set(['svg', 'path', 'rect']);

/**
 * An element. Attributes that are false, null or undefined are left out; of the
 * children, strings become text, arrays are flattened, and what is no child
 * (false, null, undefined) is left out.
 */
export function h(name, attributes, ...children) {
  const element = svgNames.has(name)
    ? document.createElementNS('http://www.w3.org/2000/svg', name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (key === 'style' || key.startsWith('on')) throw new Error('no ' + key + ' here');
    element.setAttribute(key, value === true ? '' : visible(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child instanceof Node) element.append(child);
    else if (child !== null && child !== undefined && child !== false && child !== '') element.append(visible(child));
  }
}

/** A file's name or path: of any script, it must not turn round what is beside it. */
export function nameOf(path) {
  return h('bdi', null, path);
}

/**
 * Makes the content of an element that of `wanted` by changing only what
 * differs. So what has the focus keeps it, what is open stays open, and what is
 * selected stays selected.
 */
export function patch(element, ...wanted) {
  const fragment = document.createDocumentFragment();
  append(fragment, wanted);
  patchChildren(element, fragment);
}

function patchChildren(old, wanted) {
  const keyed = new Map();
  for (const child of old.children) if (child.dataset && child.dataset.key) keyed.set(child.dataset.key, child);
  let here = old.firstChild;
  for (const node of [...wanted.childNodes]) {
    const key = node.dataset && node.dataset.key;
    const match = key ? keyed.get(key) : here;
    if (match && isAlike(match, node)) {
      if (match === here) here = here.nextSibling;
      else old.insertBefore(match, here);
      patchNode(match, node);
    } else {
      old.insertBefore(node, here);
    }
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}

const keyOf = (node) => (node.dataset ? node.dataset.key : undefined);

function isAlike(a, b) {
  return a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

function patchNode(old, wanted) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // Whether something is folded out is the reader's business.
    if (!wanted.hasAttribute(name) && !(name === 'open' && old.nodeName === 'DETAILS')) old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  // What another module fills is its own.
  if (!old.hasAttribute('data-own')) patchChildren(old, wanted);
}
