-- The tsvector of a chunk. Title, context and content carry the weights A, B and D and follow each other in this
-- order, so that a field's occurrences can be told apart later.
--
-- Declared immutable although to_tsvector looks the configuration up by name: whoever alters a configuration
-- re-indexes, as with any text-search index.
create or replace function retrieval.to_lexemes(text_config text, title text, context text, content text)
    returns tsvector
    language plpgsql immutable parallel safe
as $$
declare
    configuration constant regconfig := text_config::regconfig;
    lexemes tsvector := to_tsvector(configuration, retrieval.segment(content));
begin
    if context <> '' then
        lexemes := setweight(to_tsvector(configuration, retrieval.segment(context)), 'B') || lexemes;
    end if;
    if title <> '' then
        lexemes := setweight(to_tsvector(configuration, retrieval.segment(title)), 'A') || lexemes;
    end if;
    return lexemes;
end;
$$;

comment on function retrieval.to_lexemes(text, text, text, text) is
'The tsvector of a chunk: title (weight A), context (B) and content (D) under a text-search configuration.';

-- The number of occurrences in a tsvector: the sum of its lexemes' positions, not the number of lexemes.
--
-- ts_rank divides by exactly that number when its normalisation is 2, so the ratio of two calls yields it at C
-- speed. A marker that no parser emits is added so that there is always one word to rank.
create or replace function retrieval.lexeme_length(lexemes tsvector)
    returns integer
    language sql immutable strict parallel safe
    return round(ts_rank('{1,1,1,1}', lexemes || E'''\x01'':1'::tsvector, E'''\x01'''::tsquery, 0)::float8
               / ts_rank('{1,1,1,1}', lexemes || E'''\x01'':1'::tsvector, E'''\x01'''::tsquery, 2)::float8)::integer - 1;

comment on function retrieval.lexeme_length(tsvector) is
'The length of a chunk as BM25 counts it: occurrences of lexemes, stop words excluded.';
