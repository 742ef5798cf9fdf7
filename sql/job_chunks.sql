-- What is to be embedded for jobs that were claimed.

-- What the model sees of a chunk: title, context and content, on lines of their own.
create or replace function retrieval._embedded_text_hash(title text, context text, content text)
    returns bytea
    language sql stable parallel safe
    return sha256(convert_to(concat_ws(E'\n', nullif(title, ''), nullif(context, ''), nullif(content, '')), 'UTF8'));

comment on function retrieval._embedded_text_hash(text, text, text) is
'What stands for the text of a chunk in the embedding cache and in exports: the SHA-256 of its UTF-8.';

create or replace function retrieval.job_chunks(job_ids bigint[])
    returns table (chunk_id bigint, title text, context text, content text, text_hash bytea, modality text, document_key text, source text)
    language plpgsql stable
as $$
declare
    queued record;
    target retrieval.spaces;
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
        return query execute format(
            'select c.chunk_id, c.title, c.context, c.content, retrieval._embedded_text_hash(c.title, c.context, c.content),
                    c.modality, d.document_key, d.source
             from retrieval.chunks c
             join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
             where c.chunk_id = any ($1) and %2$s
             order by c.chunk_id', target.collection_id, retrieval._lacks(target)) using queued.chunk_ids;
    end loop;
end;
$$;

comment on function retrieval.job_chunks(bigint[]) is
'The chunks of jobs that have no embedding in the space of their job yet, in order of chunk_id, with what is to be embedded (as in retrieval.missing_embeddings) and a hash of it for retrieval.unchanged_chunks. No rows: there is nothing left to do, or the space is gone.';
