-- What the log of queries says; for writers, and of the current tenant alone: what people asked is not for everybody who may search.

create or replace function retrieval._normalised_query(query_text text)
    returns text
    language sql immutable parallel safe
    return btrim(regexp_replace(lower(normalize(query_text, nfkc)), '\s+', ' ', 'g'));

comment on function retrieval._normalised_query(text) is 'What queries have in common that differ in case, width and blanks only.';

-- Inlined into its callers.
create or replace function retrieval._logged(collection text, since timestamptz, until timestamptz)
    returns setof retrieval.logged_queries
    language sql stable
begin atomic
    select q.*
    from retrieval.logged_queries q
    where q.collection_id = (select (retrieval._collection(_logged.collection)).collection_id)
      and q.tenant = (select retrieval.current_tenant())
      and q.logged_at > (select now() - retrieval._query_retention(retrieval._collection(_logged.collection)))
      and q.logged_at >= coalesce(since, '-infinity') and q.logged_at < coalesce(until, 'infinity');
end;

comment on function retrieval._logged(text, timestamptz, timestamptz) is
'The current tenant''s logged queries of a time, without those whose retention has passed; 42704 where there is no such collection.';

-- Of the clicks after a query the first tells whether what people wanted stood on top.
create or replace function retrieval.query_report(collection text, since timestamptz default null, until timestamptz default null)
    returns table (
        queries bigint, distinct_queries bigint, zero_results bigint, zero_result_share double precision, clicked_queries bigint,
        click_through_rate double precision, mean_reciprocal_rank double precision, milliseconds_p50 double precision,
        milliseconds_p95 double precision)
    language sql stable
begin atomic
    with logged as (
        select q.query_id, q.query_text, q.result_count = 0 as is_empty, q.details ? 'result_offset' and q.details ->> 'result_offset' <> '0' as is_later_page,
               (q.details ->> 'milliseconds')::double precision as milliseconds
        from retrieval._logged(query_report.collection, since, until) q),
    clicked as (
        select c.query_id, (array_agg(c.rank order by c.clicked_at, c.rank))[1] as first_rank
        from logged l join retrieval.logged_clicks c using (query_id)
        group by c.query_id)
    select count(*), count(distinct retrieval._normalised_query(l.query_text) collate "C"),
           count(*) filter (where l.is_empty and not l.is_later_page),
           count(*) filter (where l.is_empty and not l.is_later_page) / nullif(count(*), 0)::double precision,
           count(c.query_id),
           count(c.query_id) / nullif(count(*) filter (where not l.is_empty), 0)::double precision,
           avg(1 / c.first_rank::double precision),
           percentile_cont(0.5) within group (order by l.milliseconds),
           percentile_cont(0.95) within group (order by l.milliseconds)
    from logged l left join clicked c using (query_id);
end;

comment on function retrieval.query_report(text, timestamptz, timestamptz) is
'One row of what the current tenant asked of a collection, since (inclusive) and until (exclusive), without them as far as the log goes back: how many queries, how many different ones but for case and blanks, how many found nothing and the share of these, how many were followed by a click, the share of these among the queries that found something, the mean of 1 / rank of the first click over the queries that have one, and how long half and 95 % of the searches took at most, where that was logged. A later page is a query of its own, but none without results. Shares and means of nothing are null. 42704 where there is no such collection.';
