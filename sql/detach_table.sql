-- Detaching a table: its collection is what it is at that moment, and no longer follows.

create or replace function retrieval._attached(table_name regclass, collection text)
    returns setof retrieval.attached_tables
    language plpgsql stable
as $$
begin
    return query select * from retrieval._attachments(table_name, collection);
    if not found then
        raise exception 'table % is not attached%', coalesce(table_name::text, 'null'),
                        coalesce(' to collection ' || quote_ident(collection), '') using errcode = 'undefined_object';
    end if;
end;
$$;

comment on function retrieval._attached(regclass, text) is
'How a table is attached, as retrieval._attachments says it; 42704 where it is not.';

create or replace function retrieval.detach_table(table_name regclass, collection text default null, delete_documents boolean default false)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    attached retrieval.attached_tables;
    detached integer := 0;
begin
    for attached in select * from retrieval._attached(table_name, collection) loop
        -- before its triggers go, as its writers do
        execute format('lock table %s in access exclusive mode', table_name);
        if delete_documents then
            perform retrieval._delete_rows(attached, null);
        end if;
        delete from retrieval.attached_tables a where a.attached_table_id = attached.attached_table_id;
        detached := detached + 1;
    end loop;
    return detached;
end;
$$;

comment on function retrieval.detach_table(regclass, text, boolean) is
'Detaches a table from a collection (null: from each that it is attached to) and returns from how many. Its documents stay, unless delete_documents is true; attaching it again finds them and stores only what differs. 42704 where it is not attached.';

-- Also when a collection is dropped, which must not wait for the application: triggers that stay find no attachment and do
-- nothing.
create or replace function retrieval._drop_table_triggers()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    lock_timeout constant text := current_setting('lock_timeout');
    dropped record;
begin
    perform set_config('lock_timeout', '100ms', true);
    for dropped in
        select t.tgname, t.tgrelid::regclass as relation from pg_catalog.pg_trigger t
        where t.tgfoid = to_regproc('retrieval._follow_table') and starts_with(t.tgname, format('retrieval_%s_', old.attached_table_id))
          and t.tgparentid = 0
    loop
        execute format('drop trigger %I on %s', dropped.tgname, dropped.relation);
    end loop;
    perform set_config('lock_timeout', lock_timeout, true);
    return null;
exception when lock_not_available or object_in_use or insufficient_privilege then
    return null;
end;
$$;

comment on function retrieval._drop_table_triggers() is
'Trigger: what is not attached any more loses its triggers, if that can be had at once.';

create or replace trigger drop_table_triggers
    after delete on retrieval.attached_tables
    for each row execute function retrieval._drop_table_triggers();
