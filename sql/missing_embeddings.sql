-- What is still to be embedded.
create or replace function retrieval.missing_embeddings(collection text, space text, max_results integer default 1000)
    returns table (chunk_id bigint, title text, context text, content text, modality text, document_key text, source text)
    language plpgsql stable
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, case when space is null then 'dense' end);
begin
    return query execute format(
        'select m.chunk_id, m.title, m.context, m.content, m.modality, d.document_key, d.source
         from (select c.*
               from retrieval.chunks c
               where %2$s and %3$s
               order by c.chunk_id
               limit $1) m
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = m.document_id
         order by m.chunk_id',
        target.collection_id, retrieval._lacks(target), retrieval._kept_chunks())
        using max_results;
end;
$$;

comment on function retrieval.missing_embeddings(text, text, integer) is
'The current tenant''s chunks, for the owner of the schema who is in no tenant those of all, that belong into a space (null: the active dense one) and have no embedding in it yet, in order of chunk_id, with what is to be embedded: for a space of texts title, context and content; for one of images the image file that source names. Into a space of images belong all images, into one of texts all chunks but images without a caption.';
