-- Deletes documents; their chunks and embeddings go with them.
create or replace function retrieval.delete_documents(collection text, document_keys text[])
    returns integer
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    tenant constant text := retrieval.current_tenant();
    deleted integer;
begin
    -- locked in the order that every writer of documents follows
    execute format('select from retrieval.documents where collection_id = %s and tenant = %L and document_key = any($1) order by document_key for update',
                   owner, tenant)
        using document_keys;
    -- the chunks first and all at once: cascading would count them once per document
    execute format(
        'delete from retrieval.chunks c using retrieval.documents d
         where c.collection_id = %1$s and d.collection_id = %1$s and d.tenant = %2$L and d.document_key = any($1)
           and c.document_id = d.document_id', owner, tenant)
        using document_keys;
    execute format('delete from retrieval.documents where collection_id = %s and tenant = %L and document_key = any($1)', owner, tenant)
        using document_keys;
    get diagnostics deleted = row_count;
    return deleted;
end;
$$;

comment on function retrieval.delete_documents(text, text[]) is
'Deletes the current tenant''s documents of these keys with their chunks and embeddings; returns how many there were.';
