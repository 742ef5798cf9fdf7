-- The metric's operator class, operator and score. Inner product and distances become scores by their sign, cosine
-- distance becomes the cosine: a score is better when higher.
create or replace function retrieval._operator_class(metric text)
    returns text
    language sql immutable
    return case metric when 'cosine' then 'halfvec_cosine_ops' when 'inner_product' then 'halfvec_ip_ops'
                       when 'l2' then 'halfvec_l2_ops' when 'l1' then 'halfvec_l1_ops' end;

create or replace function retrieval._distance_operator(metric text)
    returns text
    language sql immutable
    return case metric when 'cosine' then '<=>' when 'inner_product' then '<#>' when 'l2' then '<->' when 'l1' then '<+>' end;

create or replace function retrieval._semantic_score(metric text, distance double precision)
    returns double precision
    language sql immutable
    return case metric when 'cosine' then 1 - distance else -distance end;

comment on function retrieval._operator_class(text) is 'The pgvector operator class of a metric.';
comment on function retrieval._distance_operator(text) is 'The pgvector operator of a metric.';
comment on function retrieval._semantic_score(text, double precision) is
'The score of a distance: the cosine, the inner product, or the negative distance.';
