// A search as the page asks for it: one page of hits, and whether another follows.

import { collectionPath, post } from "./api.js";

export const PAGE_SIZE = 10;

/** The body of a search: what is shown and one hit more, but never beyond the candidates. Only what somebody asked is to be logged. */
export function searchBody({ query, filter, settings, ranking = {}, page = 1, size = PAGE_SIZE, log = false }) {
  const offset = (page - 1) * size;
  const depth = depthOf(settings, ranking);
  return {
    ...settings,
    query,
    metadata_filter: filter,
    // from the first page on: a leg alone then shows its contribution as well
    result_offset: offset,
    max_results: Math.max(1, Math.min(size + 1, depth - offset)),
    highlight: true,
    log,
  };
}

/** How many of the best there are to be shown: what is ordered again, or what each leg contributes. */
function depthOf(settings, ranking) {
  if (!(settings.rerank ?? ranking.rerank)) return settings.candidates ?? ranking.candidates ?? 100;
  const own = settings.rerank === undefined ? ranking.rerank.candidates : undefined;
  return settings.rerank_candidates ?? own ?? 50;
}

export async function search(collection, wanted, signal) {
  const size = wanted.size ?? PAGE_SIZE;
  const body = searchBody(wanted);
  const { hits, query_id: queryId } = await post(collectionPath(collection, "/search"), body, { signal });
  return { hits: hits.slice(0, size), more: hits.length > size, offset: body.result_offset, body, queryId };
}

/** Tells that a document was opened. Nobody is bothered where that fails. */
export function opened(collection, queryId, documentKey) {
  post(collectionPath(collection, "/clicks"), { query_id: queryId, document_key: documentKey }).catch(() => {});
}
