-- Cuts a text into chunks, as near to the maximum as a good place allows.
--
-- The text is read in blocks and only what is not in a chunk yet is looked at: finding a character's place in UTF-8
-- takes a walk from the beginning, which would make repeated substr on the whole text quadratic.
create or replace function retrieval.split_text(document_content text, maximum_length integer default 2000)
    returns table (start_offset integer, end_offset integer, content text)
    language plpgsql immutable parallel safe
as $$
declare
    blanks constant text := E'\t\n\u000b\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';
    -- where to cut, best first: after a paragraph, a line, a sentence, a word; closing marks belong to their sentence
    places constant text[] := array[
        '^.*\n[ \t\r]*\n',
        '^.*\n',
        '^.*(?:[.!?…]["''”’»)\]]*[' || blanks || ']|[。！？][」』）”’]*(?=.))',
        '^.*[' || blanks || ']'];
    half constant integer := maximum_length / 2;
    -- the collation only matters to classes of characters, of which there are none
    rest text collate "C" := '';
    later_half text collate "C";
    block text collate "C";
    cut integer;
begin
    perform retrieval._check_count('maximum_length', maximum_length, 100000);
    if char_length(document_content) <= maximum_length then  -- the common case, quickly
        content := ltrim(document_content, blanks);
        start_offset := char_length(document_content) - char_length(content);
        content := rtrim(content, blanks);
        end_offset := start_offset + char_length(content);
        if content <> '' then
            return next;
        end if;
        return;
    end if;
    end_offset := 0;  -- of what was read and is behind
    for block in
        select m[1] from regexp_matches(document_content collate "C", '.{1,250}', 'g') m union all select null
    loop
        rest := rest || coalesce(block, '');
        -- one character more tells whether a word or a sentence ends exactly there
        while char_length(rest) > maximum_length or block is null loop
            start_offset := end_offset + char_length(rest);
            rest := ltrim(rest, blanks);
            start_offset := start_offset - char_length(rest);
            cut := char_length(rest);
            end_offset := start_offset;
            exit when cut = 0 or cut <= maximum_length and block is not null;
            if cut > maximum_length then
                -- in the later half, so that a small paragraph before a long one is not left alone
                later_half := substr(rest, half + 1, maximum_length + 1 - half);
                for place in 1 .. cardinality(places) loop
                    cut := half + char_length(substring(later_half from places[place]));
                    exit when cut is not null;
                end loop;
                cut := coalesce(cut, char_length(substring(left(rest, half) from places[4])), maximum_length);
            end if;
            content := rtrim(left(rest, cut), blanks);
            end_offset := start_offset + char_length(content);
            return next;
            rest := substr(rest, char_length(content) + 1);
        end loop;
    end loop;
end;
$$;

comment on function retrieval.split_text(text, integer) is
'Cuts a text into chunks of at most maximum_length characters: after a paragraph, else a line, else a sentence (also of Chinese and Japanese), else a word, and only in the middle of a word that is longer than a chunk. A chunk is the text from start_offset to end_offset (in characters, from 0, the end excluded), without blanks around it; every other character is in exactly one chunk. A text of blanks has none.';
