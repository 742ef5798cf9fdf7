-- Stores documents with their chunks, each replacing whatever its key held before: all of them or none.
--
-- A document is locked (by its upsert, in the order of the keys, so that two writers cannot deadlock) before its old
-- chunks are removed; a second writer of the same key therefore sees and replaces what the first one stored.
create or replace function retrieval.put_documents(collection text, documents jsonb)
    returns table (document_key text, document_id bigint, "position" integer, chunk_id bigint)
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    tenant constant text := retrieval.current_tenant();
    repeated record;
    stored_ids bigint[];
begin
    if jsonb_typeof(documents) is distinct from 'array' then
        raise exception 'documents must be a JSON array of objects' using errcode = 'invalid_parameter_value';
    end if;
    select d ->> 'document_key' as key into repeated from jsonb_array_elements(documents) d
    group by 1 having count(*) > 1 or d ->> 'document_key' is null limit 1;
    if found then
        raise exception '%', case when repeated.key is null then 'a document has no document_key'
                                  else format('document_key %L is given twice', repeated.key) end
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_choice('modality', m.modality, array['text', 'image'])
    from (select distinct coalesce(d ->> 'modality', 'text') as modality from jsonb_array_elements(documents) d) m;
    perform set_config('retrieval.chunks_given', 'on', true);  -- see retrieval._follow_content()
    execute format($query$
        with stored as (
            insert into retrieval.documents
                (collection_id, document_key, tenant, title, source, content, metadata, text_config, modality, content_hash)
            select %s, g.document_key, %L, g.title, g.source, coalesce(g.content, ''), coalesce(g.metadata, '{}'), g.text_config,
                   coalesce(g.modality, 'text'), g.content_hash
            from jsonb_to_recordset($1) g(document_key text, title text, source text, content text, metadata jsonb,
                                          text_config text, modality text, content_hash text)
            order by g.document_key
            on conflict (document_key, tenant, collection_id) do update
            set title = excluded.title, source = excluded.source, content = excluded.content, metadata = excluded.metadata,
                text_config = excluded.text_config, modality = excluded.modality, content_hash = excluded.content_hash, updated_at = now()
            returning document_id)
        select array_agg(document_id) from stored$query$, owner, tenant) into stored_ids using documents;
    perform set_config('retrieval.chunks_given', '', true);
    execute format('delete from retrieval.chunks where collection_id = %s and document_id = any($1)', owner) using stored_ids;
    return query execute format($query$
        with inserted as (
            insert into retrieval.chunks (collection_id, document_id, tenant, position, start_offset, end_offset, content, context,
                                          title, metadata, text_config, modality)
            select %1$s, d.document_id, d.tenant, (c.number - 1)::integer, (c.chunk ->> 'start_offset')::integer,
                   (c.chunk ->> 'end_offset')::integer, coalesce(c.chunk ->> 'content', ''), coalesce(c.chunk ->> 'context', ''),
                   d.title, d.metadata, coalesce(d.text_config, n.text_config), d.modality
            from jsonb_to_recordset($1) g(document_key text, chunks jsonb)
            join retrieval.documents d on d.collection_id = %1$s and d.document_key = g.document_key and d.tenant = %2$L
            join retrieval.collections n on n.collection_id = %1$s
            cross join lateral jsonb_array_elements(
                coalesce(g.chunks, jsonb_build_array(jsonb_build_object(
                    'content', d.content, 'start_offset', 0, 'end_offset', char_length(d.content)))))
                with ordinality c(chunk, number)
            returning document_id, position, chunk_id)
        select d.document_key, i.document_id, i.position, i.chunk_id
        from inserted i
        join retrieval.documents d on d.collection_id = %1$s and d.document_id = i.document_id
        order by d.document_key, i.position$query$, owner, tenant) using documents;
end;
$$;

comment on function retrieval.put_documents(text, jsonb) is
'Stores documents of the current tenant, each replacing what its key held, and returns their chunks. An element: {"document_key", "content", "title", "source", "metadata", "text_config", "modality", "content_hash", "chunks": [{"content", "context", "start_offset", "end_offset"}, …]}; only the key is required, and without chunks the content is one chunk. Modality is text, or image for a document that is the image file which source names, with its caption as content. Embeddings follow with retrieval.put_embeddings.';
