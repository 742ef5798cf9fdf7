-- Whether there is something for a worker to do, without counting how much.
create or replace function retrieval.has_jobs(collection text, space text default null)
    returns boolean
    language sql stable
begin atomic
    select exists (
        select from retrieval.collections n
        join retrieval.spaces s on s.collection_id = n.collection_id
        join retrieval.jobs j on j.space_id = s.space_id
        where n.name = has_jobs.collection and (has_jobs.space is null or s.name = has_jobs.space) and j.run_after <= now());
end;

comment on function retrieval.has_jobs(text, text) is
'Whether chunks wait to be embedded, in a space or (null) in any of the collection, that no worker has begun with; what failed does not wait. False where there is no such space.';
