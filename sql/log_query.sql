-- One query as it was answered. Readers call it: it is they who search. It writes nothing but a row of the caller's own tenant,
-- and only where the collection's owner has turned that on, so it needs no right of a writer.

create or replace function retrieval._check_query_details(details jsonb)
    returns void
    language plpgsql immutable
as $$
begin
    if details is null or jsonb_typeof(details) <> 'object' then
        raise exception 'details must be an object such as {"milliseconds": 12, "settings": {"fusion": "rrf"}}' using errcode = 'invalid_parameter_value';
    elsif octet_length(details::text) > 20000 then
        raise exception 'details must have at most 20000 bytes as text, not %', octet_length(details::text) using errcode = 'invalid_parameter_value';
    elsif details ? 'milliseconds' and (jsonb_typeof(details -> 'milliseconds') <> 'number' or (details -> 'milliseconds')::numeric not between 0 and 1e9) then
        raise exception 'details: milliseconds must be a number from 0 to 1000000000, not %', details -> 'milliseconds' using errcode = 'invalid_parameter_value';
    elsif details ? 'result_offset' and (details ->> 'result_offset') !~ '^\d{1,5}$' then
        raise exception 'details: result_offset must be a whole number from 0 to 99999, not %', details -> 'result_offset' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_query_details(jsonb) is '22023 where what is told of a query cannot be kept.';

create or replace function retrieval._check_shown(document_keys text[], scores double precision[])
    returns void
    language plpgsql immutable
as $$
begin
    if document_keys is null or array_position(document_keys, null) is not null then
        raise exception 'document_keys must name the documents that were shown, and be {} where none were' using errcode = 'invalid_parameter_value';
    elsif cardinality(scores) <> cardinality(document_keys) then
        raise exception 'scores: % for % document_keys', cardinality(scores), cardinality(document_keys) using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_shown(text[], double precision[]) is '22023 where documents that were shown lack a key, or scores do not belong to them.';

create or replace function retrieval.log_query(
    collection text,
    query_text text,
    document_keys text[],
    scores double precision[] default null,
    details jsonb default '{}',
    query_id uuid default null)
    returns uuid
    language plpgsql
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    logged_id constant uuid := coalesce(query_id, gen_random_uuid());
begin
    if query_text is null then
        raise exception 'query_text must not be null' using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_shown(document_keys, scores);
    perform retrieval._check_query_details(details);
    if not retrieval._logs_queries(target) then
        return null;
    end if;
    insert into retrieval.logged_queries (query_id, collection_id, query_text, document_keys, result_count, top_score, details)
    values (logged_id, target.collection_id, left(query_text, 2000), document_keys[:1000], cardinality(document_keys),
            -- without what is no number, which would be above all others
            (select max(s) from unnest(scores) s where s between -1e300 and 1e300), details);
    return logged_id;
end;
$$;

comment on function retrieval.log_query(text, text, text[], double precision[], jsonb, uuid) is
'Keeps a query with the keys of the documents that were shown, best first (a document as often as chunks of it were), and returns the id that log_click takes; query_id where one is given, which must be new. Where the collection''s queries are not logged (see set_query_logging) nothing is kept and null is returned, so a program may always call it. scores belong to the keys, null for none; the highest is kept. details are the caller''s own, but for milliseconds (how long the search took), result_offset (how many hits are on the pages before) and settings (anything: scores are compared where it is the same). Of a query the first 2000 characters are kept, of the keys the first 1000. Not in a read-only transaction. 42704 where there is no such collection, 22023 for what cannot be kept.';
