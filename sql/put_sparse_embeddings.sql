-- Stores the learned sparse vectors of chunks.
create or replace function retrieval.put_sparse_embeddings(
    collection text, space text, chunk_ids bigint[], embeddings sparsevec[], signature jsonb default null)
    returns integer
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, 'sparse');
    pruned integer := 0;
    stored integer;
begin
    perform retrieval._check_signature(target, signature);
    perform retrieval._check_same_number(chunk_ids, 'embeddings', cardinality(embeddings));
    perform retrieval._check_sparse_embeddings(target, embeddings);
    if target.index_method = 'hnsw' then
        select count(*) into pruned from unnest(embeddings) e where retrieval._count_nonzeros(e) > 1000;
    end if;
    if pruned > 0 then
        raise warning '% of the embeddings have more than the 1000 elements that an index holds; the largest 1000 of each were kept', pruned
            using hint = 'A space with index_method none keeps them all.';
        select array_agg(retrieval.keep_largest(e, 1000) order by n) into embeddings from unnest(embeddings) with ordinality u(e, n);
    end if;
    execute retrieval._put_statement(target) using chunk_ids, embeddings;
    get diagnostics stored = row_count;
    return stored;
end;
$$;

comment on function retrieval.put_sparse_embeddings(text, text, bigint[], sparsevec[], jsonb) is
'Stores embeddings of chunks in a sparse space (null: the active one), as put_embeddings does. An HNSW index holds 1,000 elements that are not zero: of more, the largest are kept, with a warning.';
