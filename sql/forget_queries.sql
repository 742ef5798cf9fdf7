create or replace function retrieval.forget_queries(collection text, before timestamptz default null, query_text text default null)
    returns bigint
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    removed bigint;
begin
    delete from retrieval.logged_queries q
    where q.collection_id = target and q.tenant = retrieval.current_tenant()
      and q.logged_at < coalesce(forget_queries.before, 'infinity')
      and (forget_queries.query_text is null
           or retrieval._normalised_query(q.query_text) = retrieval._normalised_query(left(forget_queries.query_text, 2000)));
    get diagnostics removed = row_count;
    return removed;
end;
$$;

comment on function retrieval.forget_queries(text, timestamptz, text) is
'Removes logged queries of the current tenant with their clicks and returns how many: those before a time, those with a text but for case and blanks, or without both all of them. Whether queries are logged from now on does not change. 42704 where there is no such collection.';
