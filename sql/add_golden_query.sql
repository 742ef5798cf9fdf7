-- For who judges while searching: the query gets a key, once.
create or replace function retrieval.add_golden_query(collection text, golden_set text, query_text text)
    returns text
    language plpgsql
as $$
declare
    target constant retrieval.golden_sets := retrieval._lock_golden_set(collection, golden_set);
    key text;
begin
    select q.query_key into key
    from retrieval.golden_queries q
    where q.golden_set_id = target.golden_set_id and q.last_version is null and q.query_text = add_golden_query.query_text;
    if found then
        return key;
    end if;
    -- one that no version has had
    select (1 + coalesce(max(q.query_key::bigint), 0))::text into key
    from retrieval.golden_queries q
    where q.golden_set_id = target.golden_set_id and q.query_key ~ '^[1-9][0-9]{0,15}$';
    perform retrieval.put_golden_queries(collection, golden_set, jsonb_build_array(jsonb_build_object('query_key', key, 'query_text', query_text)));
    return key;
end;
$$;

comment on function retrieval.add_golden_query(text, text, text) is
'The key of the query of this text in a golden set; where there is none it is added, under the next number that no query of the set has ever had. 22023 for an empty text.';
