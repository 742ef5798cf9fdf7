-- The roles, what they own and what they are granted; which function goes to which role is in permissions.sql. Roles belong to the
-- whole cluster, and who runs this may be no superuser: what is not permitted is left out, with a notice that says what.

create or replace function retrieval._create_role(name text)
    returns boolean
    language plpgsql
as $$
begin
    if to_regrole(name) is null then
        execute format('create role %I nologin', name);
    end if;
    return true;
exception
    when duplicate_object or unique_violation then  -- by another database of the cluster, just now
        return true;
    when insufficient_privilege then
        raise notice 'role % is not created: % has no CREATEROLE', name, current_user;
        return false;
end;
$$;

comment on function retrieval._create_role(text) is 'Creates a role unless there is one; false, with a notice, where that is not permitted.';

-- Creating a role makes no member of it that could hand something over to it. PostgreSQL 15 knows neither option.
create or replace function retrieval._join_role(name text, member text)
    returns boolean
    language plpgsql
as $$
declare
    with_options constant boolean := current_setting('server_version_num')::integer >= 160000;
begin
    if not pg_has_role(member, name, 'usage') or with_options and not pg_has_role(member, name, 'set') then
        execute format('grant %I to %I', name, member) || case when with_options then ' with inherit true, set true' else '' end;
    end if;
    return true;
exception
    when unique_violation then  -- by another database of the cluster, just now
        return true;
    when insufficient_privilege then
        raise notice '% is not made a member of %: % may not grant it', member, name, current_user;
        return false;
end;
$$;

comment on function retrieval._join_role(text, text) is 'Makes a role a member of another unless it is one; false, with a notice, where that is not permitted.';

create or replace function retrieval._grant_functions()
    returns void
    language plpgsql
as $$
declare
    function record;
begin
    for function in
        select p.oid::regprocedure as signature, l.of_owner, to_regrole(case when l.name is not null then l.granted_to
                                                                             when p.provolatile = 'i' then 'retrieval_reader' end) as granted_to,
               l.of_owner and not exists (select from unnest(p.proconfig) c where c ~ '^search_path=') as needs_path
        from pg_catalog.pg_proc p
        left join (select * from retrieval._permissions() m, unnest(m.functions) f(name)) l on l.name = p.proname
        where p.pronamespace = 'retrieval'::regnamespace
    loop
        execute format('revoke execute on function %s from public', function.signature);
        if function.granted_to is not null then
            execute format('grant execute on function %s to %s', function.signature, function.granted_to);
        end if;
        if function.of_owner then
            execute format('alter function %s security definer', function.signature);
        end if;
        if function.needs_path then
            execute format('alter function %s set search_path = pg_catalog, %I, pg_temp', function.signature, retrieval._vector_schema());
        end if;
    end loop;
end;
$$;

comment on function retrieval._grant_functions() is 'Gives functions the rights of their owner, and grants each to its role alone.';

create or replace function retrieval._vector_schema()
    returns text
    language sql stable
    return (select n.nspname from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector');

comment on function retrieval._vector_schema() is 'The schema that pgvector is installed in.';

-- For who writes SQL of their own; the searches do without.
create or replace function retrieval._grant_tables(reader text, writer text)
    returns void
    language plpgsql
as $$
begin
    execute 'grant usage on schema retrieval to ' || concat_ws(', ', reader, writer);
    if reader is not null then
        execute 'grant select on retrieval.collections, retrieval.documents, retrieval.chunks, retrieval.metadata_indexes, retrieval.spaces,
                     retrieval.embeddings, retrieval.sparse_embeddings, retrieval.token_embeddings to ' || reader;
        if to_regclass('retrieval.alembic_version') is not null then
            execute 'grant select on retrieval.alembic_version to ' || reader;
        end if;
    end if;
    if writer is not null then
        execute 'grant insert, update, delete on retrieval.documents, retrieval.chunks,
                     retrieval.embeddings, retrieval.sparse_embeddings, retrieval.token_embeddings to ' || writer;
    end if;
end;
$$;

comment on function retrieval._grant_tables(text, text) is 'Grants what is read and written without a function; null is a role that there is not.';

-- Its operators are everybody's where the schema is, as public.
create or replace function retrieval._grant_vector(role_name text)
    returns boolean
    language plpgsql
as $$
begin
    if not has_schema_privilege(role_name, retrieval._vector_schema(), 'usage') then
        execute format('grant usage on schema %I to %I', retrieval._vector_schema(), role_name);
    end if;
    return true;
exception when insufficient_privilege then
    raise notice '% may not use schema %, where pgvector is: % may not grant it', role_name, retrieval._vector_schema(), current_user;
    return false;
end;
$$;

comment on function retrieval._grant_vector(text) is 'Lets a role use pgvector''s schema; false, with a notice, where that is not permitted.';

create or replace function retrieval._hand_over(owner text)
    returns void
    language plpgsql
as $$
declare
    owned record;
begin
    for owned in
        select 'schema retrieval' as object from pg_catalog.pg_namespace n
        where n.nspname = 'retrieval' and n.nspowner <> to_regrole(owner)
        union all
        select format('table %s', c.oid::regclass) from pg_catalog.pg_class c
        where c.relnamespace = 'retrieval'::regnamespace and c.relkind in ('r', 'p') and c.relowner <> to_regrole(owner)
        union all
        select format('function %s', p.oid::regprocedure) from pg_catalog.pg_proc p
        where p.pronamespace = 'retrieval'::regnamespace and p.proowner <> to_regrole(owner)
    loop
        execute format('alter %s owner to %I', owned.object, owner);
    end loop;
end;
$$;

comment on function retrieval._hand_over(text) is 'Makes a role the owner of the schema and of everything in it.';

create or replace function retrieval.grant_roles()
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    has_reader constant boolean := retrieval._create_role('retrieval_reader');
    has_writer constant boolean := retrieval._create_role('retrieval_writer');
    has_owner constant boolean := retrieval._create_role('retrieval_owner');
begin
    if has_reader and has_writer then
        perform retrieval._join_role('retrieval_reader', 'retrieval_writer');
    end if;
    perform retrieval._grant_functions();
    if has_reader or has_writer then
        perform retrieval._grant_tables(case when has_reader then 'retrieval_reader' end, case when has_writer then 'retrieval_writer' end);
    end if;
    perform retrieval._grant_vector(r.name)
    from (values ('retrieval_reader', has_reader), ('retrieval_writer', has_writer)) r(name, exists) where r.exists;
    if has_owner and retrieval._join_role('retrieval_owner', current_user) and retrieval._grant_vector('retrieval_owner') then
        perform retrieval._hand_over('retrieval_owner');
    end if;
end;
$$;

comment on function retrieval.grant_roles() is
'Creates retrieval_reader, retrieval_writer and retrieval_owner where they are missing, grants each what it may do, and makes the last the owner of this schema. The migrations call it. Worth another call, by the one who ran them or a superuser, where a notice said that something was left out, or after a restore without owners and privileges. Called again it changes nothing that is as it should be.';

select retrieval.grant_roles();
