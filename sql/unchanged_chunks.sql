-- A text may change while a model works on it; what it makes then is of a text that nobody has.
create or replace function retrieval.unchanged_chunks(collection text, chunk_ids bigint[], text_hashes bytea[])
    returns setof bigint
    language plpgsql
as $$
begin
    return query execute format(
        'with locked as (
             select c.chunk_id, c.title, c.context, c.content from retrieval.chunks c
             where c.collection_id = %s and c.chunk_id = any ($1) and %s
             order by c.chunk_id
             for share of c)
         select l.chunk_id
         from locked l join unnest($1, $2) g(chunk_id, text_hash) using (chunk_id)
         where retrieval._embedded_text_hash(l.title, l.context, l.content) = g.text_hash
         order by l.chunk_id', (retrieval._collection(collection)).collection_id, retrieval._kept_chunks()) using chunk_ids, text_hashes;
end;
$$;

comment on function retrieval.unchanged_chunks(text, bigint[], bytea[]) is
'Those of the chunks that still read as they did when retrieval.job_chunks gave their hashes; they stay so until the transaction ends, and who changes one afterwards removes the embedding that was stored meanwhile.';
