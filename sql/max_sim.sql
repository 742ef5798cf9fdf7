-- Late interaction (Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late
-- Interaction over BERT", SIGIR 2020): for each token of the query the most similar token of the document, added up.
-- Of vectors of length 1, as such models make them, inner product and cosine are one.
--
-- hybrid_search has it order what the other legs have found. By hand, the best of a hundred candidates:
--
--     select h.chunk_id, retrieval.max_sim($1, t.embeddings) as score
--     from retrieval.keyword_search('shop', 'warm jacket', max_results => 100) h
--     join retrieval.token_embeddings t on t.space_id = $2 and t.chunk_id = h.chunk_id
--     order by score desc, h.chunk_id limit 10;
create or replace function retrieval.max_sim(query halfvec[], document halfvec[], metric text default 'inner_product')
    returns double precision
    language plpgsql immutable strict parallel safe cost 10000
    set search_path from current
as $$
declare
    dimensions constant integer := vector_dims(coalesce(query[1], document[1]));
begin
    if exists (select from unnest(query || document) t(token) where vector_dims(t.token) is distinct from dimensions) then
        raise exception 'query and document must hold vectors of the same dimensions, and no null' using errcode = 'invalid_parameter_value';
    elsif metric = 'cosine' then
        return (select sum(best.similarity)
                from unnest(query) q(token)
                cross join lateral (select case min(q.token <=> d.token) when 'NaN' then 0 else 1 - min(q.token <=> d.token) end as similarity from unnest(document) d(token)) best);
    elsif metric = 'inner_product' then
        return (select sum(best.similarity)
                from unnest(query) q(token)
                cross join lateral (select -min(q.token <#> d.token) as similarity from unnest(document) d(token)) best);
    end if;
    raise exception 'metric must be one of cosine, inner_product, not %', quote_literal(metric) using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval.max_sim(halfvec[], halfvec[], text) is
'The late-interaction score of a document for a query, each given by the vectors of its tokens: the sum over the query''s tokens of the largest similarity with a token of the document, their inner_product or their cosine, to which tokens of zeros add nothing. Null where either has none.';
