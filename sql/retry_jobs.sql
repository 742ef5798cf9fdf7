-- Another chance for what has failed.
create or replace function retrieval.retry_jobs(collection text default null, space text default null)
    returns integer
    language plpgsql
as $$
declare
    every_tenant constant boolean := retrieval._keeps_every_tenant();
    retried integer;
begin
    if space is not null then
        perform retrieval._space(retrieval._collection(collection), space, null);
    elsif collection is not null then
        perform retrieval._collection(collection);
    end if;
    update retrieval.jobs j set state = 'pending', attempts = 0, run_after = now(), error = null
    from retrieval.spaces s
    join retrieval.collections n on n.collection_id = s.collection_id
    where j.space_id = s.space_id and j.state = 'failed'
      and (every_tenant or exists (select from retrieval.chunks c where c.collection_id = s.collection_id and c.chunk_id = any (j.chunk_ids)
                                     and c.tenant = retrieval.current_tenant()))
      and (retry_jobs.collection is null or n.name = retry_jobs.collection) and (retry_jobs.space is null or s.name = retry_jobs.space);
    get diagnostics retried = row_count;
    if retried > 0 then
        perform pg_notify('retrieval_jobs', '');
    end if;
    return retried;
end;
$$;

comment on function retrieval.retry_jobs(text, text) is
'Makes failed jobs of the current tenant''s chunks (for the owner of the schema who is in no tenant, of all), of the collection or space named or all, due again; returns how many.';
