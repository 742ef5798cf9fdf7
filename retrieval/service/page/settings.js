// How a search ranks: legs and their weights, fusion, candidates, diversity, reranking. Only what was changed is sent.

import { element, field, replaceOptions, uniqueId } from "./elements.js";
import { legName } from "./format.js";

export const LEGS = ["keyword", "semantic", "sparse", "late_interaction"];
const KINDS = { keyword: null, semantic: "dense", sparse: "sparse", late_interaction: "multivector" };
const DEFAULT_LEGS = ["keyword", "semantic"];
const FUSIONS = [["", "as the collection is set"], ["relative", "relative scores"], ["rrf", "reciprocal ranks (rrf)"], ["dbsf", "distribution of scores (dbsf)"]];

export function createSettings({ name, onChange }) {
  let settings = {};
  let ranking = {};
  let own = { keyword: 1, semantic: 0.7, sparse: 1, late_interaction: 1 };
  const changed = () => onChange(settings);
  const legs = Object.fromEntries(LEGS.map((leg) => [leg, createLeg(leg, name, legToggled, weightMoved)]));
  const origin = element("small", { class: "hint" });
  const reset = element("button", {
    type: "button", class: "quiet", text: "Reset", title: "Back to the collection's own settings",
    onclick: () => { show({}); changed(); },
  });
  const fusion = choice(FUSIONS, (value) => set("fusion", value || undefined));
  const more = moreControls(set);
  const made = element(
    "div", { class: "settings" },
    element("fieldset", { class: "legs" }, element("legend", { text: "Legs and what they count" }), LEGS.map((leg) => legs[leg].element), origin),
    field("Fusion", fusion),
    ...more.first,
    element("details", {}, element("summary", { text: "More" }), element("div", { class: "grid" }, ...more.rest)),
    reset,
  );

  function set(key, value) {
    settings = { ...settings };
    // a box is only sent where it is not as the collection is set
    if (value === undefined || value === "" || value === Boolean(ranking[key])) delete settings[key];
    else settings[key] = value;
    draw();
    changed();
  }

  function legToggled() {
    const chosen = LEGS.filter((leg) => legs[leg].chosen());
    if (chosen.length === 0) return draw(); // at least one
    set("legs", String(chosen) === String(DEFAULT_LEGS) ? undefined : chosen);
  }

  function weightMoved() {
    const chosen = settings.legs ?? DEFAULT_LEGS;
    set("weights", Object.fromEntries(chosen.map((leg) => [leg, legs[leg].weight()])));
  }

  function draw() {
    const chosen = settings.legs ?? DEFAULT_LEGS;
    for (const leg of LEGS) legs[leg].show(chosen.includes(leg), settings.weights?.[leg] ?? (settings.weights ? 1 : own[leg]));
    origin.textContent = settings.weights ? "Weights of this search." : "The collection's own weights, until one is moved.";
    fusion.value = settings.fusion ?? "";
    more.show(settings, ranking);
    reset.disabled = Object.keys(settings).length === 0;
  }

  function show(next) {
    settings = next ?? {};
    draw();
  }

  show({});
  return {
    element: made,
    show,
    /** Which legs the collection's spaces allow, and what it ranks by where nothing is said. */
    allow(spaces, itsRanking) {
      ranking = itsRanking;
      const active = new Set(spaces.filter((space) => space.state === "active").map((space) => space.kind));
      for (const leg of LEGS) legs[leg].allow(KINDS[leg] === null || active.has(KINDS[leg]), DEFAULT_LEGS.includes(leg));
      more.spaces(spaces.filter((space) => space.kind === "dense" && space.state !== "retired"));
      draw();
    },
    /** What the legs count where nothing is said, as an explanation told. */
    ownWeights(weights) {
      own = { ...own, ...weights };
      draw();
    },
  };
}

function createLeg(leg, name, toggled, moved) {
  const id = uniqueId();
  const box = element("input", { type: "checkbox", id, onchange: toggled });
  const slider = element("input", {
    type: "range", min: 0, max: 2, step: 0.05, name: `${name}-${leg}`, "aria-label": `Weight of ${legName(leg)}`,
    oninput: () => { output.textContent = Number(slider.value).toFixed(2); moved(); },
  });
  const output = element("output", { class: "number" });
  const made = element(
    "div", { class: `leg leg-${leg}` },
    element("span", { class: "swatch", "aria-hidden": "true" }), box, element("label", { for: id, text: legName(leg) }), slider, output,
  );
  let allowed = true;
  return {
    element: made,
    chosen: () => box.checked,
    weight: () => Number(slider.value),
    allow(isAllowed, always) {
      allowed = isAllowed;
      made.hidden = !isAllowed && !always;
      box.disabled = !isAllowed;
      made.title = isAllowed ? "" : "The collection has no active space for this leg";
    },
    show(isChosen, weight) {
      box.checked = isChosen && allowed;
      slider.disabled = !box.checked;
      // while it is dragged, the slider is where the hand is
      if (Number(slider.value) !== weight) slider.value = Math.min(weight, 2);
      output.textContent = weight.toFixed(2);
    },
  };
}

function moreControls(set) {
  const number = (key, properties) => element("input", {
    type: "number", inputmode: "decimal", ...properties,
    onchange: (event) => set(key, event.target.value === "" ? undefined : Number(event.target.value)),
  });
  const controls = {
    rrf_k: number("rrf_k", { min: 1, max: 1000000, placeholder: 60 }),
    candidates: number("candidates", { min: 1, max: 10000, placeholder: 100 }),
    per_document: number("per_document", { min: 1, max: 10000, placeholder: "any" }),
    mmr_lambda: number("mmr_lambda", { min: 0, max: 1, step: 0.05, placeholder: "off" }),
    duplicate_similarity: number("duplicate_similarity", { min: 0, max: 1, step: 0.01, placeholder: "off" }),
    keyword_operator: choice([["", "any word"], ["and", "every word"]], (value) => set("keyword_operator", value || undefined)),
    space: choice([["", "the active one"]], (value) => set("space", value || undefined)),
    boosts: boostsInput(set),
  };
  const rerank = element("input", { type: "checkbox", id: uniqueId(), onchange: () => set("rerank", rerank.checked) });
  const reranker = element("input", {
    placeholder: "of the service", autocomplete: "off",
    onchange: () => set("rerank", reranker.value.trim() || rerank.checked),
  });
  return {
    first: [element("div", { class: "switch" }, rerank, element("label", { for: rerank.id, text: "Rerank the best hits" }))],
    rest: [
      field("k of rrf", controls.rrf_k), field("Candidates a leg", controls.candidates),
      field("Chunks a document", controls.per_document), field("Diversity (MMR λ)", controls.mmr_lambda, "1 none, 0 only diversity"),
      field("Duplicates from cosine", controls.duplicate_similarity), field("Words", controls.keyword_operator),
      field("Dense space", controls.space), field("Reranker", reranker), field("Boosts (JSON)", controls.boosts),
    ],
    show(settings, ranking) {
      controls.rrf_k.placeholder = ranking.rrf_k ?? 60;
      controls.candidates.placeholder = ranking.candidates ?? 100;
      controls.mmr_lambda.placeholder = ranking.mmr_lambda ?? "off";
      reranker.placeholder = ranking.rerank?.model ?? "of the service";
      for (const [key, control] of Object.entries(controls)) {
        const value = settings[key];
        control.value = key === "boosts" ? (value ? JSON.stringify(value) : "") : value ?? "";
      }
      rerank.checked = Boolean(settings.rerank ?? ranking.rerank);
      reranker.value = typeof settings.rerank === "string" ? settings.rerank : "";
    },
    spaces(found) {
      replaceOptions(controls.space, [["", "the active one"], ...found.map(({ name }) => [name, name])], "");
    },
  };
}

function boostsInput(set) {
  const input = element("textarea", {
    rows: 2, class: "code", spellcheck: "false", placeholder: '[{"field": "team", "values": {"security": 1.5}}]',
    onchange: () => {
      try {
        const value = input.value.trim() ? JSON.parse(input.value) : undefined;
        input.setCustomValidity("");
        set("boosts", value);
      } catch (error) {
        input.setCustomValidity(`Not JSON: ${error.message}`);
        input.reportValidity();
      }
    },
  });
  return input;
}

function choice(options, chosen) {
  const made = element("select", { onchange: () => chosen(made.value) });
  replaceOptions(made, options, "");
  return made;
}
