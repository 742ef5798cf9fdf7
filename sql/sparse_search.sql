-- Sparse search: the best chunks by learned sparse vectors (SPLADE, BGE-M3), whose elements stand for words.

create or replace function retrieval._indexable_query(space retrieval.spaces, query_sparse sparsevec)
    returns sparsevec
    language sql immutable
    set search_path from current
    return case space.index_method when 'hnsw' then retrieval.keep_largest(query_sparse, 1000) else query_sparse end;

comment on function retrieval._indexable_query(retrieval.spaces, sparsevec) is
'A sparse query with no more elements than an index holds, where the space has one.';

create or replace function retrieval.sparse_search(
    collection text,
    query_sparse sparsevec,
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    signature jsonb default null,
    search_effort integer default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, sparse_rank bigint, sparse_score double precision)
    language plpgsql stable rows 10
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space, 'sparse');
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_sparse_embedding(target, query_sparse, signature);
    perform retrieval._check_search_effort(target, coalesce(search_effort, 1));
    return query execute retrieval._hits_statement(
            owner.collection_id, 'retrieval._nearest_chunks($1, $2, $3, $4, $5) with ordinality h(chunk_id, score, rank)')
        using target, retrieval._indexable_query(target, query_sparse), retrieval._filter_condition(owner, metadata_filter), max_results, search_effort;
end;
$$;

comment on function retrieval.sparse_search(text, sparsevec, jsonb, integer, text, jsonb, integer) is
'The best chunks of a sparse space (without a name: the active one), best first; as semantic_search otherwise. A query with more than the 1,000 elements that an index holds keeps its largest.';
