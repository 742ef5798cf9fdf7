-- What there is to search.
create or replace function retrieval.list_collections(collection text default null)
    returns table (
        name text, text_config text, documents bigint, chunks bigint, space text, model text, dimensions integer, chunking jsonb,
        ranking jsonb, field_weights jsonb)
    language plpgsql stable
as $$
declare
    listed retrieval.collections;
begin
    for listed in select * from retrieval.collections n where collection is null or n.name = collection order by n.name loop
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
        ranking := listed.settings -> 'ranking';
        field_weights := listed.settings -> 'field_weights';
        return next;
    end loop;
end;
$$;

comment on function retrieval.list_collections(text) is
'Every collection by name, or that one: how many documents and chunks of the current tenant it has, its active dense space (the one of texts before that of images) with the model, null where there is none, and what set_chunking, set_ranking and set_field_weights have set.';
