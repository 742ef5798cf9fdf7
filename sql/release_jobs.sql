-- What a worker gives back: it stops, or cannot go on for reasons that are not the jobs'.
create or replace function retrieval.release_jobs(worker text, retry_after interval default '0')
    returns integer
    language plpgsql
as $$
declare
    released integer;
begin
    perform retrieval._check_keeps_every_tenant();
    update retrieval.jobs j
    set state = 'pending', worker = null, attempts = greatest(j.attempts - 1, 0), run_after = clock_timestamp() + retry_after
    where j.worker = release_jobs.worker and j.state = 'running';
    get diagnostics released = row_count;
    if released > 0 and retry_after <= '0' then
        perform pg_notify('retrieval_jobs', '');
    end if;
    return released;
end;
$$;

comment on function retrieval.release_jobs(text, interval) is
'Gives back everything that a worker has claimed, as if it had not, to be done by whoever comes when retry_after has passed; returns how many jobs.';
