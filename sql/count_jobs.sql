-- How far the workers are.
create or replace function retrieval.count_jobs(collection text default null)
    returns table (
        collection_name text, space_name text, space_state text, pending bigint, running bigint, failed bigint,
        oldest timestamptz, per_minute double precision)
    language plpgsql stable
as $$
begin
    if collection is not null then
        perform retrieval._collection(collection);
    end if;
    return query
        select n.name, s.name, s.state, coalesce(q.pending, 0), coalesce(q.running, 0),
               (select count(*) from retrieval.jobs j
                join retrieval.chunks c on c.collection_id = s.collection_id and c.chunk_id = any (j.chunk_ids)
                where j.space_id = s.space_id and j.run_after = 'infinity' and j.state = 'failed'),
               q.oldest, coalesce(f.chunks, 0) / 5::double precision
        from retrieval.spaces s
        join retrieval.collections n on n.collection_id = s.collection_id
        left join (
            select j.space_id, min(j.created_at) filter (where j.state <> 'failed') as oldest,
                   sum(cardinality(j.chunk_ids)) filter (where j.state = 'pending') as pending,
                   sum(cardinality(j.chunk_ids)) filter (where j.state = 'running') as running
            from retrieval.jobs j group by j.space_id) q on q.space_id = s.space_id
        left join (
            select d.space_id, sum(d.chunks) as chunks
            from retrieval.finished_jobs d where d.finished_at > now() - interval '5 minutes' group by d.space_id) f on f.space_id = s.space_id
        where (q.space_id is not null or f.space_id is not null) and (count_jobs.collection is null or n.name = count_jobs.collection)
        order by n.name, s.space_id;
end;
$$;

comment on function retrieval.count_jobs(text) is
'The spaces for which chunks wait or were embedded of late: how many chunks are pending, running (claimed by a worker) and failed, since when the oldest of the former two waits, and how many were embedded per minute in the last five by way of the queue. A chunk that was deleted or embedded meanwhile counts as pending until a worker has passed over it. No rows: nothing waits.';
