// One hit: where it is from, its text with the query's words marked, and a bar of what each leg gave to its score.

import { element } from "./elements.js";
import { legName, plain, score } from "./format.js";
import { highlighted } from "./highlight.js";
import { href } from "./state.js";

const BLANK_LINES = /\n\s*\n/g;

/** `rank` is the place among all hits, `best` the largest score shown: the whole width of a bar; `onOpen` hears of the document being opened. */
export function drawnHit(hit, { rank, best, note = null, compact = false, onFilter = null, onOpen = null }) {
  const link = href({ view: "document", document: hit.document_key, chunk: hit.chunk_id });
  return element(
    "li", { class: "hit", "data-chunk": hit.chunk_id, "data-document": hit.document_key },
    element(
      "div", { class: "hit-head" },
      element("span", { class: "rank", "aria-label": `Rank ${rank}`, text: rank }),
      element(
        "div", { class: "hit-names" },
        element("h3", {}, element("a", { class: "hit-title", href: link, onclick: onOpen, text: hit.title || hit.document_key })),
        element("span", { class: "hit-place", text: `${hit.title && hit.title !== hit.document_key ? `${hit.document_key} · ` : ""}chunk ${hit.position + 1}` }),
      ),
      note,
      scores(hit),
    ),
    element("p", { class: "hit-text" }, ...(hit.highlight ? highlighted(hit.highlight.replace(BLANK_LINES, "\n")) : [shortened(hit.content.replace(BLANK_LINES, "\n"))])),
    contributionBar(hit, best),
    compact ? null : metadata(hit.metadata, onFilter),
  );
}

export function largestScore(hits) {
  return Math.max(...hits.map((hit) => Math.max(hit.score, sum(hit))), Number.MIN_VALUE);
}

function scores(hit) {
  const reranked = hit.rerank_score !== null && hit.rerank_score !== undefined;
  return element(
    "div", { class: "scores" },
    element("span", { class: "score", title: "Score", text: score(hit.score) }),
    reranked ? element("span", { class: "rerank", title: "Score of the reranker, which decides the place", text: `reranked ${score(hit.rerank_score)}` }) : null,
  );
}

function contributionBar(hit, best) {
  const legs = Object.entries(hit.contributions);
  if (legs.length === 0) return null;
  const bar = element("div", { class: "bar", "aria-hidden": "true" });
  for (const [leg, { contribution }] of legs) {
    const part = element("span", { class: `bar-part ${legClass(leg)}` });
    part.style.width = `${Math.max(0, (100 * contribution) / best)}%`;
    bar.append(part);
  }
  const added = sum(hit);
  const factor = added > 0 ? hit.score / added : 1;
  const boosted = Math.abs(factor - 1) > 0.001 ? element("li", { text: `boosts × ${factor.toFixed(2)}` }) : null;
  return element("div", { class: "contributions" }, bar, element("ul", { "aria-label": "What each leg contributed" }, legs.map(legNumbers), boosted));
}

function legNumbers([leg, { rank, score: found, contribution }]) {
  return element(
    "li", {},
    element("span", { class: `swatch ${legClass(leg)}`, "aria-hidden": "true" }),
    element("span", { text: legName(leg) }),
    element("strong", { text: ` +${score(contribution)}` }),
    element("span", { class: "detail", text: ` rank ${rank}, score ${score(found)}` }),
  );
}

export function legClass(leg) {
  return ["keyword", "semantic", "sparse", "late_interaction"].includes(leg) ? `leg-${leg}` : "leg-other";
}

function sum(hit) {
  return Object.values(hit.contributions).reduce((total, { contribution }) => total + contribution, 0);
}

function metadata(values, onFilter) {
  const shown = Object.entries(values).flatMap(([key, value]) => (Array.isArray(value) ? value : [value]).map((one) => [key, one]));
  if (shown.length === 0) return null;
  return element("ul", { class: "chips", "aria-label": "Metadata" }, shown.slice(0, 12).map(([key, value]) => chip(key, value, onFilter)));
}

function chip(key, value, onFilter) {
  const parts = [element("span", { class: "chip-key", text: key }), ` ${cut(plain(value), 60)}`];
  if (!onFilter || (value !== null && typeof value === "object")) return element("li", { class: "chip" }, parts);
  const button = element("button", { type: "button", title: "Filter by this value", onclick: () => onFilter(key, value) }, parts);
  return element("li", { class: "chip" }, button);
}

function shortened(text) {
  return cut(text, 320);
}

function cut(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
