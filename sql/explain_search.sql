-- How a hybrid search came to its ranking. It is run as it is, and says what it did.
create or replace function retrieval.explain_search(
    collection text,
    query_text text default null,
    query_embedding halfvec default null,
    query_sparse sparsevec default null,
    metadata_filter jsonb default null,
    max_results integer default 10,
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
    duplicate_similarity double precision default null,
    per_document integer default null,
    mmr_lambda double precision default null,
    result_offset integer default 0,
    field_weights jsonb default null,
    k1 double precision default null,
    b double precision default null)
    returns jsonb
    language plpgsql stable
    set search_path from current
as $$
declare
    found_hits jsonb;
    explanation jsonb;
begin
    -- in the body: only a superuser may create a function that is declared to set a parameter of that kind
    perform set_config('retrieval.explain', 'on', true);
    select coalesce(jsonb_agg(jsonb_build_object(
               'chunk_id', h.chunk_id, 'document_key', h.document_key, 'position', h.position, 'score', h.score, 'legs', h.contributions)), '[]')
    into found_hits
    from retrieval.hybrid_search(
        collection, query_text, query_embedding, query_sparse, metadata_filter, max_results, fusion, weights, rrf_k, candidates, space, signature,
        keyword_operator, search_effort, query_tokens, late_interaction, query_embeddings, leg_candidates, leg_signatures, boosts,
        duplicate_similarity, per_document, mmr_lambda, result_offset, field_weights, k1, b) h;
    perform set_config('retrieval.explain', 'off', true);
    explanation := current_setting('retrieval.explanation')::jsonb;
    return explanation - 'steps' || jsonb_build_object('hits', (
        select coalesce(jsonb_agg(
                   h.hit || jsonb_build_object('rank', result_offset + h.number) || retrieval._explained_steps(explanation -> 'steps', h.hit ->> 'chunk_id')
                   order by h.number), '[]')
        from jsonb_array_elements(found_hits) with ordinality h(hit, number)));
end;
$$;

comment on function retrieval.explain_search(text, text, halfvec, sparsevec, jsonb, integer, text, jsonb, integer, integer, text, jsonb, text, integer, halfvec[], text, jsonb, jsonb, jsonb, jsonb, double precision, integer, double precision, integer, jsonb, double precision, double precision) is
'Runs a hybrid search, with the arguments of hybrid_search, and returns how it came about: fusion, rrf_k, candidates and mmr_lambda (null: none), whether from the call or from the collection; for each leg its space, its plan (index, which PostgreSQL may replace by reading all where that is little; exact; or candidates, for late interaction among what others found), how many candidates it had, milliseconds, its weight and where that is from (call, ranking, calibration or default), and of the words k1, b and field_weights; fused, the number of different candidates; and for each hit its rank and score, of each leg that found it rank, score and contribution, and where asked for fused_score and boosts with value and factor, the duplicates that fell to it, and mmr_score. A score is the sum of the contributions times the factors. Keyword scores by word: explain_keyword_search.';

create or replace function retrieval._explained_steps(steps jsonb, chunk_id text)
    returns jsonb
    language sql immutable
    return coalesce(steps -> 'boosts' -> chunk_id, '{}')
        || case when steps ? 'duplicates' then jsonb_build_object('duplicates', coalesce(steps -> 'duplicates' -> chunk_id, '[]')) else '{}' end
        || case when steps ? 'mmr_scores' then jsonb_build_object('mmr_score', steps -> 'mmr_scores' -> chunk_id) else '{}' end;

comment on function retrieval._explained_steps(jsonb, text) is 'What the steps after fusion did to a chunk.';
