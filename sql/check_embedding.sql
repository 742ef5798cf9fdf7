-- An embedding is only worth something beside others of the same model.

create or replace function retrieval._check_signature(space retrieval.spaces, signature jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    differing text;
begin
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
