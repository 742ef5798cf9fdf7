-- Keyword search: exact BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) as Lucene
-- writes it, over the chunks that hold any word of the query:
--
--     score = Σ frequency(word in query) · idf · tf / (tf + k1 · (1 − b + b · length / average length))
--     idf   = ln(1 + (N − n + ½) / (n + ½)),  k1 = 1.2,  b = 0.75
--
-- N, n and the average length are those of the collection at this moment.

-- ts_rank of one word is 6/π² · Σ 1/j² for j = 1 … tf: strictly increasing in tf, so the midpoints between its
-- values, found by width_bucket, give the exact tf at C speed. A tsvector keeps 255 positions per lexeme and
-- field, 256 in all, which is where tf is capped, in scores, lengths and statistics alike.
create or replace function retrieval._frequency_thresholds(maximum_frequency integer)
    returns double precision[]
    language sql immutable parallel safe
    return (select array_agg(t.midpoint order by t.frequency)
            from (select j as frequency,
                         6 / pi() ^ 2 * (sum(1.0::double precision / (j * j)) over (order by j) - 0.5 / (j * j)) as midpoint
                  from generate_series(1, maximum_frequency) j) t);

comment on function retrieval._frequency_thresholds(integer) is
'Between the values of ts_rank for 0, 1, 2 … occurrences of a word; width_bucket over it gives the number of occurrences.';

-- The one statement that ranks: $1 is _frequency_thresholds(…), $2 how many. With tf / (tf + K) = 1 − K / (tf + K) each
-- word's frequency is looked up once. Scores are rounded, so that the order in which they were added up breaks no tie.
create or replace function retrieval._keyword_statement(
    collection_id bigint, candidates text, words text[], weights double precision[], average_length double precision,
    field_weights double precision[], condition text, filter_condition text)
    returns text
    language plpgsql immutable
as $$
declare
    losses text;
begin
    select string_agg(format('%s / (%s + n.norm)', t.weight, retrieval._frequency_expression(t.word, field_weights)), ' + ')
    into losses
    from unnest(words, weights) t(word, weight);
    return format(
        'select c.chunk_id, round((%s - n.norm * (%s)) * 1e11) / 1e11 as score
         from retrieval.chunks c
         cross join lateral (select %s::double precision + %s::double precision * c.length as norm) n
         where c.collection_id = %s and c.lexemes @@ %L%s%s
         order by score desc, c.chunk_id
         limit $2',
        (select sum(w) from unnest(weights) w), losses, 1.2 * 0.25, 1.2 * 0.75 / average_length, collection_id, candidates,
        ' and (' || condition || ')',
        ' and (' || filter_condition || ')');
end;
$$;

comment on function retrieval._keyword_statement(bigint, text, text[], double precision[], double precision, double precision[], text, text) is
'The SQL that ranks the chunks matching a tsquery by BM25. Every value in it is quoted; $1 are the frequency thresholds, $2 the number of chunks wanted.';

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

-- The words of a query that occur in the collection: how often the query names each, in how many chunks it stands, its
-- weight in the score, and the most that it can add to one.
create or replace function retrieval._keyword_terms(
    collection_id bigint, text_configs text[], query_text text, field_weights double precision[])
    returns table (lexeme text, query_frequency integer, document_frequency bigint, weight double precision, bound double precision,
                   average_length double precision, maximum_frequency integer)
    language plpgsql stable
as $$
begin
    return query execute format(
        'select q.lexeme, q.frequency, s.n, w.weight,
                -- the ratio is stored in single precision, which may have rounded it up
                w.weight / (1 + 0.999999 * 1.2 * (0.25 / s.maximum_frequency + 0.75 * s.minimum_length_ratio / t.average_length) / $3),
                t.average_length, s.maximum_frequency
         from (select sum(c.chunk_count)::double precision as chunk_count,
                      (sum(c.total_length) / nullif(sum(c.chunk_count), 0))::double precision as average_length
               from retrieval.chunk_statistics c where c.collection_id = %1$s) t
         cross join retrieval._query_terms(%1$s, $1, $2) q
         cross join lateral (
             select sum(l.document_frequency)::bigint as n, max(l.maximum_frequency) as maximum_frequency,
                    min(l.minimum_length_ratio)::double precision as minimum_length_ratio
             from retrieval.lexeme_statistics l
             where l.collection_id = %1$s and l.lexeme = q.lexeme) s
         cross join lateral (select q.frequency * ln(1 + (t.chunk_count - s.n + 0.5) / (s.n + 0.5)) as weight) w
         where s.n > 0
         -- where there are more words than anyone means, those that can add most
         order by 5 desc, 1 limit 64', collection_id)
        using text_configs, query_text, (select max(w) from unnest(field_weights) w);
end;
$$;

comment on function retrieval._keyword_terms(bigint, text[], text, double precision[]) is
'The words that a query ranks by, 64 at most, with what is known of each in the collection.';

create or replace function retrieval._keyword_candidates(
    collection retrieval.collections, query_text text, filter_condition text, candidates integer, keyword_operator text,
    field_weights jsonb)
    returns table (chunk_id bigint, score double precision)
    language plpgsql stable rows 100
    set client_min_messages = warning
    set extra_float_digits = 1  -- the weights are written into the statement
as $$
declare
    text_configs constant text[] := retrieval._text_configs(collection.collection_id);
    fields constant double precision[] := retrieval._field_weights(coalesce(field_weights, collection.settings -> 'field_weights'));
    -- with a field that counts nothing, a word must stand in another one
    counted constant text := case when 0 = any (fields) then ':' || array_to_string(array(
        select f.label from unnest(fields, '{A,B,D}'::text[]) f(weight, label) where f.weight <> 0), '') else '' end;
    condition text;
    term record;
    frequency_thresholds double precision[];
    threshold double precision;
    depth integer;
    threshold_query text;
    answered_query text;
    chunk_ids bigint[];
    scores double precision[];
begin
    select array_agg(t.word) as words, array_agg(t.weight) as weights, array_agg(t.bound) as bounds,
           array_agg(t.remainder) as remainders, max(t.average_length) as average_length, max(t.maximum_frequency) as maximum_frequency
    into term
    from (select retrieval._lexeme_query(k.lexeme)::text || counted as word, k.*,
                 sum(k.bound) over (order by k.bound, k.lexeme desc) as remainder
          from retrieval._keyword_terms(collection.collection_id, text_configs, query_text, fields) k
          order by k.bound desc, k.lexeme) t;
    if term.words is null then
        return;
    end if;
    if keyword_operator <> 'or' or query_text ~ '["-]' then  -- else there is none
        condition := retrieval._chunk_condition(text_configs, query_text, keyword_operator);
    end if;
    frequency_thresholds := retrieval._frequency_thresholds(term.maximum_frequency);
    depth := case when cardinality(term.words) <= 8 then 2 else 1 end;
    threshold := 0.7 * term.remainders[1];
    for round in 1 .. 5 loop
        -- chunks that tie with the threshold belong to the answer, and what rounding has added counts nothing
        threshold_query := retrieval._threshold_query(
            term.words, term.bounds, term.remainders, greatest(threshold * (1 - 1e-9) - 1e-11, 0), depth);
        if threshold_query is distinct from answered_query then
            execute 'select array_agg(h.chunk_id), array_agg(h.score) from (' || retrieval._keyword_statement(
                    collection.collection_id, threshold_query, term.words, term.weights, term.average_length, fields, condition, filter_condition) || ') h'
                into chunk_ids, scores using frequency_thresholds, candidates;
            answered_query := threshold_query;
        end if;
        exit when threshold = 0 or scores[candidates] >= threshold;
        -- a full list settles where the threshold has to be, unless that is much lower
        threshold := case when round < 4 then greatest(scores[candidates], 0.5 * threshold)
                          else coalesce(scores[candidates], 0) end;
    end loop;
    return query select h.chunk_id, h.score from unnest(chunk_ids, scores) h(chunk_id, score);
end;
$$;

comment on function retrieval._keyword_candidates(retrieval.collections, text, text, integer, text, jsonb) is
'The best chunks by BM25, best first, ties by chunk_id.';

create or replace function retrieval.keyword_search(
    collection text,
    query_text text,
    metadata_filter jsonb default null,
    max_results integer default 10,
    keyword_operator text default 'or',
    field_weights jsonb default null)
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
    return query execute format(
        'select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata, h.score, h.rank, h.score
         from retrieval._keyword_candidates($1, $2, $3, $4, $5, $6) with ordinality h(chunk_id, score, rank)
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
         order by h.rank', target.collection_id)
        using target, query_text, retrieval._filter_condition(target, metadata_filter), max_results, keyword_operator, field_weights;
end;
$$;

comment on function retrieval.keyword_search(text, text, jsonb, integer, text, jsonb) is
'The best chunks by BM25, best first, ties by chunk_id; no rows where no word of the query occurs. query_text: words, "a phrase", -not, or, prefix*. keyword_operator ''and'' demands every word. field_weights: as in set_field_weights, for this call. score is the BM25 score; its scale depends on query and collection.';
