create or replace function retrieval._evaluation(owner retrieval.collections, evaluation_id bigint)
    returns retrieval.evaluations
    language plpgsql stable
as $$
declare
    recorded retrieval.evaluations;
begin
    select * into recorded
    from retrieval.evaluations e
    where e.evaluation_id = _evaluation.evaluation_id and e.collection_id = owner.collection_id and e.tenant = retrieval.current_tenant();
    if not found then
        raise exception 'evaluation % does not exist in collection %', coalesce(evaluation_id::text, 'null'), quote_ident(owner.name)
            using errcode = 'undefined_object',
                  hint = format('Existing evaluations: select evaluation_id, name from retrieval.list_evaluations(%L);', owner.name);
    end if;
    return recorded;
end;
$$;

comment on function retrieval._evaluation(retrieval.collections, bigint) is
'The evaluation of that id in a collection, of the current tenant; 42704 where there is none.';

create or replace function retrieval.evaluation_queries(collection text, evaluation_id bigint)
    returns table (query_key text, query_text text, measures jsonb, milliseconds double precision, document_keys text[])
    language plpgsql stable
as $$
#variable_conflict use_column
declare
    recorded constant retrieval.evaluations := retrieval._evaluation(retrieval._collection(collection), evaluation_id);
begin
    return query
        select q.query_key, q.query_text, q.measures, q.milliseconds, q.document_keys
        from retrieval.evaluation_queries q
        where q.evaluation_id = recorded.evaluation_id
        order by q.query_key;
end;
$$;

comment on function retrieval.evaluation_queries(text, bigint) is
'What an evaluation measured of each query, by query_key: the measures, how long the search took, and the first documents that it found. 42704 where the current tenant has recorded no such evaluation in the collection.';
