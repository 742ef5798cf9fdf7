-- The shorter embedding that a Matryoshka model offers.
create or replace function retrieval.truncate_embedding(embedding halfvec, dimensions integer)
    returns halfvec
    language plpgsql immutable strict parallel safe
    set search_path from current
as $$
begin
    perform retrieval._check_count('dimensions', dimensions, vector_dims(embedding));
    return l2_normalize(subvector(embedding, 1, dimensions)::halfvec);
end;
$$;

comment on function retrieval.truncate_embedding(halfvec, integer) is
'The first dimensions of an embedding, brought back to length 1: what a Matryoshka model (Kusupati et al., 2022) offers as its shorter embedding. It fits a space of that many dimensions of the same model.';
