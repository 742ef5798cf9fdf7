create or replace function retrieval.zero_result_queries(
    collection text, since timestamptz default null, until timestamptz default null, max_results integer default 100)
    returns table (query_text text, queries bigint, last_at timestamptz)
    language plpgsql stable
as $$
begin
    perform retrieval._check_count('max_results', max_results);
    return query
        select retrieval._normalised_query(q.query_text), count(*), max(q.logged_at)
        from retrieval._logged(zero_result_queries.collection, since, until) q
        where q.result_count = 0 and coalesce(q.details ->> 'result_offset', '0') = '0'
        group by 1
        order by 2 desc, 3 desc, 1
        limit max_results;
end;
$$;

comment on function retrieval.zero_result_queries(text, timestamptz, timestamptz, integer) is
'What the current tenant asked a collection for and did not find at all: the query in small letters, how often that happened and when last; the most frequent first, then the latest. What is only empty behind the last page is not among them. 42704 where there is no such collection.';
