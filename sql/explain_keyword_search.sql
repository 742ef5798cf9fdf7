-- Why a chunk has its score: one row for each hit and each word of the query. The contributions of a hit add up to its
-- score; they are computed here from the positions in the tsvector, not the way the search does it.
create or replace function retrieval.explain_keyword_search(
    collection text,
    query_text text,
    metadata_filter jsonb default null,
    max_results integer default 10,
    keyword_operator text default 'or',
    field_weights jsonb default null,
    k1 double precision default null,
    b double precision default null)
    returns table (
        keyword_rank bigint, chunk_id bigint, document_key text, score double precision, length integer,
        lexeme text, query_frequency integer, document_frequency bigint, inverse_document_frequency double precision,
        bound double precision, title_frequency bigint, context_frequency bigint, content_frequency bigint,
        contribution double precision)
    language plpgsql stable
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    fields constant double precision[] :=
        retrieval._field_weights(coalesce(explain_keyword_search.field_weights, target.settings -> 'field_weights'));
    bm25_constants constant double precision[] := retrieval._bm25_constants(target, k1, b);
begin
    perform retrieval._check_bm25_constants(k1, b);
    return query execute format(
        'select h.keyword_rank, h.chunk_id, h.document_key, h.score, c.length, t.lexeme, t.query_frequency, t.document_frequency,
                t.weight / t.query_frequency, t.bound, f.title, f.context, f.content,
                t.weight * (w.frequency / case when w.frequency + w.norm = 0 then 1 else w.frequency + w.norm end)
         from retrieval._keyword_terms(%1$s, $1, $6, $8) t
         left join retrieval.keyword_search($2, $1, $3, $4, $5, $7, ($8)[1], ($8)[2]) h on true
         left join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id
         left join lateral (
             select count(*) filter (where u.weight = ''A'') as title, count(*) filter (where u.weight = ''B'') as context,
                    count(*) filter (where u.weight = ''D'') as content
             from unnest(c.lexemes) l, unnest(l.weights) u(weight)
             where l.lexeme = t.lexeme) f on true
         cross join lateral (
             select ($6)[1] * f.title + ($6)[2] * f.context + ($6)[3] * f.content as frequency,
                    ($8)[1] * (1 - ($8)[2] + ($8)[2] * c.length / t.average_length) as norm) w
         order by h.keyword_rank, 14 desc nulls last, t.lexeme', target.collection_id)
        using query_text, collection, metadata_filter, max_results, keyword_operator, fields, field_weights, bm25_constants;
end;
$$;

comment on function retrieval.explain_keyword_search(text, text, jsonb, integer, text, jsonb, double precision, double precision) is
'Why keyword_search ranks as it does: a row for each hit and word of the query, with the word''s document frequency, idf, the most it can contribute (bound), its occurrences by field, and its contribution to the score. Where nothing is found, the words alone.';
