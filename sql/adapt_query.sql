-- Where a query is looked for, for programs that compare it with embeddings themselves.
create or replace function retrieval.adapt_query(collection text, query_embedding halfvec, space text default null)
    returns halfvec
    language sql stable
    set search_path from current
    return retrieval._adapt_query(retrieval._space(retrieval._collection(collection), space), query_embedding);

comment on function retrieval.adapt_query(text, halfvec, text) is
'The query''s embedding as semantic_search compares it with those of a dense space (without a name: the active one): mapped by the space''s query adapter, as it is where there is none.';
