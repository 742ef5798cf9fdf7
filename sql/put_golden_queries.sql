create or replace function retrieval._check_golden_queries(queries jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    repeated text[];
begin
    if jsonb_typeof(queries) is distinct from 'array' or queries = '[]' then
        raise exception 'queries must be a JSON array of at least one object' using errcode = 'invalid_parameter_value';
    elsif exists (select from jsonb_array_elements(queries) q
                  where jsonb_typeof(q -> 'query_key') is distinct from 'string' or jsonb_typeof(q -> 'query_text') is distinct from 'string') then
        raise exception 'a query must be an object with the texts "query_key" and "query_text"' using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_golden_query(q ->> 'query_key', q ->> 'query_text') from jsonb_array_elements(queries) q;
    repeated := array(select q ->> 'query_key' from jsonb_array_elements(queries) q group by 1 having count(*) > 1 order by 1);
    if cardinality(repeated) > 0 then
        raise exception 'query_key is given twice: %', retrieval._some_of(repeated) using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_golden_queries(jsonb) is '22023 where queries are not an array of objects with a key and a text each, or a key is there twice.';

create or replace function retrieval._check_golden_query(query_key text, query_text text)
    returns void
    language plpgsql immutable
as $$
begin
    if query_key ~ '[[:cntrl:]]' or query_key !~ '\S' or octet_length(query_key) > 1000 then
        raise exception 'query_key % is not usable: up to 1000 bytes, no control character, not only blanks', quote_literal(left(query_key, 200))
            using errcode = 'invalid_parameter_value';
    elsif query_text is null or query_text !~ '\S' then
        raise exception 'query % has no text', coalesce(quote_literal(query_key), 'null') using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_golden_query(text, text) is '22023 where a golden set cannot hold a query of this key and text.';

create or replace function retrieval._check_golden_duplicates(golden_set_id bigint)
    returns void
    language plpgsql stable
as $$
declare
    duplicate record;
begin
    select q.query_text, array_agg(q.query_key order by q.query_key) as query_keys into duplicate
    from retrieval.golden_queries q
    where q.golden_set_id = _check_golden_duplicates.golden_set_id and q.last_version is null
    group by q.query_text having count(*) > 1
    order by 2 limit 1;
    if found then
        raise exception 'queries % have the same text: %', retrieval._some_of(duplicate.query_keys), left(duplicate.query_text, 200)
            using errcode = 'invalid_parameter_value', hint = 'An import with merge_duplicates makes one query of them.';
    end if;
end;
$$;

comment on function retrieval._check_golden_duplicates(bigint) is '22023 where two queries of a golden set have the same text.';

create or replace function retrieval.put_golden_queries(collection text, golden_set text, queries jsonb)
    returns integer
    language plpgsql
as $$
declare
    target retrieval.golden_sets;
    added bigint;
begin
    perform retrieval._check_golden_queries(queries);
    target := retrieval._lock_golden_set(collection, golden_set);
    update retrieval.golden_queries q set last_version = target.version
    from jsonb_to_recordset(queries) g(query_key text, query_text text)
    where q.golden_set_id = target.golden_set_id and q.last_version is null
      and q.query_key = g.query_key and q.query_text <> g.query_text;
    insert into retrieval.golden_queries (golden_set_id, query_key, query_text, first_version)
    select target.golden_set_id, g.query_key, g.query_text, target.version + 1
    from jsonb_to_recordset(queries) g(query_key text, query_text text)
    where not exists (
        select from retrieval.golden_queries q
        where q.golden_set_id = target.golden_set_id and q.last_version is null and q.query_key = g.query_key);
    get diagnostics added = row_count;
    perform retrieval._check_golden_duplicates(target.golden_set_id);
    return retrieval._raise_golden_version(target, added > 0);
end;
$$;

comment on function retrieval.put_golden_queries(text, text, jsonb) is
'Adds queries to a golden set, or gives those of the same key another text: all of them or none. queries is an array of {"query_key", "query_text"}. Returns the version of the set, which is a new one where something has changed. 22023 for an empty array, an empty text, a key that is given twice, and two queries of the same text.';
