-- How the functions keep to the current tenant. They do it themselves, in conditions that any index can serve: under row-level
-- security no GIN or HNSW index could be used, as the operators that those serve are not leakproof. The policies guard whoever
-- reads and writes the tables in SQL of his own.

-- A collection that nobody else has anything in needs no condition, and keeps the plans that it has without tenants. The
-- statistics say so in the snapshot in which the chunks are searched. Where they say nothing at all (a recount has just
-- removed what this snapshot could see of them) the condition stays.
create or replace function retrieval._tenant_condition(collection_id bigint)
    returns text
    language plpgsql stable
as $$
declare
    tenant constant text := retrieval.current_tenant();
    alone boolean;
begin
    execute format(
        'select not exists (select from retrieval.chunk_statistics s where s.collection_id = %1$s and s.tenant <> %2$L)
                and exists (select from retrieval.chunk_statistics s where s.collection_id = %1$s and s.tenant = %2$L)',
        collection_id, tenant) into alone;
    return case when not alone then format('c.tenant = %L', tenant) end;
end;
$$;

comment on function retrieval._tenant_condition(bigint) is
'The SQL condition that a chunk c belongs to the current tenant; null where every chunk of the collection does.';

-- The upkeep (workers, indexes, checks) is that of all tenants where the owner of the schema does it without having chosen one.
-- In a function with its owner's rights the setting "role" still names the role that the caller has set.
create or replace function retrieval._keeps_every_tenant()
    returns boolean
    language plpgsql stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    return retrieval.current_tenant() = ''
       and not exists (select from retrieval.role_tenants r where r.role_name = session_user)
       and pg_has_role(coalesce(nullif(current_setting('role'), 'none')::name, session_user),
                       (select n.nspowner from pg_namespace n where n.nspname = 'retrieval'), 'usage');
end;
$$;

comment on function retrieval._keeps_every_tenant() is
'Whether the caller is the owner of the schema (a member of it, a superuser), bound to no tenant and in none.';

create or replace function retrieval._check_keeps_every_tenant()
    returns void
    language plpgsql stable
as $$
begin
    if not retrieval._keeps_every_tenant() then
        raise exception 'the queue holds chunks of all tenants: only the owner of the schema, in no tenant, works on it'
            using errcode = 'insufficient_privilege';
    end if;
end;
$$;

comment on function retrieval._check_keeps_every_tenant() is '42501 where the caller is not the owner of the schema, or is in a tenant.';

create or replace function retrieval._kept_chunks()
    returns text
    language sql stable
    return case when retrieval._keeps_every_tenant() then 'true' else format('c.tenant = %L', retrieval.current_tenant()) end;

comment on function retrieval._kept_chunks() is
'The SQL condition that a chunk c is the caller''s to embed and count: of the current tenant, or any for the owner who is in none.';
