// How many matches have which value; a click filters by it.

import { collectionPath, post } from "./api.js";
import { element } from "./elements.js";
import { plain } from "./format.js";

const MOST_KEYS = 8;

/** The matches of the words, and the facets; of everything that the filter lets through without the keyword leg. */
export function countMatches(collection, { query, metadata_filter, keyword_operator, keys }, signal) {
  const body = { query, metadata_filter, keyword_operator, keys: keys.slice(0, MOST_KEYS), max_values: 6 };
  return post(collectionPath(collection, "/search/counts"), body, { signal });
}

/** Keys that are worth a facet: of values that several chunks may share. */
export function facetKeys(found) {
  const keys = new Set();
  for (const metadata of found) {
    for (const [key, value] of Object.entries(metadata)) {
      const values = Array.isArray(value) ? value : [value];
      if (values.every((one) => one !== null && typeof one !== "object" && String(one).length <= 60)) keys.add(key);
    }
  }
  return [...keys].sort();
}

export function drawnFacets(facets, onFilter) {
  const byKey = Map.groupBy ? Map.groupBy(facets, (facet) => facet.key) : grouped(facets);
  return [...byKey].map(([key, values]) =>
    element(
      "section", { class: "facet", "aria-label": `Values of ${key}` },
      element("h2", { class: "facet-key", text: key }),
      element("ul", {}, values.map((facet) => drawnValue(facet, values[0].chunks, onFilter))),
    ),
  );
}

function drawnValue({ key, value, chunks }, most, onFilter) {
  const bar = element("span", { class: "facet-bar", "aria-hidden": "true" });
  bar.style.width = `${(100 * chunks) / Math.max(most, chunks)}%`;
  return element(
    "li", {},
    element(
      "button", { type: "button", class: "facet-value", title: `Filter by ${key} = ${plain(value)}`, onclick: () => onFilter(key, value) },
      bar, element("span", { class: "facet-name", text: plain(value) }), element("span", { class: "number", text: chunks }),
    ),
  );
}

function grouped(facets) {
  const byKey = new Map();
  for (const facet of facets) byKey.set(facet.key, [...(byKey.get(facet.key) ?? []), facet]);
  return byKey;
}
