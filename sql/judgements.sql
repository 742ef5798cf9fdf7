create or replace function retrieval.judgements(collection text, golden_set text, version integer default null)
    returns table (query_key text, document_key text, grade smallint, judge text, judged_at timestamptz)
    language plpgsql stable
as $$
declare
    target constant retrieval.golden_sets := retrieval._golden_set(collection, golden_set);
    wanted constant integer := retrieval._golden_version(target, version);
begin
    return query
        select j.query_key, j.document_key, j.grade, j.judge, j.judged_at
        from retrieval.judgements j
        where j.golden_set_id = target.golden_set_id and j.first_version <= wanted and coalesce(j.last_version >= wanted, true)
        order by j.query_key, j.grade desc, j.document_key;
end;
$$;

comment on function retrieval.judgements(text, text, integer) is
'The judgements of a golden set by query, best grade first, as they are or as they were in a version, with who judged and when. 42704 for a set or a version that there is not.';
