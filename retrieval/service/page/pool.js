// The form of a blind judging: a golden set, the settings whose hits are pooled, how deep, and which queries.

import { element, field } from "./elements.js";
import { createSetChoice } from "./golden_sets.js";

const PRESETS = [
  ["keyword alone", { legs: ["keyword"] }],
  ["semantic alone", { legs: ["semantic"] }],
  ["as the collection is set", {}],
  ["as it is set, and reranked", { rerank: true }],
];
const AT_FIRST = { settings: PRESETS.slice(0, 3).map(([, settings]) => settings), depth: 10 };

/** `onStart` gets what was chosen as the address has it: { judge, query, pool: { settings, depth } }. */
export function createPoolForm({ onSet, onStart, context }) {
  const choice = createSetChoice({ label: "Golden set", none: "– choose one –", onChosen: onSet, context });
  const presets = PRESETS.map(([name, settings]) => ({ settings, box: element("input", { type: "checkbox" }), name }));
  const others = element("textarea", { rows: 2, class: "code", spellcheck: "false", placeholder: '{"fusion": "rrf", "rrf_k": 20}', oninput: () => others.setCustomValidity("") });
  const depth = element("input", { type: "number", min: 1, max: 100, required: true });
  const query = element("input", { autocomplete: "off", spellcheck: "false" });
  const start = element("button", { type: "submit", class: "primary", text: "Start" });
  const form = element(
    "form", { class: "pool-form" },
    choice.element,
    element("fieldset", {}, element("legend", { text: "Settings whose hits are judged" }), presets.map(({ name, box }) => element("label", { class: "switch" }, box, name))),
    field("More settings, as JSON, one a line", others),
    field("Documents of each", depth),
    field("Query", query, "Empty: every query of the set."),
    start,
  );
  let judge = "";

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const settings = chosenSettings();
    if (settings?.length) onStart({ judge, query: query.value.trim(), pool: { settings, depth: Number(depth.value) } });
  });

  function chosenSettings() {
    try {
      const typed = others.value.split("\n").filter((line) => line.trim()).map(settingsOf);
      const found = [...presets.filter(({ box }) => box.checked).map(({ settings }) => settings), ...typed];
      others.setCustomValidity(found.length ? "" : "Choose settings above, or type some.");
      if (!found.length) others.reportValidity();
      return found;
    } catch (error) {
      others.setCustomValidity(error.message);
      others.reportValidity();
      return null;
    }
  }

  for (const { box } of presets) box.addEventListener("change", () => others.setCustomValidity(""));

  function showPool(pool) {
    const { settings, depth: deep } = { ...AT_FIRST, ...pool };
    const rest = new Set((Array.isArray(settings) ? settings : []).map((each) => JSON.stringify(each)));
    for (const preset of presets) preset.box.checked = rest.delete(JSON.stringify(preset.settings));
    others.value = [...rest].join("\n");
    depth.value = deep;
  }

  // what is typed stays until the address says something else
  let shownPool;
  let shownQuery;
  return {
    element: form,
    show(state) {
      judge = state.judge;
      choice.show(judge);
      start.disabled = !judge;
      if (JSON.stringify(state.pool) !== shownPool) showPool(state.pool);
      if (state.query !== shownQuery) query.value = state.query;
      shownPool = JSON.stringify(state.pool);
      shownQuery = state.query;
    },
  };
}

function settingsOf(line) {
  let settings;
  try {
    settings = JSON.parse(line);
  } catch (error) {
    throw new SyntaxError(`Not JSON: ${error.message}`);
  }
  if (settings === null || typeof settings !== "object" || Array.isArray(settings)) throw new SyntaxError("Each line is an object, such as {\"fusion\": \"rrf\"}");
  return settings;
}
