-- A job that could not be done.
create or replace function retrieval.fail_job(job_id bigint, error text, retry_after interval default null)
    returns text
    language plpgsql
as $$
declare
    job retrieval.jobs;
begin
    perform retrieval._check_keeps_every_tenant();
    select * into job from retrieval.jobs j where j.job_id = fail_job.job_id and j.state <> 'failed' for update;
    if not found then
        return null;
    elsif retry_after is null or job.attempts >= retrieval._maximum_attempts() then
        return retrieval._set_aside(job, error, clock_timestamp() + coalesce(retry_after, '0'));
    end if;
    update retrieval.jobs j set state = 'pending', worker = null, run_after = clock_timestamp() + retry_after
    where j.job_id = job.job_id;
    return 'pending';
end;
$$;

comment on function retrieval.fail_job(bigint, text, interval) is
'Says that a claimed job could not be done, and why. Of several chunks it becomes two jobs (halved), so that the one at fault will be alone; of one chunk it is set aside with the error (failed). With retry_after it is due again then as it is (pending) until it was tried three times. Null where there is no such job.';
