"use strict";
// Draw the figures that the page carries, in the colours that its style has now.
const figures = JSON.parse(document.getElementById("figures").textContent);
const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };

function resolved(value, style) {
  if (typeof value === "string" && value.startsWith("var(")) {
    return style.getPropertyValue(value.slice(4, -1)).trim();
  }
  if (Array.isArray(value)) {
    return value.length && typeof value[0] === "object" ? value.map((one) => resolved(one, style)) : value;
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, resolved(one, style)]));
  }
  return value;
}

function draw(element) {
  const style = getComputedStyle(document.documentElement);
  const figure = resolved(figures[element.id], style);
  // On a phone the legend stands in rows of two: the plot keeps its height beneath them.
  if (innerWidth < 600) figure.layout.height += 11 * figure.data.length;
  // What is printed was laid out for a screen: half a row, or a whole one, of a sheet of paper.
  if (matchMedia("print").matches) figure.layout.width = element.closest(".two") ? 330 : 690;
  element.style.minHeight = `${figure.layout.height}px`;
  Plotly.react(element, figure.data, figure.layout, config);
}

function drawAll() {
  for (const element of document.querySelectorAll("[data-figure]")) {
    if (!element.hidden) draw(element);
  }
}

const chosen = document.getElementById("symbol");
if (chosen) {
  chosen.addEventListener("change", () => {
    for (const element of document.querySelectorAll("[data-price]")) {
      element.hidden = element.id !== chosen.value;
    }
    draw(document.getElementById(chosen.value));
  });
}
for (const query of ["(prefers-color-scheme: dark)", "print"]) {
  matchMedia(query).addEventListener("change", drawAll);
}
drawAll();
document.documentElement.dataset.drawn = "yes";
