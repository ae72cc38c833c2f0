// What happens on the device, as it happens: one stream of server-sent events.
// It says of itself whether it is 'open', 'lost' or 'ended' (the session has).

const firstPause = 1000;
const lastPause = 30000;
// Something comes at least each 10 s. After this time without anything the
// connection is one that nobody told that it is dead (as after a change of wifi).
const patience = 35000;

/**
 * Listens for as long as the page is there. `on` has a function for each event
 * (status, device, log, started) and connection(state).
 */
export function listen(on) {
  let source = null;
  let pause = firstPause;
  let timer = 0;
  let start = ''; // of ota, which numbers its lines anew each time
  let lastLine = 0;

  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(again, patience);
  };

  function again() {
    on.connection('lost');
    open();
  }

  const hear = (name, tell) =>
    source.addEventListener(name, ({ data }) => {
      heard();
      tell(JSON.parse(data));
    });

  function open() {
    if (source) source.close();
    source = new EventSource('/api/v1/events?log=500');
    heard();
    source.onopen = () => {
      pause = firstPause;
      on.connection('open');
    };
    source.onerror = failed;
    hear('started', (started) => {
      if (start && started.start !== start) lastLine = 0;
      on.started(started, start !== '' && started.start !== start);
      start = started.start;
    });
    hear('status', on.status);
    hear('device', on.device);
    hear('log', (lines) => {
      // A stream that was opened anew begins with lines that are there already.
      const fresh = lines.filter(({ seq }) => seq > lastLine);
      if (fresh.length === 0) return;
      lastLine = fresh[fresh.length - 1].seq;
      on.log(fresh);
    });
  }

  // A stream that broke off is opened again by the browser, which says where it
  // was; one that was refused is closed, and why can only be found out by asking.
  async function failed() {
    on.connection('lost');
    if (source.readyState !== EventSource.CLOSED) return;
    clearTimeout(timer);
    if (await isLoggedOut()) {
      on.connection('ended');
      return;
    }
    timer = setTimeout(open, pause);
    pause = Math.min(2 * pause, lastPause);
  }

  open();
}

async function isLoggedOut() {
  try {
    return (await fetch('/api/v1/status', { cache: 'no-store' })).status === 401;
  } catch {
    return false; // nobody answers at all
  }
}
