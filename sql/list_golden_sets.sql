create or replace function retrieval.list_golden_sets(collection text)
    returns table (
        name text, origin text, description text, version integer, queries bigint, judgements bigint,
        created_at timestamptz, changed_at timestamptz)
    language plpgsql stable
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
begin
    return query
        select s.name, s.origin, s.description, s.version,
               (select count(*) from retrieval.golden_queries q where q.golden_set_id = s.golden_set_id and q.last_version is null),
               (select count(*) from retrieval.judgements j where j.golden_set_id = s.golden_set_id and j.last_version is null),
               s.created_at, s.changed_at
        from retrieval.golden_sets s
        where s.collection_id = owner and s.tenant = retrieval.current_tenant()
        order by s.name;
end;
$$;

comment on function retrieval.list_golden_sets(text) is
'The current tenant''s golden sets of a collection by name, with the queries and judgements that they hold now.';
