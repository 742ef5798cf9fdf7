-- What there is to search.
create or replace function retrieval.list_collections()
    returns table (
        name text, text_config text, documents bigint, chunks bigint, space text, model text, dimensions integer, chunking jsonb)
    language plpgsql stable
as $$
declare
    listed retrieval.collections;
begin
    for listed in select * from retrieval.collections n order by n.name loop
        name := listed.name;
        text_config := listed.text_config;
        execute format('select count(*) from retrieval.documents d where d.collection_id = %s and d.tenant = %L',
                       listed.collection_id, retrieval.current_tenant()) into documents;
        chunks := retrieval._chunk_count(listed.collection_id);
        select s.name, s.model, s.dimensions into space, model, dimensions
        from retrieval.spaces s
        where s.collection_id = listed.collection_id and s.state = 'active' and s.kind = 'dense'
        order by s.modality <> 'text' limit 1;
        chunking := listed.settings -> 'chunking';
        return next;
    end loop;
end;
$$;

comment on function retrieval.list_collections() is
'Every collection by name: how many documents and chunks of the current tenant it has, its active dense space (the one of texts before that of images) with the model, null where there is none, and what set_chunking has set.';
