-- After a bulk load: what autovacuum would do in its own time, done now.
create or replace function retrieval.tidy_collection(collection text)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    tidied record;
begin
    perform retrieval._fold_statistics(target, 1);  -- of all tenants
    for tidied in
        select i.indexrelid
        from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        join pg_catalog.pg_am a on a.oid = c.relam
        where i.indrelid = to_regclass(format('retrieval.%I', 'chunks_' || target)) and a.amname = 'gin'
    loop
        perform gin_clean_pending_list(tidied.indexrelid);
    end loop;
    for tidied in
        select format('%I', p.name || '_' || target) as name from unnest(array['documents', 'chunks', 'chunk_statistics', 'lexeme_statistics']) p(name)
        union all
        select format('%I', retrieval._embedding_partition(s)) from retrieval.spaces s where s.collection_id = target
    loop
        execute 'analyze retrieval.' || tidied.name;
    end loop;
end;
$$;

comment on function retrieval.tidy_collection(text) is
'Folds the statistics, empties the pending lists of the text and metadata indexes and analyzes a collection''s tables. Worth calling after a bulk load; otherwise autovacuum does as much in its own time.';
