-- Chunks follow the content of their document where no program cuts it: retrieval.add_document, attached tables and a plain
-- `update retrieval.documents set content = …` all come here.

-- What decides how a document is cut and what the model sees of it; the same hash means the same chunks.
create or replace function retrieval._text_hash(title text, content text, maximum_length integer)
    returns text
    language sql immutable parallel safe
    return encode(sha256(convert_to(
        'split_text 1 ' || maximum_length::text || ' ' || coalesce(octet_length(title), 0)::text || ' ' || coalesce(title, '') || coalesce(content, ''),
        'UTF8')), 'hex');

comment on function retrieval._text_hash(text, text, integer) is
'The content_hash of a document that is cut by retrieval.split_text: over its title, content and the length of its chunks.';

create or replace function retrieval._split_documents(collection_id bigint, document_ids bigint[], maximum_length integer, have_chunks boolean)
    returns void
    language plpgsql
as $$
begin
    if have_chunks then
        execute format('delete from retrieval.chunks where collection_id = %s and document_id = any($1)', collection_id) using document_ids;
    end if;
    execute format(
        'insert into retrieval.chunks (collection_id, document_id, tenant, position, start_offset, end_offset, content, title, metadata, text_config,
                                       modality)
         select %1$s, d.document_id, d.tenant, coalesce(s.number - 1, 0)::integer, coalesce(s.start_offset, 0), coalesce(s.end_offset, 0),
                coalesce(s.content, ''''), d.title, d.metadata, coalesce(d.text_config, n.text_config), d.modality
         from retrieval.documents d
         join retrieval.collections n on n.collection_id = %1$s
         left join lateral (
             select * from retrieval.split_text(d.content, %2$s) with ordinality t(start_offset, end_offset, content, number)
             where d.modality = ''text''
             union all
             select 0, char_length(d.content), d.content, 1 where d.modality = ''image'') s on true
         where d.collection_id = %1$s and d.document_id = any($1)
           -- without text a title is still to be found
           and (s.number is not null or btrim(d.title) <> '''')', collection_id, maximum_length)
        using document_ids;
end;
$$;

comment on function retrieval._split_documents(bigint, bigint[], integer, boolean) is
'Cuts documents into new chunks; have_chunks says whether there can be old ones to remove. An image is one chunk, with its caption. Any other document without text is one empty chunk if it has a title, and none otherwise.';

-- Writers that bring chunks along set retrieval.chunks_given while they write the documents: in their bodies, because only
-- a superuser may create a function that is declared to set a parameter of that kind.
create or replace function retrieval._follow_content()
    returns trigger
    language plpgsql
as $$
declare
    rewritten record;
begin
    if current_setting('retrieval.chunks_given', true) = 'on' then
        return null;
    end if;
    -- planned each time: a plan for few rows compares each of many with each
    for rewritten in execute
        'select n.collection_id, array_agg(n.document_id) as document_ids
         from new_documents n join old_documents o using (document_id, collection_id)
         where n.content <> o.content
            or n.title <> '''' and btrim(n.content) = ''''
               and not exists (select from retrieval.chunks c where c.collection_id = n.collection_id and c.document_id = n.document_id)
         group by n.collection_id'
    loop
        perform retrieval._split_documents(rewritten.collection_id, rewritten.document_ids, 2000, true);
    end loop;
    return null;
end;
$$;

comment on function retrieval._follow_content() is
'Trigger on documents: content that was updated in place is cut anew, into chunks of up to 2000 characters.';

create or replace trigger follow_content
    after update on retrieval.documents referencing old table as old_documents new table as new_documents
    for each statement execute function retrieval._follow_content();

-- A hash that says "unchanged" to the next ingestion must not outlive the text that it was taken of.
create or replace function retrieval._forget_hash()
    returns trigger
    language plpgsql
as $$
begin
    new.content_hash := null;
    return new;
end;
$$;

comment on function retrieval._forget_hash() is
'Trigger on documents: a title or content that was updated in place has no content_hash.';

create or replace trigger forget_hash
    before update of title, content on retrieval.documents
    for each row when (new.content_hash = old.content_hash and (new.content <> old.content or new.title is distinct from old.title))
    execute function retrieval._forget_hash();

-- What the model saw of a chunk is no longer what the chunk says: the embedding goes, and the chunk is to be embedded again.
-- One that had none is in the queue already, unless its old text was what failed.
create or replace function retrieval._forget_embeddings()
    returns trigger
    language plpgsql
as $$
declare
    rewritten record;
    space retrieval.spaces;
    forgotten bigint[];
begin
    if not exists (select from new_chunks) then  -- as after every insert: see retrieval._copy_document()
        return null;
    end if;
    -- planned each time, as in retrieval._follow_content()
    for rewritten in execute
        'select n.collection_id, array_agg(n.chunk_id) as chunk_ids
         from new_chunks n join old_chunks o using (chunk_id, collection_id)
         where (n.content, n.context, n.modality) <> (o.content, o.context, o.modality) or n.title is distinct from o.title
         group by n.collection_id'
    loop
        for space in
            select s.* from retrieval.spaces s where s.collection_id = rewritten.collection_id
            order by s.space_id for key share  -- before the partitions, as every writer does
        loop
            execute format(
                'with forgotten as (delete from retrieval.%I where space_id = %s and chunk_id = any($1) returning chunk_id)
                 select array_agg(f.chunk_id order by f.chunk_id) from forgotten f',
                retrieval._embedding_table(space.kind), space.space_id) into forgotten using rewritten.chunk_ids;
            if space.state <> 'retired' then
                perform retrieval._enqueue_chunks(space.space_id, forgotten);
                update retrieval.jobs j set state = 'pending', attempts = 0, run_after = now(), error = null
                where j.space_id = space.space_id and j.run_after = 'infinity' and j.chunk_ids && rewritten.chunk_ids;
            end if;
        end loop;
    end loop;
    return null;
end;
$$;

comment on function retrieval._forget_embeddings() is
'Trigger on chunks: a chunk whose title, context, content or modality was updated in place loses its embeddings and is to be embedded again.';

create or replace trigger forget_embeddings
    after update on retrieval.chunks referencing old table as old_chunks new table as new_chunks
    for each statement execute function retrieval._forget_embeddings();
