-- Semantic search: the nearest chunks of a space.
--
-- The HNSW index yields chunks in the order of their distance; where a filter discards them, an iterative scan goes
-- on until enough have passed (strict_order, and no bound on how far: a promise of max_results is kept). The settings
-- belong to the function that walks the index, so no caller can forget them, and the statement is planned anew each
-- time: a cached generic plan would filter after the scan and come back short.

-- The statement that finds: $1 is the query embedding, $2 how many. Without the cast that the index is built on, it
-- reads every embedding: the exact answer.
create or replace function retrieval._semantic_statement(space retrieval.spaces, metadata_path jsonpath, exact boolean)
    returns text
    language plpgsql stable
as $$
declare
    cast_to constant text := case when exact then '::halfvec' else format('::halfvec(%s)', space.dimensions) end;
    distance constant text := format('e.embedding%s %s $1%1$s', cast_to, retrieval._distance_operator(space.metric));
begin
    return format(
        'select n.chunk_id, n.distance
         from (select e.chunk_id, %1$s as distance
               from retrieval.embeddings e%2$s
               where e.space_id = %3$s
               order by %1$s%4$s
               limit $2) n
         order by n.distance, n.chunk_id',
        distance,
        case when metadata_path is not null then
            format(' join retrieval.chunks c on c.collection_id = %s and c.chunk_id = e.chunk_id and c.metadata @@ %L',
                   space.collection_id, metadata_path) end,
        space.space_id,
        case when exact then ', e.chunk_id' end);
end;
$$;

comment on function retrieval._semantic_statement(retrieval.spaces, jsonpath, boolean) is
'The SQL that finds the nearest chunks. Every value in it is quoted; $1 is the query embedding, $2 the number of chunks wanted.';

create or replace function retrieval._semantic_candidates(
    space retrieval.spaces, query_embedding halfvec, metadata_path jsonpath, candidates integer)
    returns table (chunk_id bigint, score double precision)
    language plpgsql stable rows 100
    set search_path from current
    set hnsw.iterative_scan = 'strict_order'
    set hnsw.max_scan_tuples = 2147483647
    set hnsw.ef_search = 100
as $$
declare
    exact boolean := space.index_method = 'none';
    chunk_ids bigint[];
    distances double precision[];
begin
    perform set_config('hnsw.ef_search', least(greatest(candidates, 100), 1000)::text, true);
    loop
        execute format('select array_agg(s.chunk_id), array_agg(s.distance) from (%s) s',
                       retrieval._semantic_statement(space, metadata_path, exact))
            into chunk_ids, distances using query_embedding, candidates;
        -- a graph need not reach every chunk; where it came back short, the exact answer is cheap or due
        exit when exact or cardinality(chunk_ids) >= candidates;
        exact := true;
    end loop;
    return query
        select n.chunk_id, retrieval._semantic_score(space.metric, n.distance)
        from unnest(chunk_ids, distances) n(chunk_id, distance);
end;
$$;

comment on function retrieval._semantic_candidates(retrieval.spaces, halfvec, jsonpath, integer) is
'The nearest chunks of a space, nearest first, ties by chunk_id.';

create or replace function retrieval.semantic_search(
    collection text,
    query_embedding halfvec,
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    signature jsonb default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, semantic_rank bigint, semantic_score double precision)
    language plpgsql stable rows 10
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_embedding(target, query_embedding, signature);
    return query execute format(
        'select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata, h.score, h.rank, h.score
         from retrieval._semantic_candidates($1, $2, $3, $4) with ordinality h(chunk_id, score, rank)
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
         order by h.rank', target.collection_id)
        using target, query_embedding, retrieval.compile_filter(metadata_filter), max_results;
end;
$$;

comment on function retrieval.semantic_search(text, halfvec, jsonb, integer, text, jsonb) is
'The nearest chunks of a space (without a name: the active one), nearest first; max_results rows whenever that many match the filter. score is the cosine, the inner product, or the negative distance, by the space''s metric. Where a signature is given it must equal the space''s: an embedding of another model is refused.';
