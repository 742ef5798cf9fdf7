-- Who may do what. Three roles without a login, which other roles are made members of:
--
-- - retrieval_reader    searches
-- - retrieval_writer    searches, and writes documents and their embeddings
-- - retrieval_owner     owns the schema, and does the rest: collections, spaces, the queue, attached tables
--
-- A function that touches the tables runs with its owner's rights, whoever calls it, and under a search_path of its own. So a
-- reader needs no right on what a search reads (statistics, caches), and its indexes are used under row-level security, where an
-- operator that is not leakproof, such as @@, is otherwise asked only after the policies. That the owner is
-- retrieval_owner keeps it from having more rights than this schema needs. Nothing that a caller gives such a function
-- becomes SQL; the functions that take the name of the caller's table keep the caller's rights.

-- Every public function, and the triggers that have the owner's rights. Of the private functions only immutable ones are
-- granted, which compute and touch nothing: the constraints of a table and the functions with the caller's rights use them.
create or replace function retrieval._permissions()
    returns table (granted_to text, of_owner boolean, functions text[])
    language sql immutable
begin atomic
    select p.granted_to, p.of_owner, string_to_array(p.functions, ' ')
    from (values
        ('retrieval_reader', true,
         'adapt_query boost cached_embeddings chunk_count collapse_duplicates collection_settings count_jobs count_matches '
         'current_tenant diversify document_search estimate_space explain_keyword_search explain_search facets failed_jobs highlight '
         'hybrid_search keyword_search late_interaction_search list_collections list_spaces more_like_this neighbouring_chunks '
         'packed_tokens passages recommend recommend_documents sample_chunks semantic_search sparse_search'),
        ('retrieval_reader', false,
         'compile_filter fuse keep_largest lexeme_length max_sim segment split_text to_lexemes truncate_embedding'),
        -- with what an ingestion leaves to be done at its end: gaps, indexes, statistics, calibration
        ('retrieval_writer', true,
         'add_document build_index cache_contexts cache_embeddings cache_sparse_embeddings cache_token_embeddings cached_contexts '
         'calibrate delete_document delete_documents enqueue_missing has_jobs missing_embeddings put_documents put_embeddings '
         'put_sparse_embeddings put_token_embeddings tidy_collection trim_embedding_cache unchanged_chunks written_spaces'),
        ('retrieval_owner', true,
         'activate_space bind_role claim_jobs create_api_key create_collection create_space describe_space drop_metadata_index '
         'drop_orphans drop_query_adapter drop_space export_embeddings export_sparse_embeddings export_token_embeddings extend_jobs fail_job find_api_key finish_jobs '
         'index_metadata index_statements job_chunks list_api_keys measure_recall record_api_key_use refresh_statistics release_jobs resume_space retire_space '
         'retry_jobs revoke_api_key rollback_space sample_embeddings set_chunking set_field_weights set_query_adapter set_ranking '
         'set_search_options statistics_drift trim_context_cache unbind_role'),
        -- those of the caller's table, or of the caller's sessions
        ('retrieval_owner', false,
         'attach_table detach_table drop_collection grant_roles import_embeddings index_progress refresh_table'),
        (null, true,
         '_check_text_config _copy_document _copy_text_config _count_chunks _enqueue_inserted _follow_content _follow_table '
         '_forget_chunks _forget_embeddings _keeps_every_tenant')) p(granted_to, of_owner, functions);
end;

comment on function retrieval._permissions() is
'To which role each function is granted, and whether it has its owner''s rights; triggers are granted to nobody.';

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
