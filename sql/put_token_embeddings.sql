-- Stores the vectors that a late-interaction model makes of each token of a chunk.
create or replace function retrieval.put_token_embeddings(
    collection text, space text, chunk_ids bigint[], token_counts integer[], embeddings halfvec[], signature jsonb default null)
    returns integer
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, 'multivector');
    stored integer;
begin
    perform retrieval._check_signature(target, signature);
    perform retrieval._check_same_number(chunk_ids, 'token_counts', cardinality(token_counts));
    perform retrieval._check_token_counts(token_counts, cardinality(embeddings));
    perform retrieval._check_embeddings(target, embeddings);
    execute retrieval._put_statement(target) using chunk_ids, embeddings, token_counts;
    get diagnostics stored = row_count;
    return stored;
end;
$$;

comment on function retrieval.put_token_embeddings(text, text, bigint[], integer[], halfvec[], jsonb) is
'Stores embeddings of chunks in a multivector space (null: the active one), as put_embeddings does. embeddings holds the tokens of all chunks one after the other, token_counts how many belong to each chunk.';
