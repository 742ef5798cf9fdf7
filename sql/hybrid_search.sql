-- Hybrid search: keyword and semantic candidates, fused by weighted reciprocal rank fusion (Cormack, Clarke and
-- Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009):
--
--     score = Σ over the legs of  weight / (rrf_k + rank in the leg),  ranks from 1
--
-- A leg that did not find a chunk adds nothing for it. The filter reaches each leg before its cut.
create or replace function retrieval.hybrid_search(
    collection text,
    query_text text default null,
    query_embedding halfvec default null,
    metadata_filter jsonb default null,
    max_results integer default 10,
    weights jsonb default '{"keyword": 1, "semantic": 1}',
    rrf_k integer default 60,
    candidates integer default 100,
    space text default null,
    signature jsonb default null,
    keyword_operator text default 'or',
    search_effort integer default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, keyword_rank bigint, keyword_score double precision,
        semantic_rank bigint, semantic_score double precision)
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
begin
    if query_text is null and query_embedding is null then
        raise exception 'query_text or query_embedding must be given' using errcode = 'null_value_not_allowed';
    end if;
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_count('candidates', candidates);
    perform retrieval._check_count('rrf_k', rrf_k, 1000000);
    perform retrieval._check_choice('keyword_operator', keyword_operator, array['or', 'and']);
    perform retrieval._check_weights(weights, array['keyword', 'semantic']);
    if query_embedding is not null then
        target := retrieval._space(owner, space);
        perform retrieval._check_embedding(target, query_embedding, signature);
        perform retrieval._check_search_effort(target, coalesce(search_effort, 1));
        query_embedding := retrieval._adapt_query(target, query_embedding);
    end if;
    return query execute format(
        'with keyword as (
             select k.* from retrieval._keyword_candidates($11, $1, $4, $5, $6, null) with ordinality k(chunk_id, score, rank)
             where $1 is not null),
         semantic as (
             select s.* from retrieval._nearest_chunks($2, $3, $4, $5, $12) with ordinality s(chunk_id, score, rank)
             where $3 is not null),
         fused as (
             select chunk_id,
                    coalesce($7 * retrieval._reciprocal_rank(k.rank, $9), 0) + coalesce($8 * retrieval._reciprocal_rank(s.rank, $9), 0) as score,
                    k.rank as keyword_rank, k.score as keyword_score, s.rank as semantic_rank, s.score as semantic_score
             from keyword k full join semantic s using (chunk_id)
             order by score desc, chunk_id
             limit $10)
         select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata,
                f.score, f.keyword_rank, f.keyword_score, f.semantic_rank, f.semantic_score
         from fused f
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = f.chunk_id
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
         order by f.score desc, f.chunk_id', owner.collection_id)
        using query_text, target, query_embedding, retrieval._filter_condition(owner, metadata_filter),
              greatest(candidates, max_results), keyword_operator,
              coalesce((weights ->> 'keyword')::double precision, 1), coalesce((weights ->> 'semantic')::double precision, 1),
              rrf_k, max_results, owner, search_effort;
end;
$$;

comment on function retrieval.hybrid_search(text, text, halfvec, jsonb, integer, jsonb, integer, integer, text, jsonb, text, integer) is
'Keyword and semantic search fused by weighted reciprocal rank fusion, best first, ties by chunk_id. Either query may be null. weights: {"keyword": 1, "semantic": 1}, a leg left out counts 1; candidates: how many each leg contributes. Ranks and scores of the legs are null where a leg did not find the chunk.';

create or replace function retrieval._check_weights(weights jsonb, legs text[])
    returns void
    language plpgsql immutable
as $$
declare
    weight record;
begin
    if weights is null or jsonb_typeof(weights) <> 'object' then
        raise exception 'weights must be an object such as {"keyword": 1, "semantic": 1}' using errcode = 'invalid_parameter_value';
    end if;
    for weight in select * from jsonb_each(weights) loop
        perform retrieval._check_choice('weights: leg', weight.key, legs);
        if jsonb_typeof(weight.value) <> 'number' or weight.value::double precision < 0 then
            raise exception 'weights: % must be a number from 0, not %', weight.key, weight.value
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
    if not exists (select from unnest(legs) leg where coalesce((weights ->> leg)::double precision, 1) > 0) then
        raise exception 'weights must not all be 0' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_weights(jsonb, text[]) is '22023 where the weights of legs are unusable.';
