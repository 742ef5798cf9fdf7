-- A document that somebody opened from the answer to a query; for readers, as log_query is.
create or replace function retrieval.log_click(query_id uuid, document_key text, collection text default null)
    returns boolean
    language plpgsql
as $$
declare
    asked record;
    place integer;
begin
    select q.document_keys, coalesce((q.details ->> 'result_offset')::integer, 0) as before, retrieval._logs_queries(c) as is_on into asked
    from retrieval.logged_queries q
    join retrieval.collections c on c.collection_id = q.collection_id
    where q.query_id = log_click.query_id and q.tenant = retrieval.current_tenant()
      and q.logged_at > now() - retrieval._query_retention(c)
      and c.name = coalesce(log_click.collection, c.name);
    if not found then
        raise exception 'no logged query has this id, or its retention has passed' using errcode = 'undefined_object';
    end if;
    place := array_position(asked.document_keys, document_key);
    if place is null then
        raise exception 'document % was not shown for this query', coalesce(quote_literal(document_key), 'null') using errcode = 'invalid_parameter_value';
    elsif not asked.is_on then
        return false;
    end if;
    insert into retrieval.logged_clicks (query_id, document_key, rank)
    values (log_click.query_id, log_click.document_key, asked.before + place)
    on conflict on constraint logged_clicks_pkey do nothing;
    return found;
end;
$$;

comment on function retrieval.log_click(uuid, text, text) is
'Keeps that a document was opened from the answer to a logged query, with its rank there, the first one where several of its chunks were shown. true where that is new; false where it was known, or where the collection''s queries are not logged any more. With a collection, the query must be one of it. 42704 where the current tenant has no such query or its retention has passed, 22023 where the document was not shown.';
