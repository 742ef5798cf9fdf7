-- The queue of what is to be embedded. A job is some chunks of one space; it is written by the transaction that writes the
-- chunks, so that none is forgotten and none is embedded that was rolled back. What a job says is only where to look: a chunk
-- that is gone, or has its embedding, is passed over. run_after says when a job is due: a failed one never, a
-- running one when its worker has not been heard of for too long.

create or replace function retrieval._enqueue_chunks(space_id bigint, chunk_ids bigint[])
    returns void
    language plpgsql
as $$
begin
    if coalesce(cardinality(chunk_ids), 0) = 0 then
        return;
    end if;
    -- Where jobs are due a worker is at it, or will look again soon. A notification makes its transaction commit alone: no
    -- matter for one document now and then, but not for every insert of a busy table.
    if not exists (select from retrieval.jobs j where j.space_id = _enqueue_chunks.space_id and j.run_after <= now()) then
        perform pg_notify('retrieval_jobs', space_id::text);
    end if;
    -- small enough that one bad call costs little, large enough to fill a batch from a few
    insert into retrieval.jobs (space_id, chunk_ids)
    select _enqueue_chunks.space_id, _enqueue_chunks.chunk_ids[first:first + 63]
    from generate_series(1, cardinality(_enqueue_chunks.chunk_ids), 64) first;
end;
$$;

comment on function retrieval._enqueue_chunks(bigint, bigint[]) is
'Writes jobs for chunks of a space, 64 in each, and wakes a worker on channel retrieval_jobs unless there is work already.';

-- Who embeds in the transaction that writes the chunks says for which spaces: set_config('retrieval.embedded_spaces', '3,7', true).
create or replace function retrieval._enqueue_inserted()
    returns trigger
    language plpgsql
as $$
declare
    embedded constant bigint[] := coalesce(string_to_array(current_setting('retrieval.embedded_spaces', true), ','), '{}')::bigint[];
    target retrieval.spaces;
    chunk_ids bigint[];
begin
    for target in
        select s.*
        from retrieval.spaces s
        where s.collection_id in (select n.collection_id from new_chunks n) and s.state <> 'retired' and s.space_id <> all (embedded)
        order by s.space_id
        for key share  -- one that is being dropped is waited for, and then is none
    loop
        execute format(
            'select array_agg(c.chunk_id order by c.chunk_id) from %s where c.collection_id = %s and %s',
            -- what a new chunk is may have been corrected: see retrieval._copy_document()
            case target.modality when 'image' then 'new_chunks n join retrieval.chunks c using (chunk_id, collection_id)' else 'new_chunks c' end,
            target.collection_id, retrieval._embeds(target)) into chunk_ids;
        perform retrieval._enqueue_chunks(target.space_id, chunk_ids);
    end loop;
    return null;
end;
$$;

comment on function retrieval._enqueue_inserted() is
'Trigger on chunks: new ones are to be embedded in every space that is not retired, nor named by the setting retrieval.embedded_spaces.';

create or replace trigger enqueue_inserted
    after insert on retrieval.chunks referencing new table as new_chunks
    for each statement execute function retrieval._enqueue_inserted();
