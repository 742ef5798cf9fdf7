-- How far the workers are.
create or replace function retrieval.count_jobs(collection text default null)
    returns table (
        collection_name text, space_name text, space_state text, pending bigint, running bigint, failed bigint,
        oldest timestamptz, per_minute double precision)
    language plpgsql stable
as $$
declare
    every_tenant constant boolean := retrieval._keeps_every_tenant();
    own_tenant constant text := retrieval.current_tenant();
begin
    if collection is not null then
        perform retrieval._collection(collection);
    end if;
    return query
        select n.name, s.name, s.state, coalesce(q.pending, 0), coalesce(q.running, 0), coalesce(q.failed, 0), q.oldest,
               case when every_tenant then coalesce(f.chunks, 0) / 5::double precision end
        from retrieval.spaces s
        join retrieval.collections n on n.collection_id = s.collection_id
        left join (
            select j.space_id, min(j.created_at) filter (where j.state <> 'failed') as oldest,
                   sum(k.chunks) filter (where j.state = 'pending')::bigint as pending,
                   sum(k.chunks) filter (where j.state = 'running')::bigint as running,
                   sum(k.chunks) filter (where j.state = 'failed')::bigint as failed
            from retrieval.jobs j
            join retrieval.spaces o on o.space_id = j.space_id
            cross join lateral (
                -- a failed one is of a single chunk, which may be gone
                select case when every_tenant and j.state <> 'failed' then cardinality(j.chunk_ids) else (
                    select count(*) from retrieval.chunks c
                    where c.collection_id = o.collection_id and c.chunk_id = any (j.chunk_ids)
                      and (every_tenant or c.tenant = own_tenant)) end as chunks) k
            where every_tenant or k.chunks > 0
            group by j.space_id) q on q.space_id = s.space_id
        left join (
            select d.space_id, sum(d.chunks) as chunks
            from retrieval.finished_jobs d where every_tenant and d.finished_at > now() - interval '5 minutes'
            group by d.space_id) f on f.space_id = s.space_id
        where (q.space_id is not null or f.space_id is not null) and (count_jobs.collection is null or n.name = count_jobs.collection)
        order by n.name, s.space_id;
end;
$$;

comment on function retrieval.count_jobs(text) is
'The spaces for which chunks of the current tenant (for the owner of the schema who is in no tenant, of all) wait or were embedded of late: how many chunks are pending, running (claimed by a worker) and failed, since when the oldest of the former two waits, and, for that owner, how many were embedded per minute in the last five by way of the queue. A chunk that was deleted or embedded meanwhile counts as pending until a worker has passed over it. No rows: nothing waits.';
