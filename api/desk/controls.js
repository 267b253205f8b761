import { blank, element } from "./dom.js";

export class Controls {
  node = element("div", { class: "page" }, blank("Being built."));
}
