-- Takes work from the queue, which is that of all tenants: `claim_jobs`, then `job_chunks`, the model, and in one transaction `unchanged_chunks`,
-- `put_embeddings` and `finish_jobs`. Several workers do not wait for each other and never hold the same job.

create or replace function retrieval._maximum_attempts()
    returns integer
    language sql immutable parallel safe
    return 3;

comment on function retrieval._maximum_attempts() is 'How often a job is tried as it is.';

-- Halving finds the one chunk at fault, and the others are embedded. A half is tried once before it is halved again.
create or replace function retrieval._set_aside(job retrieval.jobs, error text, run_after timestamptz)
    returns text
    language plpgsql
as $$
declare
    middle constant integer := cardinality(job.chunk_ids) / 2;
    tried constant integer := retrieval._maximum_attempts() - 1;
begin
    if middle = 0 then
        update retrieval.jobs j set state = 'failed', run_after = 'infinity', worker = null, error = left(_set_aside.error, 1000)
        where j.job_id = job.job_id;
        return 'failed';
    end if;
    update retrieval.jobs j
    set state = 'pending', run_after = _set_aside.run_after, worker = null, attempts = tried, chunk_ids = j.chunk_ids[:middle]
    where j.job_id = job.job_id;
    insert into retrieval.jobs (space_id, chunk_ids, attempts, run_after, created_at)
    values (job.space_id, job.chunk_ids[middle + 1:], tried, _set_aside.run_after, job.created_at);
    return 'halved';
end;
$$;

comment on function retrieval._set_aside(retrieval.jobs, text, timestamptz) is
'Ends a job of one chunk as failed and makes two of any other; says which.';

create or replace function retrieval._claim_jobs(space retrieval.spaces, maximum_chunks integer, moment timestamptz)
    returns bigint[]
    language plpgsql
as $$
declare
    job retrieval.jobs;
    claimed bigint[] := '{}';
    chunks integer := 0;
    halved boolean := false;
begin
    -- who fills a new space by himself begins with its first chunks: met in the middle, no chunk is embedded twice
    for job in execute format(
        'select j.* from retrieval.jobs j where j.space_id = $1 and j.run_after <= $2
         order by j.run_after %1$s, j.job_id %1$s for update skip locked', case space.state when 'building' then 'desc' else 'asc' end)
        using space.space_id, moment
    loop
        if job.state = 'running' and job.attempts >= retrieval._maximum_attempts() then
            halved := retrieval._set_aside(job, 'the worker stopped while embedding it', moment) = 'halved' or halved;
        elsif job.attempts > 0 and claimed = '{}' then
            return array[job.job_id];  -- alone, so that what stopped its worker does not fall back on others
        elsif job.attempts = 0 then
            claimed := claimed || job.job_id;
            chunks := chunks + cardinality(job.chunk_ids);
            exit when chunks >= maximum_chunks;
        end if;
    end loop;
    return case when halved and claimed = '{}' then retrieval._claim_jobs(space, maximum_chunks, moment) else claimed end;
end;
$$;

comment on function retrieval._claim_jobs(retrieval.spaces, integer, timestamptz) is
'The ids of due jobs of a space, locked: as many as have so many chunks, or one that was tried before.';

create or replace function retrieval.claim_jobs(
    worker text, collection text default null, space text default null, maximum_chunks integer default 512, lease interval default '1 minute')
    returns table (job_id bigint, space_id bigint, collection_name text, space_name text, chunk_ids bigint[], attempts integer)
    language plpgsql
as $$
declare
    moment constant timestamptz := clock_timestamp();
    target retrieval.spaces;
    claimed bigint[] := '{}';
begin
    perform retrieval._check_keeps_every_tenant();
    perform retrieval._check_count('maximum_chunks', maximum_chunks, 1000000);
    if coalesce(worker, '') = '' or lease is null then
        raise exception '% must not be empty', case when lease is null then 'lease' else 'worker' end using errcode = 'invalid_parameter_value';
    elsif space is not null then
        perform retrieval._space(retrieval._collection(collection), space, null);
    elsif collection is not null then
        perform retrieval._collection(collection);
    end if;
    for target in
        select s.*
        from retrieval.spaces s
        join retrieval.collections n on n.collection_id = s.collection_id
        where s.state <> 'retired'
          and (claim_jobs.collection is null or n.name = claim_jobs.collection) and (claim_jobs.space is null or s.name = claim_jobs.space)
          and exists (select from retrieval.jobs j where j.space_id = s.space_id and j.run_after <= moment)
        order by s.state <> 'active', random()
    loop
        claimed := retrieval._claim_jobs(target, maximum_chunks, moment);
        exit when claimed <> '{}';
    end loop;
    return query
        with running as (
            update retrieval.jobs j
            set state = 'running', attempts = j.attempts + 1, worker = claim_jobs.worker, run_after = clock_timestamp() + lease
            where j.job_id = any (claimed)
            returning j.*)
        select r.job_id, r.space_id, n.name, target.name, r.chunk_ids, r.attempts
        from running r
        join retrieval.collections n on n.collection_id = target.collection_id
        order by r.job_id;
end;
$$;

comment on function retrieval.claim_jobs(text, text, text, integer, interval) is
'Gives a worker (any name of its own) due jobs of one space, of the collection or space named, otherwise of an active space before others: as many as it takes to have maximum_chunks chunks, no rows where nothing is due. They are the worker''s for the length of the lease, which retrieval.extend_jobs renews; then they are due again. A job whose lease ran out three times is halved until the chunk at fault is alone, which is failed.';
