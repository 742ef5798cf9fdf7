-- How far the build of an index is.
create or replace function retrieval.index_progress(collection text, space text default null, kind text default 'dense')
    returns table (phase text, done bigint, total bigint)
    language plpgsql stable
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, kind);
begin
    return query
        select p.phase, greatest(p.tuples_done, p.blocks_done), greatest(p.tuples_total, p.blocks_total)
        from pg_catalog.pg_stat_progress_create_index p
        where p.relid = to_regclass(format('retrieval.%I', retrieval._embedding_partition(target)));
end;
$$;

comment on function retrieval.index_progress(text, text, text) is
'How far the build of a space''s index is, by pg_stat_progress_create_index: rows or blocks done and in all. No row while none is built.';
