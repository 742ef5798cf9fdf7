-- Scores are compared with those of other queries that were asked under the same settings, by their place among them: fused scores,
-- BM25 and similarities have scales of their own, and what is low on one is a matter of what the others have. Each query counts once,
-- however often it was asked. Fewer than ten of them are no distribution.
create or replace function retrieval.low_score_queries(
    collection text, share double precision default 0.1, since timestamptz default null, until timestamptz default null,
    max_results integer default 100)
    returns table (query_text text, queries bigint, top_score double precision, percentile double precision, settings jsonb, last_at timestamptz)
    language plpgsql stable
as $$
begin
    if share is null or share <= 0 or share > 1 then
        raise exception 'share must be more than 0 and at most 1, not %', coalesce(share::text, 'null') using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_count('max_results', max_results);
    return query
        with asked as (
            select retrieval._normalised_query(q.query_text) as query_text, q.details -> 'settings' as settings,
                   count(*) as queries, avg(q.top_score) as top_score, max(q.logged_at) as last_at
            from retrieval._logged(low_score_queries.collection, since, until) q
            where q.top_score is not null and coalesce(q.details ->> 'result_offset', '0') = '0'
            group by 1, 2),
        ranked as (
            select a.*, cume_dist() over (partition by a.settings order by a.top_score) as percentile,
                   count(*) over (partition by a.settings) as compared
            from asked a)
        select r.query_text, r.queries, r.top_score, r.percentile, r.settings, r.last_at
        from ranked r
        where r.percentile <= share and r.compared >= 10
        order by r.percentile, r.queries desc, r.query_text
        limit max_results;
end;
$$;

comment on function retrieval.low_score_queries(text, double precision, timestamptz, timestamptz, integer) is
'What the current tenant asked a collection for and found badly, by scores: queries whose best score, the mean over the times that they were asked, is among the lowest share of all queries under the same settings (the settings in the details of log_query). percentile is the share of those queries whose score is no higher; the lowest first, then the more frequent. Settings with fewer than ten different queries are left out: there is nothing to compare with. 42704 where there is no such collection, 22023 for a share outside of 0 to 1.';
