-- Evaluations: what one way of searching reached on the queries of a golden set, with everything that it takes to do it again.
-- A run names its golden set and the version of it; it outlives both.

create or replace function retrieval._check_evaluation(name text, settings jsonb, context jsonb, measures jsonb, queries jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    wrong text;
begin
    if coalesce(name, '') !~ '^[^[:cntrl:]]+$' or length(name) > 500 then
        raise exception 'name must be 1 to 500 characters without a control character, not %', coalesce(quote_literal(name), 'null')
            using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(settings) is distinct from 'object' or jsonb_typeof(context) is distinct from 'object' then
        raise exception 'settings and context must be objects' using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(measures) is distinct from 'object' or measures = '{}' then
        raise exception 'measures must be an object such as {"nDCG@10": {"mean": 0.5}}' using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(queries) is distinct from 'array' or queries = '[]' then
        raise exception 'queries must be an array that is not empty' using errcode = 'invalid_parameter_value';
    end if;
    select m.key into wrong from jsonb_each(measures) m where jsonb_typeof(m.value -> 'mean') is distinct from 'number' limit 1;
    if found then
        raise exception 'measures: % has no number under mean', quote_literal(wrong) using errcode = 'invalid_parameter_value';
    end if;
    select q.number::text into wrong
    from jsonb_array_elements(queries) with ordinality q(query, number)
    where jsonb_typeof(q.query -> 'query_key') is distinct from 'string' or jsonb_typeof(q.query -> 'query_text') is distinct from 'string'
       or jsonb_typeof(q.query -> 'measures') is distinct from 'object'
       or coalesce(jsonb_typeof(q.query -> 'milliseconds'), 'null') not in ('null', 'number')
       or coalesce(jsonb_typeof(q.query -> 'document_keys'), 'array') <> 'array'
    order by q.number limit 1;
    if found then
        raise exception 'queries: number % has no query_key, query_text or measures, or others that are unusable', wrong
            using errcode = 'invalid_parameter_value';
    end if;
    select q.query ->> 'query_key' into wrong
    from jsonb_array_elements(queries) q(query) group by q.query ->> 'query_key' having count(*) > 1 limit 1;
    if found then
        raise exception 'queries: % is there twice', quote_literal(wrong) using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_evaluation(text, jsonb, jsonb, jsonb, jsonb) is '22023 where a part of an evaluation is unusable.';

create or replace function retrieval.record_evaluation(
    collection text, golden_set text, golden_set_version integer, name text, settings jsonb, context jsonb, measures jsonb, queries jsonb)
    returns bigint
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    recorded bigint;
begin
    perform retrieval._check_evaluation(name, settings, context, measures, queries);
    insert into retrieval.evaluations (collection_id, golden_set, golden_set_version, name, settings, context, measures)
    values (owner.collection_id, golden_set, golden_set_version, name, settings, context, measures)
    returning evaluation_id into recorded;
    insert into retrieval.evaluation_queries (evaluation_id, query_key, query_text, measures, milliseconds, document_keys)
    select recorded, q.query_key, q.query_text, q.measures, q.milliseconds, coalesce(q.document_keys, '{}')
    from jsonb_to_recordset(queries) q(query_key text, query_text text, measures jsonb, milliseconds double precision, document_keys text[]);
    return recorded;
end;
$$;

comment on function retrieval.record_evaluation(text, text, integer, text, jsonb, jsonb, jsonb, jsonb) is
'Stores what a way of searching reached on a golden set, for the current tenant, and returns its evaluation_id. name and settings: of the way of searching; context: what else it takes to repeat it; measures: {"nDCG@10": {"mean": 0.5, "low": 0.4, "high": 0.6}}; queries: [{"query_key": "q1", "query_text": "…", "measures": {"nDCG@10": 0.5}, "milliseconds": 4.2, "document_keys": ["a", "b"]}], of which the last two may be left out. golden_set and golden_set_version are null where the judgements are not stored; neither need exist. 42704 where there is no such collection, 22023 where a part is unusable; then nothing is stored.';
