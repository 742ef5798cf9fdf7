create or replace function retrieval.drop_metadata_index(collection text, key text)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    delete from retrieval.metadata_indexes m where m.collection_id = target and m.key = drop_metadata_index.key;
    if not found then
        raise exception 'key % of collection % is not indexed', coalesce(quote_literal(key), 'null'), quote_ident(collection)
            using errcode = 'undefined_object', hint = 'Indexed keys: select key, type from retrieval.metadata_indexes;';
    end if;
    execute format('drop index retrieval.%I', retrieval._metadata_index(target, key));
end;
$$;

comment on function retrieval.drop_metadata_index(text, text) is
'Removes what index_metadata has built; filters find the same without it. Waits for who searches the collection, and makes others wait until the transaction is over. 42704 where the key is not indexed.';
