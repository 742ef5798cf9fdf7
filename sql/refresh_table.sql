-- Compares an attached table with its collection and writes what differs: the back-fill, and the repair.

-- Documents that differ are locked before their rows are read again: who changes such a row meanwhile comes after us.
create or replace function retrieval._refresh_rows(attached retrieval.attached_tables, relation regclass, document_keys text[])
    returns integer
    language plpgsql
as $$
declare
    table_rows constant text := 'select * from (' || retrieval._table_rows(attached, relation, relation::text) || ') n where n.document_key = any($1)';
    gone text[];
    stored record;
begin
    execute format('select from retrieval.documents where collection_id = %s and tenant = %L and document_key = any($1) order by document_key for update',
                   attached.collection_id, attached.tenant) using document_keys;
    execute retrieval._store_rows(attached, table_rows, true) into stored using document_keys;
    perform retrieval._cut_rows(attached, stored.rewritten, stored.known, stored.taken);
    execute 'select array(select k from unnest($1) k except select n.document_key from (' || table_rows || ') n)' into gone using document_keys;
    return stored.stored + case when gone = '{}' then 0 else retrieval._delete_rows(attached, gone) end;
end;
$$;

comment on function retrieval._refresh_rows(retrieval.attached_tables, regclass, text[]) is
'Makes the documents of these keys what the table says; returns how many were written.';

-- Where some rows cannot be stored, halving finds them and the others are stored.
create or replace function retrieval._refresh_table(attached retrieval.attached_tables, relation regclass, maximum_rows integer)
    returns integer
    language plpgsql
as $$
declare
    differing text[];
    ranges int8range[];
    middle bigint;
    failures integer := 0;
    refreshed integer := 0;
begin
    delete from retrieval.attached_table_failures f where f.attached_table_id = attached.attached_table_id;
    execute format(
        'select array(
             select document_key
             from (%s) r
             full join (select d.document_key, d.title, d.content_hash, d.metadata from retrieval.documents d
                        where d.collection_id = %s and d.tenant = %L and d.source = %L) d using (document_key)
             where (d.title, d.content_hash, d.metadata) is distinct from (r.title, r.content_hash, r.metadata)
             order by document_key
             limit $1)', retrieval._table_rows(attached, relation, relation::text), attached.collection_id, attached.tenant, attached.table_name)
        into differing using maximum_rows;
    ranges := array[int8range(1, cardinality(differing) + 1)];
    while cardinality(ranges) > 0 and not isempty(ranges[1]) loop
        begin
            refreshed := refreshed + retrieval._refresh_rows(attached, relation, differing[lower(ranges[1]):upper(ranges[1]) - 1]);
            ranges := ranges[2:];
        exception when others then
            middle := (lower(ranges[1]) + upper(ranges[1])) / 2;
            if middle > lower(ranges[1]) then
                ranges := array[int8range(lower(ranges[1]), middle), int8range(middle, upper(ranges[1]))] || ranges[2:];
            elsif failures < 100 then
                failures := failures + 1;
                perform retrieval._note_failure(attached.attached_table_id, differing[lower(ranges[1])], 'refresh', sqlstate, sqlerrm);
                ranges := ranges[2:];
            else
                raise;  -- not the rows' fault
            end if;
        end;
    end loop;
    return refreshed;
end;
$$;

comment on function retrieval._refresh_table(retrieval.attached_tables, regclass, integer) is
'Compares one attachment; returns how many documents were written. Rows that cannot be stored are noted, up to 100 of them.';

create or replace function retrieval.refresh_table(table_name regclass, collection text default null, maximum_rows integer default null)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set row_security = off
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'postgres'
    set timezone = 'UTC'
as $$
declare
    attached retrieval.attached_tables;
    refreshed integer := 0;
begin
    for attached in select * from retrieval._attached(table_name, collection) loop
        refreshed := refreshed + retrieval._refresh_table(attached, table_name, maximum_rows);
    end loop;
    return refreshed;
end;
$$;

comment on function retrieval.refresh_table(regclass, text, integer) is
'Compares an attached table with its collection (null: each that it is attached to) and writes what differs; returns how many documents were written or deleted, 0 where nothing differed. Writers of the table do not wait, unless for a row that is just being written; maximum_rows in calls of their own transactions keeps that short for a large table. Rows that cannot be stored are noted in retrieval.attached_table_failures, and others'' failures are forgotten. 42704 where it is not attached.';
