-- The vectors of chunks' tokens, for a program that scores them itself. As text they would take longer to write and read than
-- to compare.
create or replace function retrieval.packed_tokens(collection text, chunk_ids bigint[], space text default null)
    returns table (chunk_id bigint, tokens integer, vectors bytea)
    language plpgsql stable rows 100
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, 'multivector');
begin
    return query execute format(
        'select t.chunk_id, cardinality(t.embeddings), array_send(t.embeddings)
         from retrieval.token_embeddings t
         join retrieval.chunks c on c.collection_id = %s and c.chunk_id = t.chunk_id and c.tenant = %L
         where t.space_id = %s and t.chunk_id = any ($1)
         order by t.chunk_id', target.collection_id, retrieval.current_tenant(), target.space_id) using chunk_ids;
end;
$$;

comment on function retrieval.packed_tokens(text, bigint[], text) is
'The token embeddings of chunks in a multivector space (without a name: the active one), in order of chunk_id: how many vectors, and these in the binary format of an array: after 20 bytes, for each vector 8 bytes and then its numbers as IEEE 754 halves in network byte order. Chunks without any yield no row.';
