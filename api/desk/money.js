import { blank, element } from "./dom.js";

export class Money {
  node = element("div", { class: "page" }, blank("Being built."));
}
