// Say numbers, times and states as people read them.

const NONE = "–";
const MONEY = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const CENTS = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 4, maximumFractionDigits: 4 });
const SHARES = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 8 });

const isNone = (value) => value === null || value === undefined || value === "";

export const money = (value) => isNone(value) ? NONE : MONEY.format(Number(value));
export const cost = (value) => isNone(value) ? NONE : Number(value) < 1 ? CENTS.format(Number(value)) : MONEY.format(Number(value));
export const signed = (value) => isNone(value) ? NONE : `${Number(value) >= 0 ? "+" : "−"}${MONEY.format(Math.abs(Number(value)))}`;
export const quantity = (value) => isNone(value) ? NONE : SHARES.format(Number(value));
export const whole = (value) => isNone(value) ? NONE : Number(value).toLocaleString("en-US");
export const percent = (share, digits = 1) => isNone(share) ? NONE : `${(Number(share) * 100).toFixed(digits)} %`;
export const gain = (value) => Number(value) < 0 ? "down" : Number(value) > 0 ? "up" : "";

/** A price with as many decimals as its size asks for, the same for all prices of that size. */
export function price(value) {
  if (isNone(value)) return NONE;
  const size = Math.abs(Number(value));
  const digits = size >= 10000 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 4 : 8;
  return Number(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export const clock = (ts) => ts ? new Date(ts).toLocaleTimeString("en-GB") : NONE;
const minute = (ts) => new Date(ts).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = (ts, timeZone) => new Date(ts).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone });

/** When a candle of so many seconds began: as exact as it takes to tell it from the next. A day's is UTC's. */
export function began(ts, seconds) {
  if (seconds < 60) return clock(ts);
  if (seconds < 3600) return minute(ts);
  return seconds < 86400 ? `${day(ts)} ${minute(ts)}` : day(ts, "UTC");
}

/** A time of day, with the day when it is not today. */
export function when(ts) {
  if (!ts) return NONE;
  const at = new Date(ts);
  const before = at.toDateString() === new Date().toDateString() ? "" : `${day(at)} `;
  return `${before}${at.toLocaleTimeString("en-GB")}`;
}

/** What a limit found, in words; journals keep it as it was written, for a replay is held to its bytes. */
export const measured = (value) => (value || NONE).replace(/: (True|False|None)\b/g, (_, said) => `: ${{ True: "yes", False: "no", None: "unknown" }[said]}`);

/** A duration in seconds, short. */
export function lasting(seconds) {
  if (isNone(seconds)) return NONE;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export const milliseconds = (ms) => isNone(ms) ? NONE : lasting(ms / 1000);

/** Minutes and seconds that are left. */
export function countdown(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

/** A code or a name as words: `awaiting_approval` is "awaiting approval". */
export const words = (name) => String(name ?? NONE).replaceAll("_", " ");

/** A text with an end, so that another can follow it. */
export const sentence = (text) => /[.!?]$/.test(text) ? text : `${text}.`;

const TONES = {
  running: "good", active: "good", ordered: "good", filled: "good", venue: "good", approved: "good", authorized: "good",
  stopped: "dim", held: "dim", canceled: "dim", expired: "dim", already_in_position: "dim", replaced: "dim",
  halted: "bad", rejected: "bad", none: "bad", invalid: "bad", unknown: "bad", denied: "bad",
  reducing: "warn", starting: "warn", stopping: "warn", abstained: "warn", engine: "warn", awaiting_approval: "warn", pending: "warn",
  partially_filled: "warn", pending_cancel: "warn",
};

export const tone = (word) => TONES[word] ?? "info";

const ACTORS = { "http:127.0.0.1": "this machine, over HTTP", "http:::1": "this machine, over HTTP" };

/** Who did it, without what only programs say. */
export const actor = (name) => ACTORS[name] ?? String(name ?? NONE).replace(/^http:/, "HTTP from ");
