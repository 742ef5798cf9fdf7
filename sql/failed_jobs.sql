-- What was set aside, and why.
create or replace function retrieval.failed_jobs(collection text default null, max_results integer default 100)
    returns table (
        job_id bigint, collection_name text, space_name text, document_key text, chunk_id bigint, "position" integer, error text, created_at timestamptz)
    language plpgsql stable
as $$
declare
    every_tenant constant boolean := retrieval._keeps_every_tenant();
begin
    if collection is not null then
        perform retrieval._collection(collection);
    end if;
    return query
        select j.job_id, n.name, s.name, d.document_key, c.chunk_id, c.position, j.error, j.created_at
        from retrieval.jobs j
        join retrieval.spaces s on s.space_id = j.space_id
        join retrieval.collections n on n.collection_id = s.collection_id
        join retrieval.chunks c on c.collection_id = s.collection_id and c.chunk_id = any (j.chunk_ids)
            and (every_tenant or c.tenant = retrieval.current_tenant())
        join retrieval.documents d on d.collection_id = s.collection_id and d.document_id = c.document_id
        where j.run_after = 'infinity' and j.state = 'failed' and (failed_jobs.collection is null or n.name = failed_jobs.collection)
        order by j.job_id, c.chunk_id
        limit max_results;
end;
$$;

comment on function retrieval.failed_jobs(text, integer) is
'Chunks of the current tenant (for the owner of the schema who is in no tenant, of all) that could not be embedded, oldest job first, with the error; retrieval.retry_jobs tries again, and so does new text. Chunks that were deleted meanwhile are not among them.';
