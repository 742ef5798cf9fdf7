-- Brings the queue and what is really missing together.
create or replace function retrieval._enqueue_missing(space retrieval.spaces, among text default 'true')
    returns bigint
    language plpgsql
as $$
declare
    missing bigint[];
begin
    execute format(
        'with missing as materialized (
             select c.chunk_id, %3$s as kept from retrieval.chunks c
             where %2$s),
         queued as materialized (
             select j.job_id, u.chunk_id from retrieval.jobs j, unnest(j.chunk_ids) u(chunk_id) where j.space_id = %1$s),
         done as (
             delete from retrieval.jobs j
             where j.space_id = %1$s and j.state <> ''running''
               and j.job_id not in (select q.job_id from queued q join missing m using (chunk_id)))
         select coalesce(array_agg(m.chunk_id order by m.chunk_id), ''{}'')
         from missing m where m.kept and not exists (select from queued q where q.chunk_id = m.chunk_id)',
        space.space_id, retrieval._lacks(space), among) into missing;
    perform retrieval._enqueue_chunks(space.space_id, missing);
    return cardinality(missing);
end;
$$;

comment on function retrieval._enqueue_missing(retrieval.spaces, text) is
'Enqueues the chunks c that fulfil a condition, lack an embedding in a space and are in no job of it, and removes jobs with nothing to do; returns how many chunks.';

create or replace function retrieval.enqueue_missing(collection text, space text default null)
    returns bigint
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
    enqueued bigint := 0;
begin
    if space is not null then
        perform retrieval._space(owner, space, null);
    end if;
    for target in
        select * from retrieval.spaces s
        where s.collection_id = owner.collection_id and s.state <> 'retired'
          and (enqueue_missing.space is null or s.name = enqueue_missing.space)
        order by s.space_id
    loop
        enqueued := enqueued + retrieval._enqueue_missing(target, retrieval._kept_chunks());
    end loop;
    return enqueued;
end;
$$;

comment on function retrieval.enqueue_missing(text, text) is
'Brings the queue of a space (null: of each space of the collection) and what is missing in it together: chunks without an embedding that no job names (the current tenant''s; for the owner of the schema who is in no tenant, of all) are enqueued, and returned as a number; jobs with nothing left to do are removed. Failed jobs stay; a retired space has no queue. Workers call it when they start; worth a call after embeddings were removed by hand, or stored for chunks that had been enqueued. Reads the ids of the whole collection.';
