-- Builds the vector index of a space, if it lacks a valid one. Filled tables are indexed faster than empty ones
-- are filled, so load first.
create or replace function retrieval.build_index(collection text, space text default null)
    returns void
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
    index_name constant text := format('embeddings_%s_index', target.space_id);
    options text;
begin
    -- whoever comes second waits here and then finds the index built
    perform pg_advisory_xact_lock(hashtextextended('retrieval.build_index', target.space_id));
    if target.index_method = 'none' or exists (
        select from pg_catalog.pg_index i
        where i.indexrelid = to_regclass(format('retrieval.%I', index_name)) and i.indisvalid) then
        return;
    end if;
    select string_agg(format('%I = %s', o.key, o.value::integer), ', ' order by o.key) into options
    from jsonb_each_text(target.index_options) o;
    if to_regclass(format('retrieval.%I', index_name)) is not null then
        execute format('drop index retrieval.%I', index_name);  -- left invalid by an interruption
    end if;
    execute format('create index %I on retrieval.%I using %s ((embedding::halfvec(%s)) %s)%s',
                   index_name, 'embeddings_' || target.space_id, target.index_method, target.dimensions,
                   retrieval._operator_class(target.metric), ' with (' || options || ')');
end;
$$;

comment on function retrieval.build_index(text, text) is
'Builds the vector index of a space (without a name: the active one) unless it has a valid one. Writers of the space wait meanwhile, searches do not.';
