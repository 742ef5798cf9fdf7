-- Semantic search: the nearest chunks of a space, under the space's query adapter.
create or replace function retrieval.semantic_search(
    collection text,
    query_embedding halfvec,
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    signature jsonb default null,
    search_effort integer default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, semantic_rank bigint, semantic_score double precision)
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space);
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_embedding(target, query_embedding, signature);
    perform retrieval._check_search_effort(target, coalesce(search_effort, 1));
    return query execute retrieval._hits_statement(
            owner.collection_id, 'retrieval._nearest_chunks($1, $2, $3, $4, $5) with ordinality h(chunk_id, score, rank)')
        using target, retrieval._adapt_query(target, query_embedding), retrieval._filter_condition(owner, metadata_filter), max_results, search_effort;
end;
$$;

comment on function retrieval.semantic_search(text, halfvec, jsonb, integer, text, jsonb, integer) is
'The nearest chunks of a space (without a name: the active one), nearest first; max_results rows whenever that many match the filter. score is the cosine, the inner product, or the negative distance, by the space''s metric. Where a signature is given it must equal the space''s: an embedding of another model is refused. search_effort is ef_search of an HNSW index or probes of an IVFFlat index, without one the space''s (see set_search_options).';
