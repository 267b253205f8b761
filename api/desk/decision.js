import { blank, element } from "./dom.js";

export class DecisionPage {
  node = element("div", { class: "page" }, blank("Being built."));
}
