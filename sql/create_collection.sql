-- Creates a collection with its own partitions.
--
-- A partition is built as a table of its own and attached when it is complete: `create table … partition of` would
-- wait for every reader of the parent and make new readers queue behind it, attaching does not.

create or replace function retrieval._attach_partition(parent text, id bigint, key text)
    returns void
    language plpgsql
as $$
declare
    partition constant text := parent || '_' || id;
begin
    execute format('create table retrieval.%I (like retrieval.%I including all excluding identity)', partition, parent);
    -- an equal check lets attach trust the (empty) table instead of scanning it
    execute format('alter table retrieval.%I add constraint partition_bound check (%I is not null and %2$I = %s)', partition, key, id);
    execute format('alter table retrieval.%I attach partition retrieval.%I for values in (%s)', parent, partition, id);
    execute format('alter table retrieval.%I drop constraint partition_bound', partition);
end;
$$;

comment on function retrieval._attach_partition(text, bigint, text) is
'Creates the partition of a table for one collection or space.';

-- A statement trigger on the parent does not fire for statements aimed at a partition (a cascaded delete is one),
-- so a partition gets its parent's.
create or replace function retrieval._copy_statement_triggers(parent text, partition text)
    returns void
    language plpgsql
as $$
declare
    definition text;
begin
    for definition in
        select pg_get_triggerdef(t.oid)
        from pg_catalog.pg_trigger t
        where t.tgrelid = format('retrieval.%I', parent)::regclass and not t.tgisinternal
          and t.tgtype & 1 = 0  -- for each statement
    loop
        execute replace(definition, format(' ON retrieval.%I ', parent), format(' ON retrieval.%I ', partition));
    end loop;
end;
$$;

comment on function retrieval._copy_statement_triggers(text, text) is
'Gives a partition the statement triggers of its parent.';

create or replace function retrieval.create_collection(name text, text_config text default 'english')
    returns bigint
    language plpgsql
as $$
declare
    created bigint;
begin
    perform retrieval._check_name('collection', name);
    insert into retrieval.collections (name, text_config) values (name, text_config)
    returning collection_id into created;

    perform retrieval._attach_partition('documents', created, 'collection_id');
    perform retrieval._attach_partition('chunks', created, 'collection_id');
    perform retrieval._attach_partition('chunk_statistics', created, 'collection_id');
    perform retrieval._attach_partition('lexeme_statistics', created, 'collection_id');
    execute format(
        'alter table retrieval.%1$I add constraint document_fkey foreign key (document_id, collection_id)
         references retrieval.%2$I (document_id, collection_id) on delete cascade',
        'chunks_' || created, 'documents_' || created);
    -- ranking reads the lexemes of hundreds of chunks: kept in the row they cost no visit to the TOAST table
    execute format('alter table retrieval.%I set (toast_tuple_target = 8160)', 'chunks_' || created);
    perform retrieval._copy_statement_triggers('documents', 'documents_' || created);
    perform retrieval._copy_statement_triggers('chunks', 'chunks_' || created);
    execute format(
        'create trigger forget_chunks after truncate on retrieval.%I
         for each statement execute function retrieval._forget_chunks(%L)', 'chunks_' || created, created);
    return created;
exception when unique_violation then
    raise exception 'collection % already exists', quote_ident(name) using errcode = 'duplicate_object';
end;
$$;

comment on function retrieval.create_collection(text, text) is
'Creates a collection and returns its id. text_config is the text-search configuration of its documents unless a document names its own (psql: \dF lists them). 42710 where the name is taken.';
