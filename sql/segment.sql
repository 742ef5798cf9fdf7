-- Characters of scripts without blanks between words (and hangul, whose words carry their particles), as the inside of a
-- regular expression's bracket: the iteration mark and the ideographic zero, kana, Han with its extensions, hangul
-- syllables, Thai, Lao, Burmese and Khmer.
create or replace function retrieval._script_characters()
    returns text
    language sql immutable parallel safe
    return '々〇\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u1000-\u1049\u1780-\u17d3';

comment on function retrieval._script_characters() is
'The characters that are indexed as bigrams, as the inside of a regular expression''s bracket.';

-- Prepares text for PostgreSQL's parser, the same way for what is indexed and what is asked.
--
-- The parser knows neither full-width forms nor typographic punctuation, and takes a run of Chinese for one
-- long word. Here text becomes NFKC, typographic punctuation becomes a blank, and a run of such
-- characters becomes its overlapping bigrams. ASCII text, the common case, passes untouched.
--
-- A run also yields its last character alone, so that every character of an indexed run starts some lexeme and
-- a query of one character can be answered by prefix. A query leaves that one out (`final_character => false`).
create or replace function retrieval.segment(content text, final_character boolean default true)
    returns text
    language plpgsql immutable strict parallel safe
as $$
declare
    script constant text := retrieval._script_characters();
    segmented text;
begin
    if octet_length(content) = char_length(content) then
        return content;
    end if;
    segmented := normalize(translate(content, '’‘', ''''''), nfkc);
    -- Latin-1 symbols (not ª µ º), general punctuation, arrows to dingbats, CJK punctuation (not 々 〇)
    segmented := regexp_replace(segmented, '[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf×÷\u2000-\u206f\u2190-\u27ff\u2900-\u2bff\u3000-\u3004\u3008-\u3020\u3030\u30fb]', ' ', 'g');
    if segmented !~ ('[' || script || ']') then
        return segmented;
    end if;
    -- abcd → ' abcd ' → ' a ab bc cd d ' → ' ab bc cd d '
    segmented := regexp_replace(segmented, '([' || script || ']+)', ' \1 ', 'g');
    segmented := regexp_replace(segmented, '([' || script || '])', '\1 \1', 'g');
    segmented := regexp_replace(segmented, ' [' || script || '] (?=[' || script || '])', ' ', 'g');
    if not final_character then
        segmented := regexp_replace(segmented, '([' || script || ']{2}) [' || script || ']( |$)', '\1\2', 'g');
    end if;
    return segmented;
end;
$$;

comment on function retrieval.segment(text, boolean) is
'Text as PostgreSQL''s parser should see it: NFKC, typographic punctuation blanked, runs of Han, kana, hangul, Thai, Lao, Burmese and Khmer split into overlapping bigrams. Index and query both go through it.';
