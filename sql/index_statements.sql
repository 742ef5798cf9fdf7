-- The same index as build_index makes, while the space is read and written.
create or replace function retrieval.index_statements(collection text, space text default null, kind text default 'dense')
    returns setof text
    language plpgsql stable
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, kind);
    index_name constant text := retrieval._embedding_partition(target) || '_index';
begin
    if target.index_method = 'none' or retrieval._has_index(target) then
        return;
    end if;
    if to_regclass(format('retrieval.%I', index_name)) is not null then
        return next format('drop index concurrently if exists retrieval.%I', index_name);
    end if;
    -- operator classes and types resolve wherever the extension was installed
    return next format('set search_path to %s', current_setting('search_path'));
    return next format('create index concurrently %I on %s', index_name, retrieval._index_definition(target));
    return next 'reset search_path';
end;
$$;

comment on function retrieval.index_statements(text, text, text) is
'The statements that build the vector index of a space while it is read and written, none where it has a valid one. They cannot run inside of a transaction; in psql: select retrieval.index_statements(''c'') \gexec. An index that an interruption left invalid is replaced. Whoever runs them holds pg_advisory_lock(retrieval._index_lock(…)) meanwhile, as the command retrieval spaces build does, so that nobody takes a half-built index for an abandoned one.';
