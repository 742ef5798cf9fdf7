-- What fits into an index of sparse vectors, which holds 1,000 elements that are not zero.
create or replace function retrieval.keep_largest(embedding sparsevec, count integer)
    returns sparsevec
    language sql immutable strict parallel safe
    set search_path from current
    return (select ('{' || coalesce(string_agg(k.element, ',' order by k.index), '') || '}/' || split_part(embedding::text, '/', 2))::sparsevec
            from (select element, split_part(element, ':', 1)::integer as index
                  from unnest(string_to_array(substring(embedding::text from '{(.*)}'), ',')) element
                  order by abs(split_part(element, ':', 2)::real) desc, index
                  limit count) k);

comment on function retrieval.keep_largest(sparsevec, integer) is
'A sparse vector with no more than its largest elements by absolute value, the others zero.';
