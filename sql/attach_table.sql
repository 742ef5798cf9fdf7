-- Attaching a table: from then on its collection is written by the table's own transactions.

-- A trigger knows its table under any name and after a restore, which a stored name or oid would not.
create or replace function retrieval._attachments(table_name regclass, collection text)
    returns setof retrieval.attached_tables
    language sql stable
begin atomic
    select a.*
    from retrieval.attached_tables a
    join retrieval.collections n using (collection_id)
    join pg_catalog.pg_trigger t on t.tgname = format('retrieval_%s_insert', a.attached_table_id)
    where t.tgrelid = _attachments.table_name and t.tgfoid = to_regproc('retrieval._follow_table')
      and n.name = coalesce(collection, n.name) and a.tenant = retrieval.current_tenant()
    order by a.attached_table_id;
end;

comment on function retrieval._attachments(regclass, text) is
'How a table is attached for the current tenant: to this collection, or with null to any.';

create or replace function retrieval._column_names(names text)
    returns text[]
    language sql immutable
    return case when names is null then '{}' when starts_with(names, '{') then names::text[] else array[names] end;

comment on function retrieval._column_names(text) is
'One column''s name, or several written as an array, {like,this}.';

create or replace function retrieval._check_attached_table(attached retrieval.attached_tables, relation regclass)
    returns void
    language plpgsql stable
as $$
declare
    found_table record;
    named constant text[] := attached.key_columns || attached.title_column || attached.content_columns || attached.metadata_columns;
    wrong text;
begin
    select c.relkind, c.relpersistence, c.relnamespace into found_table from pg_catalog.pg_class c where c.oid = relation;
    if found_table.relkind not in ('r', 'p') or found_table.relpersistence = 't' or found_table.relnamespace = 'retrieval'::regnamespace then
        raise exception '% cannot be attached: it is not an ordinary table', relation using errcode = 'wrong_object_type';
    end if;
    -- raises for a column that does not exist
    perform retrieval._column_expression(relation, n.name, false) from unnest(named) n(name) where n.name is not null;
    select a.attname into wrong from pg_catalog.pg_attribute a
    where a.attrelid = relation and a.attname = any(named) and a.attgenerated = 'v' limit 1;
    if found then
        raise exception 'column % cannot be attached: it is generated when it is read', quote_ident(wrong) using errcode = 'feature_not_supported';
    elsif cardinality(attached.key_columns) = 0 then
        raise exception 'key must name a column' using errcode = 'invalid_parameter_value';
    elsif attached.title_column is null and cardinality(attached.content_columns) = 0 then
        raise exception 'title or content must name a column' using errcode = 'invalid_parameter_value';
    end if;
    select a.attname into wrong from pg_catalog.pg_attribute a
    where a.attrelid = relation and a.attname = any(attached.key_columns) and not a.attnotnull limit 1;
    if found then
        raise exception 'key column % of table % can be null', quote_ident(wrong), relation
            using errcode = 'invalid_parameter_value', hint = 'Declare it not null, or name other columns.';
    elsif not exists (
        select from pg_catalog.pg_index i
        where i.indrelid = relation and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
          and not exists (
              select from unnest(i.indkey::smallint[]) with ordinality k(attnum, number)
              join pg_catalog.pg_attribute a on a.attrelid = relation and a.attnum = k.attnum
              where k.number <= i.indnkeyatts and a.attname <> all(attached.key_columns))) then
        raise exception 'key % of table % is not unique', attached.key_columns, relation
            using errcode = 'invalid_parameter_value', hint = 'A primary key or a unique constraint on these columns or some of them is needed.';
    end if;
end;
$$;

comment on function retrieval._check_attached_table(retrieval.attached_tables, regclass) is
'42703 where a column does not exist, 42809 where it is no ordinary table, 22023 where the key can be null or is not unique.';

create or replace function retrieval.attach_table(
    table_name regclass, collection text, key text, title text default null, content text default null,
    metadata text[] default '{}', maximum_chunk_length integer default 2000, back_fill boolean default true)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    attached retrieval.attached_tables;
    event record;
begin
    if table_name is null then
        raise exception 'table_name must not be null' using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_count('maximum_chunk_length', maximum_chunk_length, 100000);
    -- writers wait here until this transaction is over: afterwards every row is either back-filled or followed
    execute format('lock table %s in share row exclusive mode', table_name);
    if exists (select from retrieval._attachments(table_name, collection)) then
        raise exception 'table % is attached to collection % already', table_name, quote_ident(collection)
            using errcode = 'duplicate_object', hint = 'retrieval.refresh_table compares the two; retrieval.detach_table detaches.';
    end if;
    -- what a dropped table of that name left
    delete from retrieval.attached_tables a where a.collection_id = target and a.table_name = attach_table.table_name::text
      and a.tenant = retrieval.current_tenant();
    insert into retrieval.attached_tables
        (collection_id, table_name, key_columns, title_column, content_columns, metadata_columns, maximum_chunk_length)
    values (target, table_name::text, retrieval._column_names(key), title, retrieval._column_names(content),
            coalesce(metadata, '{}'), maximum_chunk_length)
    returning * into attached;
    perform retrieval._check_attached_table(attached, table_name);
    for event in
        select * from (values
            ('insert', 'referencing new table as new_rows'), ('update', 'referencing old table as old_rows new table as new_rows'),
            ('delete', 'referencing old table as old_rows'), ('truncate', '')) e(name, transition_tables)
    loop
        execute format('create trigger %I after %s on %s %s for each statement execute function retrieval._follow_table(%L)',
                       format('retrieval_%s_%s', attached.attached_table_id, event.name), event.name, table_name,
                       event.transition_tables, attached.attached_table_id);
    end loop;
    return case when back_fill then retrieval.refresh_table(table_name, collection) else 0 end;
end;
$$;

comment on function retrieval.attach_table(regclass, text, text, text, text, text[], integer, boolean) is
'Makes the rows of a table the documents of a collection, as the current tenant''s whoever writes the table, and keeps them in step, in the table''s own transactions; returns how many were stored. key names one column, whose text is the document_key, or several, {like,this}, for the text of a JSON array; they must be unique and not null. content may name several columns, which are joined by blank lines; metadata takes columns under their names. With back_fill false, retrieval.refresh_table stores the rows later and writers do not wait for it. Nothing here makes a write of the table fail; see retrieval.attached_table_failures. 42710 where it is attached to that collection already.';
