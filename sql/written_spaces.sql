-- What a writer of chunks has to embed for.
create or replace function retrieval.written_spaces(collection text)
    returns setof retrieval.spaces
    language plpgsql
as $$
begin
    return query
        select s.* from retrieval.spaces s
        where s.collection_id = (retrieval._collection(collection)).collection_id and s.state <> 'retired'
        order by s.space_id
        for share;
end;
$$;

comment on function retrieval.written_spaces(text) is
'The spaces that need an embedding of every new chunk: all but the retired ones. Their states stay as they are until the transaction ends, so a writer calls this first, in the transaction that stores.';
