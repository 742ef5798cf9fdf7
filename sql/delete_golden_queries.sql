create or replace function retrieval._check_golden_keys(golden_set retrieval.golden_sets, query_keys text[])
    returns void
    language plpgsql stable
as $$
declare
    unknown constant text[] := array(
        select distinct g.query_key
        from unnest(query_keys) g(query_key)
        where not exists (
            select from retrieval.golden_queries q
            where q.golden_set_id = golden_set.golden_set_id and q.last_version is null and q.query_key = g.query_key)
        order by 1);
begin
    if cardinality(unknown) > 0 then
        raise exception 'golden set % has no query %', golden_set.name, retrieval._some_of(unknown)
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_golden_keys(retrieval.golden_sets, text[]) is '22023 where a golden set lacks a query of one of these keys.';

create or replace function retrieval.delete_golden_queries(collection text, golden_set text, query_keys text[])
    returns integer
    language plpgsql
as $$
declare
    target constant retrieval.golden_sets := retrieval._lock_golden_set(collection, golden_set);
begin
    if coalesce(cardinality(query_keys), 0) = 0 then
        raise exception 'query_keys must name at least one query' using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_golden_keys(target, query_keys);
    update retrieval.golden_queries q set last_version = target.version
    where q.golden_set_id = target.golden_set_id and q.last_version is null and q.query_key = any (query_keys);
    update retrieval.judgements j set last_version = target.version
    where j.golden_set_id = target.golden_set_id and j.last_version is null and j.query_key = any (query_keys);
    return retrieval._raise_golden_version(target, true);
end;
$$;

comment on function retrieval.delete_golden_queries(text, text, text[]) is
'Takes queries out of a golden set with their judgements, from a new version on, and returns that version; earlier ones keep them. 22023 for an empty array and for a key that the set has not.';
