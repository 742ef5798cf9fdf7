-- How a hybrid search ranks: the legs, their fusion, and what is asked for beyond, in arrays that go from step to step.
-- `request` is a record with the arguments of hybrid_search.

-- What a call does not say, the collection's ranking does (see set_ranking).
create or replace function retrieval._fusion_settings(owner retrieval.collections, request record)
    returns jsonb
    language plpgsql immutable
as $$
begin
    return jsonb_build_object(
        'fusion', coalesce(request.fusion, owner.settings #>> '{ranking,fusion}', 'relative'),
        'rrf_k', coalesce(request.rrf_k, (owner.settings #>> '{ranking,rrf_k}')::integer, 60));
end;
$$;

comment on function retrieval._fusion_settings(retrieval.collections, record) is 'What a request is fused by: {"fusion": …, "rrf_k": …}.';

create or replace function retrieval._ranking_candidates(owner retrieval.collections)
    returns integer
    language sql immutable
    return coalesce((owner.settings #>> '{ranking,candidates}')::integer, 100);

comment on function retrieval._ranking_candidates(retrieval.collections) is 'How many candidates each leg contributes where a call does not say.';

-- A search that did not ask for diversity is not refused for want of something to compare chunks in.
create or replace function retrieval._ranking_mmr_lambda(owner retrieval.collections, space text)
    returns double precision
    language sql stable
    return case when owner.settings #> '{ranking,mmr_lambda}' is not null
                     and (retrieval._comparing_space(owner, space)).space_id is not null
                then (owner.settings #>> '{ranking,mmr_lambda}')::double precision end;

comment on function retrieval._ranking_mmr_lambda(retrieval.collections, text) is
'The diversity of a search that does not say; null where the collection''s ranking does not either, or where it has no dense space to compare chunks in.';

-- A dense space of which nothing is known counts a little less than the words: where it is good, little is lost, and where it
-- is useless, as that of an English model among Chinese texts, the order of the words survives (benchmarks/quality.py).
create or replace function retrieval._leg_weight(owner retrieval.collections, request record, leg text, target retrieval.spaces)
    returns jsonb
    language plpgsql immutable
as $$
declare
    stored constant jsonb := owner.settings #> array['ranking', 'weights', leg];
    calibrated constant jsonb := owner.settings #> array['calibration', target.space_id::text, 'weight'];
begin
    return case
        when request.weights is not null then jsonb_build_object('weight', coalesce(request.weights -> leg, '1'), 'weight_from', 'call')
        when stored is not null then jsonb_build_object('weight', stored, 'weight_from', 'ranking')
        when calibrated is not null then jsonb_build_object('weight', calibrated, 'weight_from', 'calibration')
        else jsonb_build_object('weight', case target.kind when 'dense' then 0.7 else 1 end, 'weight_from', 'default') end;
end;
$$;

comment on function retrieval._leg_weight(retrieval.collections, record, text, retrieval.spaces) is
'What a leg counts in a request, and where that is from: call, ranking (see set_ranking), calibration (see calibrate) or default.';

-- What an explanation says of a leg beyond that: the words are ranked by constants that a call or the collection may have set.
create or replace function retrieval._leg_constants(owner retrieval.collections, request record, leg text)
    returns jsonb
    language plpgsql immutable
as $$
declare
    bm25_constants constant double precision[] := retrieval._bm25_constants(owner, request.k1, request.b);
begin
    return case when leg = 'keyword' then jsonb_build_object(
        'k1', bm25_constants[1], 'b', bm25_constants[2], 'field_weights', coalesce(request.field_weights, owner.settings -> 'field_weights', '{}'))
        else '{}' end;
end;
$$;

comment on function retrieval._leg_constants(retrieval.collections, record, text) is 'What the words of a request are ranked by; {} for another leg.';

create or replace function retrieval._check_request(request record, legs text[])
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_count('candidates', request.candidates);
    perform retrieval._check_count('rrf_k', coalesce(request.rrf_k, 1), 1000000);
    perform retrieval._check_count('per_document', coalesce(request.per_document, 1));
    perform retrieval._check_choice('keyword_operator', request.keyword_operator, array['or', 'and']);
    perform retrieval._check_choice('fusion', coalesce(request.fusion, 'rrf'), array['rrf', 'relative', 'dbsf']);
    perform retrieval._check_choice('late_interaction', coalesce(request.late_interaction, 'candidates'), array['candidates', 'collection']);
    perform retrieval._check_share('mmr_lambda', coalesce(request.mmr_lambda, 1));
    perform retrieval._check_bm25_constants(request.k1, request.b);
    perform retrieval._field_weights(request.field_weights);
    perform retrieval._check_share('duplicate_similarity', coalesce(request.duplicate_similarity, 1));
    perform retrieval._check_weights(coalesce(request.weights, '{}'), legs);
    perform retrieval._check_leg_candidates(request.leg_candidates, legs);
    perform retrieval._check_leg_signatures(coalesce(request.leg_signatures, '{}'), legs);
    if request.result_offset is null or request.result_offset < 0 then
        raise exception 'result_offset must be 0 or more, not %', coalesce(request.result_offset::text, 'null') using errcode = 'invalid_parameter_value';
    elsif request.result_offset > 0 and request.result_offset::bigint + request.max_results > request.candidates then
        raise exception 'result_offset + max_results must be at most candidates, which is %, not %',
                        request.candidates, request.result_offset::bigint + request.max_results
            using errcode = 'invalid_parameter_value',
                  hint = 'All pages of a ranking are cut from the same candidates: raise candidates, and for every page alike';
    elsif request.late_interaction = 'candidates' and legs = array['late_interaction'] then
        raise exception 'late_interaction: there are no candidates of another leg to score' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_request(record, text[]) is '22023 where the arguments of a search with these legs are unusable.';

-- What counts nothing has no order but that of the ids. So where the only legs that a search has are ones that count nothing
-- beside others, as a space that calibrate has found useless, they are all that there is.
create or replace function retrieval._counting_weights(weights jsonb)
    returns jsonb
    language sql immutable
    return case when exists (select from jsonb_each(weights) w where w.value::double precision > 0) then weights else '{}' end;

comment on function retrieval._counting_weights(jsonb) is 'These weights, or none, so that each leg counts 1, where they are all 0.';

-- One leg after the other. Late interaction that is to order candidates takes the best by the fusion of the legs before it.
create or replace function retrieval._run_legs(
    owner retrieval.collections, request record, condition text, settings jsonb,
    out legs text[], out chunk_ids bigint[], out scores double precision[], out weights jsonb, out is_full boolean, out report jsonb)
    language plpgsql stable
as $$
declare
    leg record;
    depth integer;
    among bigint[];
    weight jsonb;
    found_chunks record;
    started timestamptz;
begin
    legs := '{}'; chunk_ids := '{}'; scores := '{}'; weights := '{}'; is_full := false; report := '[]';
    for leg in select * from retrieval._search_legs(owner, request) loop
        depth := coalesce((request.leg_candidates ->> leg.leg)::integer, request.candidates);
        among := null;
        started := clock_timestamp();
        if leg.leg = 'late_interaction' and coalesce(request.late_interaction, 'candidates') = 'candidates' and weights <> '{}' then
            among := array(select f.id from retrieval.fuse(
                               legs, chunk_ids, scores, settings ->> 'fusion', retrieval._counting_weights(weights), (settings ->> 'rrf_k')::integer) f limit depth);
        end if;
        found_chunks := retrieval._leg_candidates(owner, leg, among, condition, depth, request);
        weight := retrieval._leg_weight(owner, request, leg.leg, leg.target);
        legs := legs || array_fill(leg.leg, array[cardinality(found_chunks.chunk_ids)]);
        chunk_ids := chunk_ids || found_chunks.chunk_ids;
        scores := scores || found_chunks.scores;
        weights := weights || jsonb_build_object(leg.leg, weight -> 'weight');
        is_full := is_full or among is null and request.leg_candidates -> leg.leg is null and cardinality(found_chunks.chunk_ids) >= depth;
        report := report || (weight || retrieval._leg_constants(owner, request, leg.leg) || jsonb_build_object(
            'leg', leg.leg, 'space', (leg.target).name, 'plan', found_chunks.plan, 'candidates', cardinality(found_chunks.chunk_ids),
            'milliseconds', round(1000 * extract(epoch from clock_timestamp() - started), 3)));
    end loop;
    if retrieval._counting_weights(weights) <> weights then
        weights := '{}';
        report := (select jsonb_agg(r.done || '{"weight": 1, "weight_from": "default"}' order by r.number)
                   from jsonb_array_elements(report) with ordinality r(done, number));
    end if;
end;
$$;

comment on function retrieval._run_legs(retrieval.collections, record, text, jsonb) is
'The candidates of all legs with their scores, the weights of the legs, and what each did. is_full: with more candidates a leg might find more; those of leg_candidates are as many as they are.';

-- Steps on a ranking that is given, and returned, best first.
create or replace function retrieval._refine(
    owner retrieval.collections, request record, chunk_ids inout bigint[], scores inout double precision[], steps out jsonb)
    language plpgsql stable
as $$
declare
    wanted constant integer := coalesce(request.result_offset + request.max_results, cardinality(chunk_ids));
    target retrieval.spaces;
    refined record;
begin
    steps := '{}';
    if cardinality(chunk_ids) = 0 then
        return;
    end if;
    if request.boosts is not null then
        select array_agg(b.chunk_id) as ids, array_agg(b.boosted_score) as scores,
               jsonb_object_agg(b.chunk_id, jsonb_build_object('fused_score', b.score, 'boosts', b.factors)) as boosts into refined
        from retrieval._boosted(owner.collection_id, chunk_ids, scores, request.boosts, cardinality(chunk_ids)) b;
        chunk_ids := refined.ids; scores := refined.scores;
        steps := steps || jsonb_build_object('boosts', refined.boosts);
    end if;
    if request.duplicate_similarity is not null then
        target := retrieval._comparing_space(owner, request.space);
        select array_agg(c.chunk_id) as ids, array_agg(c.score) as scores,
               jsonb_object_agg(c.chunk_id, c.duplicates) filter (where c.duplicates <> '{}') as duplicates into refined
        from retrieval._collapsed_chunks(
            owner, target, chunk_ids, scores, request.duplicate_similarity,
            case when num_nonnulls(request.per_document, request.mmr_lambda) = 0 then wanted end) c;
        chunk_ids := refined.ids; scores := refined.scores;
        steps := steps || jsonb_build_object('duplicates', coalesce(refined.duplicates, '{}'));
    end if;
    if request.per_document is not null then
        execute format(
            'select array_agg(p.chunk_id order by p.number) as ids, array_agg(p.score order by p.number) as scores
             from (select h.*, row_number() over (partition by c.document_id order by h.number) as place
                   from unnest($1, $2) with ordinality h(chunk_id, score, number)
                   join retrieval.chunks c on c.collection_id = %s and c.chunk_id = h.chunk_id) p
             where p.place <= $3', owner.collection_id)
            into refined using chunk_ids, scores, request.per_document;
        chunk_ids := refined.ids; scores := refined.scores;
    end if;
    if request.mmr_lambda is not null then
        target := retrieval._space(owner, request.space);
        select array_agg(d.chunk_id) as ids, array_agg(d.score) as scores, jsonb_object_agg(d.chunk_id, d.mmr_score) as mmr into refined
        from retrieval._diversified_chunks(target, chunk_ids, scores, request.mmr_lambda, wanted) d;
        chunk_ids := refined.ids; scores := refined.scores;
        steps := steps || jsonb_build_object('mmr_scores', refined.mmr);
    end if;
    chunk_ids := chunk_ids[request.result_offset + 1:wanted];
    scores := scores[request.result_offset + 1:wanted];
end;
$$;

comment on function retrieval._refine(retrieval.collections, record, bigint[], double precision[]) is
'A ranking after boosts, without near-duplicates, with so many chunks of a document, diversified, and cut to the page, in this order; what was not asked for is left out. steps says what each did, by chunk.';

create or replace function retrieval._ranking(
    owner retrieval.collections, request record, condition text,
    out chunk_ids bigint[], out scores double precision[], out contributions jsonb, out is_full boolean, out explanation jsonb)
    language plpgsql stable
as $$
declare
    started constant timestamptz := clock_timestamp();
    settings constant jsonb := retrieval._fusion_settings(owner, request);
    found_chunks record;
    fused record;
    refined record;
begin
    found_chunks := retrieval._run_legs(owner, request, condition, settings);
    select coalesce(array_agg(f.id), '{}') as ids, coalesce(array_agg(f.score), '{}') as scores, array_agg(f.contributions) as contributions into fused
    from retrieval.fuse(found_chunks.legs, found_chunks.chunk_ids, found_chunks.scores,
                        settings ->> 'fusion', found_chunks.weights, (settings ->> 'rrf_k')::integer) f;
    refined := retrieval._refine(owner, request, fused.ids, fused.scores);
    chunk_ids := refined.chunk_ids;
    scores := refined.scores;
    contributions := (select jsonb_object_agg(f.id, f.contributions) from unnest(fused.ids, fused.contributions) f(id, contributions)
                      where f.id = any (refined.chunk_ids));
    is_full := found_chunks.is_full;
    explanation := settings || jsonb_build_object(
        'candidates', request.candidates, 'mmr_lambda', request.mmr_lambda, 'legs', found_chunks.report, 'fused', cardinality(fused.ids), 'steps', refined.steps,
        'milliseconds', round(1000 * extract(epoch from clock_timestamp() - started), 3));
end;
$$;

comment on function retrieval._ranking(retrieval.collections, record, text) is
'What a request finds, best first, with the contributions of the legs by chunk. condition: the filter on a chunk c, as SQL, or null. is_full: with more candidates there might be more. explanation says how it came about.';

