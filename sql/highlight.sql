-- Marks the words of a query in a text and cuts out the fragments that hold most of them.
--
-- Words are compared as lexemes, so a query for "run" marks "running". Scripts without blanks are compared as the
-- bigrams that search uses; neighbouring marks grow together. Marks are set as control characters first, so that
-- escaping and cutting cannot confuse them with text.

-- A regular expression that matches exactly this text.
create or replace function retrieval._quote_regexp(literal text)
    returns text
    language sql immutable strict parallel safe
    return regexp_replace(literal, '([][\\^$.|?*+(){}])', '\\\1', 'g');

comment on function retrieval._quote_regexp(text) is 'The regular expression that matches exactly this text.';

-- The content with \x01 and \x02 around every word that the query ranks by.
create or replace function retrieval._mark_words(text_config text, content text, lexemes text[])
    returns text
    language plpgsql stable
as $$
declare
    words text;
    bigrams text;
begin
    select string_agg(retrieval._quote_regexp(w.word), '|' order by char_length(w.word) desc, w.word) into words
    from (select distinct m[1] as word from regexp_matches(content, '[^\s[:punct:]]+', 'g') m) w
    where octet_length(w.word) <= 400
      and w.word !~ ('[' || retrieval._script_characters() || ']')  -- these are marked by the bigram below
      and tsvector_to_array(to_tsvector(text_config::regconfig, w.word)) && lexemes;
    -- each half of a bigram where the other half stands beside it
    select string_agg(case char_length(l.lexeme)
                          when 1 then l.lexeme
                          else format('%1$s(?=%2$s)|(?<=%1$s)%2$s', left(l.lexeme, 1), right(l.lexeme, 1)) end, '|')
    into bigrams
    from unnest(lexemes) l(lexeme)
    where l.lexeme ~ ('^[' || retrieval._script_characters() || ']{1,2}$');
    if words is not null then
        content := regexp_replace(content, '(^|[\s[:punct:]])(' || words || ')(?=[\s[:punct:]]|$)', E'\\1\x01\\2\x02', 'g');
    end if;
    if bigrams is not null then
        content := regexp_replace(content, '(' || bigrams || ')', E'\x01\\1\x02', 'g');
    end if;
    return content;
end;
$$;

comment on function retrieval._mark_words(text, text, text[]) is
'A text with control characters 1 and 2 around the words whose lexemes are given.';

create or replace function retrieval.highlight(
    collection text,
    content text,
    query_text text,
    start_mark text default '<mark>',
    stop_mark text default '</mark>',
    max_fragments integer default 2,
    fragment_length integer default 240,
    escape_html boolean default false)
    returns text
    language plpgsql stable
    set client_min_messages = warning
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    lexemes text[];
    marked text;
begin
    perform retrieval._check_count('max_fragments', max_fragments, 100);
    perform retrieval._check_count('fragment_length', fragment_length, 100000);
    lexemes := array(select t.lexeme from retrieval._query_terms(owner.collection_id, array[owner.text_config], query_text) t);
    -- a bounded cost per hit: what lies beyond is not looked at
    marked := retrieval._mark_words(owner.text_config, translate(left(content, 20000), E'\x01\x02', ''), lexemes);
    marked := retrieval._best_fragments(marked, max_fragments, fragment_length);
    marked := replace(marked, E'\x02\x01', '');
    if escape_html then
        marked := replace(replace(replace(replace(replace(marked, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
    end if;
    return replace(replace(marked, E'\x01', start_mark), E'\x02', stop_mark);
end;
$$;

comment on function retrieval.highlight(text, text, text, text, text, integer, integer, boolean) is
'Fragments of a content with the words of a query between marks, joined by "… "; its beginning where no word occurs. With escape_html everything but the marks is escaped. Only the first 20,000 characters are looked at.';

-- The fragments with the most marks, in the order of the text. A text is cut between atoms: a marked run, a word with
-- the blanks after it, a single character of a script without blanks. Fragments that follow each other stay joined.
create or replace function retrieval._best_fragments(marked text, most integer, size integer)
    returns text
    language sql immutable
    begin atomic
        with atoms as (
            select a.number, a.atom[1] as atom, char_length(translate(a.atom[1], E'\x01\x02', '')) as length,
                   starts_with(a.atom[1], E'\x01')::integer as marks
            from regexp_matches(marked, E'(\x01[^\x02]*\x02\\s{0,200}|[' || retrieval._script_characters() || E']\\s{0,200}|[^\\s\x01' || retrieval._script_characters() || ']{1,200}\s{0,200}|\s{1,200})', 'g')
                 with ordinality a(atom, number)),
        placed as (
            select number, atom, marks, (sum(length) over (order by number) - 1) / size as page from atoms),
        fragments as (
            select row_number() over (order by page) as fragment, string_agg(atom, '' order by number) as piece, sum(marks) as marks
            from placed group by page),
        chosen as (
            select fragment, piece from fragments
            where marks > 0 or fragment = 1 and not exists (select from fragments where marks > 0)
            order by marks desc, fragment limit most),
        joined as (
            select fragment, piece, lag(fragment) over (order by fragment) as before from chosen)
        select coalesce(
            case when min(fragment) > 1 then '… ' else '' end
            || rtrim(string_agg(case when before is null or before = fragment - 1 then '' else '… ' end || piece, '' order by fragment))
            || case when max(fragment) < (select max(fragment) from fragments) then ' …' else '' end, '')
        from joined;
    end;

comment on function retrieval._best_fragments(text, integer, integer) is 'The fragments of a marked text that hold the most marks.';
