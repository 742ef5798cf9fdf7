-- Keyword search: the words of a query as a bag, by BM25 (best_chunks.sql); its phrases and exclusions as conditions.

-- The query's conditions as SQL on a chunk c; null where it has none. Each chunk answers to its own configuration.
create or replace function retrieval._chunk_condition(collection_id bigint, query_text text, keyword_operator text)
    returns text
    language plpgsql stable
as $$
begin
    if keyword_operator = 'or' and query_text !~ '["-]' then
        return null;
    end if;
    return (
        select case count(*) filter (where numnode(q.condition) > 0) when 0 then null
               else string_agg(format('c.text_config = %L', q.text_config)
                               || case when numnode(q.condition) > 0 then format(' and c.lexemes @@ %L', q.condition) else '' end,
                               ' or ') end
        from (select t.text_config, retrieval._query_condition(t.text_config, query_text, keyword_operator) as condition
              from unnest((retrieval._text_statistics(collection_id)).text_configs) t(text_config)) q);
end;
$$;

comment on function retrieval._chunk_condition(bigint, text, text) is
'What a chunk must fulfil besides holding a word of the query, as SQL; null where that is nothing.';

-- The words of a query that occur in the collection: how often the query names each, in how many chunks it stands, its
-- weight in the score, and the most that it can add to one.
create or replace function retrieval._keyword_terms(
    collection_id bigint, query_text text, field_weights double precision[], bm25_constants double precision[])
    returns table (lexeme text, query_frequency integer, document_frequency bigint, weight double precision, bound double precision,
                   average_length double precision, maximum_frequency integer)
    language plpgsql stable
as $$
declare
    texts constant record := retrieval._text_statistics(collection_id);
begin
    return query execute format(
        'select q.lexeme, q.frequency, s.n, w.weight,
                retrieval._score_bound(w.weight, s.maximum_frequency, s.minimum_length_ratio, $4, $5, $6), $4, s.maximum_frequency
         from retrieval._query_terms(%1$s, $1, $2) q
         cross join lateral (
             select sum(l.document_frequency)::bigint as n, max(l.maximum_frequency) as maximum_frequency,
                    min(l.minimum_length_ratio)::double precision as minimum_length_ratio
             from retrieval.lexeme_statistics l
             where l.collection_id = %1$s and l.tenant = %2$L and l.lexeme = q.lexeme) s
         cross join lateral (select q.frequency * retrieval._inverse_document_frequency($3, s.n) as weight) w
         where s.n > 0
         -- where there are more words than anyone means, those that can add most
         order by 5 desc, 1 limit 64', collection_id, retrieval.current_tenant())
        using texts.text_configs, query_text, texts.chunk_count, texts.average_length,
              greatest(field_weights[1], field_weights[2], field_weights[3]), bm25_constants;
end;
$$;

comment on function retrieval._keyword_terms(bigint, text, double precision[], double precision[]) is
'The words that a query ranks by, 64 at most, with what is known of each in the collection; in descending order of bound.';

create or replace function retrieval._keyword_candidates(
    collection retrieval.collections, query_text text, filter_condition text, candidates integer, keyword_operator text,
    field_weights jsonb, k1 double precision, b double precision)
    returns table (chunk_id bigint, score double precision)
    language plpgsql stable rows 100
    set client_min_messages = warning
as $$
declare
    fields constant double precision[] := retrieval._field_weights(coalesce(field_weights, collection.settings -> 'field_weights'));
    bm25_constants constant double precision[] := retrieval._bm25_constants(collection, k1, b);
    term record;
begin
    perform retrieval._check_bm25_constants(k1, b);
    select array_agg(retrieval._counted_word(k.lexeme, fields)) as words, array_agg(k.weight) as weights, array_agg(k.bound) as bounds,
           max(k.average_length) as average_length, max(k.maximum_frequency) as maximum_frequency
    into term
    from retrieval._keyword_terms(collection.collection_id, query_text, fields, bm25_constants) k;
    if term.words is null then
        return;
    end if;
    return query select * from retrieval._best_chunks(
        collection.collection_id, term.words, term.weights, term.bounds, term.average_length, term.maximum_frequency,
        fields, bm25_constants, retrieval._chunk_condition(collection.collection_id, query_text, keyword_operator), filter_condition, candidates);
end;
$$;

comment on function retrieval._keyword_candidates(retrieval.collections, text, text, integer, text, jsonb, double precision, double precision) is
'The best chunks by BM25, best first, ties by chunk_id.';

create or replace function retrieval.keyword_search(
    collection text,
    query_text text,
    metadata_filter jsonb default null,
    max_results integer default 10,
    keyword_operator text default 'or',
    field_weights jsonb default null,
    k1 double precision default null,
    b double precision default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, keyword_rank bigint, keyword_score double precision)
    language plpgsql stable rows 10
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_choice('keyword_operator', keyword_operator, array['or', 'and']);
    return query execute retrieval._hits_statement(
            target.collection_id, 'retrieval._keyword_candidates($1, $2, $3, $4, $5, $6, $7, $8) with ordinality h(chunk_id, score, rank)')
        using target, query_text, retrieval._filter_condition(target, metadata_filter), max_results, keyword_operator, field_weights, k1, b;
end;
$$;

comment on function retrieval.keyword_search(text, text, jsonb, integer, text, jsonb, double precision, double precision) is
'The best chunks by BM25, best first, ties by chunk_id; no rows where no word of the query occurs. query_text: words, "a phrase", -not, or, prefix*. keyword_operator ''and'' demands every word. field_weights: as in set_field_weights, for this call. k1, from 0 to 100, and b, from 0 to 1: the constants of BM25; without them those of the collection (see set_ranking), else 1.2 and 0.75. score is the BM25 score; its scale depends on query and collection.';
