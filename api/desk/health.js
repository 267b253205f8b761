import { blank, element } from "./dom.js";

export class Health {
  node = element("div", { class: "page" }, blank("Being built."));
}
