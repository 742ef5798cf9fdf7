-- What a person types, in web-search syntax: words, "a phrase", -not, or, prefix*. Nothing typed is an error.
--
-- Words are ranked as a bag. Phrases and exclusions are conditions, and with the operator `and` so is every word;
-- `or` joins its two neighbours into one condition that either satisfies. A query is parsed under every
-- text-search configuration that the collection's chunks use. Of a query that is longer, its first 16,384 characters count.

-- A word as a tsquery that the parser does not touch.
create or replace function retrieval._lexeme_query(lexeme text)
    returns tsquery
    language sql immutable strict parallel safe
    return ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;

comment on function retrieval._lexeme_query(text) is 'The tsquery of exactly this lexeme.';

create or replace function retrieval._text_statistics(
    collection_id bigint, out text_configs text[], out chunk_count double precision, out average_length double precision)
    language plpgsql stable
as $$
begin
    execute format(
        'select coalesce(array_agg(text_config order by text_config), ''{}''), sum(chunks), sum(total_length) / sum(chunks)
         from (select text_config, sum(chunk_count) as chunks, sum(total_length) as total_length
               from retrieval.chunk_statistics where collection_id = %s and tenant = %L
               group by text_config having sum(chunk_count) > 0) s', collection_id, retrieval.current_tenant())
        into text_configs, chunk_count, average_length;
end;
$$;

comment on function retrieval._text_statistics(bigint) is
'The text-search configurations that the current tenant''s chunks in a collection use, their number and their average length.';

-- The pieces of a query in order: kind is word, prefix, phrase or or.
create or replace function retrieval._query_items(query_text text)
    returns table (kind text, content text, excluded boolean)
    language sql immutable
    begin atomic
        select case when i.item[2] is not null then 'phrase'
                    when i.item[1] = '' and lower(i.item[3]) = 'or' then 'or'
                    when i.item[3] ~ '\w\*$' then 'prefix'
                    else 'word' end,
               coalesce(i.item[2], rtrim(i.item[3], '*')),
               i.item[1] = '-'
        from regexp_matches(left(query_text, 16384), '(-(?=[^\s-])|)(?:"([^"]*)"|([^\s"]+))', 'g') with ordinality i(item, number)
        order by i.number;
    end;

comment on function retrieval._query_items(text) is 'The words, prefixes, phrases and operators of a query, in order.';

create or replace function retrieval._item_condition(text_config text, kind text, content text)
    returns tsquery
    language plpgsql stable
as $$
declare
    configuration constant regconfig := text_config;
    segmented constant text := retrieval.segment(content, false);
    condition tsquery;
begin
    condition := case kind
        when 'phrase' then phraseto_tsquery(configuration, segmented)
        when 'prefix' then coalesce((
            select string_agg(retrieval._lexeme_query(l.lexeme)::text || ':*', ' & ')::tsquery
            from unnest(to_tsvector(configuration, segmented)) l), '')
        else plainto_tsquery(configuration, segmented) end;
    if octet_length(segmented) = char_length(segmented) then
        return condition;
    end if;
    -- a single character is indexed only inside of bigrams
    return regexp_replace(condition::text, '''([' || retrieval._script_characters() || '])''(?!:)', '''\1'':*', 'g')::tsquery;
end;
$$;

comment on function retrieval._item_condition(text, text, text) is 'The tsquery that one piece of a query means where it is a condition.';

-- A balanced tree of ands or ors: a thousand conditions must not become a thousand levels of recursion.
create or replace function retrieval._join_conditions(conditions tsquery[], operator text)
    returns tsquery
    language plpgsql immutable
as $$
begin
    while cardinality(conditions) > 1 loop
        conditions := array(
            select case when c.second is null then c.first when operator = 'and' then c.first && c.second else c.first || c.second end
            from (select i as number, conditions[2 * i - 1] as first, conditions[2 * i] as second
                  from generate_series(1, (cardinality(conditions) + 1) / 2) i) c
            order by c.number);
    end loop;
    return coalesce(conditions[1], '');
end;
$$;

comment on function retrieval._join_conditions(tsquery[], text) is 'Conditions joined by and or or; empty where there are none.';

-- The condition of a whole query under one configuration; empty where there is none.
create or replace function retrieval._query_condition(text_config text, query_text text, keyword_operator text)
    returns tsquery
    language plpgsql stable
as $$
declare
    item record;
    conditions tsquery[] := '{}';
    alternatives tsquery[] := '{}';  -- of the group that `or` is still joining
    optional boolean := true;    -- one of the group demands nothing, so the group demands nothing
    joining boolean := false;
begin
    for item in select * from retrieval._query_items(query_text) loop
        if item.kind = 'or' then
            joining := true;
        elsif item.excluded then
            conditions := array_append(conditions, !!retrieval._item_condition(text_config, item.kind, item.content));
        else
            if not joining then
                if not optional then
                    conditions := array_append(conditions, retrieval._join_conditions(alternatives, 'or'));
                end if;
                alternatives := '{}';
                optional := false;
            end if;
            joining := false;
            if item.kind in ('word', 'prefix') and keyword_operator = 'or' then
                optional := true;
            else
                alternatives := array_append(alternatives, retrieval._item_condition(text_config, item.kind, item.content));
            end if;
        end if;
    end loop;
    if not optional then
        conditions := array_append(conditions, retrieval._join_conditions(alternatives, 'or'));
    end if;
    return retrieval._join_conditions(conditions, 'and');
end;
$$;

comment on function retrieval._query_condition(text, text, text) is
'What a chunk must match besides holding a word of the query; an empty tsquery where that is nothing.';

-- The bag of words of a query. Under several configurations a word may yield several lexemes; each counts as often
-- as the configuration that yields it most often says. A prefix stands for the commonest lexemes that start with it,
-- and so does a single character of a script that is indexed as bigrams, where the query has no pair.
create or replace function retrieval._query_terms(collection_id bigint, text_configs text[], query_text text)
    returns table (lexeme text, frequency integer)
    language plpgsql stable
as $$
declare
    words text := left(query_text, 16384);  -- more than anyone types
    prefixes text := '';
    lexemes text[];
    frequencies integer[];
    started text[];
begin
    if query_text ~* '[-"*]|\mor\M' then
        select string_agg(i.content, ' ') filter (where i.kind <> 'prefix'),
               string_agg(i.content, ' ') filter (where i.kind = 'prefix')
        into words, prefixes
        from retrieval._query_items(query_text) i
        where i.kind <> 'or' and not i.excluded;
    end if;
    select array_agg(w.lexeme), array_agg(w.frequency) into lexemes, frequencies
    from (select l.lexeme, max(cardinality(l.positions)) as frequency
          from unnest(text_configs) t(text_config),
               unnest(to_tsvector(t.text_config::regconfig, retrieval.segment(coalesce(words, ''), false))) l
          group by l.lexeme) w;
    return query select w.lexeme, w.frequency from unnest(lexemes, frequencies) w(lexeme, frequency);

    started := array(
        select l.lexeme
        from unnest(text_configs) t(text_config),
             unnest(to_tsvector(t.text_config::regconfig, retrieval.segment(coalesce(prefixes, ''), false))) l
        union
        select w.lexeme from unnest(lexemes) w(lexeme)
        where w.lexeme ~ ('^[' || retrieval._script_characters() || ']$')
          -- beside pairs it is a particle of a sentence, and its many pairs would outweigh what was asked
          and not exists (select from unnest(lexemes) o(lexeme) where o.lexeme ~ ('[' || retrieval._script_characters() || ']{2}')));
    if cardinality(started) > 0 then
        return query execute format(
            'select distinct e.lexeme, 1
             from unnest($1) p(prefix)
             cross join lateral (
                 select s.lexeme from retrieval.lexeme_statistics s
                 where s.collection_id = %s and s.tenant = %L and s.lexeme >= p.prefix and s.lexeme < p.prefix || U&''\+10FFFF''
                 group by s.lexeme order by sum(s.document_frequency) desc, s.lexeme limit 64) e
             where e.lexeme <> all ($2)', collection_id, retrieval.current_tenant())
            using started, coalesce(lexemes, '{}');
    end if;
end;
$$;

comment on function retrieval._query_terms(bigint, text[], text) is
'The lexemes that a query ranks by and how often it names each.';
