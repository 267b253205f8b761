// Ask a person to confirm, do what was asked, and say what came of it.

import { button, element } from "./dom.js";
import { ask, line } from "./server.js";
import { refresh } from "./state.js";

const KEPT_MS = 9000;

/** Say one line where it is seen and heard; it leaves by itself, an error only by a click. */
export function note(tone, words) {
  const place = document.getElementById("notes");
  const made = element("div", { class: `note ${tone}`, role: tone === "bad" ? "alert" : "status" }, element("span", {}, words),
    button("Close", () => made.remove(), { class: "small" }));
  place.append(made);
  while (place.children.length > 4) place.firstChild.remove();
  if (tone !== "bad") setTimeout(() => made.remove(), KEPT_MS);
}

/**
 * Ask whether to go on; answers `{reason, ...choices}` or null. `choices` are check boxes by name,
 * `word` must be typed first where a click alone would be too little.
 */
export function sure({ title, text, verb, isDangerous = false, choices = {}, word = "", wantsReason = true }) {
  return new Promise((done) => {
    const reason = element("input", { "aria-label": "Reason", maxlength: 500, autocomplete: "off", placeholder: "reason, for the journal" });
    const boxes = Object.entries(choices).map(([name, label]) => [name, element("input", { type: "checkbox", id: `choice-${name}` }), label]);
    const typed = element("input", { "aria-label": `Type ${word}`, autocomplete: "off" });
    const go = button(verb, () => finish(true), { class: isDangerous ? "danger first" : "first", disabled: Boolean(word) });
    const dialog = element("dialog", { "aria-labelledby": "sure-title" },
      element("h2", { id: "sure-title" }, title), element("p", {}, text),
      ...boxes.map(([, box, label]) => element("label", { class: "choice" }, box, label)),
      word && element("label", { class: "choice column" }, `Type ${word} to go on.`, typed),
      wantsReason && reason,
      element("menu", {}, button("Back", () => finish(false)), go));
    const finish = (isSure) => {
      const given = isSure ? { reason: reason.value.trim(), ...Object.fromEntries(boxes.map(([name, box]) => [name, box.checked])) } : null;
      dialog.close();
      dialog.remove();
      done(given);
    };
    typed.addEventListener("input", () => { go.disabled = typed.value.trim() !== word; });
    dialog.addEventListener("keydown", (event) => event.key === "Enter" && event.target.tagName === "INPUT" && !go.disabled && finish(true));
    dialog.addEventListener("cancel", () => { dialog.remove(); done(null); });
    document.body.append(dialog);
    dialog.showModal();
    (word ? typed : wantsReason ? reason : go).focus();
  });
}

/** Do one control and say what came of it; answers the bot's answer, or null. */
export async function control(path, body = {}, said = null) {
  try {
    const answer = await ask("POST", path, body);
    note("good", said?.(answer) ?? SAID[path.split("/")[1]]?.(answer) ?? "Done.");
    refresh();
    return answer;
  } catch (problem) {
    note("bad", line(problem));
    refresh();
    return null;
  }
}

const SAID = {
  start: () => "The session runs.",
  stop: () => "The session is stopped; what protects positions stays.",
  halt: () => "Halted: nothing opens, working entries are cancelled, protection stays.",
  reduce: () => "Reducing: nothing opens, the agents may still close.",
  resume: (status) => status.trading === "active" ? "Trading is active." : `Trading is ${status.trading}: ${status.trading_code}.`,
  decide: (ticket) => `A run of ${ticket.symbol} is queued.`,
  flatten: ({ items }) => items.length ? `Closing goes on: ${items.map((each) => each.symbol).join(", ")}.` : "Flat: no position of ours is left.",
  "cancel-all": ({ items }) => items.length === 1 ? "One order was cancelled." : `${items.length} orders were cancelled.`,
  reconcile: ({ clean }) => clean ? "Our books agree with the venue's." : "Our books differ from the venue's; see below.",
  approvals: (closed) => closed.message,
};
