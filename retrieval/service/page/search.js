// The search view: words, filter and settings on one side, hits and facets on the other.

import { announce, delayed, element, empty, loading } from "./elements.js";
import { drawnExplanation, explain } from "./explain.js";
import { countMatches, drawnFacets, facetKeys } from "./facets.js";
import { createFilter } from "./filter.js";
import { count, milliseconds } from "./format.js";
import { createJudging } from "./judging.js";
import { drawnHit, largestScore } from "./results.js";
import { opened, search } from "./searching.js";
import { createSettings } from "./settings.js";
import { adjust, navigate, read } from "./state.js";
import { ownWeights } from "./weights.js";

export function createSearch(context) {
  const input = element("input", {
    type: "search", id: "query", name: "query", autocomplete: "off", spellcheck: "false",
    placeholder: 'words, "a phrase", -not, prefix*', "aria-label": "Search for",
  });
  const form = element(
    "form", { class: "search-form", role: "search" },
    input, element("button", { type: "submit", class: "primary", text: "Search" }),
  );
  const settings = createSettings({ name: "search", onChange: (value) => { isDraft = true; changed({ settings: value }); } });
  const filter = createFilter({ onChange: (value) => changed({ filter: value }) });
  const facets = element("div", { class: "facets" });
  const filterSummary = element("summary", { text: "Filter" });
  const side = element(
    "aside", { class: "side", "aria-label": "Settings and filter" },
    panel(element("summary", { text: "Ranking" }), settings.element),
    panel(filterSummary, filter.element),
    panel(element("summary", { text: "Facets" }), facets),
  );
  const head = element("div", { class: "results-head" });
  const results = element("div", { class: "results" });
  const judging = createJudging({ results, context });
  const explanation = element("details", { class: "explain", ontoggle: () => explanation.open && explained() });
  const pages = element("nav", { class: "pages", "aria-label": "Pages of results" });
  const made = element(
    "div", { class: "view search-view" },
    form, element("div", { class: "columns" }, side, element("section", { class: "main-column", "aria-label": "Results" }, judging.element, head, explanation, results, pages)),
  );
  let running = null;
  let last = null;
  let shownFor = "";
  let before = "";
  let isDraft = false; // what is still being typed or tried out is no question yet, and not logged

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    shownFor = "";
    isDraft = false;
    navigate({ query: input.value.trim(), page: 1 });
  });
  // what is typed in one go is one step back
  input.addEventListener("focus", () => { before = read().query; });
  input.addEventListener("input", delayed(typed, 350));
  const refreshSoon = delayed(refresh, 200);

  function typed() {
    const changes = { query: input.value.trim(), page: 1 };
    if (changes.query === read().query) return;
    isDraft = true;
    const isStep = before && read().query === before;
    before = "";
    if (isStep) navigate(changes);
    else changed(changes);
  }

  function changed(changes) {
    adjust({ ...changes, page: 1 });
    running?.abort(); // what is still to come is not what is asked for now
    results.setAttribute("aria-busy", "true");
    drawFilterSummary(read().filter);
    refreshSoon();
  }

  function drawFilterSummary(value) {
    filterSummary.textContent = value ? "Filter ·  on" : "Filter";
  }

  function filterBy(key, value) {
    const before = read().filter;
    const condition = { [key]: value };
    const next = before ? { $and: [...(before.$and ?? [before]), condition] } : condition;
    filter.show(next);
    changed({ filter: next });
  }

  async function refresh() {
    const state = read();
    running?.abort();
    shownFor = identity(state);
    explanation.open = false;
    explanation.hidden = true;
    side.hidden = !state.collection;
    if (!state.collection) return drawNothing(context.noCollection());
    if (!state.query) {
      drawNothing(empty("Search this collection", element("p", { text: "Type what you look for. Results, scores and facets appear as you type." })));
      return counts(state, []).catch(context.failed);
    }
    const signal = (running = new AbortController()).signal;
    results.setAttribute("aria-busy", "true");
    if (!last) results.replaceChildren(loading("Searching…"));
    const start = performance.now();
    try {
      const asked = { ...state, ranking: context.ranking(), log: !isDraft };
      const found = await search(state.collection, asked, signal);
      last = found;
      draw(state, found, performance.now() - start);
      results.removeAttribute("aria-busy");
      context.shown();
    } catch (error) {
      if (error.name === "AbortError") return;
      drawNothing(empty("The search failed", element("p", { text: error.message })));
      return context.failed(error);
    }
    try {
      await counts(state, last.hits, signal);
      if (!state.settings.weights) settings.ownWeights(await ownWeights(state.collection, last.body, signal));
    } catch (error) {
      if (error.name !== "AbortError") context.failed(error);
    }
  }

  function drawNothing(node) {
    last = null;
    results.removeAttribute("aria-busy");
    results.replaceChildren(node);
    head.replaceChildren();
    pages.replaceChildren();
    explanation.hidden = true;
  }

  function draw(state, { hits, more, offset, queryId }, took) {
    const said = hits.length ? `Hits ${offset + 1} to ${offset + hits.length}` : "No hits";
    head.replaceChildren(element("h2", { class: "visually-hidden", text: "Results" }), element("p", { class: "found", text: `${said} · ${milliseconds(took)}` }));
    announce(`${said} for ${state.query}`);
    const best = largestScore(hits);
    const drawn = (hit, place) => {
      const onOpen = queryId ? () => opened(state.collection, queryId, hit.document_key) : null;
      return drawnHit(hit, { rank: offset + place + 1, best, onFilter: filterBy, onOpen });
    };
    const list = element("ol", { class: "hits" }, hits.map(drawn));
    const nothing = empty("Nothing was found", element("p", { text: state.filter ? "Try it without the filter, or with other words." : "Try other words." }));
    results.replaceChildren(hits.length ? list : nothing);
    judging.attach(state);
    explanation.hidden = hits.length === 0;
    explanation.replaceChildren(element("summary", { text: "Explain this search" }));
    drawPages(state.page, more);
  }

  function drawPages(page, more) {
    const step = (to, text, there) => element("button", { type: "button", text, disabled: !there, onclick: () => { isDraft = false; navigate({ page: to }); scrollTo(0, 0); } });
    const needed = page > 1 || more;
    pages.replaceChildren(...(needed ? [step(page - 1, "← Previous", page > 1), element("span", { text: `Page ${page}` }), step(page + 1, "Next →", more)] : []));
  }

  async function counts(state, hits, signal) {
    context.learnKeys(hits.map((hit) => hit.metadata));
    const keys = facetKeys(context.metadata());
    filter.suggest(keys);
    const byWords = (state.settings.legs ?? ["keyword"]).includes("keyword") && state.query;
    const asked = { query: byWords ? state.query : null, metadata_filter: state.filter, keyword_operator: state.settings.keyword_operator, keys };
    const { matches, facets: found } = await countMatches(state.collection, asked, signal);
    if (signal?.aborted) return;
    facets.replaceChildren(...(found.length ? drawnFacets(found, filterBy) : [element("p", { class: "hint", text: "No metadata to count here." })]));
    if (matches !== null && hits.length) head.lastChild?.append(` · ${count(matches, "chunk has", "chunks have")} the words`);
  }

  async function explained() {
    if (!last || explanation.children.length > 1) return;
    const { body } = last;
    explanation.append(loading());
    try {
      explanation.lastChild.replaceWith(drawnExplanation(await explain(read().collection, body)));
    } catch (error) {
      explanation.lastChild.replaceWith(element("p", { class: "field-problem", text: error.message }));
    }
  }

  return {
    name: "search",
    label: "Search",
    element: made,
    show(state) {
      if (document.activeElement !== input) input.value = state.query;
      settings.show(state.settings);
      settings.allow(context.spaces(), context.ranking());
      filter.show(state.filter);
      judging.show(state);
      drawFilterSummary(state.filter);
      if (identity(state) !== shownFor) refresh();
      else judging.attach(state);
    },
    /** Shown again after documents or the collection have changed. */
    forget() {
      shownFor = "";
    },
  };
}

function identity({ collection, query, filter, settings, page }) {
  return JSON.stringify([collection, query, filter, settings, page]);
}

function panel(summary, content) {
  return element("details", { class: "panel", open: matchMedia("(min-width: 60rem)").matches }, summary, content);
}
