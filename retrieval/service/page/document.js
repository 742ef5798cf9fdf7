// A document: what is known of it, the hit among its neighbours, and on request all of it.

import { collectionPath, documentPath, get } from "./api.js";
import { element, empty, loading } from "./elements.js";
import { count, moment, plain } from "./format.js";
import { href } from "./state.js";

const AROUND = 2;
const CHUNKS = 100;

export function createDocument(context) {
  const made = element("div", { class: "view document-view" });
  let shownFor = "";

  async function load({ collection, document: key, chunk }) {
    made.replaceChildren(backLink(), loading());
    try {
      const stored = await get(documentPath(collection, key));
      const chunks = createChunks(collection, key, chunk);
      await chunks.load();
      made.replaceChildren(backLink(), heading(stored), element("div", { class: "document-columns" }, chunks.element, facts(stored)));
      made.querySelector(".chunk.hit-chunk")?.scrollIntoView({ block: "center" });
      context.shown();
    } catch (error) {
      made.replaceChildren(backLink(), empty("The document cannot be shown", element("p", { text: error.message })));
      context.failed(error);
    }
  }

  return {
    name: "document",
    label: null,
    element: made,
    show(state) {
      const wanted = JSON.stringify([state.collection, state.document, state.chunk]);
      if (wanted === shownFor) return;
      shownFor = wanted;
      if (!state.collection || !state.document) return made.replaceChildren(empty("No document was chosen"));
      return load(state);
    },
    forget() {
      shownFor = "";
    },
  };
}

function backLink() {
  const back = element("a", { class: "back", href: href({ view: "search", document: "", chunk: null }), text: "← Back" });
  back.addEventListener("click", (event) => {
    if (history.length < 2) return; // a shared address: there is nothing to go back to
    event.preventDefault();
    history.back();
  });
  return back;
}

function heading({ document_key, title }) {
  return element("header", { class: "document-head" }, element("h2", { text: title || document_key }), title && title !== document_key ? element("p", { class: "hint", text: document_key }) : null);
}

function facts({ document_key, source, metadata, text_config, content, created_at, updated_at }) {
  const rows = [
    ["Key", document_key], ["Source", source ?? "–"], ["Changed", moment(updated_at)], ["First stored", moment(created_at)],
    ["Length", count(content.length, "character")], ...(text_config ? [["Language", text_config]] : []),
    ...Object.entries(metadata).map(([key, value]) => [key, plain(value)]),
  ];
  const whole = element("details", { class: "panel" }, element("summary", { text: "Whole text" }), element("pre", { class: "whole", text: content, tabindex: 0 }));
  return element("aside", { "aria-label": "About the document" }, element("dl", { class: "facts" }, rows.map(([name, value]) => element("div", {}, element("dt", { text: name }), element("dd", { text: value })))), whole);
}

/** The chunks around one, with more before and after on request; without one, from the first on. */
function createChunks(collection, key, chunkId) {
  const list = element("ol", { class: "chunks" });
  const before = element("button", { type: "button", class: "quiet", text: "Show what is before", onclick: () => widen({ before: 5 }) });
  const after = element("button", { type: "button", class: "quiet", text: "Show what is after", onclick: () => widen({ after: 5 }) });
  const around = { before: AROUND, after: AROUND };
  let next = null;

  async function widen(more) {
    for (const [side, by] of Object.entries(more)) around[side] += by;
    await load();
  }

  async function load() {
    if (chunkId) {
      const { chunks } = await get(collectionPath(collection, `/chunks/${chunkId}`), { parameters: around });
      const place = chunks.findIndex((chunk) => chunk.chunk_id === chunkId);
      before.hidden = place < around.before;
      after.hidden = chunks.length - 1 - place < around.after;
      list.replaceChildren(...chunks.map((chunk) => drawnChunk(chunk, chunk.chunk_id === chunkId)));
      return;
    }
    const found = await get(collectionPath(collection, "/chunks"), { parameters: { document_key: key, limit: CHUNKS, after: next } });
    next = found.next;
    before.hidden = true;
    after.hidden = next === null;
    list.append(...found.chunks.map((chunk) => drawnChunk(chunk, false)));
  }

  return { element: element("section", { "aria-label": "Chunks" }, before, list, after), load };
}

function drawnChunk({ position, context, content }, isHit) {
  return element(
    "li", { class: `chunk${isHit ? " hit-chunk" : ""}`, "aria-current": isHit ? "true" : null },
    element("p", { class: "chunk-place" }, `Chunk ${position + 1}`, isHit ? element("strong", { text: " · the hit" }) : null, context ? ` · ${context}` : null),
    element("p", { class: "chunk-text", text: content }),
  );
}
