-- Why a chunk has its score: one row for each hit and each word of the query. The contributions of a hit add up to its
-- score; they are computed here from the positions in the tsvector, not the way the search does it.
create or replace function retrieval.explain_keyword_search(
    collection text,
    query_text text,
    metadata_filter jsonb default null,
    max_results integer default 10,
    keyword_operator text default 'or',
    field_weights jsonb default null)
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
begin
    return query execute format(
        'select h.keyword_rank, h.chunk_id, h.document_key, h.score, c.length, t.lexeme, t.query_frequency, t.document_frequency,
                t.weight / t.query_frequency, t.bound, f.title, f.context, f.content,
                t.weight * w.frequency / (w.frequency + 1.2 * (0.25 + 0.75 * c.length / t.average_length))
         from retrieval._keyword_terms(%1$s, $1, $6) t
         left join retrieval.keyword_search($2, $1, $3, $4, $5, $7) h on true
         left join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id
         left join lateral (
             select count(*) filter (where u.weight = ''A'') as title, count(*) filter (where u.weight = ''B'') as context,
                    count(*) filter (where u.weight = ''D'') as content
             from unnest(c.lexemes) l, unnest(l.weights) u(weight)
             where l.lexeme = t.lexeme) f on true
         cross join lateral (
             select ($6)[1] * f.title + ($6)[2] * f.context + ($6)[3] * f.content as frequency) w
         order by h.keyword_rank, 14 desc nulls last, t.lexeme', target.collection_id)
        using query_text, collection, metadata_filter, max_results, keyword_operator, fields, field_weights;
end;
$$;

comment on function retrieval.explain_keyword_search(text, text, jsonb, integer, text, jsonb) is
'Why keyword_search ranks as it does: a row for each hit and word of the query, with the word''s document frequency, idf, the most it can contribute (bound), its occurrences by field, and its contribution to the score. Where nothing is found, the words alone.';
