-- What clicks say of relevance. People click on what they look at, and look at the top: a click far down says more than one on the
-- first place. Under the position-based model a click has the probability examination(rank) · attraction(query, document); the
-- examination is taken as 1 / rank, the propensity of Joachims, Swaminathan and Schnabel, "Unbiased Learning-to-Rank with Biased
-- Feedback" (WSDM 2017), with η = 1. Clicks divided by the examinations that were to be expected over all times that the document was
-- shown estimate the attraction: the ratio of sums (clicks over expected clicks) varies less than the mean of single weighted clicks.
create or replace function retrieval.click_judgements(
    collection text, minimum_clicks integer default 5, since timestamptz default null, until timestamptz default null)
    returns table (query_text text, document_key text, grade integer, clicks bigint, examinations double precision, attraction double precision)
    language plpgsql stable
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    perform retrieval._check_count('minimum_clicks', minimum_clicks, 1000000);
    return query
        with logged as (
            select q.query_id, retrieval._normalised_query(q.query_text) as query_text, q.document_keys,
                   coalesce((q.details ->> 'result_offset')::integer, 0) as before
            from retrieval._logged(click_judgements.collection, since, until) q
            where q.result_count > 0),
        clicked as (
            select l.query_text, c.document_key, count(*) as clicks
            from logged l join retrieval.logged_clicks c using (query_id)
            group by l.query_text, c.document_key
            having count(*) >= minimum_clicks),
        examined as (
            select l.query_text, s.document_key, sum(1 / (l.before + s.place)::double precision) as examinations
            from logged l
            cross join lateral (
                select k.document_key, min(k.place) as place
                from unnest(l.document_keys) with ordinality k(document_key, place)
                group by k.document_key) s
            where l.query_text in (select c.query_text from clicked c)
            group by l.query_text, s.document_key)
        select g.query_text, g.document_key, case when g.attraction >= 0.5 then 2 else 1 end, g.clicks, g.examinations, g.attraction
        from (select c.query_text, c.document_key, c.clicks, e.examinations, c.clicks / e.examinations as attraction
              from clicked c join examined e using (query_text, document_key)) g
        where g.attraction >= 0.1 and exists (
            select from retrieval.documents d
            where d.collection_id = target and d.document_key = g.document_key and d.tenant = retrieval.current_tenant())
        order by g.query_text, g.attraction desc, g.document_key;
end;
$$;

comment on function retrieval.click_judgements(text, integer, timestamptz, timestamptz) is
'Weak judgements from the current tenant''s clicks, best first for each query in small letters: documents that are still there and were opened from it at least minimum_clicks times, each time after another search. attraction is the clicks divided by the expected examinations, a document on rank r being looked at by one in r (so it may be above 1); grade is 2 from 0.5 on and 1 from 0.1 on, and what is below is no judgement. What nobody clicked on is not judged at all. 42704 where there is no such collection.';
