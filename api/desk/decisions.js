import { blank, element } from "./dom.js";

export class Decisions {
  node = element("div", { class: "page" }, blank("Being built."));
}
