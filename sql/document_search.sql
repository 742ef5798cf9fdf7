-- Documents by what their chunks score in a hybrid search: that of its best chunk (max), the sum over its chunks among the
-- candidates (sum: much about it), or the mean of its three best, those that are missing counted as 0 (mean_of_best: between).
create or replace function retrieval.document_search(
    collection text,
    query_text text default null,
    query_embedding halfvec default null,
    query_sparse sparsevec default null,
    metadata_filter jsonb default null,
    max_results integer default 10,
    aggregation text default 'max',
    fusion text default null,
    weights jsonb default null,
    rrf_k integer default null,
    candidates integer default null,
    space text default null,
    signature jsonb default null,
    keyword_operator text default 'or',
    search_effort integer default null,
    query_tokens halfvec[] default null,
    late_interaction text default null,
    query_embeddings jsonb default null,
    leg_candidates jsonb default '{}',
    leg_signatures jsonb default null,
    boosts jsonb default null,
    field_weights jsonb default null,
    k1 double precision default null,
    b double precision default null)
    returns table (
        document_id bigint, document_key text, title text, metadata jsonb, score double precision,
        chunk_id bigint, "position" integer, content text, chunk_ids bigint[])
    language plpgsql stable rows 10
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    condition constant text := retrieval._filter_condition(owner, metadata_filter);
    request record;
    ranked record;
    best record;
begin
    candidates := coalesce(candidates, retrieval._ranking_candidates(owner));
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_choice('aggregation', aggregation, array['max', 'sum', 'mean_of_best']);
    if boosts is not null then
        boosts := retrieval._check_boosts(boosts, now());
    end if;
    select query_text, query_embedding, query_sparse, query_tokens, query_embeddings, space, signature, leg_signatures, null::integer as max_results,
           fusion, weights, rrf_k, candidates, leg_candidates, keyword_operator, search_effort, late_interaction, boosts,
           null::double precision as duplicate_similarity, null::integer as per_document, null::double precision as mmr_lambda, 0 as result_offset,
           field_weights, k1, b
    into request;
    perform retrieval._check_request(request, retrieval._given_legs(request));
    loop
        ranked := retrieval._ranking(owner, request, condition);
        execute format(
            'select array_agg(b.document_id) as ids, array_agg(b.score) as scores, coalesce(jsonb_agg(b.chunk_ids), ''[]'') as chunk_ids
             from (select a.document_id, a.chunk_ids,
                          case $4 when ''max'' then a.scores[1] when ''sum'' then a.total
                                  else (a.scores[1] + coalesce(a.scores[2], 0) + coalesce(a.scores[3], 0)) / 3 end as score
                   from (select c.document_id, array_agg(h.chunk_id order by h.place) as chunk_ids, array_agg(h.score order by h.place) as scores,
                                sum(h.score order by h.score) as total
                         from unnest($1, $2) with ordinality h(chunk_id, score, place)
                         join retrieval.chunks c on c.collection_id = %s and c.chunk_id = h.chunk_id
                         group by c.document_id) a
                   order by score desc, a.document_id limit $3) b', owner.collection_id)
            into best using ranked.chunk_ids, ranked.scores, max_results, aggregation;
        exit when cardinality(best.ids) = max_results or not ranked.is_full or request.candidates >= 10000;
        -- how many candidates hold enough documents nobody knows
        request.candidates := least(4 * request.candidates, 10000);
    end loop;
    return query execute format(
        'select d.document_id, d.document_key, d.title, d.metadata, b.score, c.chunk_id, c.position, c.content,
                array(select e.chunk_id::bigint from jsonb_array_elements_text($3 -> b.place::integer - 1) with ordinality e(chunk_id, place) order by e.place)
         from unnest($1, $2) with ordinality b(document_id, score, place)
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = b.document_id
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = ($3 -> b.place::integer - 1 ->> 0)::bigint
         order by b.place', owner.collection_id)
        using best.ids, best.scores, best.chunk_ids;
end;
$$;

comment on function retrieval.document_search(text, text, halfvec, sparsevec, jsonb, integer, text, text, jsonb, integer, integer, text, jsonb, text, integer, halfvec[], text, jsonb, jsonb, jsonb, jsonb, jsonb, double precision, double precision) is
'The best documents by a hybrid search of their chunks, best first, ties by document_id: one row each, with its best chunk, and in chunk_ids all of its chunks among the candidates, best first. aggregation: score is that of the best chunk (max), the sum of all (sum), or the mean of the three best (mean_of_best). The other arguments are those of hybrid_search, but for what chooses among chunks; nor does the mmr_lambda of the collection. Deeper candidates are taken while there are too few documents.';
