// Finds the files that somebody chooses or drops, with their paths.

/** Names that no program needs: leftOut() tells the paths that have one. */
export const leftOutNames = ['.git', '__pycache__', '.DS_Store', 'node_modules', '.venv'];

/** Whether a path has a name that is left out unless somebody wants it. */
export function isLeftOut(path) {
  return path.split('/').some((name) => leftOutNames.includes(name));
}

/** The files of an <input>, as {path, file}. */
export function fromInput(input) {
  const files = [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  return { files, unreadable: [], empty: 0 };
}

/**
 * The files of a drop, with all that is in dropped folders. What can't be read is
 * in `unreadable`, as {path, why}; `empty` counts folders with nothing in them.
 */
export async function fromTransfer(transfer) {
  const found = { files: [], unreadable: [], empty: 0 };
  // Both must be asked for at once: when the event is over, they are gone.
  const items = [...transfer.items].filter((item) => item.kind === 'file');
  const entries = items.map((item) => (item.webkitGetAsEntry ? item.webkitGetAsEntry() : null));
  const plain = items.map((item) => item.getAsFile());
  for (const [i, entry] of entries.entries()) {
    if (entry) await walk(entry, '', found);
    else if (plain[i]) found.files.push({ path: plain[i].name, file: plain[i] });
  }
  return found;
}

async function walk(entry, folder, found) {
  const path = folder + entry.name;
  try {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.files.push({ path, file });
      return;
    }
    const entries = await list(entry);
    if (entries.length === 0) found.empty++;
    for (const one of entries) await walk(one, path + '/', found);
  } catch (error) {
    found.unreadable.push({ path, why: error.message || error.name || 'it cannot be read' });
  }
}

// A folder is read in parts of 100 names or so, until one is empty.
async function list(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) return all;
    all.push(...part);
  }
}

/** The one folder that all paths are in, or ''. */
export function commonFolder(paths) {
  const first = paths.length ? paths[0].split('/') : [];
  if (first.length < 2) return '';
  return paths.every((path) => path.startsWith(first[0] + '/')) ? first[0] : '';
}

const marks = ['main.py', 'requirements.txt', 'pyproject.toml', 'ota.toml', 'pylock.toml'];

/** Whether a folder is a program, so that its content and not itself is meant. */
export function isProgram(folder, paths) {
  return marks.some((name) => paths.includes(`${folder}/${name}`));
}
