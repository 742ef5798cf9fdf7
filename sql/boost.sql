-- Boosts: the scores of a ranking times what metadata says. A boost has a field, which is a key or the keys of a path into
-- nested objects, and is of one of three kinds. What a field's value makes of the score is its factor:
--
-- - decay      1 − weight · (1 − f), where f is 1 near an origin and falls to decay_to at a distance of offset + scale. With
--              x = max(0, |value − origin| − offset) / scale it is
--
--                  gaussian     decay_to ^ x²
--                  exponential  decay_to ^ x
--                  linear       max(0, 1 − (1 − decay_to) · x)
--
--              These are gauss, exp and linear of Elasticsearch, its σ², λ and s put in
--              (https://www.elastic.co/guide/en/elasticsearch/reference/current/query-dsl-function-score-query.html).
--              The value is a number, or a date where origin or scale is a text: "now", "2026-01-31", "30 days".
-- - values     the weight of the value; of an array the largest weight that one of its elements has.
-- - modifier   1 + weight · m(v), at most 1000, where the more the better, as for sales. none: m(v) = v, sqrt: √v, and
--              log1p: log₁₀(1 + v), as in Elasticsearch's field_value_factor. A value below 0 counts as 0.
--
-- A field that is missing, null, or holds what its boost cannot read has the factor `missing`, which is 1 unless given.
--
-- A search, then what is recent and of one team:
--
--     with hit as materialized (select * from retrieval.keyword_search('handbook', 'rotate a key', max_results => 100))
--     select h.document_key, b.boosted_score, b.factors
--     from (select array_agg(chunk_id) as chunk_ids, array_agg(score) as scores from hit) a
--     cross join retrieval.boost('handbook', a.chunk_ids, a.scores, '[
--         {"field": "published", "decay": "exponential", "origin": "now", "scale": "90 days", "weight": 0.5},
--         {"field": "team", "values": {"security": 1.3}}]') b
--     join hit h using (chunk_id)
--     order by b.boosted_score desc, b.chunk_id limit 10;

create or replace function retrieval._json_number(value jsonb)
    returns double precision
    language sql immutable
    return case when jsonb_typeof(value) = 'number' then
        -- what is no double precision would be an error
        case when abs(value::numeric) < 1e-100 then 0 else least(greatest(value::numeric, -1e100), 1e100)::double precision end end;

comment on function retrieval._json_number(jsonb) is 'A number of JSON, cut at ±1e100; null for any other value.';

-- A cast would raise an error where there is no such day, and take a text without a zone for the session's. jsonpath's
-- datetime() does neither, but it reads more than ISO 8601, and before PostgreSQL 17 no Z.
create or replace function retrieval._epoch(value text)
    returns double precision
    language sql stable
    return case
        when value !~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
                      '([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)?)?$'
             or starts_with(value, '0000') then null
        -- a 30th of February would be in March
        when substr(value, 9, 2) > '28'
             and extract(month from make_date(left(value, 4)::integer, substr(value, 6, 2)::integer, 1) + substr(value, 9, 2)::integer - 1)
                 <> substr(value, 6, 2)::integer then null
        else extract(epoch from (value || case when strpos(value, 'Z') + strpos(value, '+') + strpos(substr(value, 11), '-') = 0
                                               then 'Z' else '' end)::timestamptz)::double precision end;

comment on function retrieval._epoch(text) is
'The seconds from 1970 to a date or timestamp of ISO 8601 (1999-12-31, 1999-12-31T23:59:59.9+01:00), in UTC unless it says otherwise; null for any other text.';

-- What a boost's value measures, as SQL on a row s: a number, the seconds of a date, or a weight; null where it is missing.
create or replace function retrieval._boost_measure(boost jsonb, number bigint)
    returns text
    language plpgsql immutable
as $$
begin
    return format(
        case when boost ->> 'kind' = 'values' then
            'case when jsonb_typeof(s.value%1$s) = ''array'' then
                      (select coalesce(max((%2$L::jsonb ->> e)::double precision), %3$s) from jsonb_array_elements_text(s.value%1$s) e)
                  when jsonb_typeof(s.value%1$s) in (''string'', ''number'', ''boolean'') then
                      coalesce((%2$L::jsonb ->> s.text%1$s)::double precision, %3$s) end'
        when (boost -> 'dates')::boolean then 'case when jsonb_typeof(s.value%1$s) = ''string'' then retrieval._epoch(s.text%1$s) end'
        else 'retrieval._json_number(s.value%1$s)' end,
        number, boost -> 'values', boost -> 'default');
end;
$$;

comment on function retrieval._boost_measure(jsonb, bigint) is 'From a value to what its boost counts by, as SQL.';

-- What it makes of the score. PostgreSQL raises an error where exp() is too small for a double precision.
create or replace function retrieval._boost_factor(boost jsonb, number bigint)
    returns text
    language plpgsql immutable
as $$
begin
    return format(
        case boost ->> 'kind'
        when 'values' then 's.measure%1$s'
        when 'none' then 'least(1 + %2$s * greatest(s.measure%1$s, 0), 1000)'
        when 'log1p' then 'least(1 + %2$s * log(1 + greatest(s.measure%1$s, 0)), 1000)'
        when 'sqrt' then 'least(1 + %2$s * sqrt(greatest(s.measure%1$s, 0)), 1000)'
        when 'gaussian' then '1 - %2$s + %2$s * exp(greatest(ln(%3$s::double precision) * %4$s ^ 2, -600))'
        when 'exponential' then '1 - %2$s + %2$s * exp(greatest(ln(%3$s::double precision) * %4$s, -600))'
        when 'linear' then '1 - %2$s + %2$s * greatest(1 - (1 - %3$s) * %4$s, 0)' end,
        number, boost -> 'weight', boost -> 'decay_to',
        format('least(greatest(abs(s.measure%s - (%s)) - %s, 0) / %s, 1e100)',
               number, boost -> 'origin', boost -> 'offset', boost -> 'scale'));
end;
$$;

comment on function retrieval._boost_factor(jsonb, bigint) is 'From what a boost counts by to its factor, as SQL.';

-- Each step is a column that the next one reads, so that nothing is computed twice. What a boost holds stands in it as a
-- literal: keys and values quoted, the rest numbers.
create or replace function retrieval._boost_steps(boost jsonb, number bigint)
    returns text[]
    language plpgsql immutable
as $$
begin
    return array[
        (select format('s.metadata%1$s as value%2$s, s.metadata%1$s #>> ''{}'' as text%2$s',
                       string_agg(format(' -> %L', k.key), '' order by k.place), number)
         from jsonb_array_elements_text(boost -> 'path') with ordinality k(key, place)),
        format('%s as measure%s', retrieval._boost_measure(boost, number), number),
        format('case when s.measure%1$s is null then %2$s else %3$s end as unbounded%1$s',
               number, boost -> 'missing', retrieval._boost_factor(boost, number)),
        format('case when s.unbounded%1$s < $3 then 0 else s.unbounded%1$s end as factor%1$s', number)];
end;
$$;

comment on function retrieval._boost_steps(jsonb, bigint) is
'The columns from metadata to a boost''s factor, as SQL on a row s; $3 is the smallest factor that does not count as 0.';

create or replace function retrieval._boosted(
    collection_id bigint, chunk_ids bigint[], scores double precision[], checked_boosts jsonb, max_results integer)
    returns table (chunk_id bigint, score double precision, boosted_score double precision, factors jsonb)
    language plpgsql stable rows 100
as $$
declare
    boost_count constant integer := jsonb_array_length(checked_boosts);
    query text := format(
        'select h.chunk_id, h.score, c.metadata
         from unnest($1, $2) h(chunk_id, score)
         join retrieval.chunks c on c.collection_id = %s and c.chunk_id = any ($1) and c.chunk_id = h.chunk_id', collection_id);
    columns text;
    product text;
    described text;
begin
    for columns in
        select string_agg(s.step, ', ' order by b.number)
        from jsonb_array_elements(checked_boosts) with ordinality b(boost, number)
        cross join unnest(retrieval._boost_steps(b.boost, b.number)) with ordinality s(step, number)
        group by s.number order by s.number
    loop
        query := format('select s.*, %s from (%s offset 0) s', columns, query);
    end loop;
    select string_agg(format(' * s.factor%s', b.number), '' order by b.number),
           string_agg(format('jsonb_build_object(''field'', %1$L::jsonb, ''value'', s.value%2$s, ''factor'', s.factor%2$s)',
                             b.boost -> 'field', b.number), ', ' order by b.number)
    into product, described
    from jsonb_array_elements(checked_boosts) with ordinality b(boost, number);
    return query execute format(
        'select s.chunk_id, s.score, s.boosted_score, jsonb_build_array(%s)
         from (select s.*, case when s.score < 1e-50 then 0 else s.score%s end as boosted_score from (%s offset 0) s
               order by boosted_score desc, s.chunk_id limit $4) s', described, product, query)
        -- what is smaller counts as 0: a product too small for a double precision would be an error
        using chunk_ids, scores, 10.0 ^ (-250.0 / greatest(boost_count, 1)), max_results;
end;
$$;

comment on function retrieval._boosted(bigint, bigint[], double precision[], jsonb, integer) is
'The candidates that are chunks of the collection with their boosted scores, best first, ties by chunk_id. checked_boosts: as _check_boosts returns them; scores from 0 to 1e100.';

create or replace function retrieval.boost(
    collection text,
    chunk_ids bigint[],
    scores double precision[],
    boosts jsonb,
    reference_time timestamptz default now())
    returns table (chunk_id bigint, score double precision, boosted_score double precision, factors jsonb)
    language plpgsql stable rows 100
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    negative record;
begin
    perform retrieval._check_ranking(owner, chunk_ids, coalesce(scores, '{}'));
    -- it would be the better the smaller its factor
    select h.* into negative from unnest(chunk_ids, scores) with ordinality h(chunk_id, score, number) where h.score < 0 order by h.number limit 1;
    if found then
        raise exception 'the score of chunk % must not be negative, but is %', negative.chunk_id, negative.score using errcode = 'invalid_parameter_value';
    end if;
    return query select * from retrieval._boosted(
        owner.collection_id, chunk_ids, scores, retrieval._check_boosts(boosts, reference_time), cardinality(chunk_ids));
end;
$$;

comment on function retrieval.boost(text, bigint[], double precision[], jsonb, timestamptz) is
'A ranking by other scores: each candidate''s score times the factors that boosts make of its chunk''s metadata; best first, ties by chunk_id. boosts: an array of up to 32 objects, or one object. Each has a field (a key, or an array of keys into nested objects), optionally missing (the factor where the value cannot be used; 1), and either decay (gaussian, exponential or linear; with origin, scale, offset 0, decay_to 0.5, weight 1), or values ({"value": weight, …}; with default 1), or modifier (none, log1p or sqrt; with weight 1). Dates: an origin such as "now" (unless given) or "2026-01-31", a scale such as "30 days", values in ISO 8601; "now" is reference_time. factors: field, value and factor of each boost, in their order; a score below 1e-50 counts as 0, and so does a factor below 10 ^ (-250 / number of boosts). 22023 where a boost is unusable, by its number, or a score is negative.';
