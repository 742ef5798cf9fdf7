-- A batch at a time, so that no transaction is long and nobody waits; two at once take different rows.
create or replace function retrieval.trim_query_log(maximum_rows integer default 10000)
    returns bigint
    language plpgsql
as $$
declare
    removed bigint;
begin
    perform retrieval._check_count('maximum_rows', maximum_rows, 1000000);
    with expired as (
        select e.query_id
        from retrieval.collections c
        cross join lateral (
            select q.query_id from retrieval.logged_queries q
            where q.collection_id = c.collection_id and q.logged_at <= now() - retrieval._query_retention(c)
            order by q.logged_at limit maximum_rows
            for update skip locked) e
        where c.settings ? 'query_logging'
        limit maximum_rows)
    delete from retrieval.logged_queries q using expired e where q.query_id = e.query_id;
    get diagnostics removed = row_count;
    return removed;
end;
$$;

comment on function retrieval.trim_query_log(integer) is
'Removes logged queries whose retention has passed, with their clicks, of every collection and tenant, the oldest first, and returns how many; fewer than maximum_rows means that none are left. Workers call it every hour. Reports and log_click pass such queries over, removed or not.';
