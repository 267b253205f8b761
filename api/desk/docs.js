// Draw the reference from /openapi.json.

import { element } from "./dom.js";
import { ask, line } from "./server.js";

const place = document.getElementById("reference");
const code = (text) => element("code", {}, text);
const prose = (text) => element("p", {}, ...text.split("`").map((part, n) => n % 2 ? code(part) : part));
const block = (value) => element("pre", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2));

function curl(method, path, body) {
  const verb = method === "GET" ? "" : ` -X ${method}`;
  const data = body ? ` -d '${JSON.stringify(body)}'` : "";
  return `curl${verb} ${location.origin}${path}${data}`;
}

function parameterRow(parameter) {
  const { schema = {} } = parameter;
  const kinds = (schema.anyOf ?? [schema]).map((kind) => kind.enum?.join(" | ") ?? kind.$ref?.split("/").at(-1) ?? kind.type).filter((kind) => kind !== "null");
  return element("tr", {}, element("td", {}, code(parameter.name)), element("td", {}, parameter.in), element("td", {}, kinds.join(" | ")), element("td", {}, parameter.description ?? schema.description ?? ""));
}

function answer(status, response) {
  const parts = [element("h4", {}, `${status} · ${response.description}`)];
  for (const [type, content] of Object.entries(response.content ?? {})) {
    const kind = content.schema?.$ref?.split("/").at(-1);
    parts.push(element("p", { class: "dim" }, [type, kind].filter(Boolean).join(" · ")));
    if (content.example !== undefined) parts.push(block(content.example));
  }
  return parts;
}

function tryIt(path, isOpen) {
  if (!isOpen) return [];
  const button = element("button", { class: "small" }, "Ask now");
  const shown = element("div");
  button.addEventListener("click", async () => {
    shown.replaceChildren(block(await ask("GET", path).catch((problem) => problem)));
  });
  return [button, shown];
}

function operation(path, method, about) {
  const body = about.requestBody?.content["application/json"]?.example;
  const parameters = about.parameters ?? [];
  const isSimple = method === "get" && !path.includes("{") && "application/json" in (about.responses["200"]?.content ?? {});
  return element("details", {},
    element("summary", {}, element("span", { class: `verb ${method === "get" ? "info" : "warn"}` }, method.toUpperCase()), code(path), " ", about.summary ?? ""),
    ...(about.description ?? "").split("\n\n").map(prose),
    block(curl(method.toUpperCase(), path, body)),
    parameters.length ? element("table", {}, element("tbody", {}, ...parameters.map(parameterRow))) : null,
    ...tryIt(path, isSimple),
    ...Object.entries(about.responses).flatMap(([status, response]) => answer(status, response)));
}

function group(tag, paths) {
  const operations = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods)
    .filter(([, about]) => about.tags?.includes(tag.name)).map(([method, about]) => operation(path, method, about)));
  return element("section", { class: "card" }, element("h2", {}, tag.name), element("p", { class: "dim" }, tag.description), ...operations);
}

try {
  const schema = await ask("GET", "/openapi.json");
  const intro = schema.info.description.split("\n\n").map(prose);
  place.append(element("section", { class: "card" }, ...intro), ...schema.tags.map((tag) => group(tag, schema.paths)));
} catch (problem) {
  place.append(element("p", { class: "bad" }, line(problem)));
}
