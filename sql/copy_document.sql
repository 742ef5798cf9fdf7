-- A chunk carries its document's tenant, title, metadata, text configuration and modality, so that a filter and the ranking need no
-- second join. Whoever writes chunks may fill the copies in; what is missing or wrong is corrected here, once per
-- statement, and again when the document changes: no caller can let them drift apart.

create or replace function retrieval._copy_document()
    returns trigger
    language plpgsql
as $$
declare
    written_collection bigint;
begin
    for written_collection in select distinct collection_id from written_rows loop
        -- a concurrent change of the document waits until new chunks can be seen, or is seen here
        if tg_op = 'INSERT' then
            execute format(
                'select from retrieval.documents d
                 where d.collection_id = %1$s
                   and d.document_id in (select w.document_id from written_rows w where w.collection_id = %1$s)
                 for share', written_collection);
        end if;
        execute format(
            'update retrieval.chunks c
             set tenant = d.tenant, title = d.title, metadata = d.metadata, text_config = coalesce(d.text_config, n.text_config), modality = d.modality
             from retrieval.documents d
             join retrieval.collections n using (collection_id)
             where c.collection_id = %1$s and d.collection_id = %1$s and c.document_id = d.document_id
               and d.document_id in (select w.document_id from written_rows w where w.collection_id = %1$s)
               and (c.tenant <> d.tenant or c.title is distinct from d.title or c.metadata <> d.metadata
                    or c.text_config <> coalesce(d.text_config, n.text_config) or c.modality <> d.modality)', written_collection);
    end loop;
    return null;
end;
$$;

comment on function retrieval._copy_document() is
'Trigger on documents and chunks: chunks take tenant, title, metadata, text configuration and modality from their document.';

create or replace trigger copy_document_inserted
    after insert on retrieval.chunks referencing new table as written_rows
    for each statement execute function retrieval._copy_document();

create or replace trigger copy_document_updated
    after update on retrieval.chunks referencing new table as written_rows
    for each statement execute function retrieval._copy_document();

create or replace trigger copy_document_updated
    after update on retrieval.documents referencing new table as written_rows
    for each statement execute function retrieval._copy_document();

-- Another configuration for a collection means new lexemes for every document that does not name its own.
create or replace function retrieval._copy_text_config()
    returns trigger
    language plpgsql
as $$
begin
    execute format(
        'update retrieval.chunks c set text_config = %1$L
         from retrieval.documents d
         where c.collection_id = %2$s and d.collection_id = %2$s and c.document_id = d.document_id and d.text_config is null',
        new.text_config, new.collection_id);
    return null;
end;
$$;

comment on function retrieval._copy_text_config() is
'Trigger: a collection''s new text configuration reaches the chunks of its documents.';

create or replace trigger copy_text_config
    after update of text_config on retrieval.collections
    for each row when (new.text_config is distinct from old.text_config) execute function retrieval._copy_text_config();
