-- Builds the vector index of a space, if it lacks a valid one. Filled tables are indexed faster than empty ones
-- are filled, so load first; IVFFlat moreover takes its centres from what is there when it is built.

-- Lists as pgvector recommends: a thousandth of the rows, beyond a million their root. Twice pgvector's ef_construction:
-- of 60,000 real embeddings a search then misses 1 in 1,000 of the ten nearest rather than 4, at the same speed, for
-- a build that takes twice as long.
create or replace function retrieval._index_definition(space retrieval.spaces)
    returns text
    language plpgsql stable
as $$
declare
    options jsonb := space.index_options;
    rows_there bigint;
begin
    if space.index_method = 'ivfflat' and not options ? 'lists' then
        execute format('select count(*) from retrieval.%I', retrieval._embedding_partition(space)) into rows_there;
        options := jsonb_build_object('lists', least(32768, greatest(1, case when rows_there <= 1000000 then rows_there / 1000 else sqrt(rows_there)::bigint end)));
    end if;
    if space.index_method = 'hnsw' and not options ? 'ef_construction' then
        options := options || jsonb_build_object('ef_construction', greatest(128, 2 * (options ->> 'm')::integer));
    end if;
    return format('retrieval.%I using %s ((%s) %s)%s',
                  retrieval._embedding_partition(space), space.index_method,
                  retrieval._indexed_expression(space, 'embedding'), retrieval._operator_class(space),
                  (select ' with (' || string_agg(format('%I = %s', o.key, o.value::integer), ', ' order by o.key) || ')'
                   from jsonb_each_text(options) o));
end;
$$;

comment on function retrieval._index_definition(retrieval.spaces) is 'What follows `create index … on` for a space.';

create or replace function retrieval._has_index(space retrieval.spaces)
    returns boolean
    language sql stable
    return exists (select from pg_catalog.pg_index i
                   where i.indexrelid = to_regclass(format('retrieval.%I', retrieval._embedding_partition(space) || '_index')) and i.indisvalid);

comment on function retrieval._has_index(retrieval.spaces) is 'Whether a space has a valid vector index.';

-- The lists that the index really has: those asked for, or those that fitted when it was built.
create or replace function retrieval._index_lists(space retrieval.spaces)
    returns integer
    language sql stable
    return (select substring(o.option from 'lists=(\d+)')::integer
            from pg_catalog.pg_class c, unnest(c.reloptions) o(option)
            where c.oid = to_regclass(format('retrieval.%I', retrieval._embedding_partition(space) || '_index')) and o.option ~ '^lists=');

comment on function retrieval._index_lists(retrieval.spaces) is 'The number of lists of a space''s IVFFlat index; null where there is none.';

create or replace function retrieval._index_lock(space retrieval.spaces)
    returns bigint
    language sql immutable
    return hashtextextended('retrieval.build_index', space.space_id);

comment on function retrieval._index_lock(retrieval.spaces) is 'The advisory lock that whoever builds a space''s index holds.';

create or replace function retrieval.build_index(collection text, space text default null, kind text default 'dense')
    returns void
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, kind);
    index_name constant text := retrieval._embedding_partition(target) || '_index';
begin
    if target.index_method = 'none' or retrieval._has_index(target) then
        return;
    end if;
    -- no waiting: a concurrent build waits for every open transaction, and so would wait for this one
    if not pg_try_advisory_xact_lock(retrieval._index_lock(target)) then
        raise exception 'the index of space % of collection % is being built by another session', quote_ident(target.name), quote_ident(collection)
            using errcode = 'object_in_use';
    elsif retrieval._has_index(target) then
        return;
    end if;
    if to_regclass(format('retrieval.%I', index_name)) is not null then
        execute format('drop index retrieval.%I', index_name);  -- left invalid by an interruption
    end if;
    execute format('create index %I on %s', index_name, retrieval._index_definition(target));
end;
$$;

comment on function retrieval.build_index(text, text, text) is
'Builds the vector index of a space (without a name: the active one of its kind) unless it has a valid one. Writers of the space wait meanwhile, searches do not; 55006 while another session builds it. index_statements builds without making anyone wait.';
