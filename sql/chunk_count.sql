-- How large a collection is, without counting.
create or replace function retrieval.chunk_count(collection text)
    returns bigint
    language sql stable
    return retrieval._chunk_count((retrieval._collection(collection)).collection_id);

comment on function retrieval.chunk_count(text) is 'The number of chunks of a collection, by its statistics; 42704 where there is no such collection.';
