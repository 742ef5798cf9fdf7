-- What a map of a space is drawn from: chunks with their embeddings. The sample is ordered by a hash, so it is the same again as
-- long as the chunks are the same, and one that is larger holds the smaller ones.
create or replace function retrieval.sample_chunks(
    collection text,
    space text default null,
    sample integer default 2000,
    metadata_filter jsonb default null,
    chunk_ids bigint[] default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text, metadata jsonb,
        embedding halfvec, is_sampled boolean)
    language plpgsql stable
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space);
    condition constant text := ' and (' || retrieval._filter_condition(owner, metadata_filter) || ')';
begin
    perform retrieval._check_count('sample', sample);
    return query execute format(
        'with sampled as (
             select e.chunk_id from retrieval.embeddings e%3$s
             where e.space_id = %1$s
             order by hashint8extended(e.chunk_id, 0), e.chunk_id limit $1),
         chosen as (
             select s.chunk_id, true as is_sampled from sampled s
             union all
             select n.chunk_id, false from (select distinct unnest($2) as chunk_id) n
             where n.chunk_id not in (select s.chunk_id from sampled s))
         select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata, e.embedding, h.is_sampled
         from chosen h
         join retrieval.embeddings e on e.space_id = %1$s and e.chunk_id = h.chunk_id
         join retrieval.chunks c on c.collection_id = %2$s and c.chunk_id = h.chunk_id%4$s
         join retrieval.documents d on d.collection_id = %2$s and d.document_id = c.document_id
         order by not h.is_sampled, hashint8extended(c.chunk_id, 0), c.chunk_id',
        target.space_id, owner.collection_id,
        format(' join retrieval.chunks c on c.collection_id = %s and c.chunk_id = e.chunk_id', owner.collection_id) || condition,
        condition)
        using sample, chunk_ids;
end;
$$;

comment on function retrieval.sample_chunks(text, text, integer, jsonb, bigint[]) is
'Chunks of a dense space (without a name: the active one) with their embeddings: a sample of those that fulfil the filter, the same ones at each call while the chunks are the same, and after it those of chunk_ids that fulfil it as well, have an embedding and are not in the sample (is_sampled false). At most 10,000 are sampled.';
