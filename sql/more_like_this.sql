-- More like this: the most telling words of a document, as a keyword query. Telling is what stands in it often and in
-- few other chunks: tf · idf, the choice that Lucene's MoreLikeThis makes, and as there each word then counts alike but
-- for its idf. What no other document holds would find nothing and is left out.
create or replace function retrieval._telling_terms(
    collection_id bigint, document_id bigint, chunk_id bigint, terms integer, field_weights double precision[],
    bm25_constants double precision[])
    returns table (lexeme text, weight double precision, bound double precision, average_length double precision, maximum_frequency integer)
    language plpgsql stable
as $$
declare
    texts constant record := retrieval._text_statistics(collection_id);
begin
    return query execute format(
        'select o.lexeme, w.idf, retrieval._score_bound(w.idf, s.maximum_frequency, s.minimum_length_ratio, $5, $6, $7), $5, s.maximum_frequency
         from (select l.lexeme, count(*) as held,
                      sum(cardinality(l.positions)) filter (where $2 is null or c.chunk_id = $2) as frequency
               from retrieval.chunks c, unnest(c.lexemes) l
               where c.collection_id = %1$s and c.document_id = $1
               group by l.lexeme) o
         cross join lateral (
             select sum(l.document_frequency) as n, max(l.maximum_frequency) as maximum_frequency,
                    min(l.minimum_length_ratio)::double precision as minimum_length_ratio
             from retrieval.lexeme_statistics l
             where l.collection_id = %1$s and l.tenant = %2$L and l.lexeme = o.lexeme) s
         cross join lateral (select retrieval._inverse_document_frequency($4, s.n) as idf) w
         where o.frequency > 0 and s.n > o.held
         order by o.frequency * w.idf desc, o.lexeme collate "C"
         limit $3', collection_id, retrieval.current_tenant())
        using document_id, chunk_id, terms, texts.chunk_count, texts.average_length,
              greatest(field_weights[1], field_weights[2], field_weights[3]), bm25_constants;
end;
$$;

comment on function retrieval._telling_terms(bigint, bigint, bigint, integer, double precision[], double precision[]) is
'The lexemes that say most about a document, or about one chunk of it, most telling first, with what is known of each in the collection.';

-- The document that the examples name, one way or the other.
create or replace function retrieval._example_document(collection retrieval.collections, example_document text, example_chunk bigint)
    returns bigint
    language plpgsql stable
as $$
declare
    found_document bigint;
begin
    if num_nonnulls(example_document, example_chunk) <> 1 then
        raise exception 'either example_document or example_chunk must be given' using errcode = 'invalid_parameter_value';
    end if;
    execute format(
        'select d.document_id from retrieval.documents d where d.collection_id = %1$s and d.document_key = $1 and d.tenant = %2$L
         union all
         select c.document_id from retrieval.chunks c where c.collection_id = %1$s and c.chunk_id = $2 and c.tenant = %2$L',
        collection.collection_id, retrieval.current_tenant())
        into found_document using example_document, example_chunk;
    if found_document is null then
        raise exception '% does not exist in collection %', coalesce('document ' || example_document, 'chunk ' || example_chunk),
                        quote_ident(collection.name) using errcode = 'undefined_object';
    end if;
    return found_document;
end;
$$;

comment on function retrieval._example_document(retrieval.collections, text, bigint) is
'The document of that key or of that chunk; 42704 where there is none.';

create or replace function retrieval.more_like_this(
    collection text,
    example_document text default null,
    metadata_filter jsonb default null,
    max_results integer default 10,
    terms integer default 25,
    example_chunk bigint default null,
    field_weights jsonb default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, keyword_rank bigint, keyword_score double precision)
    language plpgsql stable rows 10
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    example constant bigint := retrieval._example_document(target, example_document, example_chunk);
    fields constant double precision[] :=
        retrieval._field_weights(coalesce(more_like_this.field_weights, target.settings -> 'field_weights'));
    bm25_constants constant double precision[] := retrieval._bm25_constants(target);
    filter_condition constant text := retrieval._filter_condition(target, metadata_filter);
    term record;
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_count('terms', terms, 64);
    select array_agg(t.word) as words, array_agg(t.weight) as weights, array_agg(t.bound) as bounds,
           max(t.average_length) as average_length, max(t.maximum_frequency) as maximum_frequency
    into term
    from (select retrieval._counted_word(k.lexeme, fields) as word, k.*
          from retrieval._telling_terms(target.collection_id, example, example_chunk, terms, fields, bm25_constants) k
          order by k.bound desc, k.lexeme) t;
    if term.words is null then
        return;
    end if;
    return query execute retrieval._hits_statement(
            target.collection_id, 'retrieval._best_chunks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) with ordinality h(chunk_id, score, rank)')
        using target.collection_id, term.words, term.weights, term.bounds, term.average_length, term.maximum_frequency,
              fields, bm25_constants, 'c.document_id <> ' || example, filter_condition, max_results;
end;
$$;

comment on function retrieval.more_like_this(text, text, jsonb, integer, integer, bigint, jsonb) is
'The chunks of other documents that are most like a document, or like one chunk, by its words: the best by BM25 for as many of its lexemes as terms says, chosen by tf · idf; best first, ties by chunk_id; no rows where no other document shares a word. field_weights: as in set_field_weights, for this call; k1 and b are those of the collection (see set_ranking).';
