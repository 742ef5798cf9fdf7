-- Diversity: maximal marginal relevance (Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering
-- Documents and Producing Summaries", SIGIR 1998). The next one chosen is that with the largest
--
--     mmr_lambda · relevance − (1 − mmr_lambda) · largest similarity to one that is already chosen
--
-- Relevance is the score, brought to 0 … 1 by min–max over the candidates (all equal: 1). Similarity is the cosine, whatever
-- the metric of the space. What has none with anything, a chunk without an embedding or one of zeros, is like nothing: 0.
--
-- Ten of a hundred that are not all alike:
--
--     with found as (select h.* from retrieval.hybrid_search('shop', 'warm jacket', $1, max_results => 100) h)
--     select f.document_key, f.content, d.mmr_score
--     from (select array_agg(chunk_id) as chunk_ids, array_agg(score) as scores from found) a
--     cross join retrieval.diversify('shop', a.chunk_ids, a.scores, 0.7) with ordinality d(chunk_id, score, mmr_score, rank)
--     join found f using (chunk_id)
--     order by d.rank;

-- Only the distances to the newest choice are computed, of embeddings that were read once: choosing ten of a hundred takes a
-- thousand instead of the five thousand between all pairs.
create or replace function retrieval._diversified_chunks(
    space retrieval.spaces, chunk_ids bigint[], scores double precision[], mmr_lambda double precision, max_results integer)
    returns table (chunk_id bigint, score double precision, mmr_score double precision)
    language plpgsql stable rows 10
    set search_path from current
as $$
declare
    candidate record;  -- all of them, best first, as arrays
    similarities double precision[];
    newest bigint;
    newest_embedding halfvec;
    chosen bigint[] := '{}';
begin
    execute format(
        'select array_agg(r.chunk_id order by r.rank) as ids, array_agg(r.score order by r.rank) as scores,
                array_agg(retrieval._relative_score(r.score, r.minimum, r.maximum) order by r.rank) as relevances,
                array_agg(e.embedding order by r.rank) as embeddings
         from (select u.*, row_number() over (order by u.score desc, u.chunk_id) as rank,
                      min(u.score) over () as minimum, max(u.score) over () as maximum
               from unnest($1, $2) u(chunk_id, score)) r
         left join retrieval.embeddings e on e.space_id = %s and e.chunk_id = r.chunk_id', space.space_id)
        into candidate using chunk_ids, scores;
    while cardinality(chosen) < least(max_results, coalesce(cardinality(candidate.ids), 0)) loop
        select c.number, mmr_lambda * c.relevance - (1 - mmr_lambda) * coalesce(c.similarity, 0) into newest, mmr_score
        from unnest(candidate.relevances, similarities) with ordinality c(relevance, similarity, number)
        where c.number <> all (chosen)
        order by 2 desc, 1 limit 1;
        chunk_id := candidate.ids[newest];
        score := candidate.scores[newest];
        return next;
        chosen := chosen || newest;
        newest_embedding := candidate.embeddings[newest];
        similarities := array(
            select greatest(c.similarity, coalesce(nullif(1 - (c.embedding <=> newest_embedding), 'NaN'), 0))
            from unnest(candidate.embeddings, similarities) with ordinality c(embedding, similarity, number)
            order by c.number);
    end loop;
end;
$$;

comment on function retrieval._diversified_chunks(retrieval.spaces, bigint[], double precision[], double precision, integer) is
'The choice of maximal marginal relevance among chunks, in the order of choice, ties in the order of the ranking.';

create or replace function retrieval.diversify(
    collection text,
    chunk_ids bigint[],
    scores double precision[],
    mmr_lambda double precision default 0.5,
    max_results integer default 10,
    space text default null)
    returns table (chunk_id bigint, score double precision, mmr_score double precision)
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space);
begin
    perform retrieval._check_share('mmr_lambda', mmr_lambda);
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_ranking(owner, chunk_ids, coalesce(scores, '{}'));
    return query select d.* from retrieval._diversified_chunks(target, chunk_ids, scores, mmr_lambda, max_results) d;
end;
$$;

comment on function retrieval.diversify(text, bigint[], double precision[], double precision, integer, text) is
'Chunks of a ranking that are relevant and not like each other, by maximal marginal relevance, in the order of choice; ties by score, then by chunk_id. chunk_ids and scores: the ranking, in any order; a higher score is better. mmr_lambda: 1 is the ranking as it is, 0 diversity alone after the best chunk. Similarity is the cosine in a dense space (without a name: the active one); a chunk without an embedding is like nothing. mmr_score is what the choice was made by. No rows for an empty ranking.';
