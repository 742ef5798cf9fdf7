// Where the time went and what each leg found: the service's explanation of a search.

import { collectionPath, post } from "./api.js";
import { element } from "./elements.js";
import { count, legName, milliseconds } from "./format.js";
import { legClass } from "./results.js";

/** Explains a search; `body` is that of the search, of which reranking and logging are no part. */
export function explain(collection, body, signal) {
  const { rerank, rerank_candidates, highlight, log, ...rest } = body;
  return post(collectionPath(collection, "/search/explain"), rest, { signal });
}

export function drawnExplanation({ fusion, rrf_k, legs, fused, milliseconds: total }) {
  const longest = Math.max(...legs.map((leg) => leg.milliseconds), 0.001);
  const fusedBy = fusion === "rrf" ? `rrf with k ${rrf_k}` : fusion;
  return element(
    "div", { class: "explanation" },
    element("p", { text: `${count(fused, "chunk")} from ${count(legs.length, "leg")}, fused by ${fusedBy}, in ${milliseconds(total)} inside PostgreSQL.` }),
    element(
      "div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Legs" },
      element(
        "table", {},
        element("thead", {}, element("tr", {}, ["Leg", "Plan", "Found", "Weight", "Time"].map((text) => element("th", { scope: "col", text })))),
        element("tbody", {}, legs.map((leg) => drawnLeg(leg, longest))),
      ),
    ),
  );
}

function drawnLeg(leg, longest) {
  const time = element("span", { class: `time-bar ${legClass(leg.leg)}`, "aria-hidden": "true" });
  time.style.width = `${Math.max(2, (60 * leg.milliseconds) / longest)}px`;
  return element(
    "tr", {},
    element("th", { scope: "row" }, element("span", { class: `swatch ${legClass(leg.leg)}`, "aria-hidden": "true" }), legName(leg.leg), leg.space ? element("small", { text: ` ${leg.space}` }) : null),
    element("td", { text: leg.plan }),
    element("td", { class: "number", text: leg.candidates }),
    element("td", { class: "number" }, leg.weight.toFixed(2), element("small", { text: ` ${leg.weight_from}` })),
    element("td", {}, time, ` ${milliseconds(leg.milliseconds)}`),
  );
}
