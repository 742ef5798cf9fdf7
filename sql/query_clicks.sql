create or replace function retrieval.query_clicks(
    collection text, since timestamptz default null, until timestamptz default null, max_results integer default 100)
    returns table (
        query_text text, queries bigint, clicked_queries bigint, clicks bigint, click_through_rate double precision,
        mean_reciprocal_rank double precision, last_at timestamptz)
    language plpgsql stable
as $$
begin
    perform retrieval._check_count('max_results', max_results);
    return query
        with logged as (
            select q.query_id, q.query_text, q.logged_at
            from retrieval._logged(query_clicks.collection, since, until) q
            where q.result_count > 0),
        clicked as (
            select c.query_id, count(*) as clicks, (array_agg(c.rank order by c.clicked_at, c.rank))[1] as first_rank
            from logged l join retrieval.logged_clicks c using (query_id)
            group by c.query_id)
        select retrieval._normalised_query(l.query_text), count(*), count(c.query_id), coalesce(sum(c.clicks), 0)::bigint,
               count(c.query_id) / count(*)::double precision, avg(1 / c.first_rank::double precision), max(l.logged_at)
        from logged l left join clicked c using (query_id)
        group by 1
        order by 2 desc, 1
        limit max_results;
end;
$$;

comment on function retrieval.query_clicks(text, timestamptz, timestamptz, integer) is
'What became of the current tenant''s queries that found something, one row for each query in small letters: how often it was asked, how often a click followed, how many documents were opened, the share of times with a click, the mean of 1 / rank of the first click (null without any) and when it was asked last; the most frequent first. 42704 where there is no such collection.';
