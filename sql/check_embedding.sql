-- An embedding is only worth something beside others of the same model.

create or replace function retrieval._check_signature(space retrieval.spaces, signature jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    differing text;
begin
    if jsonb_typeof(signature) <> 'object' then
        raise exception 'signature must be an object such as {"model": "a"}, not %', signature using errcode = 'invalid_parameter_value';
    end if;
    select string_agg(format('%s is %s, the space has %s', k.key, coalesce(signature -> k.key, 'null'), coalesce(space.signature -> k.key, 'null')), '; ' order by k.key)
    into differing
    from (select jsonb_object_keys(signature) union select jsonb_object_keys(space.signature) where signature is not null) k(key)
    where signature -> k.key is distinct from space.signature -> k.key;
    if differing is not null then
        raise exception 'the embeddings of space % were made by another model: %', quote_ident(space.name), differing
            using errcode = 'invalid_parameter_value', constraint = 'space_signature';
    end if;
end;
$$;

comment on function retrieval._check_signature(retrieval.spaces, jsonb) is
'22023 with the constraint space_signature where a signature is given and is not the space''s.';

create or replace function retrieval._check_embedding(space retrieval.spaces, embedding halfvec, signature jsonb)
    returns void
    language plpgsql immutable
    set search_path from current
as $$
begin
    if embedding is null then
        raise exception 'query_embedding must not be null' using errcode = 'null_value_not_allowed';
    end if;
    -- first, because another model explains other dimensions
    perform retrieval._check_signature(space, signature);
    if vector_dims(embedding) <> space.dimensions then
        raise exception 'query_embedding has % dimensions, space % has %', vector_dims(embedding), quote_ident(space.name), space.dimensions
            using errcode = 'invalid_parameter_value';
    elsif space.metric = 'cosine' and l2_norm(embedding) = 0 then
        raise exception 'query_embedding is all zeros, which has no cosine with anything' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_embedding(retrieval.spaces, halfvec, jsonb) is
'22023 where an embedding cannot be compared with those of a space; the constraint space_signature where another model made it.';

create or replace function retrieval._check_sparse_embedding(space retrieval.spaces, embedding sparsevec, signature jsonb)
    returns void
    language plpgsql immutable
    set search_path from current
as $$
begin
    if embedding is null then
        raise exception 'query_sparse must not be null' using errcode = 'null_value_not_allowed';
    end if;
    perform retrieval._check_signature(space, signature);
    if split_part(embedding::text, '/', 2)::integer <> space.dimensions then
        raise exception 'query_sparse has % dimensions, space % has %', split_part(embedding::text, '/', 2), quote_ident(space.name), space.dimensions
            using errcode = 'invalid_parameter_value';
    elsif space.metric = 'cosine' and l2_norm(embedding) = 0 then
        raise exception 'query_sparse is all zeros, which has no cosine with anything' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_sparse_embedding(retrieval.spaces, sparsevec, jsonb) is
'22023 where a sparse embedding cannot be compared with those of a space; the constraint space_signature where another model made it.';

-- What the checks of the partition refuse as well, in words and by number.
create or replace function retrieval._raise_unfit_embedding(space retrieval.spaces, number bigint, dimensions integer)
    returns void
    language plpgsql immutable
as $$
begin
    if dimensions is null then
        raise exception 'embedding % is null', number using errcode = 'null_value_not_allowed';
    elsif dimensions <> space.dimensions then
        raise exception 'embedding % has % dimensions, space % has %', number, dimensions, quote_ident(space.name), space.dimensions
            using errcode = 'invalid_parameter_value';
    end if;
    raise exception 'embedding % is all zeros, which has no cosine with anything', number using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._raise_unfit_embedding(retrieval.spaces, bigint, integer) is 'Says what keeps an embedding out of a space.';

create or replace function retrieval._check_embeddings(space retrieval.spaces, embeddings halfvec[])
    returns void
    language plpgsql immutable
    set search_path from current
as $$
begin
    perform retrieval._raise_unfit_embedding(space, e.number, vector_dims(e.embedding))
    from unnest(embeddings) with ordinality e(embedding, number)
    where e.embedding is null or vector_dims(e.embedding) <> space.dimensions or space.metric = 'cosine' and l2_norm(e.embedding) = 0
    order by e.number limit 1;
end;
$$;

comment on function retrieval._check_embeddings(retrieval.spaces, halfvec[]) is
'22023 for the first embedding that a space cannot hold, 22004 where that is null.';

create or replace function retrieval._check_sparse_embeddings(space retrieval.spaces, embeddings sparsevec[])
    returns void
    language plpgsql immutable
    set search_path from current
as $$
begin
    perform retrieval._raise_unfit_embedding(space, e.number, e.dimensions)
    from (select u.number, split_part(u.embedding::text, '/', 2)::integer as dimensions, l2_norm(u.embedding) as norm
          from unnest(embeddings) with ordinality u(embedding, number)) e
    where e.dimensions is null or e.dimensions <> space.dimensions or space.metric = 'cosine' and e.norm = 0
    order by e.number limit 1;
end;
$$;

comment on function retrieval._check_sparse_embeddings(retrieval.spaces, sparsevec[]) is
'22023 for the first embedding that a space cannot hold, 22004 where that is null.';

create or replace function retrieval._check_token_counts(token_counts integer[], embeddings bigint)
    returns void
    language plpgsql immutable
as $$
begin
    if (select coalesce(bool_or(t is null or t < 1), false) or coalesce(sum(t), 0) <> coalesce(embeddings, 0) from unnest(token_counts) t) then
        raise exception 'token_counts must be numbers from 1 that add up to the % embeddings', coalesce(embeddings, 0)
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_token_counts(integer[], bigint) is
'22023 where token embeddings given one after the other cannot be told apart by these numbers.';
