-- The sign of life of a worker.
create or replace function retrieval.extend_jobs(worker text, lease interval default '1 minute')
    returns integer
    language plpgsql
as $$
declare
    extended integer;
begin
    perform retrieval._check_keeps_every_tenant();
    update retrieval.jobs j set run_after = clock_timestamp() + lease
    where j.job_id in (select o.job_id from retrieval.jobs o where o.worker = extend_jobs.worker and o.state = 'running'
                       for update skip locked);  -- what it is finishing just now needs no more time
    get diagnostics extended = row_count;
    return extended;
end;
$$;

comment on function retrieval.extend_jobs(text, interval) is
'Renews the lease of everything that a worker has claimed; returns how many jobs.';
