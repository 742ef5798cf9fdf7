// Two settings side by side: what both find, and how far each common hit moved.

import { announce, delayed, element, empty } from "./elements.js";
import { drawnHit, largestScore } from "./results.js";
import { search } from "./searching.js";
import { createSettings } from "./settings.js";
import { adjust, navigate, read } from "./state.js";
import { ownWeights } from "./weights.js";

const DEFAULT_B = { fusion: "rrf" };
const DEPTHS = [3, 5, 10];

export function createCompare(context) {
  const input = element("input", { type: "search", id: "compare-query", autocomplete: "off", spellcheck: "false", "aria-label": "Search for, in both", placeholder: "a query for both" });
  const form = element("form", { class: "search-form", role: "search" }, input, element("button", { type: "submit", class: "primary", text: "Compare" }));
  const summary = element("div", { class: "overlap notice" });
  const sides = { a: createSide("a", "A", sideChanged), b: createSide("b", "B", sideChanged) };
  const filterNote = element("p", { class: "hint" });
  const made = element("div", { class: "view compare-view" }, form, filterNote, summary, element("div", { class: "two" }, sides.a.element, sides.b.element));
  const refreshSoon = delayed(refresh, 200);
  let running = null;
  let shownFor = "";

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    shownFor = "";
    navigate({ query: input.value.trim() });
  });

  function sideChanged(side, settings) {
    adjust({ [side]: settings });
    running?.abort();
    for (const each of Object.values(sides)) each.wait();
    refreshSoon();
  }

  async function refresh() {
    const state = read();
    running?.abort();
    shownFor = identity(state);
    if (!state.collection) return drawNothing(context.noCollection());
    if (!state.query) return drawNothing(empty("Compare two settings", element("p", { text: "One query, two ways to rank: type it above." })));
    const signal = (running = new AbortController()).signal;
    try {
      const [a, b] = await Promise.all(
        ["a", "b"].map((side) => search(state.collection, { ...state, page: 1, ranking: context.ranking(), settings: settingsOf(state, side) }, signal)),
      );
      draw(a.hits, b.hits);
      context.shown();
      const own = await ownWeights(state.collection, a.body, signal);
      for (const side of Object.values(sides)) side.ownWeights(own);
    } catch (error) {
      if (error.name === "AbortError") return;
      drawNothing(empty("The comparison failed", element("p", { text: error.message })));
      context.failed(error);
    }
  }

  function drawNothing(node) {
    summary.replaceChildren(node);
    sides.a.draw(null);
    sides.b.draw(null);
  }

  function draw(a, b) {
    const placesA = places(a);
    const placesB = places(b);
    sides.a.draw(a, (hit) => elsewhere(placesB.get(hit.chunk_id), "B"));
    sides.b.draw(b, (hit, place) => moved(placesA.get(hit.chunk_id), place));
    const shared = DEPTHS.map((depth) => [depth, overlap(a, b, depth)]);
    summary.replaceChildren(
      element("dl", {}, shared.map(([depth, part]) => element("div", {}, element("dt", { text: `overlap@${depth}` }), element("dd", { text: `${Math.round(100 * part)} %` })))),
    );
    announce(`Overlap of the first ten: ${Math.round(100 * shared.at(-1)[1])} percent`);
  }

  // a hit and the same one on the other side
  for (const event of ["pointerover", "focusin"]) made.addEventListener(event, (happened) => light(happened.target.closest?.(".hit")?.dataset.chunk));
  made.addEventListener("pointerleave", () => light(null));

  function light(chunk) {
    for (const hit of made.querySelectorAll(".hit")) hit.classList.toggle("lit", hit.dataset.chunk === chunk);
  }

  return {
    name: "compare",
    label: "Compare",
    element: made,
    show(state) {
      if (document.activeElement !== input) input.value = state.query;
      filterNote.textContent = state.filter ? `Both with the filter ${JSON.stringify(state.filter)}.` : "";
      for (const side of ["a", "b"]) sides[side].show(settingsOf(state, side), context.spaces(), context.ranking());
      if (identity(state) !== shownFor) refresh();
    },
    forget() {
      shownFor = "";
    },
  };
}

function settingsOf(state, side) {
  return state[side] ?? (side === "a" ? state.settings : DEFAULT_B);
}

function createSide(side, label, changed) {
  const settings = createSettings({ name: side, onChange: (value) => changed(side, value) });
  const results = element("div", { class: "results" });
  const chosen = element("details", { class: "panel", open: matchMedia("(min-width: 60rem)").matches }, element("summary", { text: `Settings ${label}` }), settings.element);

  function draw(hits, note) {
    results.removeAttribute("aria-busy");
    if (hits === null) return results.replaceChildren();
    const best = largestScore(hits);
    const list = hits.map((hit, place) => drawnHit(hit, { rank: place + 1, best, compact: true, note: note(hit, place + 1) }));
    results.replaceChildren(list.length ? element("ol", { class: "hits" }, list) : empty("Nothing was found"));
  }

  return {
    element: element("section", { class: `side-${side}`, "aria-label": `Setting ${label}` }, element("h2", { text: label }), chosen, results),
    draw,
    wait: () => results.setAttribute("aria-busy", "true"),
    ownWeights: settings.ownWeights,
    show(value, spaces, ranking) {
      settings.show(value);
      settings.allow(spaces, ranking);
    },
  };
}

function moved(before, place) {
  if (before === undefined) return note("new", "is new", "not among those of A");
  if (before === place) return note("=", "same", "at the same place as in A");
  const up = before > place;
  return note(`${up ? "▲" : "▼"} ${Math.abs(before - place)}`, up ? "up" : "down", `${Math.abs(before - place)} ${up ? "higher" : "lower"} than in A`);
}

function elsewhere(place, label) {
  return place === undefined ? note("–", "gone", `not among those of ${label}`) : note(`→ ${place}`, "same", `place ${place} in ${label}`);
}

function note(text, kind, said) {
  return element("span", { class: `moved ${kind}`, title: said }, element("span", { "aria-hidden": "true", text }), element("span", { class: "visually-hidden", text: said }));
}

function places(hits) {
  return new Map(hits.map((hit, place) => [hit.chunk_id, place + 1]));
}

/** The share of the first hits that are the same; of fewer where fewer were found. */
function overlap(a, b, depth) {
  const first = new Set(a.slice(0, depth).map((hit) => hit.chunk_id));
  const most = Math.min(depth, Math.max(a.length, b.length));
  return most ? b.slice(0, depth).filter((hit) => first.has(hit.chunk_id)).length / most : 1;
}

function identity({ collection, query, filter, settings, a, b }) {
  return JSON.stringify([collection, query, filter, settings, a, b]);
}
