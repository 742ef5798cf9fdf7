// What legs count where a search says nothing: the collection's ranking, its calibration, or the default.

import { explain } from "./explain.js";

const known = new Map();

/** By leg; asked once for a collection and a choice of legs, by a search that was just made. */
export async function ownWeights(collection, body, signal) {
  const key = JSON.stringify([collection, body.legs, body.space]);
  if (!known.has(key)) {
    const { legs } = await explain(collection, { ...body, weights: undefined, max_results: 1, result_offset: 0 }, signal);
    known.set(key, Object.fromEntries(legs.map(({ leg, weight }) => [leg, weight])));
  }
  return known.get(key);
}

export function forgetWeights() {
  known.clear();
}
