-- How a collection's searches rank unless a call says otherwise.

-- For programs: SQL cannot run the model, and so does not ask whether there is one of that name.
create or replace function retrieval._check_rerank(rerank jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    option record;
begin
    if rerank is null then
        return;
    elsif jsonb_typeof(rerank) <> 'object' then
        raise exception 'rerank must be an object such as {"model": "…", "candidates": 50}, not %', rerank using errcode = 'invalid_parameter_value';
    end if;
    for option in select * from jsonb_each(rerank) loop
        perform retrieval._check_choice('rerank: option', option.key, array['model', 'candidates']);
        if option.key = 'candidates' and option.value::text !~ '^\d{1,9}$' then
            raise exception 'rerank: candidates must be a whole number from 1 to 10000, not %', option.value using errcode = 'invalid_parameter_value';
        end if;
    end loop;
    if jsonb_typeof(rerank -> 'model') is distinct from 'string' or btrim(rerank ->> 'model') = '' then
        raise exception 'rerank: model must be the name of a reranker, not %', coalesce((rerank -> 'model')::text, 'left out')
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_count('rerank: candidates', coalesce((rerank ->> 'candidates')::bigint, 1));
end;
$$;

comment on function retrieval._check_rerank(jsonb) is '22023 where it does not say which reranker orders how many hits; null is none.';

create or replace function retrieval.set_ranking(
    collection text,
    fusion text default null,
    weights jsonb default null,
    rrf_k integer default null,
    candidates integer default null,
    k1 double precision default null,
    b double precision default null,
    mmr_lambda double precision default null,
    rerank jsonb default null)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    ranking constant jsonb := jsonb_strip_nulls(jsonb_build_object(
        'fusion', fusion, 'weights', weights, 'rrf_k', rrf_k, 'candidates', candidates, 'k1', k1, 'b', b, 'mmr_lambda', mmr_lambda,
        'rerank', rerank));
begin
    perform retrieval._check_choice('fusion', coalesce(fusion, 'rrf'), array['rrf', 'relative', 'dbsf']);
    perform retrieval._check_leg_weights(coalesce(weights, '{}'));
    perform retrieval._check_count('rrf_k', coalesce(rrf_k, 1), 1000000);
    perform retrieval._check_count('candidates', coalesce(candidates, 1));
    perform retrieval._check_bm25_constants(k1, b);
    perform retrieval._check_share('mmr_lambda', coalesce(mmr_lambda, 1));
    perform retrieval._check_rerank(rerank);
    update retrieval.collections c
    set settings = case ranking when '{}' then c.settings - 'ranking' else c.settings || jsonb_build_object('ranking', ranking) end
    where c.collection_id = target;
end;
$$;

comment on function retrieval.set_ranking(text, text, jsonb, integer, integer, double precision, double precision, double precision, jsonb) is
'Sets what a collection is ranked by unless a call says otherwise. Of hybrid_search and document_search: the fusion (rrf, relative or dbsf), the weights of legs ({"semantic": 2}; a leg that is not named keeps its calibration or default), rrf_k, candidates (how many each leg contributes) and, for chunks alone, mmr_lambda (a call without it asks for 1). Of every search by words, more_like_this and calibrate with them: k1 and b, the constants of BM25. rerank, {"model": "…", "candidates": 50}, is for programs, which order so many hits by that model; no function of this schema does. All are replaced: what is null is not set, and set_ranking(collection) alone returns to the defaults. The weights of fields are for set_field_weights to set, and stay.';
