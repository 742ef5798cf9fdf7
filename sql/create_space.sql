-- Creates a space: the embeddings of one model for one collection. It is `building` until activate_space.
create or replace function retrieval.create_space(
    collection text,
    space text,
    model text,
    dimensions integer,
    kind text default 'dense',
    metric text default 'cosine',
    index_method text default 'hnsw',
    quantization text default 'half',
    revision text default null,
    signature jsonb default '{}',
    index_options jsonb default '{}')
    returns bigint
    language plpgsql
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    created bigint;
begin
    perform retrieval._check_name('space', space);
    perform retrieval._check_choice('kind', kind, array['dense']);
    perform retrieval._check_choice('metric', metric, array['cosine', 'inner_product', 'l2', 'l1']);
    perform retrieval._check_choice('index_method', index_method, array['hnsw', 'none']);
    perform retrieval._check_choice('quantization', quantization, array['half']);
    perform retrieval._check_count('dimensions', dimensions, 4000);
    perform retrieval._check_index_options(index_options);

    insert into retrieval.spaces (collection_id, name, kind, model, revision, signature, dimensions, metric,
                                  index_method, index_options, quantization)
    values (owner.collection_id, space, kind, model, revision, signature, dimensions, metric,
            index_method, index_options, quantization)
    returning space_id into created;

    perform retrieval._attach_partition('embeddings', created, 'space_id');
    execute format(
        'alter table retrieval.%1$I
             alter column embedding set storage plain,  -- 4,000 dimensions fit into a page
             add constraint dimensions_check check (vector_dims(embedding) = %2$s),
             add constraint collection_check check (collection_id = %3$s),
             add constraint chunk_fkey foreign key (chunk_id, collection_id)
                 references retrieval.%4$I (chunk_id, collection_id) on delete cascade%5$s',
        'embeddings_' || created, dimensions, owner.collection_id, 'chunks_' || owner.collection_id,
        -- a vector of zeros has no direction; pgvector would leave it out of the index without a word
        case when metric = 'cosine' then ', add constraint not_zero_check check (l2_norm(embedding) > 0)' else '' end);
    return created;
exception when unique_violation then
    raise exception 'space % already exists in collection %', quote_ident(space), quote_ident(collection)
        using errcode = 'duplicate_object';
end;
$$;

comment on function retrieval.create_space(text, text, text, integer, text, text, text, text, text, jsonb, jsonb) is
'Creates a space for a model''s embeddings in a collection and returns its id. metric: cosine, inner_product, l2 or l1; index_method: hnsw or none (exact); index_options: m and ef_construction. Insert into retrieval.embeddings, then build_index and activate_space. 42710 where the name is taken.';
