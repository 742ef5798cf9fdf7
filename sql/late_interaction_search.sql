-- Late-interaction search: the best chunks by the tokens of a multivector space (ColBERT and its kin), exactly.
--
-- No index serves it: every chunk that passes the filter is scored, in parallel where the server may. That is for some
-- thousand chunks; among more, hybrid_search has the tokens order what other legs have found.

-- The best of the chunks in $2 or, where that is null, of all that fulfil a condition on c; $1 is the query.
create or replace function retrieval._token_statement(space retrieval.spaces, filter_condition text, among boolean, candidates integer)
    returns text
    language sql immutable
    return format(
        'select t.chunk_id, retrieval.max_sim($1, t.embeddings, %1$L) as score
         from retrieval.token_embeddings t%3$s
         where t.space_id = %2$s%4$s
         order by score desc, t.chunk_id
         limit %5$s',
        space.metric, space.space_id,
        format(' join retrieval.chunks c on c.collection_id = %s and c.chunk_id = t.chunk_id', space.collection_id) || ' and ' || filter_condition,
        case when among then ' and t.chunk_id = any ($2)' else '' end, candidates);

comment on function retrieval._token_statement(retrieval.spaces, text, boolean, integer) is
'The SQL that finds the best chunks by their tokens; $1 is the query, $2 are the chunks to score where not all are meant.';

create or replace function retrieval._check_query_tokens(space retrieval.spaces, query_tokens halfvec[], signature jsonb)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_signature(space, signature);
    if coalesce(cardinality(query_tokens), 0) = 0 then
        raise exception 'query_tokens must hold a vector' using errcode = 'invalid_parameter_value';
    elsif not coalesce(retrieval._are_token_embeddings(query_tokens, space.dimensions, space.metric), false) then
        raise exception 'query_tokens must be vectors of % dimensions, as space % has%', space.dimensions, quote_ident(space.name),
                        case space.metric when 'cosine' then ', and not all zeros' else '' end using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_query_tokens(retrieval.spaces, halfvec[], jsonb) is
'22023 where the tokens of a query cannot be compared with those of a space; the constraint space_signature where another model made them.';

create or replace function retrieval.late_interaction_search(
    collection text,
    query_tokens halfvec[],
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    signature jsonb default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, late_interaction_rank bigint, late_interaction_score double precision)
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space, 'multivector');
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_query_tokens(target, query_tokens, signature);
    return query execute retrieval._hits_statement(owner.collection_id, format(
            '(select s.*, row_number() over (order by s.score desc, s.chunk_id) as rank from (%s) s) h',
            retrieval._token_statement(target, retrieval._filter_condition(owner, metadata_filter), false, max_results)))
        using query_tokens;
end;
$$;

comment on function retrieval.late_interaction_search(text, halfvec[], jsonb, integer, text, jsonb) is
'The best chunks of a multivector space (without a name: the active one) by late interaction, best first, ties by chunk_id. query_tokens: the vectors of the query''s tokens. score is max_sim under the space''s metric: between minus and plus the number of tokens where that is cosine. Exact; the time grows with the chunks that pass the filter. Where a signature is given it must equal the space''s.';
