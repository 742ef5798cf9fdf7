-- Creates a space: the embeddings of one model for one collection. It is `building` until activate_space.
create or replace function retrieval.create_space(
    collection text,
    space text,
    model text,
    dimensions integer,
    kind text default 'dense',
    metric text default null,
    index_method text default null,
    quantization text default 'half',
    revision text default null,
    signature jsonb default '{}',
    index_options jsonb default '{}',
    search_options jsonb default '{}',
    alignment jsonb default null,
    modality text default 'text')
    returns bigint
    language plpgsql
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    created retrieval.spaces;
    partition text;
begin
    perform retrieval._check_name('space', space);
    perform retrieval._check_choice('kind', kind, array['dense', 'sparse', 'multivector']);
    perform retrieval._check_choice('modality', modality, array['text', 'image']);
    created.kind := kind;
    created.dimensions := dimensions;
    created.metric := coalesce(metric, case kind when 'sparse' then 'inner_product' else 'cosine' end);
    created.index_method := coalesce(index_method, case kind when 'multivector' then 'none' else 'hnsw' end);
    created.quantization := quantization;
    created.index_options := index_options;
    created.search_options := search_options;
    perform retrieval._check_space(created);

    insert into retrieval.spaces (collection_id, name, kind, modality, model, revision, signature, dimensions, metric,
                                  index_method, index_options, quantization, search_options, alignment)
    values (owner.collection_id, space, kind, modality, model, revision, signature, dimensions, created.metric,
            created.index_method, index_options, quantization, search_options, alignment)
    returning * into created;

    partition := retrieval._embedding_partition(created);
    perform retrieval._attach_partition(retrieval._embedding_table(kind), created.space_id, 'space_id');
    execute format(
        'alter table retrieval.%1$I %2$s,
             add constraint collection_check check (collection_id = %3$s),
             add constraint chunk_fkey foreign key (chunk_id, collection_id)
                 references retrieval.%4$I (chunk_id, collection_id) on delete cascade',
        partition, retrieval._embedding_checks(created), owner.collection_id, 'chunks_' || owner.collection_id);
    -- the key that was just added waited for whoever wrote chunks without knowing of this space
    execute format('select retrieval._enqueue_chunks(%s, array(select c.chunk_id from retrieval.chunks c where c.collection_id = %s order by 1))',
                   created.space_id, owner.collection_id);
    return created.space_id;
exception when unique_violation then
    raise exception 'space % already exists in collection %', quote_ident(space), quote_ident(collection)
        using errcode = 'duplicate_object';
end;
$$;

comment on function retrieval.create_space(text, text, text, integer, text, text, text, text, text, jsonb, jsonb, jsonb, jsonb, text) is
'Creates a space for a model''s embeddings in a collection and returns its id. kind: dense (retrieval.embeddings), sparse (sparse_embeddings) or multivector (token_embeddings); metric: cosine, inner_product, l2 or l1, without one cosine, for a sparse space inner_product; index_method: hnsw, ivfflat or none (exact), without one hnsw, for a multivector space none; quantization: half, or bit for an index of signs whose candidates are scored by the stored embeddings; index_options: m (16) and ef_construction (128), or lists; search_options: see set_search_options; modality: what the model embeds, text (every chunk that has some) or image (the chunks of images). Its chunks are enqueued for a worker; or insert embeddings. Then build_index and activate_space. 42710 where the name is taken.';

-- Which of the choices go together is what pgvector can index.
create or replace function retrieval._check_space(space retrieval.spaces)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_choice('metric', space.metric, case space.kind when 'multivector' then array['cosine', 'inner_product']
                                                            else array['cosine', 'inner_product', 'l2', 'l1'] end);
    perform retrieval._check_choice('index_method', space.index_method,
        case space.kind when 'dense' then array['hnsw', 'ivfflat', 'none'] when 'sparse' then array['hnsw', 'none'] else array['none'] end);
    perform retrieval._check_choice('quantization', space.quantization,
        case space.kind when 'dense' then array['half', 'bit'] else array['half'] end);
    perform retrieval._check_count('dimensions', space.dimensions, case space.kind when 'sparse' then 1000000000 else 4000 end);
    if space.index_method = 'ivfflat' and space.metric = 'l1' and space.quantization = 'half' then
        raise exception 'index_method ivfflat has no metric l1; take hnsw' using errcode = 'invalid_parameter_value';
    elsif space.quantization = 'bit' and space.metric not in ('cosine', 'inner_product') then
        raise exception 'quantization bit keeps the signs alone, which says nothing of metric %; take cosine or inner_product', space.metric
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_index_options(space.index_method, space.index_options);
    perform retrieval._check_search_options(space);
end;
$$;

comment on function retrieval._check_space(retrieval.spaces) is '22023 where the choices made for a space are not possible.';

create or replace function retrieval._count_nonzeros(embedding sparsevec)
    returns integer
    language sql immutable strict parallel safe
    return length(embedding::text) - length(replace(embedding::text, ':', ''));

comment on function retrieval._count_nonzeros(sparsevec) is 'The number of elements of a sparse vector that are not zero.';

create or replace function retrieval._are_token_embeddings(embeddings halfvec[], dimensions integer, metric text)
    returns boolean
    language sql immutable strict parallel safe
    set search_path from current
    return cardinality(embeddings) > 0 and array_ndims(embeddings) = 1
       and (select bool_and(coalesce(vector_dims(t) = dimensions and (metric <> 'cosine' or l2_norm(t) > 0), false)) from unnest(embeddings) t);

comment on function retrieval._are_token_embeddings(halfvec[], integer, text) is
'Whether these are vectors of so many dimensions, one or more, that the metric can take.';

-- What a space's partition accepts, as clauses of alter table.
create or replace function retrieval._embedding_checks(space retrieval.spaces)
    returns text
    language sql immutable
    return case space.kind
        when 'dense' then format(
            'alter column embedding set storage plain, add constraint dimensions_check check (vector_dims(embedding) = %s)', space.dimensions)
        when 'sparse' then format(
            'add constraint dimensions_check check (embedding::sparsevec(%s) is not null)', space.dimensions)
            -- pgvector''s limit, met when the row comes rather than when the index is built
            || case space.index_method when 'hnsw' then ', add constraint nonzeros_check check (retrieval._count_nonzeros(embedding) <= 1000)' else '' end
        else format(
            'alter column embeddings set storage external, add constraint embeddings_check check (retrieval._are_token_embeddings(embeddings, %s, %L))',
            space.dimensions, space.metric) end
        -- a vector of zeros has no direction; pgvector would leave it out of the index without a word
        || case when space.metric = 'cosine' and space.kind <> 'multivector'
                then ', add constraint not_zero_check check (l2_norm(embedding) > 0)' else '' end;

comment on function retrieval._embedding_checks(retrieval.spaces) is
'What the partition of a space accepts, as clauses of alter table. 4,000 dimensions fit into a page, so a dense embedding stays in its row.';
