-- A query adapter: an affine map, learnt from judged queries, that semantic and hybrid search apply to query embeddings.
create or replace function retrieval.set_query_adapter(collection text, space text, matrix halfvec[], translation halfvec, details jsonb default '{}')
    returns void
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
begin
    if cardinality(matrix) is distinct from target.dimensions or vector_dims(translation) is distinct from target.dimensions
       or (select bool_or(r is null or vector_dims(r) <> target.dimensions) from unnest(matrix) r) then
        raise exception 'matrix must have % rows of % numbers and translation %, as space % has dimensions', target.dimensions, target.dimensions, target.dimensions, quote_ident(target.name)
            using errcode = 'invalid_parameter_value';
    end if;
    insert into retrieval.query_adapters (space_id, matrix, translation, details)
    values (target.space_id, matrix, translation, details)
    on conflict (space_id) do update
        set matrix = excluded.matrix, translation = excluded.translation, details = excluded.details, created_at = now();
end;
$$;

comment on function retrieval.set_query_adapter(text, text, halfvec[], halfvec, jsonb) is
'Has searches in a space map the query embedding, brought to length 1: each number of the new one is the inner product of a row of the matrix with it, plus that of the translation. details say where the map comes from. It replaces the one before.';

create or replace function retrieval.drop_query_adapter(collection text, space text)
    returns boolean
    language plpgsql
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
begin
    delete from retrieval.query_adapters a where a.space_id = target.space_id;
    return found;
end;
$$;

comment on function retrieval.drop_query_adapter(text, text) is
'Has searches in a space take the query embedding as it is again; returns whether there was an adapter.';

create or replace function retrieval._adapt_query(space retrieval.spaces, query_embedding halfvec)
    returns halfvec
    language plpgsql stable
    set search_path from current
as $$
declare
    adapter retrieval.query_adapters;
    given constant halfvec := l2_normalize(query_embedding);
    adapted halfvec;
begin
    select * into adapter from retrieval.query_adapters a where a.space_id = space.space_id;
    if not found then
        return query_embedding;
    end if;
    select array_agg(-(r.row <#> given) order by r.number)::real[]::halfvec + adapter.translation into adapted
    from unnest(adapter.matrix) with ordinality r(row, number);
    if space.metric = 'cosine' and l2_norm(adapted) = 0 then
        raise exception 'the query adapter of space % maps query_embedding to zeros, which have no cosine with anything', quote_ident(space.name)
            using errcode = 'invalid_parameter_value';
    end if;
    return l2_normalize(adapted);
end;
$$;

comment on function retrieval._adapt_query(retrieval.spaces, halfvec) is
'A query embedding as the space''s query adapter maps it, unchanged where the space has none.';
