// Ask the bot and listen to it. The token, where one is needed, lives for as long as the tab.

import { element } from "./dom.js";

const TOKEN = "autohedge-token";
const PATIENCE_MS = 15000;

function headers(more = {}) {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

let asking = null;

function askToken() {
  asking ??= new Promise((done) => {
    const input = element("input", { type: "password", autocomplete: "off", "aria-label": "Token" });
    const dialog = element("dialog", { "aria-label": "Token" },
      element("h2", {}, "This bot asks for its API_TOKEN"),
      element("p", { class: "dim" }, "It stays in this tab and is forgotten when the tab closes."), input);
    const finish = () => {
      sessionStorage.setItem(TOKEN, input.value.trim());
      dialog.close();
      dialog.remove();
      asking = null;
      done();
    };
    const enter = element("button", { type: "button", class: "first", onclick: finish }, "Enter");
    input.addEventListener("keydown", (event) => event.key === "Enter" && finish());
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.append(element("menu", {}, enter));
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

/** Fetch, asking for the token as often as the bot refuses it. */
async function send(path, options = {}) {
  for (;;) {
    const answer = await fetch(path, { ...options, headers: headers(options.headers) });
    if (answer.status !== 401) return answer;
    await askToken();
  }
}

/** What went wrong, in the words of the bot or, when it says nothing, in ours. */
export const line = (problem) => problem?.detail
  ? [problem.detail, problem.remedy].filter(Boolean).join(" ")
  : "The bot does not answer. Look at its terminal or log; this page tries again by itself.";

/** Return what the bot answers; throw its problem, which has `detail`, `remedy` and `code`. */
export async function ask(method, path, body) {
  const options = { method, signal: AbortSignal.timeout(PATIENCE_MS) };
  if (body !== undefined) Object.assign(options, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const answer = await send(path, options);
  const content = await answer.json();
  if (!answer.ok) throw content;
  return content;
}

/** A path with a query; what is empty is left out. */
export function query(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Follow /events until `stop()`; every event with a number is heard once, also across a restart of
 * the bot. `follow(symbol)` says whose quotes are told: one symbol's, or none.
 */
export class Events {
  #last = null;
  #symbol = "";
  #cut = new AbortController();
  #isOver = false;

  constructor(hear, state) {
    Object.assign(this, { hear, state });
    this.#run();
  }

  follow(symbol) {
    if (symbol === this.#symbol) return;
    this.#symbol = symbol;
    this.#cut.abort();
  }

  stop() {
    this.#isOver = true;
    this.#cut.abort();
  }

  async #run() {
    for (let pause = 250; !this.#isOver;) {
      this.#cut = new AbortController();
      const symbol = this.#symbol;
      try {
        const more = this.#last === null ? {} : { "Last-Event-ID": this.#last };
        const path = `/events?quotes=${encodeURIComponent(symbol)}`;
        const answer = await send(path, { headers: more, signal: this.#cut.signal });
        if (answer.ok) {
          this.state(true);
          pause = 250;
          for await (const event of events(answer.body)) {
            this.#last = event.id ?? this.#last;
            if (event.data) this.hear(event.event, JSON.parse(event.data));
          }
        }
      } catch (error) {
        if (error instanceof SyntaxError) throw error;
      }
      if (symbol !== this.#symbol) continue;
      this.state(false);
      await new Promise((next) => setTimeout(next, pause));
      pause = Math.min(pause * 2, 5000);
    }
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const fields = Object.fromEntries(
        text.slice(0, end).split("\n").map((row) => {
          const at = row.indexOf(": ");
          return [row.slice(0, at), row.slice(at + 2)];
        }),
      );
      text = text.slice(end + 2);
      yield fields;
    }
  }
}
