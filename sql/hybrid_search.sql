-- Hybrid search: the candidates of several legs in one ranking, fused as in retrieval.fuse. A leg that did not find a chunk adds
-- nothing for it, and the filter reaches each leg before its cut.
--
-- Then, where asked for and in this order: boosts by metadata (see boost), near-duplicates fall (collapse_duplicates), so
-- many chunks of a document are kept (per_document), the rest is chosen for diversity (diversify), and the page is cut.
--
-- All pages come from the same candidates, so that no chunk is on two of them or on none: the ranking of deeper candidates is
-- another one. That is why result_offset cannot go beyond candidates. Where per_document and duplicates leave too few for the
-- first page, it is filled up from deeper candidates, and the next one is empty.
create or replace function retrieval.hybrid_search(
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
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, keyword_rank bigint, keyword_score double precision,
        semantic_rank bigint, semantic_score double precision, sparse_rank bigint, sparse_score double precision,
        late_interaction_rank bigint, late_interaction_score double precision, contributions jsonb)
    language plpgsql stable rows 10
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    condition constant text := retrieval._filter_condition(owner, metadata_filter);
    request record;
    -- where all that are no duplicates must be known, finding them takes the square of the candidates
    deepest integer;
    ranked record;
begin
    candidates := coalesce(candidates, retrieval._ranking_candidates(owner));
    mmr_lambda := nullif(coalesce(mmr_lambda, retrieval._ranking_mmr_lambda(owner, space)), 1);
    deepest := case when duplicate_similarity is not null and num_nonnulls(per_document, mmr_lambda) > 0 then 1600 else 10000 end;
    perform retrieval._check_count('max_results', max_results);
    if boosts is not null then
        boosts := retrieval._check_boosts(boosts, now());
    end if;
    select query_text, query_embedding, query_sparse, query_tokens, query_embeddings, space, signature, leg_signatures, max_results, fusion, weights,
           rrf_k, greatest(candidates, max_results) as candidates, leg_candidates, keyword_operator, search_effort, late_interaction, boosts,
           duplicate_similarity, per_document, mmr_lambda, result_offset, field_weights, k1, b
    into request;
    perform retrieval._check_count('candidates', candidates);
    perform retrieval._check_request(request, retrieval._given_legs(request));
    loop
        ranked := retrieval._ranking(owner, request, condition);
        exit when cardinality(ranked.chunk_ids) = max_results or not ranked.is_full or request.candidates >= deepest
               or result_offset > 0 or num_nonnulls(per_document, duplicate_similarity) = 0;
        -- documents that hold many of the candidates, and near-duplicates, have left too few
        request.candidates := least(4 * request.candidates, deepest);
    end loop;
    if current_setting('retrieval.explain', true) = 'on' then
        perform set_config('retrieval.explanation', ranked.explanation::text, true);
    end if;
    return query execute retrieval._hits_statement(
            owner.collection_id, '(select u.*, $3 -> u.chunk_id::text as legs from unnest($1, $2) with ordinality u(chunk_id, score, rank)) h',
            $columns$(h.legs #>> '{keyword,rank}')::bigint, (h.legs #>> '{keyword,score}')::double precision,
                (h.legs #>> '{semantic,rank}')::bigint, (h.legs #>> '{semantic,score}')::double precision,
                (h.legs #>> '{sparse,rank}')::bigint, (h.legs #>> '{sparse,score}')::double precision,
                (h.legs #>> '{late_interaction,rank}')::bigint, (h.legs #>> '{late_interaction,score}')::double precision, h.legs$columns$)
        using ranked.chunk_ids, ranked.scores, ranked.contributions;
end;
$$;

comment on function retrieval.hybrid_search(text, text, halfvec, sparsevec, jsonb, integer, text, jsonb, integer, integer, text, jsonb, text, integer, halfvec[], text, jsonb, jsonb, jsonb, jsonb, double precision, integer, double precision, integer, jsonb, double precision, double precision) is
'Several searches fused into one ranking, best first, ties by chunk_id. A query makes its leg: query_text keyword, query_embedding semantic, query_sparse sparse, query_tokens late_interaction, and query_embeddings, {"space": [0.1, …]}, one for each space named. fusion: rrf (with rrf_k, 60), relative or dbsf; weights: {"keyword": 1, "semantic": 2}, a leg left out counts 1. Without them those of the collection (see set_ranking and calibrate), else 0.7 for a dense space and 1 for another leg; where these are all 0, as of a useless space alone, each counts 1; without a fusion that of the collection, else relative. candidates: how many each leg contributes, without a number that of the collection, else 100; leg_candidates: {"keyword": 200} for one. late_interaction: candidates scores the best that the other legs found, collection every chunk; the second only where it is the only leg, unless asked for. boosts: as in boost. duplicate_similarity: a chunk whose cosine with a better one is at least that falls. per_document: at most so many chunks of a document. Where these two leave fewer than max_results, the first page is filled up from deeper candidates, at most 10000, or 1600 where near-duplicates fall and more is asked for. mmr_lambda: diversity, from 0 to 1 for none; without it that of the collection where it has an active dense space. field_weights, k1 and b: of the words, as in keyword_search. result_offset + max_results must not be more than candidates. score is the fused score, times the boosts. Ranks and scores of legs are null where a leg did not find the chunk; contributions says for each leg that did its rank, its score and what it added. signature: of the embedding''s model, leg_signatures: {"sparse": {…}}, those of other legs.';
