-- A version is null for the current one.
create or replace function retrieval._golden_version(golden_set retrieval.golden_sets, version integer)
    returns integer
    language plpgsql immutable
as $$
begin
    if version not between 0 and golden_set.version then
        raise exception 'golden set % has no version %; the newest is %', golden_set.name, version, golden_set.version
            using errcode = 'undefined_object';
    end if;
    return coalesce(version, golden_set.version);
end;
$$;

comment on function retrieval._golden_version(retrieval.golden_sets, integer) is 'The version, or of null the newest one; 42704 where the golden set has no such version.';

create or replace function retrieval.golden_queries(collection text, golden_set text, version integer default null)
    returns table (query_key text, query_text text)
    language plpgsql stable
as $$
declare
    target constant retrieval.golden_sets := retrieval._golden_set(collection, golden_set);
    wanted constant integer := retrieval._golden_version(target, version);
begin
    return query
        select q.query_key, q.query_text
        from retrieval.golden_queries q
        where q.golden_set_id = target.golden_set_id and q.first_version <= wanted and coalesce(q.last_version >= wanted, true)
        order by q.query_key;
end;
$$;

comment on function retrieval.golden_queries(text, text, integer) is
'The queries of a golden set by key, as they are or as they were in a version. 42704 for a set or a version that there is not.';
