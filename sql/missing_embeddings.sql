-- What is still to be embedded.
create or replace function retrieval.missing_embeddings(collection text, space text, max_results integer default 1000)
    returns table (chunk_id bigint, title text, context text, content text)
    language plpgsql stable
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, case when space is null then 'dense' end);
begin
    return query execute format(
        'select c.chunk_id, c.title, c.context, c.content
         from retrieval.chunks c
         where c.collection_id = %s
           and not exists (select from retrieval.%I e where e.space_id = %s and e.chunk_id = c.chunk_id)
         order by c.chunk_id
         limit $1', target.collection_id, retrieval._embedding_table(target.kind), target.space_id)
        using max_results;
end;
$$;

comment on function retrieval.missing_embeddings(text, text, integer) is
'Chunks that have no embedding in a space (null: the active dense one) yet, in order of chunk_id, with what is to be embedded.';
