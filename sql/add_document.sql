-- Stores one document, cut in SQL. New text means new chunks: an embedding that is being made of an old chunk meanwhile
-- finds no chunk to be stored for.
create or replace function retrieval.add_document(
    collection text, document_key text, content text, title text default null, metadata jsonb default '{}',
    source text default null, text_config text default null, maximum_chunk_length integer default 2000,
    modality text default 'text')
    returns bigint
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    tenant constant text := retrieval.current_tenant();
    text_hash constant text := retrieval._text_hash(title, content, maximum_chunk_length);
    hash_before text;
    stored bigint;
begin
    perform retrieval._check_choice('modality', modality, array['text', 'image']);
    perform retrieval._check_count('maximum_chunk_length', maximum_chunk_length, 100000);
    if document_key is null then
        raise exception 'document_key must not be null' using errcode = 'invalid_parameter_value';
    end if;
    -- locked, so that the hash is still the one that is replaced
    execute format('select d.content_hash from retrieval.documents d where d.collection_id = %s and d.tenant = %L and d.document_key = $1 for update',
                   owner, tenant)
        into hash_before using document_key;
    perform set_config('retrieval.chunks_given', 'on', true);  -- see retrieval._follow_content()
    execute format(
        'insert into retrieval.documents as d (collection_id, document_key, tenant, title, source, content, metadata, text_config, content_hash,
                                          modality)
         values (%s, $1, %L, $2, $3, coalesce($4, ''''), coalesce($5, ''{}''), $6, $7, $8)
         on conflict (document_key, tenant, collection_id) do update
         set title = excluded.title, source = excluded.source, content = excluded.content, metadata = excluded.metadata,
             text_config = excluded.text_config, content_hash = excluded.content_hash, modality = excluded.modality, updated_at = now()
         returning document_id', owner, tenant)
        into stored using document_key, title, source, content, metadata, text_config, text_hash, modality;
    perform set_config('retrieval.chunks_given', '', true);
    if hash_before is distinct from text_hash then
        perform retrieval._split_documents(owner, array[stored], maximum_chunk_length, true);
    end if;
    return stored;
end;
$$;

comment on function retrieval.add_document(text, text, text, text, jsonb, text, text, integer, text) is
'Stores a document of the current tenant, replacing what its key held, and returns its id. It is cut into chunks of up to maximum_chunk_length characters (see retrieval.split_text; about four times the tokens that the model reads suits English) which keyword search finds at once; retrieval.missing_embeddings lists them until they are embedded. The same title and content again keep chunks and embeddings, whatever else changes; a new title is new text, since the model reads it with every chunk. Null content is empty. With modality image the document is the image file that source names, its content the caption, and it is one chunk.';
