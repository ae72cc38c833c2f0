// Requests to the API, and what it says when it can't do something.

/** Why something was not done: for people, with a hint where there is one. */
export class Problem extends Error {
  constructor(status, detail, hint) {
    super(detail);
    this.status = status; // 0: no answer came
    this.hint = hint || '';
  }
}

let ended = () => {};

/** Says whom to tell that the session has ended. */
export function whenEnded(tell) {
  ended = tell;
}

/** The address of something in the API. */
export function url(path, query) {
  const pairs = Object.entries(query || {}).filter(([, value]) => value !== undefined && value !== '');
  const text = pairs.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&');
  return `/api/v1/${path}${text && '?' + text}`;
}

/** Asks for something. */
export async function get(path, query) {
  return (await request('GET', url(path, query))).json();
}

/** Does something, and returns what is said of it. */
export async function post(path, query) {
  const response = await request('POST', url(path, query));
  return response.status === 204 ? null : response.json();
}

/** The first bytes of a file, as text. */
export async function getText(address, bytes) {
  try {
    return await (await request('GET', address, { Range: `bytes=0-${bytes - 1}` })).text();
  } catch (problem) {
    if (problem.status === 416) return ''; // an empty file has no bytes to give
    throw problem;
  }
}

async function request(method, address, headers) {
  let response;
  try {
    response = await fetch(address, { method, headers, cache: 'no-store' });
  } catch {
    throw new Problem(0, 'the device does not answer', method === 'POST' ? 'whether it was done is not known' : '');
  }
  if (response.ok) return response;
  if (response.status === 401) ended();
  throw await problemOf(response);
}

// Problems are RFC 9457, with a hint; what stands in between may answer
// something else.
async function problemOf(response) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // Not a problem in JSON: its status has to do.
  }
  const words = {
    401: 'you are not logged in any more',
    403: 'you may not do that here',
    429: 'that was asked too often',
    503: 'ota is ending or starting',
  };
  const detail = said.detail || words[response.status] || said.title || `the answer was ${response.status}`;
  return new Problem(response.status, detail, said.hint);
}
