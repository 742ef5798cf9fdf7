-- The best chunks for some words, by exact BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) as Lucene
-- writes it, over the chunks that hold any word of the query:
--
--     score = Σ frequency(word in query) · idf · tf / (tf + k1 · (1 − b + b · length / average length))
--     idf   = ln(1 + (N − n + ½) / (n + ½)),  k1 = 1.2 and b = 0.75 unless the call or the collection says otherwise
--
-- k1 is how long more occurrences of a word go on to count (0: not at all, a chunk holds it or does not), b how much of its
-- length a chunk is measured against (0: none). N, n and the average length are those of the collection at this moment, as if it held nothing but the current tenant's chunks.

create or replace function retrieval._inverse_document_frequency(chunk_count double precision, document_frequency double precision)
    returns double precision
    language sql immutable parallel safe
    return ln(1 + (chunk_count - document_frequency + 0.5) / (document_frequency + 0.5));

comment on function retrieval._inverse_document_frequency(double precision, double precision) is
'What a word counts that stands in so many of a collection''s chunks.';

-- k1 and b travel as one array.
create or replace function retrieval._bm25_constants(
    collection retrieval.collections, k1 double precision default null, b double precision default null)
    returns double precision[]
    language sql immutable
    return array[
        coalesce(k1, (collection.settings #>> '{ranking,k1}')::double precision, 1.2),
        coalesce(b, (collection.settings #>> '{ranking,b}')::double precision, 0.75)];

comment on function retrieval._bm25_constants(retrieval.collections, double precision, double precision) is
'k1 and b of a search: what it says, else what the collection''s ranking does (see set_ranking), else 1.2 and 0.75.';

create or replace function retrieval._check_bm25_constants(k1 double precision, b double precision)
    returns void
    language plpgsql immutable
as $$
begin
    if k1 not between 0 and 100 then  -- NaN is larger than all
        raise exception 'k1 must be between 0 and 100, not %', k1 using errcode = 'invalid_parameter_value';
    elsif b not between 0 and 1 then
        raise exception 'b must be between 0 and 1, not %', b using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_bm25_constants(double precision, double precision) is
'22023 where k1 or b cannot be ranked by; null is what is not given.';

-- tf / (tf + K) = 1 / (1 + K / tf), and K / tf is at least k1 · ((1 − b) / largest tf + b · least (length / tf) / average length), whatever
-- k1 and b are: neither of the two has a negative factor. The ratio is stored in single precision, which may have rounded it up.
create or replace function retrieval._score_bound(
    weight double precision, maximum_frequency integer, minimum_length_ratio double precision, average_length double precision,
    largest_field_weight double precision, bm25_constants double precision[])
    returns double precision
    language sql immutable parallel safe
    return weight / (1 + 0.999999 * bm25_constants[1] * ((1 - bm25_constants[2]) / maximum_frequency
                                                         + bm25_constants[2] * minimum_length_ratio / average_length) / largest_field_weight);

comment on function retrieval._score_bound(double precision, integer, double precision, double precision, double precision, double precision[]) is
'The most that a word can add to a chunk''s score: weight is its idf, times how often the query names it; minimum_length_ratio the least length / frequency of the chunks that hold it.';

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
-- word's frequency is looked up once. Scores are rounded, so that the order in which they were added up breaks no tie. A k1 of 0
-- would divide by 0 where a word does not stand; one that is next to nothing makes the same scores.
create or replace function retrieval._keyword_statement(
    collection_id bigint, candidates text, words text[], weights double precision[], average_length double precision,
    field_weights double precision[], bm25_constants double precision[], condition text, filter_condition text)
    returns text
    language plpgsql immutable
as $$
declare
    k1 constant double precision := greatest(bm25_constants[1], 1e-200);
    b constant double precision := bm25_constants[2];
    total double precision;
    losses text;
begin
    select sum(t.weight),
           string_agg(format('%s / (%s + n.norm)', t.weight, retrieval._frequency_expression(t.word, field_weights)), ' + ')
    into total, losses
    from unnest(words, weights) t(word, weight);
    return format(
        'select c.chunk_id, round((%s - n.norm * (%s)) * 1e11) / 1e11 as score
         from retrieval.chunks c
         cross join lateral (select %s::double precision + %s::double precision * c.length as norm) n
         where c.collection_id = %s and c.lexemes @@ %L%s%s
         order by score desc, c.chunk_id
         limit $2',
        total, losses, k1 * (1 - b), k1 * b / average_length, collection_id, candidates,
        ' and (' || condition || ')',
        ' and (' || filter_condition || ')');
end;
$$;

comment on function retrieval._keyword_statement(bigint, text, text[], double precision[], double precision, double precision[], double precision[], text, text) is
'The SQL that ranks the chunks matching a tsquery by BM25. Every value in it is quoted; $1 are the frequency thresholds, $2 the number of chunks wanted.';

-- The loop around that statement: the threshold starts where only few chunks reach it and is lowered until the last of the
-- chunks wanted does; then no other chunk can score more. The more words there are, the smaller the share of them that
-- even the best chunks hold, and the dearer a tsquery that looks at pairs of them.
create or replace function retrieval._best_chunks(
    collection_id bigint, words text[], weights double precision[], bounds double precision[], average_length double precision,
    maximum_frequency integer, field_weights double precision[], bm25_constants double precision[], condition text, filter_condition text,
    candidates integer)
    returns table (chunk_id bigint, score double precision)
    language plpgsql stable rows 100
    set extra_float_digits = 1  -- the weights are written into the statement
    set enable_seqscan = off    -- the planner takes a long tsquery to be as cheap to compare with every chunk as a short one
    set jit = off               -- and such a statement is run faster than compiled
as $$
declare
    frequency_thresholds constant double precision[] := retrieval._frequency_thresholds(maximum_frequency);
    few_words constant boolean := cardinality(words) <= 8;
    remainders double precision[] := bounds;
    threshold double precision;
    threshold_query text;
    answered_query text;
    chunk_ids bigint[];
    scores double precision[];
begin
    for i in reverse cardinality(bounds) - 1 .. 1 loop
        remainders[i] := bounds[i] + remainders[i + 1];
    end loop;
    threshold := case when few_words then 0.7 else 0.5 end * remainders[1];
    for round in 1 .. 5 loop
        threshold_query := retrieval._threshold_query(
            words, bounds, remainders,
            -- chunks that tie with the threshold belong to the answer, and what rounding has added counts nothing
            greatest(threshold * (1 - 1e-9) - 1e-11, 0),
            case when few_words then 2 when round = 1 or cardinality(words) <= 16 then 1 else 0 end);
        if threshold_query is distinct from answered_query then
            execute 'select array_agg(h.chunk_id), array_agg(h.score) from (' || retrieval._keyword_statement(
                    collection_id, threshold_query, words, weights, average_length, field_weights, bm25_constants, condition,
                    filter_condition) || ') h'
                into chunk_ids, scores using frequency_thresholds, candidates;
            answered_query := threshold_query;
        end if;
        exit when threshold = 0 or scores[candidates] >= threshold;
        -- a full list settles where the threshold has to be, unless that is much lower; of many words it always is
        threshold := case when round = 4 or not few_words and scores[candidates] is not null then coalesce(scores[candidates], 0)
                          else greatest(scores[candidates], 0.5 * threshold) end;
    end loop;
    return query select h.chunk_id, h.score from unnest(chunk_ids, scores) h(chunk_id, score);
end;
$$;

comment on function retrieval._best_chunks(bigint, text[], double precision[], double precision[], double precision, integer, double precision[], double precision[], text, text, integer) is
'The chunks that score best for some words, best first, ties by chunk_id. words: as _counted_word writes them, in descending order of bounds; condition and filter_condition: what a chunk c must fulfil besides, as SQL, or null.';
