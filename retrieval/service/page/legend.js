// Which colour a point has, and what the colours mean.

import { element } from "./elements.js";
import { plain } from "./format.js";

// Okabe and Ito (2008), without black, and lighter on dark; of the ramp, viridis
const CATEGORIES = {
  light: ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b5a900"],
  dark: ["#3f9fe0", "#f0b429", "#2fc79b", "#e29bc6", "#ff7f33", "#9ad6ff", "#f0e442"],
};
const OTHERS = "#8a93a0";
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const SINGLE = "#3f7fbf";

/** `onChange` is told how to paint: a function of a point's value, null where it is not to be seen. */
export function createLegend({ onChange }) {
  const made = element("section", { class: "legend", "aria-label": "Legend" });
  const muted = new Set();
  let color = null;
  let key = null;
  const hueOf = (place) => CATEGORIES[document.documentElement.dataset.theme][place];

  document.addEventListener("themechange", () => color && onChange(show(color)));

  function show(shown) {
    color = shown;
    if (color?.key !== key) muted.clear();
    key = color?.key;
    made.hidden = color === null;
    if (color !== null) made.replaceChildren(element("h2", { text: color.key }), ...(color.kind === "number" ? ramp(color) : entries()));
    return paint();
  }

  function entries() {
    const shown = color.values.map(([value, points], place) => [plain(value), points, hueOf(place), JSON.stringify(value)]);
    if (color.others) shown.push(["other values", color.others, OTHERS, "others"]);
    if (color.missing) shown.push(["without", color.missing, OTHERS, "missing"]);
    return shown.map(([name, points, hue, id]) => entry(name, points, hue, id));
  }

  function entry(name, points, hue, id) {
    const swatch = element("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = hue;
    const button = element(
      "button", { type: "button", "aria-pressed": String(!muted.has(id)), title: "Show or hide", onclick: () => {
        if (!muted.delete(id)) muted.add(id);
        button.setAttribute("aria-pressed", String(!muted.has(id)));
        onChange(paint());
      } },
      swatch, element("span", { text: name }), element("span", { class: "number", text: points }),
    );
    return button;
  }

  function paint() {
    if (color === null) return () => SINGLE;
    if (color.kind === "number") return (value) => (value === null ? OTHERS : rampColor((value - color.minimum) / (color.maximum - color.minimum)));
    const hues = new Map(color.values.map(([value], place) => [JSON.stringify(value), hueOf(place)]));
    const shown = new Set([...hues.keys(), "others", "missing"].filter((id) => !muted.has(id)));
    return (value) => {
      const id = value === null ? "missing" : hues.has(JSON.stringify(value)) ? JSON.stringify(value) : "others";
      return shown.has(id) ? hues.get(id) ?? OTHERS : null;
    };
  }

  return { element: made, show };
}

function ramp({ minimum, maximum }) {
  const canvas = element("canvas", { class: "ramp", width: 256, height: 1, role: "img", "aria-label": `From ${minimum} to ${maximum}` });
  const drawing = canvas.getContext("2d");
  for (let x = 0; x < 256; x += 1) {
    drawing.fillStyle = rampColor(x / 255);
    drawing.fillRect(x, 0, 1, 1);
  }
  return [canvas, element("div", { class: "ramp-ends" }, element("span", { text: minimum }), element("span", { text: maximum }))];
}

function rampColor(part) {
  const at = Math.min(Math.max(part, 0), 1) * (RAMP.length - 1);
  const from = Math.min(Math.floor(at), RAMP.length - 2);
  const mixed = RAMP[from].map((low, channel) => Math.round(low + (at - from) * (RAMP[from + 1][channel] - low)));
  return `rgb(${mixed.join(",")})`;
}
