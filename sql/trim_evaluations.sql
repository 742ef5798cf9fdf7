create or replace function retrieval.trim_evaluations(collection text, older_than interval)
    returns bigint
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    removed bigint;
begin
    if older_than is null or older_than < interval '0' then
        raise exception 'older_than must be 0 or more, not %', coalesce(older_than::text, 'null') using errcode = 'invalid_parameter_value';
    end if;
    delete from retrieval.evaluations e
    where e.collection_id = owner.collection_id and e.tenant = retrieval.current_tenant() and e.created_at <= now() - older_than;
    get diagnostics removed = row_count;
    return removed;
end;
$$;

comment on function retrieval.trim_evaluations(text, interval) is
'Removes the evaluations of a collection that the current tenant recorded so long ago, and returns how many. 42704 where there is no such collection.';
