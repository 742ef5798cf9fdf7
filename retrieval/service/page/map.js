// The map view: chunks as points, coloured by metadata; the query and its hits are lit.

import { collectionPath, post } from "./api.js";
import { announce, delayed, element, empty, field, replaceOptions } from "./elements.js";
import { facetKeys } from "./facets.js";
import { count } from "./format.js";
import { createLegend } from "./legend.js";
import { createPlot } from "./plot.js";
import { search } from "./searching.js";
import { adjust, href, navigate, read } from "./state.js";

export function createMap(context) {
  const input = element("input", { type: "search", id: "map-query", autocomplete: "off", spellcheck: "false", "aria-label": "Light what is found for", placeholder: "light what is found for…" });
  const form = element("form", { class: "search-form", role: "search" }, input, element("button", { type: "submit", class: "primary", text: "Show" }));
  const color = element("select", { onchange: () => { adjust({ color: color.value }); refresh(); } });
  const plot = createPlot({ onOpen: open, onFocus: focused });
  const legend = createLegend({ onChange: (paint) => plot.paint(paint) });
  const hits = element("ol", { class: "map-hits" });
  const hitsTitle = element("h2", { text: "Hits" });
  const note = element("p", { class: "hint" });
  const side = element("aside", { class: "map-side", "aria-label": "Legend and hits" }, legend.element, element("section", { "aria-label": "Hits on the map" }, hitsTitle, hits), note);
  const nothing = element("div", { class: "notice" });
  const columns = element("div", { class: "map-columns" }, plot.element, side);
  const made = element("div", { class: "view map-view" }, element("div", { class: "map-form" }, form, field("Colour by", color)), nothing, columns);
  let running = null;
  let shownFor = "";

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    shownFor = "";
    navigate({ query: input.value.trim() });
  });
  input.addEventListener("input", delayed(() => { adjust({ query: input.value.trim(), page: 1 }); refresh(); }, 400));

  async function refresh() {
    const state = read();
    running?.abort();
    shownFor = identity(state);
    if (!state.collection) return drawNothing(context.noCollection());
    const signal = (running = new AbortController()).signal;
    try {
      const found = state.query ? (await search(state.collection, { ...state, page: 1 }, signal)).hits : [];
      const wanted = {
        query: state.query || null, metadata_filter: state.filter, color_by: state.color || null, space: state.settings.space ?? null,
        chunk_ids: found.map((hit) => hit.chunk_id),
      };
      draw(await post(collectionPath(state.collection, "/map"), wanted, { signal }));
      context.shown();
    } catch (error) {
      if (error.name === "AbortError") return;
      drawNothing(empty("There is no map to draw", element("p", { text: error.message })));
      context.failed(error);
    }
  }

  function drawNothing(node) {
    nothing.replaceChildren(node);
    columns.hidden = true;
  }

  function draw(map) {
    if (!map.points.length) return drawNothing(empty("Nothing to draw yet", element("p", { text: "No chunk with an embedding fulfils the filter. Upload documents, or take the filter away." })));
    nothing.replaceChildren();
    columns.hidden = false;
    plot.paint(legend.show(map.color));
    plot.show(map);
    drawHits(map);
    const [first, second] = map.explained_variance.map((share) => Math.round(100 * share));
    note.textContent = `${count(map.points.length, "chunk")} of the space ${map.space}, on the two principal components of a sample: ${first} % and ${second} % of its variance. Drag to move, scroll to zoom; by keyboard: arrows go from point to point, + and − zoom, 0 shows all, Enter opens.`;
    announce(`${count(map.points.length, "chunk")} drawn, ${count(map.hits.length, "hit")} lit`);
  }

  function drawHits(map) {
    const byId = new Map(map.points.map((point) => [point.chunk_id, point]));
    hitsTitle.hidden = map.hits.length === 0;
    hits.replaceChildren(...map.hits.map((chunk, place) => drawnHit(byId.get(chunk), place + 1)));
  }

  function drawnHit(point, rank) {
    const link = element(
      "a", { href: address(point), "data-chunk": point.chunk_id, onpointerenter: () => plot.focus(point), onfocus: () => plot.focus(point) },
      element("span", { class: "rank", text: rank }), element("span", { class: "hit-name", text: point.title || point.document_key }),
      element("span", { class: "number", text: `${coordinate(point.x)}, ${coordinate(point.y)}` }),
    );
    return element("li", {}, link);
  }

  function focused(point) {
    for (const link of hits.querySelectorAll("a")) link.classList.toggle("lit", Number(link.dataset.chunk) === point?.chunk_id);
  }

  return {
    name: "map",
    label: "Map",
    element: made,
    show(state) {
      if (document.activeElement !== input) input.value = state.query;
      const keys = facetKeys(context.metadata());
      if (state.color && !keys.includes(state.color)) keys.push(state.color);
      replaceOptions(color, [["", "nothing"], ...keys.map((key) => [key, key])], state.color);
      plot.resize();
      if (identity(state) !== shownFor) refresh();
    },
    forget() {
      shownFor = "";
    },
  };
}

function coordinate(number) {
  return (Math.round(100 * number) / 100 || 0).toFixed(2);
}

function address(point) {
  return href({ view: "document", document: point.document_key, chunk: point.chunk_id });
}

function open(point) {
  navigate({ view: "document", document: point.document_key, chunk: point.chunk_id });
}

function identity({ collection, query, filter, settings, color }) {
  return JSON.stringify([collection, query, filter, settings, color]);
}
