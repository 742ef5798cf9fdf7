-- The legs of a hybrid search. A leg is what its query is for: query_text makes keyword, query_embedding semantic,
-- query_sparse sparse, query_tokens late_interaction, and each space of query_embeddings one more, named after it.
--
-- `request` is a record with the arguments of hybrid_search: what the functions of this file, and those that rank with
-- them, need of it they take by name.

create or replace function retrieval._leg_names()
    returns text[]
    language sql immutable
    return array['keyword', 'semantic', 'sparse', 'late_interaction'];

comment on function retrieval._leg_names() is 'The legs that hybrid_search names itself.';

-- What the checks of arguments go by, before anything is looked up.
create or replace function retrieval._given_legs(request record)
    returns text[]
    language plpgsql immutable
as $$
begin
    if jsonb_typeof(coalesce(request.query_embeddings, '{}')) <> 'object' then
        raise exception 'query_embeddings must be an object such as {"space": [0.1, 0.2]}' using errcode = 'invalid_parameter_value';
    elsif num_nonnulls(request.query_text, request.query_embedding, request.query_sparse, request.query_tokens) = 0
       and coalesce(request.query_embeddings, '{}') = '{}' then
        raise exception 'query_text or query_embedding must be given, or another query' using errcode = 'null_value_not_allowed';
    end if;
    return array_remove(array[
            case when request.query_text is not null then 'keyword' end,
            case when request.query_embedding is not null then 'semantic' end,
            case when request.query_sparse is not null then 'sparse' end,
            case when request.query_tokens is not null then 'late_interaction' end], null)
        || array(select jsonb_object_keys(coalesce(request.query_embeddings, '{}')));
end;
$$;

comment on function retrieval._given_legs(record) is 'The legs that a request has queries for; 22004 where there is none.';

-- A leg that is named must be one, and must have a query.
create or replace function retrieval._check_leg(parameter text, leg text, legs text[])
    returns void
    language plpgsql immutable
as $$
begin
    if leg = any (legs) then
        return;
    elsif leg = any (retrieval._leg_names()) then
        raise exception '%: leg % has no query, % is not given', parameter, leg,
                        case leg when 'keyword' then 'query_text' when 'semantic' then 'query_embedding' when 'sparse' then 'query_sparse' else 'query_tokens' end
            using errcode = 'invalid_parameter_value';
    end if;
    raise exception '%: leg must be one of %, not %', parameter, array_to_string(legs, ', '), quote_literal(leg)
        using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._check_leg(text, text, text[]) is '22023 where a leg is unknown, or has no query.';

create or replace function retrieval._check_weights(weights jsonb, legs text[])
    returns void
    language plpgsql immutable
as $$
declare
    leg text;
begin
    perform retrieval._check_leg_weights(weights);
    for leg in select jsonb_object_keys(weights) loop
        perform retrieval._check_leg('weights', leg, legs);
    end loop;
    if not exists (select from unnest(legs) l where coalesce((weights ->> l)::double precision, 1) > 0) then
        raise exception 'weights must not all be 0' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_weights(jsonb, text[]) is '22023 where the weights of the legs of a search are unusable.';

create or replace function retrieval._check_leg_candidates(leg_candidates jsonb, legs text[])
    returns void
    language plpgsql immutable
as $$
declare
    depth record;
begin
    if jsonb_typeof(leg_candidates) is distinct from 'object' then
        raise exception 'leg_candidates must be an object such as {"keyword": 200}' using errcode = 'invalid_parameter_value';
    end if;
    for depth in select * from jsonb_each(leg_candidates) loop
        perform retrieval._check_leg('leg_candidates', depth.key, legs);
        if jsonb_typeof(depth.value) <> 'number' or depth.value::text !~ '^\d{1,9}$' then
            raise exception 'leg_candidates: % must be a whole number from 1 to 10000, not %', depth.key, depth.value
                using errcode = 'invalid_parameter_value';
        end if;
        perform retrieval._check_count('leg_candidates: ' || depth.key, depth.value::bigint);
    end loop;
end;
$$;

comment on function retrieval._check_leg_candidates(jsonb, text[]) is '22023 where the depths of legs are unusable.';

-- A signature that is for no leg would be one that nobody checks.
create or replace function retrieval._check_leg_signatures(leg_signatures jsonb, legs text[])
    returns void
    language plpgsql immutable
as $$
declare
    signature record;
begin
    if jsonb_typeof(leg_signatures) <> 'object' then
        raise exception 'leg_signatures must be an object such as {"sparse": {"model": "a"}}' using errcode = 'invalid_parameter_value';
    end if;
    for signature in select * from jsonb_each(leg_signatures) loop
        perform retrieval._check_leg('leg_signatures', signature.key, legs);
        if jsonb_typeof(signature.value) <> 'object' then
            raise exception 'leg_signatures: % must be an object such as {"model": "a"}, not %', signature.key, signature.value
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
end;
$$;

comment on function retrieval._check_leg_signatures(jsonb, text[]) is '22023 where the signatures of legs are unusable.';

-- As text every kind of query is the same to the functions that pass it on; halves survive that exactly.
create or replace function retrieval._embedding_text(space text, embedding jsonb, kind text)
    returns text
    language plpgsql immutable
    set search_path from current
as $$
begin
    if jsonb_typeof(embedding) = 'null' then
        raise exception 'it is null' using errcode = 'null_value_not_allowed';
    end if;
    return case kind
        when 'multivector' then (select array_agg(t.token::text::halfvec order by t.number)::text
                                 from jsonb_array_elements(embedding) with ordinality t(token, number))
        when 'sparse' then (embedding #>> '{}')::sparsevec::text
        else (embedding #>> '{}')::halfvec::text end;
exception when data_exception or program_limit_exceeded then
    raise exception 'query_embeddings: the value of % must be %', quote_ident(space),
                    case kind when 'dense' then 'a vector such as [0.1, 0.2]' when 'sparse' then 'a sparse vector such as "{1:0.5}/30522"'
                              else 'an array of vectors such as [[0.1, 0.2]]' end
        using errcode = 'invalid_parameter_value', detail = sqlerrm;
end;
$$;

comment on function retrieval._embedding_text(text, jsonb, text) is
'An embedding given as JSON, as the text of its kind of vector; an array of them for a multivector space.';

create or replace function retrieval._check_leg_query(leg text, target retrieval.spaces, query text, request record)
    returns void
    language plpgsql immutable
    set search_path from current
as $$
declare
    signature constant jsonb := coalesce(case leg when 'semantic' then request.signature end, request.leg_signatures -> leg);
begin
    if target.kind <> 'multivector' then
        perform retrieval._check_search_effort(target, coalesce(request.search_effort, 1));
    end if;
    case target.kind
        when 'dense' then perform retrieval._check_embedding(target, query::halfvec, signature);
        when 'sparse' then perform retrieval._check_sparse_embedding(target, query::sparsevec, signature);
        else perform retrieval._check_query_tokens(target, query::halfvec[], signature);
    end case;
exception when invalid_parameter_value then
    if leg = any (retrieval._leg_names()) or sqlerrm !~ '^query_' then
        raise;
    end if;
    -- the searches of a single space have another name for it
    raise exception 'query_embeddings: the value of % %', quote_ident(leg), substring(sqlerrm from ' (.*)') using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._check_leg_query(text, retrieval.spaces, text, record) is
'22023 where the query of a leg cannot be compared with the embeddings of its space.';

create or replace function retrieval._search_legs(owner retrieval.collections, request record)
    returns table (leg text, target retrieval.spaces, query text)
    language plpgsql stable rows 4
    set search_path from current
as $$
begin
    if request.query_text is not null then
        leg := 'keyword'; target := null; query := request.query_text;
        return next;
    end if;
    if request.query_embedding is not null then
        leg := 'semantic'; target := retrieval._space(owner, request.space); query := request.query_embedding::text;
        perform retrieval._check_leg_query(leg, target, query, request);
        return next;
    end if;
    if request.query_sparse is not null then
        leg := 'sparse'; target := retrieval._space(owner, null, leg); query := request.query_sparse::text;
        perform retrieval._check_leg_query(leg, target, query, request);
        return next;
    end if;
    for leg, query in select e.key, e.value::text from jsonb_each(request.query_embeddings) e order by e.key loop
        if leg = any (retrieval._leg_names()) then
            raise exception 'query_embeddings: a space called % would be mistaken for the leg of that name', leg using errcode = 'invalid_parameter_value';
        end if;
        target := retrieval._space(owner, leg, null);
        query := retrieval._embedding_text(leg, query::jsonb, target.kind);
        perform retrieval._check_leg_query(leg, target, query, request);
        return next;
    end loop;
    -- last, because it may order what the others have found
    if request.query_tokens is not null then
        leg := 'late_interaction'; target := retrieval._space(owner, null, 'multivector'); query := request.query_tokens::text;
        perform retrieval._check_leg_query(leg, target, query, request);
        return next;
    end if;
end;
$$;

comment on function retrieval._search_legs(retrieval.collections, record) is
'The legs of a request with their spaces and queries, checked; late_interaction is the last.';

-- What a leg finds, best first. `among` are the chunks that it is to order; without them it searches the collection.
create or replace function retrieval._leg_candidates(
    owner retrieval.collections, search_leg record, among bigint[], filter_condition text, candidates integer, request record,
    out chunk_ids bigint[], out scores double precision[], out plan text)
    language plpgsql stable
    set search_path from current
as $$
declare
    target constant retrieval.spaces := search_leg.target;
begin
    perform set_config('retrieval.plan', 'index', true);
    if search_leg.leg = 'keyword' then
        select array_agg(k.chunk_id), array_agg(k.score) into chunk_ids, scores
        from retrieval._keyword_candidates(owner, search_leg.query, filter_condition, candidates, request.keyword_operator,
                                           request.field_weights, request.k1, request.b) k;
    elsif target.kind = 'dense' then
        select array_agg(n.chunk_id), array_agg(n.score) into chunk_ids, scores
        from retrieval._nearest_chunks(
            target, retrieval._adapt_query(target, search_leg.query::halfvec), filter_condition, candidates, request.search_effort) n;
    elsif target.kind = 'sparse' then
        select array_agg(n.chunk_id), array_agg(n.score) into chunk_ids, scores
        from retrieval._nearest_chunks(
            target, retrieval._indexable_query(target, search_leg.query::sparsevec), filter_condition, candidates, request.search_effort) n;
    else
        perform set_config('retrieval.plan', case when among is null then 'exact' else 'candidates' end, true);
        -- the filter has had its say over what others have found
        execute format('select array_agg(t.chunk_id), array_agg(t.score) from (%s) t', retrieval._token_statement(
                target, case when among is null then filter_condition end, among is not null, candidates))
            into chunk_ids, scores using search_leg.query::halfvec[], among;
    end if;
    chunk_ids := coalesce(chunk_ids, '{}');
    scores := coalesce(scores, '{}');
    plan := current_setting('retrieval.plan');
end;
$$;

comment on function retrieval._leg_candidates(retrieval.collections, record, bigint[], text, integer, record) is
'The best chunks of a leg, best first, ties by chunk_id, with their scores. plan: index, exact, or candidates where only those of other legs were looked at.';
