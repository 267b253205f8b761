// Make and patch elements. Text is never read as markup, and what did not change is not touched: a
// row keeps its focus, and a click that began on it, while its numbers move.

const SVG = "http://www.w3.org/2000/svg";

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => child instanceof Node ? child : String(child)));
  return made;
}

/** Make an element; `on…` attributes are listeners, children are nodes or text. */
export const element = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

/** Make an SVG element. */
export const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

/** A button that says what it does. */
export const button = (words, onclick, attributes = {}) => element("button", { type: "button", onclick, ...attributes }, words);

/** Set a text only when it is another one. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute only when it is another one; null takes it away. */
export function mark(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// Cells of tables: a text with a class, or a node that is made again only when its key changes.
export const text = (words, kind = "") => ({ words: words ?? "–", kind });
export const number = (words, kind = "") => text(words, `n ${kind}`.trim());
export const node = (key, make, kind = "") => ({ key, make, kind });

function patch(cell, what) {
  mark(cell, "class", what.kind || null);
  if (what.make === undefined) {
    delete cell.dataset.key;
    write(cell, String(what.words));
  } else if (cell.dataset.key !== String(what.key)) {
    cell.dataset.key = String(what.key);
    cell.replaceChildren(what.make());
  }
}

/**
 * A table with a caption for those who do not see it. `show(items)` keeps a row for as long as its
 * key is there; `row(item)` gives its cells and `link(item)` where a click on it leads. One that
 * `stacks` shows a row as lines on a phone, its figures with their names: nothing is cut off there.
 */
export class Table {
  constructor({ caption, heads, key, row, link = null, empty, stacks = false }) {
    Object.assign(this, { key, row, link, empty, rows: new Map(), heads: heads.map((head) => head.replace("#", "")) });
    this.body = element("tbody");
    this.node = element("div", { class: stacks ? "scroll stacks" : "scroll", tabindex: 0, role: "region", "aria-label": caption },
      element("table", {}, element("caption", { class: "unseen" }, caption),
        element("thead", {}, element("tr", {}, ...heads.map((head, n) => element("th", { scope: "col", class: head.startsWith("#") ? "n" : null }, this.heads[n])))),
        this.body));
  }

  show(items) {
    const wanted = items.map((item) => [String(this.key(item)), item]);
    const keep = new Set(wanted.map(([key]) => key));
    for (const [key, row] of this.rows) if (!keep.has(key)) { row.remove(); this.rows.delete(key); }
    this.nothing?.remove();
    this.nothing = null;
    let before = this.body.firstChild;
    for (const [key, item] of wanted) {
      const row = this.rows.get(key) ?? this.#made(key, item);
      this.row(item).forEach((what, n) => patch(row.children[n] ?? row.appendChild(element("td", { "data-head": this.heads[n] })), what));
      if (row === before) before = row.nextSibling;
      else this.body.insertBefore(row, before);
    }
    if (!items.length) this.body.append(this.nothing = element("tr", {}, element("td", { class: "empty", colspan: this.heads.length }, this.empty)));
  }

  #made(key, item) {
    const to = this.link?.(item);
    const row = to ? element("tr", { class: "leads", onclick: (event) => event.target.closest("a, button") || (location.hash = to) }) : element("tr");
    this.rows.set(key, row);
    return row;
  }
}

/** A card with a title; what else stands in its head goes to the right. */
export const card = (title, attributes = {}, ...children) => {
  const { head = [], ...rest } = attributes;
  return element("section", { ...rest, class: `card ${rest.class ?? ""}`.trim() },
    element("header", {}, element("h2", {}, title), element("div", { class: "tools" }, head)), ...children);
};

/** A word in a frame: its tone is a colour and a sign, never a colour alone. */
export function badge(word, tone) {
  const sign = { good: "●", bad: "■", warn: "▲", info: "◆", dim: "○" }[tone] ?? "◆";
  return element("span", { class: `badge ${tone}` }, element("span", { class: "sign", "aria-hidden": "true" }, sign), word);
}

/** A figure with its name; `show(value, note, tone)`. */
export class Tile {
  constructor(name) {
    this.value = element("b", {}, "–");
    this.note = element("small");
    this.node = element("div", { class: "tile" }, element("span", {}, name), this.value, this.note);
  }

  show(value, note = "", tone = "") {
    write(this.value, value ?? "–");
    write(this.note, note);
    mark(this.value, "class", tone || null);
  }
}

/** A bar that fills; from 80 % on it warns, at 100 % it is full, in words too; a calm one never. */
export class Meter {
  constructor(name, { isCalm = false } = {}) {
    this.isCalm = isCalm;
    this.bar = element("div", { class: "bar" });
    this.words = element("span", { class: "n" });
    this.name = element("span", { title: name.title ?? null }, name.words ?? name);
    this.track = element("div", { class: "track", role: "meter", "aria-label": name.words ?? name, "aria-valuemin": 0, "aria-valuemax": 100 }, this.bar);
    this.node = element("div", { class: "meter" }, this.name, this.words, this.track);
  }

  show(share, words) {
    const percent = Math.max(0, Math.min(100, share * 100));
    this.bar.style.width = `${percent}%`;
    const word = this.isCalm || share < 0.8 ? "" : share >= 1 ? "full" : "near";
    mark(this.bar, "class", `bar ${{ full: "bad", near: "warn" }[word] ?? ""}`.trim());
    mark(this.track, "aria-valuenow", percent.toFixed(0));
    mark(this.track, "aria-valuetext", words);
    write(this.words, word ? `${words} · ${word}` : words);
  }
}

/** What a page says while it has nothing to show: what happens, and what to do. */
export const blank = (what, then = "") => element("p", { class: "blank" }, element("b", {}, what), " ", then);
