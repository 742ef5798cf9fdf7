-- What a metric is to pgvector, and what a space's index is built on. Inner product and distances become scores by
-- their sign, cosine distance becomes the cosine: a score is better when higher.
create or replace function retrieval._distance_operator(metric text)
    returns text
    language sql immutable
    return case metric when 'cosine' then '<=>' when 'inner_product' then '<#>' when 'l2' then '<->' when 'l1' then '<+>' end;

create or replace function retrieval._semantic_score(metric text, distance double precision)
    returns double precision
    language sql immutable
    return case metric when 'cosine' then 1 - distance else -distance end;

create or replace function retrieval._embedding_table(kind text)
    returns text
    language sql immutable
    return case kind when 'dense' then 'embeddings' when 'sparse' then 'sparse_embeddings' when 'multivector' then 'token_embeddings' end;

create or replace function retrieval._embedding_partition(space retrieval.spaces)
    returns text
    language sql immutable
    return retrieval._embedding_table(space.kind) || '_' || space.space_id;

-- `value` is an embedding as SQL, a column or a parameter.
create or replace function retrieval._indexed_expression(space retrieval.spaces, value text)
    returns text
    language sql immutable
    return format(case when space.kind = 'sparse' then '%1$s::sparsevec(%2$s)'
                       when space.quantization = 'bit' then 'binary_quantize(%1$s)::bit(%2$s)'
                       else '%1$s::halfvec(%2$s)' end, value, space.dimensions);

create or replace function retrieval._operator_class(space retrieval.spaces)
    returns text
    language sql immutable
    return case when space.quantization = 'bit' then 'bit_hamming_ops'
                else case space.kind when 'sparse' then 'sparsevec_' else 'halfvec_' end
                     || case space.metric when 'inner_product' then 'ip' else space.metric end || '_ops' end;

comment on function retrieval._distance_operator(text) is 'The pgvector operator of a metric.';
comment on function retrieval._semantic_score(text, double precision) is
'The score of a distance: the cosine, the inner product, or the negative distance.';
comment on function retrieval._embedding_table(text) is 'The table that holds the embeddings of a kind of space.';
comment on function retrieval._embedding_partition(retrieval.spaces) is 'The partition that holds a space''s embeddings.';
comment on function retrieval._indexed_expression(retrieval.spaces, text) is
'What a space''s index is built on, for the embedding or parameter of that name.';
comment on function retrieval._operator_class(retrieval.spaces) is 'The pgvector operator class of a space''s index.';
