// Keep what every page needs: the status, asked once a second while somebody looks; the events, as
// they come; and whether the bot answers at all.

import { ask, Events, line } from "./server.js";

const EVERY_MS = 1000;
const QUIET_MS = 250;

export const now = { status: null, isUp: false, isHeard: false, problem: "" };

const hearers = new Set();
let timer = null;
let asked = null;

/** Hear of changes: `status()`, and `event(kind, data)`; returns what ends it. */
export function hear(hearer) {
  hearers.add(hearer);
  return () => hearers.delete(hearer);
}

const tell = (what, ...given) => {
  for (const hearer of [...hearers]) hearer[what]?.(...given);
};

/** Ask for the status at once; what a control answered may be given instead. */
export async function refresh(answered = null) {
  clearTimeout(timer);
  asked ??= look(answered).finally(() => { asked = null; });
  await asked;
}

async function look(answered) {
  try {
    now.status = answered ?? await ask("GET", "/status");
    now.isUp = true;
    now.problem = "";
  } catch (problem) {
    now.isUp = false;
    now.problem = line(problem);
  }
  tell("status");
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, now.isUp ? EVERY_MS : 2 * EVERY_MS);
}


const events = new Events(
  (kind, data) => tell("event", kind, data),
  (isHeard) => {
    now.isHeard = isHeard;
    if (isHeard !== now.isUp) refresh();
  },
);

let followed = "";

/** Say whose quotes are told; none while no page shows any, and none while nobody looks. */
export function follow(symbol) {
  followed = symbol;
  events.follow(document.hidden ? "" : symbol);
}

document.addEventListener("visibilitychange", () => {
  follow(followed);
  if (!document.hidden) refresh();
});

/** Which symbol an event is about; none for what is about all. */
export const symbolOf = (data) => data.symbol ?? data.request?.symbol ?? data.order?.request?.symbol ?? null;

/**
 * Wrap something that asks: however often it is called, it runs at most once at a time and then
 * not sooner than `ms` after its last end, and the last call is never lost.
 */
export function paced(work, ms = QUIET_MS) {
  let isBusy = false;
  let isDue = false;
  return async function again() {
    if (isBusy) { isDue = true; return; }
    isBusy = true;
    try {
      do {
        isDue = false;
        await work();
        await new Promise((next) => setTimeout(next, ms));
      } while (isDue);
    } finally {
      isBusy = false;
    }
  };
}
