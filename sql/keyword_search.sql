-- Keyword search: exact BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) as Lucene
-- writes it, over the chunks that hold any word of the query:
--
--     score = Σ frequency(word in query) · idf · tf / (tf + k1 · (1 − b + b · length / average length))
--     idf   = ln(1 + (N − n + ½) / (n + ½)),  k1 = 1.2,  b = 0.75
--
-- N, n and the average length are those of the collection at this moment.

-- ts_rank of one word is 6/π² · Σ 1/j² for j = 1 … tf: strictly increasing in tf, so the midpoints between its
-- values, found by width_bucket, give the exact tf at C speed. A tsvector keeps at most 255 positions per lexeme,
-- which is where tf is capped, on both sides of every comparison.
create or replace function retrieval._frequency_thresholds()
    returns double precision[]
    language sql immutable parallel safe
    return (select array_agg(t.midpoint order by t.frequency)
            from (select j as frequency,
                         6 / pi() ^ 2 * (sum(1.0::double precision / (j * j)) over (order by j) - 0.5 / (j * j)) as midpoint
                  from generate_series(1, 256) j) t);

comment on function retrieval._frequency_thresholds() is
'Between the values of ts_rank for 0, 1, 2 … 256 occurrences of a word; width_bucket over it gives the number of occurrences.';

-- The one statement that ranks: $1 is _frequency_thresholds(), $2 how many. With tf / (tf + K) = 1 − K / (tf + K) each
-- word's frequency is looked up once.
create or replace function retrieval._keyword_statement(
    collection_id bigint, lexemes text[], weights double precision[], average_length double precision,
    condition text, metadata_path jsonpath)
    returns text
    language plpgsql stable
as $$
declare
    any_word text;
    losses text;
begin
    select string_agg(retrieval._lexeme_query(t.lexeme)::text, ' | '),
           string_agg(format('%s / (width_bucket(ts_rank(''{1,1,1,1}'', c.lexemes, %L)::double precision, $1) + n.norm)',
                             t.weight, retrieval._lexeme_query(t.lexeme)), ' + ')
    into any_word, losses
    from unnest(lexemes, weights) t(lexeme, weight);
    return format(
        'select c.chunk_id, %s - n.norm * (%s) as score
         from retrieval.chunks c
         cross join lateral (select 1.2::double precision * (0.25 + 0.75 * c.length / %s) as norm) n
         where c.collection_id = %s and c.lexemes @@ %L%s%s
         order by score desc, c.chunk_id
         limit $2',
        (select sum(w) from unnest(weights) w), losses, average_length, collection_id, any_word,
        ' and (' || condition || ')',
        ' and c.metadata @@ ' || quote_literal(metadata_path));
end;
$$;

comment on function retrieval._keyword_statement(bigint, text[], double precision[], double precision, text, jsonpath) is
'The SQL that ranks chunks by BM25. Every value in it is quoted; $1 are the frequency thresholds, $2 the number of chunks wanted.';

-- The query's conditions as SQL on a chunk c; null where it has none. Each chunk answers to its own configuration.
create or replace function retrieval._chunk_condition(text_configs text[], query_text text, keyword_operator text)
    returns text
    language sql stable
    return (select case count(*) filter (where numnode(q.condition) > 0) when 0 then null
                   else string_agg(format('c.text_config = %L', q.text_config)
                                   || case when numnode(q.condition) > 0 then format(' and c.lexemes @@ %L', q.condition) else '' end,
                                   ' or ') end
            from (select t.text_config, retrieval._query_condition(t.text_config, query_text, keyword_operator) as condition
                  from unnest(text_configs) t(text_config)) q);

comment on function retrieval._chunk_condition(text[], text, text) is
'What a chunk must fulfil besides holding a word of the query, as SQL; null where that is nothing.';

create or replace function retrieval._keyword_candidates(
    collection_id bigint, query_text text, metadata_path jsonpath, candidates integer, keyword_operator text)
    returns table (chunk_id bigint, score double precision)
    language plpgsql stable rows 100
    set client_min_messages = warning
as $$
declare
    text_configs constant text[] := retrieval._text_configs(collection_id);
    chunk_count double precision;
    average_length double precision;
    found_lexemes text[];
    weights double precision[];
    condition text;
begin
    execute format('select sum(chunk_count), sum(total_length) / nullif(sum(chunk_count), 0)
                    from retrieval.chunk_statistics where collection_id = %s', collection_id)
        into chunk_count, average_length;
    -- where there are more words than anyone means, those that can matter most
    execute format(
        'select array_agg(w.lexeme order by w.weight desc, w.lexeme), array_agg(w.weight order by w.weight desc, w.lexeme)
         from (select t.lexeme, t.frequency * ln(1 + ($4 - s.n + 0.5) / (s.n + 0.5)) as weight
               from retrieval._query_terms(%1$s, $1, $2) t
               cross join lateral (select sum(document_frequency)::double precision as n
                                   from retrieval.lexeme_statistics l
                                   where l.collection_id = %1$s and l.lexeme = t.lexeme) s
               where s.n > 0
               order by weight desc, t.lexeme limit $3) w', collection_id)
        into found_lexemes, weights
        using text_configs, query_text, 64, chunk_count;
    if found_lexemes is null then
        return;
    end if;
    condition := retrieval._chunk_condition(text_configs, query_text, keyword_operator);
    return query execute retrieval._keyword_statement(
        collection_id, found_lexemes, weights, greatest(average_length, 1), condition, metadata_path)
        using retrieval._frequency_thresholds(), candidates;
end;
$$;

comment on function retrieval._keyword_candidates(bigint, text, jsonpath, integer, text) is
'The best chunks by BM25, best first, ties by chunk_id.';

create or replace function retrieval.keyword_search(
    collection text,
    query_text text,
    metadata_filter jsonb default null,
    max_results integer default 10,
    keyword_operator text default 'or')
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, keyword_rank bigint, keyword_score double precision)
    language plpgsql stable rows 10
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_choice('keyword_operator', keyword_operator, array['or', 'and']);
    return query execute format(
        'select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata, h.score, h.rank, h.score
         from retrieval._keyword_candidates(%1$s, $1, $2, $3, $4) with ordinality h(chunk_id, score, rank)
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
         order by h.rank', target)
        using query_text, retrieval.compile_filter(metadata_filter), max_results, keyword_operator;
end;
$$;

comment on function retrieval.keyword_search(text, text, jsonb, integer, text) is
'The best chunks by BM25, best first, ties by chunk_id; no rows where no word of the query occurs. query_text: words, "a phrase", -not, or, prefix*. keyword_operator ''and'' demands every word. score is the BM25 score; its scale depends on query and collection.';
