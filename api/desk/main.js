// The desk: a page a tab, the state of trading always in sight, and what goes wrong said on top.

import { badge, element, mark, write } from "./dom.js";
import { control, note, sure } from "./dialogs.js";
import { hear, now, refresh } from "./state.js";
import { Controls } from "./controls.js";
import { DecisionPage } from "./decision.js";
import { Decisions } from "./decisions.js";
import { Health, remember } from "./health.js";
import { Market } from "./market.js";
import { Money } from "./money.js";
import { gain, money, sentence, signed, tone, words } from "./words.js";

const PAGES = {
  market: { title: "Market", make: ([symbol]) => new Market(symbol) },
  decisions: { title: "Decisions", make: ([id], asked) => id ? new DecisionPage(id) : new Decisions(asked) },
  money: { title: "Money", make: () => new Money() },
  controls: { title: "Controls", make: () => new Controls() },
  health: { title: "Health", make: () => new Health() },
};
const THEME = "autohedge-theme";

const at = (id) => document.getElementById(id);
let page = null;
let shown = null;

/** Open the page that the address names: `#/page/what?with=this`. */
function open() {
  const [path, asked = ""] = location.hash.slice(2).split("?");
  const [name, ...rest] = path.split("/").map(decodeURIComponent);
  const found = PAGES[name] ? name : "market";
  page?.leave?.();
  page = PAGES[found].make(PAGES[name] ? rest : [], new URLSearchParams(asked));
  at("page").replaceChildren(page.node);
  if (shown !== null) at("page").focus({ preventScroll: true });
  shown = found;
  document.title = `${PAGES[found].title} · AutoHedge`;
  for (const link of document.querySelectorAll("[data-page]")) mark(link, "aria-current", link.dataset.page === found ? "page" : null);
  window.scrollTo(0, 0);
  if (now.status) page.status?.();
}

/** What is wrong or waits, most urgent first: a line, its tone, and where to go. */
function* troubles() {
  const { status } = now;
  if (!now.isUp) {
    yield ["bad", now.problem || "The bot does not answer yet.", null];
    if (!status) return;
  }
  if (!status.is_journal_up) yield ["bad", "The journal is down: nothing opens. Free its disk or database; it comes back by itself.", "#/health"];
  if (status.trading !== "active") {
    const remedy = ["NEVER_STARTED", "STOPPED"].includes(status.trading_code) ? "Start it on the Controls page." : "Look at it, then resume on the Controls page.";
    yield [status.trading === "halted" ? "bad" : "warn", `Trading is ${status.trading} (${status.trading_code}): ${sentence(status.trading_reason)} ${remedy}`, "#/controls"];
  }
  if (status.approvals_pending) yield ["warn", status.approvals_pending === 1 ? "One order waits for your word." : `${status.approvals_pending} orders wait for your word.`, "#/controls"];
  if (status.session === "running" && !status.is_feed_up) yield ["warn", "A feed is lost: entries of its symbols are denied. It reconnects by itself.", "#/health"];
  if (status.session === "running" && !status.is_reconciled) yield ["warn", "Our books are being held against the venue's; entries wait until they agree.", "#/health"];
  const cold = status.symbols.filter((symbol) => !symbol.is_warm);
  if (status.session === "running" && cold.length) yield ["info", `Warming up: ${cold.length === 1 ? cold[0].symbol : `${cold.length} symbols`} need more closed candles.`, "#/market"];
}

function status() {
  const lines = [...troubles()];
  const key = JSON.stringify(lines);
  if (at("troubles").dataset.key !== key) {
    at("troubles").dataset.key = key;
    at("troubles").replaceChildren(...lines.map(([kind, text, to]) => element("p", { class: kind }, badge({ bad: "Stopped", warn: "Mind", info: "Wait" }[kind], kind), element("span", {}, text), to && element("a", { href: to }, "Open"))));
  }
  mark(document.body, "data-link", now.isUp ? "up" : "down");
  if (now.status) {
    head(now.status);
    page?.status?.();
  }
}

function head({ session, trading, trading_code: code, mode, analyst, equity, day_pnl: day }) {
  const key = `${session}${trading}${code}${mode}${analyst}`;
  if (at("state").dataset.key !== key) {
    at("state").dataset.key = key;
    at("state").replaceChildren(
      element("a", { href: "#/controls", title: `Trading is ${trading} (${code}); session ${session}; ${mode} mode; ${analyst} decides` },
        badge(`trading ${words(trading)}`, tone(trading)), badge(`session ${session}`, tone(session)), badge(mode, mode === "live" ? "warn" : "info")));
  }
  write(at("equity"), money(equity));
  write(at("today"), day === null ? "" : `${signed(day)} today`);
  mark(at("today"), "class", gain(day) || null);
  mark(at("halt"), "disabled", trading === "halted" && session !== "running" ? "" : null);
}

async function halt() {
  const given = await sure({ title: "Halt trading?", text: "Nothing opens any more and working entries are cancelled at once. Stops and targets stay.", verb: "Halt", isDangerous: true });
  if (given) await control("/halt", given);
}

function themed() {
  const chosen = localStorage.getItem(THEME);
  mark(document.documentElement, "data-theme", chosen);
  const isDark = (chosen ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark")) === "dark";
  write(at("theme"), isDark ? "Light" : "Dark");
  return isDark;
}

at("theme").addEventListener("click", () => {
  localStorage.setItem(THEME, themed() ? "light" : "dark");
  themed();
});
at("halt").addEventListener("click", halt);
window.addEventListener("hashchange", open);

const HEARD = {
  alert_raised: (data) => note("warn", data.message),
  approval_requested: () => note("warn", "An order waits for your word."),
};

hear({ status, event: (kind, data) => { remember(kind, data); HEARD[kind]?.(data); page?.event?.(kind, data); if (kind === "state_changed") refresh(); } });
themed();
open();
refresh();
