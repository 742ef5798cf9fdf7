-- Removing a collection or a space.
--
-- Dropping an attached partition locks its parent against everyone. So a removal first empties the partitions,
-- which locks only them, and then drops them if the parent is free at once; otherwise they stay behind, empty and
-- unreachable, and the next removal or retrieval.drop_orphans() takes them along.

create or replace function retrieval._drop_tables(tables text[])
    returns boolean
    language plpgsql
as $$
declare
    lock_timeout constant text := current_setting('lock_timeout');
begin
    perform set_config('lock_timeout', '100ms', true);
    execute 'drop table ' || array_to_string(tables, ', ');
    perform set_config('lock_timeout', lock_timeout, true);
    return true;
exception when lock_not_available then
    return false;
end;
$$;

comment on function retrieval._drop_tables(text[]) is
'Drops tables if their locks can be had within 100 ms, and says whether it did.';

create or replace function retrieval.drop_orphans()
    returns integer
    language plpgsql
as $$
declare
    orphan record;
    dropped integer := 0;
begin
    for orphan in
        select o.name
        from (
            select c.relname as name, p.relname as parent, substring(c.relname from '_(\d+)$')::bigint as id
            from pg_catalog.pg_inherits i
            join pg_catalog.pg_class c on c.oid = i.inhrelid
            join pg_catalog.pg_class p on p.oid = i.inhparent
            where p.relnamespace = 'retrieval'::regnamespace and p.relkind = 'p') o
        where case when o.parent ~ 'embeddings$' then not exists (select from retrieval.spaces s where s.space_id = o.id)
              else not exists (select from retrieval.collections n where n.collection_id = o.id) end
        -- referencing tables before those that they reference
        order by o.parent !~ 'embeddings$', o.parent <> 'chunks'
    loop
        dropped := dropped + retrieval._drop_tables(array[format('retrieval.%I', orphan.name)])::integer;
    end loop;
    return dropped;
end;
$$;

comment on function retrieval.drop_orphans() is
'Drops the tables of removed collections and spaces that were in use when they were removed; returns how many tables.';

create or replace function retrieval.drop_collection(name text)
    returns void
    language plpgsql
as $$
declare
    removed constant bigint := (retrieval._collection(name)).collection_id;
    tables text[];
begin
    -- before the partitions, as writers do
    perform retrieval._lock_spaces(removed);
    select array_agg(format('retrieval.%I', t.name) order by t.number) into tables
    from (
        select 0 as number, retrieval._embedding_partition(s) as name from retrieval.spaces s where s.collection_id = removed
        union all
        select i, parent || '_' || removed
        from unnest(array['chunks', 'documents', 'lexeme_statistics', 'chunk_statistics']) with ordinality p(parent, i)) t;
    -- the statistics follow by trigger
    execute 'truncate ' || array_to_string(array(select t from unnest(tables) t where t !~ 'statistics'), ', ');
    -- with the rights of the caller, whose tables lose their triggers; a cascade would have those of the owner of ours
    delete from retrieval.attached_tables a where a.collection_id = removed;
    delete from retrieval.collections c where c.collection_id = removed;
    perform retrieval._drop_tables(tables);
    perform retrieval.drop_orphans();
end;
$$;

comment on function retrieval.drop_collection(text) is
'Removes a collection with everything in it. Searches in other collections do not wait for it. 42704 where there is none of that name.';
