-- Keeps a collection in step with an attached table: one call for each statement, however many rows it writes.
--
-- Whoever may write the table need not know of this schema, so the trigger has its owner's rights, reads nothing but the
-- rows that it is given, and writes nothing but the table's own documents. It cannot make the statement fail: an error undoes
-- what the trigger did and is noted, and nothing here is waited for longer than lock_timeout. The other settings make
-- texts of dates the same in every session.
create or replace function retrieval._follow_table()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '1s'
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'postgres'
    set timezone = 'UTC'
as $$
declare
    attached retrieval.attached_tables;
    changed record;
    stored record;
    state text;
    message text;
begin
    select * into attached from retrieval.attached_tables a where a.attached_table_id = tg_argv[0]::bigint;
    if not found then  -- its collection was dropped
        return null;
    elsif tg_op = 'TRUNCATE' then
        perform retrieval._delete_rows(attached, null);
        return null;
    elsif tg_op = 'INSERT' then
        execute retrieval._store_rows(attached, retrieval._table_rows(attached, tg_relid, 'new_rows'), false) into stored;
        perform retrieval._cut_rows(attached, stored.rewritten, stored.known, stored.taken);
        return null;
    elsif tg_op = 'DELETE' then
        execute format('select array_agg(%s) as gone from old_rows t', retrieval._key_expression(attached, tg_relid)) into changed;
        if changed.gone is not null then
            perform retrieval._delete_rows(attached, changed.gone);
        end if;
        return null;
    end if;
    execute retrieval._changed_rows(attached, tg_relid) into changed;
    if changed.gone <> '{}' then
        execute retrieval._move_documents(attached, tg_relid) using changed.gone, changed.come;
        perform retrieval._delete_rows(attached, changed.gone);
    end if;
    if changed.come <> '{}' then
        execute retrieval._store_rows(
            attached, 'select * from (' || retrieval._table_rows(attached, tg_relid, 'new_rows') || ') n where n.document_key = any($1)', false)
            into stored using changed.come;
        perform retrieval._cut_rows(attached, stored.rewritten, stored.known, stored.taken);
    end if;
    return null;
exception when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text;
    perform retrieval._note_failure(tg_argv[0]::bigint, null, lower(tg_op), state, message);
    return null;
end;
$$;

comment on function retrieval._follow_table() is
'Trigger on attached tables: the collection follows each statement, in its transaction.';

-- a trigger on a table of one's own would write to the collection of another's
revoke execute on function retrieval._follow_table() from public;

-- Rows are compared as they are stored, which any type can be.
create or replace function retrieval._changed_rows(attached retrieval.attached_tables, relation oid)
    returns text
    language sql stable
    return format(
        'with before as materialized (select %1$s as document_key, row(%2$s)::record as stored from old_rows t),
              after as materialized (select %1$s as document_key, row(%2$s)::record as stored from new_rows t)
         select array(select b.document_key from before b where not exists (
                    select from after a where a.document_key = b.document_key)) as gone,
                array(select a.document_key from after a where not exists (
                    select from before b where b.document_key = a.document_key and b.stored operator(pg_catalog.*=) a.stored)) as come',
        retrieval._key_expression(attached, relation),
        (select string_agg(format('t.%I', c.name), ', ')
         from unnest(attached.title_column || attached.content_columns || attached.metadata_columns) c(name) where c.name is not null));

comment on function retrieval._changed_rows(retrieval.attached_tables, oid) is
'The SQL that compares the transition tables of an update: the keys that are gone, and those that have come or read differently.';

-- A row that got another key keeps its chunks and embeddings.
create or replace function retrieval._move_documents(attached retrieval.attached_tables, relation oid)
    returns text
    language sql stable
    return format(
        'with before as (
             select r.document_key, r.content_hash, row_number() over (partition by r.content_hash order by r.document_key) as number
             from (%3$s) r where r.document_key = any($1)),
         after as (
             select r.document_key, r.content_hash, row_number() over (partition by r.content_hash order by r.document_key) as number
             from (%4$s) r where r.document_key = any($2)
               and not exists (select from retrieval.documents d where d.collection_id = %1$s and d.tenant = %5$L and d.document_key = r.document_key))
         update retrieval.documents d set document_key = a.document_key, updated_at = now()
         from before b join after a using (content_hash, number)
         where d.collection_id = %1$s and d.tenant = %5$L and d.source = %2$L and d.document_key = b.document_key',
        attached.collection_id, attached.table_name,
        retrieval._table_rows(attached, relation, 'old_rows'), retrieval._table_rows(attached, relation, 'new_rows'), attached.tenant);

comment on function retrieval._move_documents(retrieval.attached_tables, oid) is
'The SQL that gives the documents of gone keys ($1) the new ones ($2) that come with the same text.';

-- One row for each failure: updating a shared one would make failing transactions wait for each other.
create or replace function retrieval._note_failure(attached_table_id bigint, document_key text, operation text, state text, message text)
    returns void
    language plpgsql
as $$
begin
    insert into retrieval.attached_table_failures (attached_table_id, document_key, operation, sqlstate, message)
    select a.attached_table_id, left(_note_failure.document_key, 2000), operation, state, message
    from retrieval.attached_tables a where a.attached_table_id = _note_failure.attached_table_id;
    if found then
        raise warning 'search does not follow this %: %', operation, message
            using errcode = state, hint = 'retrieval.refresh_table repairs; see retrieval.attached_table_failures.';
    end if;
exception when others then
    raise warning 'search does not follow this %: %', operation, message
        using errcode = state, hint = 'This could not be noted: ' || sqlerrm || '. retrieval.refresh_table repairs.';
end;
$$;

comment on function retrieval._note_failure(bigint, text, text, text, text) is
'Notes that an attached table and its collection differ, with a warning; nothing where the table is not attached any more.';
