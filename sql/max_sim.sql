-- Late interaction (Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late
-- Interaction over BERT", SIGIR 2020): for each token of the query the most similar token of the document, added up.
-- Similarity is the inner product; of vectors of length 1, as such models make them, that is the cosine.
--
-- The best of a hundred candidates by the tokens of a multivector space:
--
--     select h.chunk_id, retrieval.max_sim($1, t.embeddings) as score
--     from retrieval.hybrid_search('shop', 'warm jacket', $2, max_results => 100) h
--     join retrieval.token_embeddings t on t.space_id = $3 and t.chunk_id = h.chunk_id
--     order by score desc, h.chunk_id limit 10;
create or replace function retrieval.max_sim(query halfvec[], document halfvec[])
    returns double precision
    language plpgsql immutable strict parallel safe
    set search_path from current
as $$
declare
    dimensions constant integer := vector_dims(coalesce(query[1], document[1]));
begin
    if exists (select from unnest(query || document) t(token) where vector_dims(t.token) is distinct from dimensions) then
        raise exception 'query and document must hold vectors of the same dimensions, and no null' using errcode = 'invalid_parameter_value';
    end if;
    return (select sum(best.similarity)
            from unnest(query) q(token)
            cross join lateral (select -min(q.token <#> d.token) as similarity from unnest(document) d(token)) best);
end;
$$;

comment on function retrieval.max_sim(halfvec[], halfvec[]) is
'The late-interaction score of a document for a query, each given by the vectors of its tokens: the sum over the query''s tokens of the largest inner product with a token of the document. Null where either has none.';
