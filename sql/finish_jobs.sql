-- The end of jobs, in the transaction that stores their embeddings.
create or replace function retrieval.finish_jobs(job_ids bigint[])
    returns integer
    language plpgsql
as $$
declare
    queued record;
    target retrieval.spaces;
    missing bigint[];
    left_over integer := 0;
begin
    perform retrieval._check_keeps_every_tenant();
    for queued in
        select s as space, array_agg(distinct u.chunk_id) as chunk_ids
        from retrieval.jobs j
        join retrieval.spaces s on s.space_id = j.space_id
        cross join unnest(j.chunk_ids) u(chunk_id)
        where j.job_id = any (job_ids)
        group by s.space_id, s
    loop
        target := queued.space;
        execute format(
            'select coalesce(array_agg(c.chunk_id order by c.chunk_id), ''{}'')
             from retrieval.chunks c
             where c.chunk_id = any ($1) and %s', retrieval._lacks(target)) into missing using queued.chunk_ids;
        -- after the embeddings, as whoever drops the space does
        delete from retrieval.jobs j where j.job_id = any (job_ids) and j.space_id = target.space_id;
        perform retrieval._enqueue_chunks(target.space_id, missing);
        insert into retrieval.finished_jobs (space_id, chunks) values (target.space_id, cardinality(queued.chunk_ids) - cardinality(missing));
        -- kept to tell the rate by, and by one session at a time
        delete from retrieval.finished_jobs f
        where f.ctid in (select o.ctid from retrieval.finished_jobs o
                         where o.space_id = target.space_id and o.finished_at < now() - interval '1 hour' for update skip locked);
        left_over := left_over + cardinality(missing);
    end loop;
    return left_over;
end;
$$;

comment on function retrieval.finish_jobs(bigint[]) is
'Removes jobs that are done. A chunk of theirs that still lacks its embedding, because its text has changed or none was stored, becomes a job again; returns how many.';
