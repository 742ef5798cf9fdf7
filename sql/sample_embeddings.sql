-- Embeddings to try things with. Ordered by a hash: the same ones again as long as the chunks are the same, and as good as
-- drawn by chance.
create or replace function retrieval._sample_embeddings(target retrieval.spaces, among text, sample integer)
    returns table (chunk_id bigint, embedding halfvec, title text, context text, content text)
    language plpgsql stable
    set search_path from current
as $$
begin
    return query execute format(
        'select c.chunk_id, e.embedding, c.title, c.context, c.content
         from (select s.chunk_id from retrieval.embeddings s%3$s where s.space_id = %1$s
               order by hashint8extended(s.chunk_id, 0), s.chunk_id limit $1) s
         join retrieval.embeddings e on e.space_id = %1$s and e.chunk_id = s.chunk_id
         join retrieval.chunks c on c.collection_id = %2$s and c.chunk_id = s.chunk_id',
        target.space_id, target.collection_id,
        format(' join retrieval.chunks c on c.collection_id = %s and c.chunk_id = s.chunk_id and ', target.collection_id)
            || nullif(among, 'true')) using sample;
end;
$$;

comment on function retrieval._sample_embeddings(retrieval.spaces, text, integer) is
'A sample of the chunks c of a dense space that fulfil a condition; null is none.';

create or replace function retrieval.sample_embeddings(collection text, space text default null, sample integer default 1000)
    returns table (chunk_id bigint, embedding halfvec, title text, context text, content text)
    language plpgsql stable
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
begin
    perform retrieval._check_count('sample', sample, 1000000);
    return query select * from retrieval._sample_embeddings(target, retrieval._kept_chunks(), sample);
end;
$$;

comment on function retrieval.sample_embeddings(text, text, integer) is
'Some of the current tenant''s chunks (for the owner of the schema who is in no tenant, of all) of a dense space (without a name: the active one) with their embeddings and what was embedded; the same ones at each call while the chunks are the same.';
