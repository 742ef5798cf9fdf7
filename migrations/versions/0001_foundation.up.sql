-- Frozen: what this revision does must never change once it is released.

do $$
begin
    if current_setting('server_version_num')::integer < 150000 then
        raise exception 'PostgreSQL 15 or newer is needed, this is %', current_setting('server_version')
            using errcode = 'feature_not_supported';
    elsif current_setting('server_encoding') <> 'UTF8' then
        raise exception 'a database with encoding UTF8 is needed, this one has %', current_setting('server_encoding')
            using errcode = 'feature_not_supported';
    end if;
end;
$$;

create schema if not exists retrieval;
create extension if not exists vector;

do $$
begin
    if (select string_to_array(regexp_replace(extversion, '[^0-9.].*', ''), '.')::integer[] < array[0, 8]
        from pg_catalog.pg_extension where extname = 'vector') then
        raise exception 'pgvector 0.8 or newer is needed, this is %', (select extversion from pg_catalog.pg_extension where extname = 'vector')
            using errcode = 'feature_not_supported', hint = 'Install a newer pgvector and run: alter extension vector update;';
    end if;
end;
$$;

-- pgvector's types and operators resolve wherever the extension was installed.
select set_config('search_path', 'pg_catalog, ' || quote_ident(n.nspname), true)
from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname = 'vector';

-- begin sql/segment.sql
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
-- end

-- begin sql/to_lexemes.sql
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
-- end

create table retrieval.collections (
    collection_id bigint generated always as identity,
    name text not null,
    text_config text not null default 'english',
    settings jsonb not null default '{}',
    created_at timestamptz not null default now(),
    constraint collections_pkey primary key (collection_id),
    constraint collections_name_key unique (name),
    constraint collections_name_check check (name ~ '^[^[:cntrl:]/\s]([^[:cntrl:]/]{0,198}[^[:cntrl:]/\s])?$'),
    constraint collections_settings_check check (jsonb_typeof(settings) = 'object')
);

-- Documents, chunks and statistics are partitioned by collection, embeddings by space: what belongs to one
-- collection is locked, scanned, vacuumed and dropped alone. Foreign keys therefore join partition to partition
-- (create_collection and create_space add them), never one shared table that every collection would lock.
create table retrieval.documents (
    document_id bigint generated always as identity,
    collection_id bigint not null,
    document_key text not null,
    title text,
    source text,
    content text not null default '',
    metadata jsonb not null default '{}',
    text_config text,
    content_hash text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint documents_pkey primary key (document_id, collection_id),
    constraint documents_key_key unique (document_key, collection_id),
    constraint documents_key_check check (octet_length(document_key) between 1 and 2000),
    constraint documents_metadata_check check (jsonb_typeof(metadata) = 'object')
) partition by list (collection_id);

-- title, metadata and text_config are copies that retrieval._copy_document() keeps: a filter and the ranking
-- then need no second join.
create table retrieval.chunks (
    chunk_id bigint generated always as identity,
    collection_id bigint not null,
    document_id bigint not null,
    position integer not null,
    start_offset integer,
    end_offset integer,
    content text not null,
    context text not null default '',
    title text,
    metadata jsonb not null default '{}',
    text_config text not null default 'simple',
    lexemes tsvector not null generated always as
        (retrieval.to_lexemes(text_config, title, context, content)) stored,
    length integer not null generated always as
        (retrieval.lexeme_length(retrieval.to_lexemes(text_config, title, context, content))) stored,
    constraint chunks_pkey primary key (chunk_id, collection_id),
    constraint chunks_position_key unique (document_id, position, collection_id),
    constraint chunks_position_check check (position >= 0),
    constraint chunks_offsets_check check (start_offset >= 0 and end_offset >= start_offset)
) partition by list (collection_id);

create index chunks_lexemes_index on retrieval.chunks using gin (lexemes);
create index chunks_metadata_index on retrieval.chunks using gin (metadata jsonb_path_ops);

-- Both statistics tables are written by appending differences and read by adding them up, so that writers
-- never wait for each other; see retrieval._count_chunks().
create table retrieval.chunk_statistics (
    collection_id bigint not null,
    text_config text not null,
    chunk_count bigint not null,
    total_length bigint not null
) partition by list (collection_id);

-- maximum_frequency and minimum_length_ratio (smallest length / frequency) bound what a lexeme can add to a score.
create table retrieval.lexeme_statistics (
    collection_id bigint not null,
    lexeme text collate "C" not null,
    document_frequency bigint not null,
    maximum_frequency integer not null,
    minimum_length_ratio real not null
) partition by list (collection_id);

create index lexeme_statistics_lexeme_index on retrieval.lexeme_statistics (lexeme);

create table retrieval.spaces (
    space_id bigint generated always as identity,
    collection_id bigint not null,
    name text not null,
    kind text not null default 'dense',
    model text not null,
    revision text,
    signature jsonb not null default '{}',
    dimensions integer not null,
    metric text not null default 'cosine',
    index_method text not null default 'hnsw',
    index_options jsonb not null default '{}',
    quantization text not null default 'half',
    state text not null default 'building',
    created_at timestamptz not null default now(),
    activated_at timestamptz,
    constraint spaces_pkey primary key (space_id),
    constraint spaces_name_key unique (collection_id, name),
    constraint spaces_collection_id_fkey foreign key (collection_id)
        references retrieval.collections on delete cascade,
    constraint spaces_kind_check check (kind in ('dense')),
    constraint spaces_dimensions_check check (dimensions between 1 and 4000),
    constraint spaces_metric_check check (metric in ('cosine', 'inner_product', 'l2', 'l1')),
    constraint spaces_index_method_check check (index_method in ('hnsw', 'none')),
    constraint spaces_quantization_check check (quantization in ('half')),
    constraint spaces_state_check check (state in ('building', 'active', 'shadow', 'retired'))
);

create unique index spaces_active_index on retrieval.spaces (collection_id, kind) where state = 'active';

create table retrieval.embeddings (
    space_id bigint not null,
    collection_id bigint not null,
    chunk_id bigint not null,
    embedding halfvec not null,
    constraint embeddings_pkey primary key (chunk_id, space_id)
) partition by list (space_id);

-- begin sql/text_config.sql
-- Text-search configurations are stored by name: a regconfig column would block pg_upgrade.

-- The name of a configuration as it resolves here and now, with its schema unless that is pg_catalog: the
-- tsvector is computed under other search paths later (a trigger, a restore).
create or replace function retrieval._qualify_text_config(text_config text)
    returns text
    language plpgsql stable
as $$
declare
    qualified text;
begin
    select case when n.nspname = 'pg_catalog' then quote_ident(c.cfgname) else format('%I.%I', n.nspname, c.cfgname) end
    into strict qualified
    from pg_catalog.pg_ts_config c
    join pg_catalog.pg_namespace n on n.oid = c.cfgnamespace
    where c.oid = text_config::regconfig;
    return qualified;
exception when undefined_object or invalid_name or syntax_error or invalid_schema_name or no_data_found then
    raise exception 'text search configuration % does not exist', coalesce(quote_literal(text_config), 'null')
        using errcode = 'invalid_parameter_value', hint = 'psql lists the existing ones with \dF.';
end;
$$;

comment on function retrieval._qualify_text_config(text) is
'The schema-qualified name of a text-search configuration; 22023 where there is none.';

create or replace function retrieval._check_text_config()
    returns trigger
    language plpgsql
as $$
begin
    new.text_config := retrieval._qualify_text_config(new.text_config);
    return new;
end;
$$;

comment on function retrieval._check_text_config() is
'Trigger: a text configuration exists when it is named, and is stored with its schema.';

create or replace trigger check_text_config
    before insert or update of text_config on retrieval.collections
    for each row execute function retrieval._check_text_config();

create or replace trigger check_text_config
    before insert or update of text_config on retrieval.documents
    for each row when (new.text_config is not null) execute function retrieval._check_text_config();
-- end

-- begin sql/arguments.sql
-- What every function checks first: names become rows, counts and choices are in range, each with one message.

create or replace function retrieval._collection(collection text)
    returns retrieval.collections
    language plpgsql stable
as $$
declare
    found_collection retrieval.collections;
begin
    select * into found_collection from retrieval.collections c where c.name = collection;
    if not found then
        raise exception 'collection % does not exist', coalesce(quote_ident(collection), 'null')
            using errcode = 'undefined_object',
                  hint = 'Existing collections: select name from retrieval.collections;';
    end if;
    return found_collection;
end;
$$;

comment on function retrieval._collection(text) is 'The collection of that name; 42704 where there is none.';

-- Without a name: the collection's active space.
create or replace function retrieval._space(collection retrieval.collections, space text)
    returns retrieval.spaces
    language plpgsql stable
as $$
declare
    found_space retrieval.spaces;
begin
    select * into found_space
    from retrieval.spaces s
    where s.collection_id = collection.collection_id
      and case when space is null then s.state = 'active' and s.kind = 'dense' else s.name = space end;
    if found then
        return found_space;
    end if;
    if space is null then
        raise exception 'collection % has no active space', quote_ident(collection.name)
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Create one with retrieval.create_space and make it the active one with retrieval.activate_space.';
    end if;
    raise exception 'space % does not exist in collection %', quote_ident(space), quote_ident(collection.name)
        using errcode = 'undefined_object',
              hint = 'Existing spaces: select name, state from retrieval.spaces;';
end;
$$;

comment on function retrieval._space(retrieval.collections, text) is
'The space of that name, or the active one where the name is null; 42704 or 55000 where there is none.';

-- What every search and its candidates check first.
create or replace function retrieval._check_count(parameter text, value bigint, maximum bigint default 10000)
    returns void
    language plpgsql immutable
as $$
begin
    if value is null or value < 1 or value > maximum then
        raise exception '% must be between 1 and %, not %', parameter, maximum, coalesce(value::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_count(text, bigint, bigint) is '22023 where a count is null, below 1 or above the maximum.';

create or replace function retrieval._check_choice(parameter text, value text, choices text[])
    returns void
    language plpgsql immutable
as $$
begin
    if value is null or value <> all (choices) then
        raise exception '% must be one of %, not %', parameter, array_to_string(choices, ', '), coalesce(quote_literal(value), 'null')
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_choice(text, text, text[]) is '22023 where a value is not one of the choices.';

create or replace function retrieval._check_index_options(index_options jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    option record;
begin
    if index_options is null or jsonb_typeof(index_options) <> 'object' then
        raise exception 'index_options must be an object such as {"m": 16, "ef_construction": 64}' using errcode = 'invalid_parameter_value';
    end if;
    for option in select * from jsonb_each_text(index_options) loop
        perform retrieval._check_choice('index_options: option', option.key, array['m', 'ef_construction']);
        if option.value !~ '^\d{1,4}$' then
            raise exception 'index_options: % must be a whole number, not %', option.key, option.value using errcode = 'invalid_parameter_value';
        end if;
    end loop;
end;
$$;

comment on function retrieval._check_index_options(jsonb) is '22023 where the options of a vector index are unusable.';

create or replace function retrieval._check_name(kind text, name text)
    returns void
    language plpgsql immutable
as $$
begin
    if name is null or name !~ '^[^[:cntrl:]/\s]([^[:cntrl:]/]{0,198}[^[:cntrl:]/\s])?$' then
        raise exception '% name % is not usable: 1 to 200 characters, no slash or control character, no blank at either end',
                        kind, coalesce(quote_literal(name), 'null') using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_name(text, text) is '22023 where a collection or space cannot be called that.';
-- end

-- begin sql/compile_filter.sql
-- A metadata filter is JSON and becomes a jsonpath predicate for `metadata @@ …`. Keys and values are written as
-- quoted JSON strings, so a filter is always data. Names of operators start with `$`; every other name is a key,
-- and a key inside a key is a path: {"address": {"city": "Bonn"}}.
--
-- A predicate is true or false, never unknown: `$ne`, `$nin` and `$not` keep a document that lacks the key or holds
-- another type. Negation is therefore pushed down to the single comparisons, and each is negated as
-- "false or unknown"; the positive ones need no such care because an unknown is as good as false to and/or.

create or replace function retrieval._filter_error(message text)
    returns text
    language plpgsql immutable
as $$
begin
    raise exception 'metadata filter: %', message using errcode = 'invalid_parameter_value';
end;
$$;

-- One comparison, negated or not.
create or replace function retrieval._filter_term(predicate text, negated boolean)
    returns text
    language sql immutable
    return case when negated then format('(!(%1$s) || (%1$s) is unknown)', predicate)
                else format('(%s)', predicate) end;

-- jsonpath has no constant predicate.
create or replace function retrieval._filter_constant(value boolean)
    returns text
    language sql immutable
    return case when value then '(1 == 1)' else '(1 == 0)' end;

-- A balanced tree of ands or ors: a list of ten thousand values must not become ten thousand levels of recursion.
create or replace function retrieval._filter_join(predicates text[], operator text)
    returns text
    language plpgsql immutable
as $$
declare
    pairs text[];
begin
    while cardinality(predicates) > 1 loop
        select array_agg(case when p.second is null then p.first
                              else format('(%s %s %s)', p.first, operator, p.second) end order by p.number)
        into pairs
        from (select i as number, predicates[2 * i - 1] as first, predicates[2 * i] as second
              from generate_series(1, (cardinality(predicates) + 1) / 2) i) p;
        predicates := pairs;
    end loop;
    return predicates[1];
end;
$$;

-- A number, string, boolean or null as a jsonpath literal.
create or replace function retrieval._filter_value(operator text, key text, value jsonb)
    returns text
    language sql immutable
    return case when jsonb_typeof(value) in ('object', 'array')
                then retrieval._filter_error(format('%s on key %s takes a string, number, boolean or null, not %s',
                                                    operator, to_json(key), jsonb_typeof(value)))
                else value::text end;

create or replace function retrieval._filter_operator(path text, key text, operator text, operand jsonb,
                                                      negated boolean, depth integer)
    returns text
    language plpgsql immutable
as $$
declare
    kind constant text := jsonb_typeof(operand);
    values_list jsonb := operand;
    term_negated boolean;
    all_of boolean;
begin
    case
    when operator = '$eq' then
        return retrieval._filter_term(format('%s == %s', path, retrieval._filter_value(operator, key, operand)), negated);
    when operator = '$ne' then
        return retrieval._filter_term(format('%s == %s', path, retrieval._filter_value(operator, key, operand)), not negated);
    when operator in ('$gt', '$gte', '$lt', '$lte') then
        if kind not in ('number', 'string') then
            perform retrieval._filter_error(format('%s on key %s takes a number or a string, not %s', operator, to_json(key), kind));
        end if;
        return retrieval._filter_term(
            format('%s %s %s', path,
                   case operator when '$gt' then '>' when '$gte' then '>=' when '$lt' then '<' else '<=' end,
                   operand::text), negated);
    when operator in ('$in', '$nin', '$contains') then
        if kind <> 'array' then
            if operator <> '$contains' then
                perform retrieval._filter_error(format('%s on key %s takes an array, not %s', operator, to_json(key), kind));
            end if;
            values_list := jsonb_build_array(operand);
        end if;
        -- $in is any of, $contains all of; negation turns each into the other and an empty list follows suit
        term_negated := negated <> (operator = '$nin');
        all_of := (operator = '$contains') <> term_negated;
        return (
            select coalesce(retrieval._filter_join(
                       array_agg(retrieval._filter_term(
                           format('%s == %s', path || case operator when '$contains' then '[*]' else '' end,
                                  retrieval._filter_value(operator, key, v.value)),
                           term_negated) order by v.ordinality),
                       case when all_of then '&&' else '||' end), retrieval._filter_constant(all_of))
            from jsonb_array_elements(values_list) with ordinality v);
    when operator = '$prefix' then
        if kind <> 'string' then
            perform retrieval._filter_error(format('$prefix on key %s takes a string, not %s', to_json(key), kind));
        end if;
        return retrieval._filter_term(format('%s starts with %s', path, operand::text), negated);
    when operator = '$exists' then
        if kind <> 'boolean' then
            perform retrieval._filter_error(format('$exists on key %s takes true or false, not %s', to_json(key), kind));
        end if;
        return case when operand::boolean <> negated then format('exists(%s)', path) else format('!exists(%s)', path) end;
    when operator = '$not' then
        if kind <> 'object' then
            perform retrieval._filter_error(format('$not on key %s takes an object of operators, not %s', to_json(key), kind));
        end if;
        return retrieval._filter_key(path, key, operand, not negated, depth + 1);
    else
        return retrieval._filter_error(format('unknown operator %s on key %s', to_json(operator), to_json(key)));
    end case;
end;
$$;

-- What stands behind a key: a bare value, an object of operators, or an object of keys (a nested path).
create or replace function retrieval._filter_key(path text, key text, condition jsonb, negated boolean, depth integer)
    returns text
    language plpgsql immutable
as $$
declare
    operators integer;
    members integer;
begin
    if depth > 100 then
        perform retrieval._filter_error('nested more than 100 levels deep');
    end if;
    if jsonb_typeof(condition) <> 'object' then
        return retrieval._filter_operator(path, key, '$eq', condition, negated, depth);
    end if;
    select count(*), count(*) filter (where starts_with(name, '$'))
    into members, operators
    from jsonb_object_keys(condition) name;
    if members = 0 then
        perform retrieval._filter_error(format('key %s has no condition', to_json(key)));
    elsif operators not in (0, members) then
        perform retrieval._filter_error(format('key %s mixes operators and keys', to_json(key)));
    end if;
    return (
        select retrieval._filter_join(
                   array_agg(case when operators > 0
                                  then retrieval._filter_operator(path, key, m.name, m.operand, negated, depth)
                                  else retrieval._filter_key(path || '.' || to_json(m.name), m.name, m.operand, negated, depth + 1)
                             end order by m.name),
                   case when negated then '||' else '&&' end)
        from jsonb_each(condition) m(name, operand));
end;
$$;

-- A whole filter, or a member of $and, $or and $not.
create or replace function retrieval._filter_node(filter jsonb, negated boolean, depth integer)
    returns text
    language plpgsql immutable
as $$
declare
    member record;
    predicates text[] := '{}';
begin
    if depth > 100 then
        perform retrieval._filter_error('nested more than 100 levels deep');
    elsif jsonb_typeof(filter) <> 'object' then
        perform retrieval._filter_error(format('expected an object, found %s: %s', jsonb_typeof(filter), left(filter::text, 60)));
    elsif filter = '{}' then
        return retrieval._filter_constant(not negated);
    end if;
    for member in select * from jsonb_each(filter) loop
        if member.key in ('$and', '$or') then
            if jsonb_typeof(member.value) <> 'array' or member.value = '[]' then
                perform retrieval._filter_error(format('%s takes a non-empty array of filters', member.key));
            end if;
            predicates := predicates || (
                select retrieval._filter_join(array_agg(retrieval._filter_node(f.value, negated, depth + 1) order by f.ordinality),
                                              case when (member.key = '$and') <> negated then '&&' else '||' end)
                from jsonb_array_elements(member.value) with ordinality f);
        elsif member.key = '$not' then
            predicates := predicates || retrieval._filter_node(member.value, not negated, depth + 1);
        elsif starts_with(member.key, '$') then
            perform retrieval._filter_error(format('unknown operator %s', to_json(member.key)));
        else
            predicates := predicates
                || retrieval._filter_key('$.' || to_json(member.key), member.key, member.value, negated, depth + 1);
        end if;
    end loop;
    return retrieval._filter_join(predicates, case when negated then '||' else '&&' end);
end;
$$;

create or replace function retrieval.compile_filter(metadata_filter jsonb)
    returns jsonpath
    language sql immutable
    return case when metadata_filter is null or metadata_filter = '{}' then null
                else retrieval._filter_node(metadata_filter, false, 0)::jsonpath end;

comment on function retrieval.compile_filter(jsonb) is
'The jsonpath predicate of a metadata filter, for `metadata @@ …`; null for no filter. Operators: $eq $ne $gt $gte $lt $lte $in $nin $exists $contains $prefix $and $or $not. A malformed filter raises 22023 and names the operator or key.';
-- end

-- begin sql/copy_document.sql
-- A chunk carries its document's title, metadata and text configuration, so that a filter and the ranking need no
-- second join. Whoever writes chunks may fill the copies in; what is missing or wrong is corrected here, once per
-- statement, and again when the document changes: no caller can let them drift apart.

create or replace function retrieval._copy_document()
    returns trigger
    language plpgsql
as $$
declare
    written_collection bigint;
begin
    for written_collection in select distinct collection_id from written_rows loop
        -- a concurrent change of the document waits until new chunks can be seen, or is seen here
        if tg_op = 'INSERT' then
            execute format(
                'select from retrieval.documents d
                 where d.collection_id = %1$s
                   and d.document_id in (select w.document_id from written_rows w where w.collection_id = %1$s)
                 for share', written_collection);
        end if;
        execute format(
            'update retrieval.chunks c
             set title = d.title, metadata = d.metadata, text_config = coalesce(d.text_config, n.text_config)
             from retrieval.documents d
             join retrieval.collections n using (collection_id)
             where c.collection_id = %1$s and d.collection_id = %1$s and c.document_id = d.document_id
               and d.document_id in (select w.document_id from written_rows w where w.collection_id = %1$s)
               and (c.title is distinct from d.title or c.metadata <> d.metadata
                    or c.text_config <> coalesce(d.text_config, n.text_config))', written_collection);
    end loop;
    return null;
end;
$$;

comment on function retrieval._copy_document() is
'Trigger on documents and chunks: chunks take title, metadata and text configuration from their document.';

create or replace trigger copy_document_inserted
    after insert on retrieval.chunks referencing new table as written_rows
    for each statement execute function retrieval._copy_document();

create or replace trigger copy_document_updated
    after update on retrieval.chunks referencing new table as written_rows
    for each statement execute function retrieval._copy_document();

create or replace trigger copy_document_updated
    after update on retrieval.documents referencing new table as written_rows
    for each statement execute function retrieval._copy_document();

-- Another configuration for a collection means new lexemes for every document that does not name its own.
create or replace function retrieval._copy_text_config()
    returns trigger
    language plpgsql
as $$
begin
    execute format(
        'update retrieval.chunks c set text_config = %1$L
         from retrieval.documents d
         where c.collection_id = %2$s and d.collection_id = %2$s and c.document_id = d.document_id and d.text_config is null',
        new.text_config, new.collection_id);
    return null;
end;
$$;

comment on function retrieval._copy_text_config() is
'Trigger: a collection''s new text configuration reaches the chunks of its documents.';

create or replace trigger copy_text_config
    after update of text_config on retrieval.collections
    for each row when (new.text_config is distinct from old.text_config) execute function retrieval._copy_text_config();
-- end

-- begin sql/count_chunks.sql
-- The statistics that BM25 needs: how many chunks, how long, and in how many of them a lexeme occurs.
--
-- Each statement that writes chunks appends what it changed, and a reader adds up. Nothing is updated in place:
-- two writers never wait for each other here, and what a reader sees belongs to the same snapshot as the chunks
-- that it sees, also after a rollback. When many differences have piled up, one writer folds them.

create or replace function retrieval._count_chunks()
    returns trigger
    language plpgsql
as $$
declare
    -- an update that leaves the lexemes alone (metadata, say) changes no statistics
    changed constant text := case tg_op
        when 'INSERT' then 'select 1 as sign, n.* from new_chunks n'
        when 'DELETE' then 'select -1 as sign, o.* from old_chunks o'
        else 'select 1 as sign, n.* from new_chunks n join old_chunks o using (chunk_id)
              where (n.lexemes, n.text_config, n.collection_id) is distinct from (o.lexemes, o.text_config, o.collection_id)
              union all
              select -1, o.* from new_chunks n join old_chunks o using (chunk_id)
              where (n.lexemes, n.text_config, n.collection_id) is distinct from (o.lexemes, o.text_config, o.collection_id)'
        end;
    counted record;
begin
    -- a removed chunk leaves the bounds as they are: they stay valid, only less tight
    execute format(
        'insert into retrieval.lexeme_statistics
             (collection_id, lexeme, document_frequency, maximum_frequency, minimum_length_ratio)
         select w.collection_id, l.lexeme, sum(w.sign),
                coalesce(max(cardinality(l.positions)) filter (where w.sign > 0), 0),
                coalesce(min(w.length::real / cardinality(l.positions)) filter (where w.sign > 0), ''infinity'')
         from (%s) w, unnest(w.lexemes) l
         group by w.collection_id, l.lexeme', changed);
    for counted in execute format(
        'insert into retrieval.chunk_statistics (collection_id, text_config, chunk_count, total_length)
         select w.collection_id, w.text_config, sum(w.sign), sum(w.sign * w.length)
         from (%s) w
         group by w.collection_id, w.text_config
         returning collection_id', changed)
    loop
        perform retrieval._fold_statistics(counted.collection_id, 500);
    end loop;
    return null;
end;
$$;

comment on function retrieval._count_chunks() is
'Trigger: appends to the statistics what a statement changed in the chunks.';

create or replace trigger count_chunks_inserted
    after insert on retrieval.chunks referencing new table as new_chunks
    for each statement execute function retrieval._count_chunks();

create or replace trigger count_chunks_updated
    after update on retrieval.chunks referencing old table as old_chunks new table as new_chunks
    for each statement execute function retrieval._count_chunks();

create or replace trigger count_chunks_deleted
    after delete on retrieval.chunks referencing old table as old_chunks
    for each statement execute function retrieval._count_chunks();

-- Truncating is not deleting: no rows are seen. The trigger sits on the partition and is told its collection.
create or replace function retrieval._forget_chunks()
    returns trigger
    language plpgsql
as $$
begin
    execute format('truncate retrieval.%I, retrieval.%I',
                   'chunk_statistics_' || tg_argv[0], 'lexeme_statistics_' || tg_argv[0]);
    return null;
end;
$$;

comment on function retrieval._forget_chunks() is 'Trigger: truncated chunks have no statistics.';

-- Adds the differences up where more than `threshold` statements have left theirs. Only one session folds at a
-- time and nobody waits for it; a repeatable-read transaction leaves it to others, because a fold that it cannot
-- see would make its own fail.
create or replace function retrieval._fold_statistics(collection_id bigint, threshold bigint)
    returns void
    language plpgsql
as $$
declare
    differences bigint;
begin
    execute format('select count(*) from retrieval.chunk_statistics where collection_id = %s', collection_id)
        into differences;
    if differences <= threshold
       or current_setting('transaction_isolation') <> 'read committed'
       or not pg_try_advisory_xact_lock(hashtextextended('retrieval.fold_statistics', collection_id)) then
        return;
    end if;
    execute format(
        'with folded as (delete from retrieval.chunk_statistics where collection_id = %1$s returning *)
         insert into retrieval.chunk_statistics (collection_id, text_config, chunk_count, total_length)
         select %1$s, text_config, sum(chunk_count), sum(total_length)
         from folded group by text_config having sum(chunk_count) <> 0', collection_id);
    execute format(
        'with folded as (
             delete from retrieval.lexeme_statistics
             where collection_id = %1$s and lexeme in (
                 select lexeme from retrieval.lexeme_statistics
                 where collection_id = %1$s group by lexeme having count(*) > 1)
             returning *)
         insert into retrieval.lexeme_statistics
             (collection_id, lexeme, document_frequency, maximum_frequency, minimum_length_ratio)
         select %1$s, lexeme, sum(document_frequency), max(maximum_frequency), min(minimum_length_ratio)
         from folded group by lexeme having sum(document_frequency) <> 0', collection_id);
end;
$$;

comment on function retrieval._fold_statistics(bigint, bigint) is
'Folds a collection''s statistics into one row per lexeme, where more than the threshold of statements have written.';
-- end

-- begin sql/refresh_statistics.sql
-- Recounting the statistics, and finding where they would come out different.
create or replace function retrieval.refresh_statistics(collection text)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        -- an older snapshot would miss chunks whose differences are removed here
        raise exception 'statistics can be refreshed only at isolation level read committed' using errcode = 'object_not_in_prerequisite_state';
    end if;
    -- a writer whose chunks are not seen yet must not have its differences removed
    execute format('lock table retrieval.%I in share row exclusive mode', 'chunks_' || target);
    execute format('truncate retrieval.%I, retrieval.%I', 'chunk_statistics_' || target, 'lexeme_statistics_' || target);
    execute format(
        'insert into retrieval.chunk_statistics (collection_id, text_config, chunk_count, total_length)
         select %1$s, text_config, count(*), sum(length)
         from retrieval.chunks where collection_id = %1$s group by text_config', target);
    execute format(
        'insert into retrieval.lexeme_statistics
             (collection_id, lexeme, document_frequency, maximum_frequency, minimum_length_ratio)
         select %1$s, l.lexeme, count(*), max(cardinality(l.positions)), min(c.length::real / cardinality(l.positions))
         from retrieval.chunks c, unnest(c.lexemes) l
         where c.collection_id = %1$s group by l.lexeme', target);
end;
$$;

comment on function retrieval.refresh_statistics(text) is
'Recounts a collection''s statistics from its chunks. Writers of the collection wait meanwhile. Needed only to tighten the ranking''s bounds after many deletions, or when retrieval doctor reports a drift.';

create or replace function retrieval.statistics_drift(collection text)
    returns table (lexeme text, stored bigint, counted bigint)
    language plpgsql stable
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    return query execute format(
        'with stored as (
             select l.lexeme, sum(l.document_frequency)::bigint as n from retrieval.lexeme_statistics l
             where l.collection_id = %1$s group by l.lexeme
             union all
             select null, sum(s.chunk_count)::bigint from retrieval.chunk_statistics s where s.collection_id = %1$s),
         counted as (
             select l.lexeme, count(*) as n from retrieval.chunks c, unnest(c.lexemes) l
             where c.collection_id = %1$s group by l.lexeme
             union all
             select null, count(*) from retrieval.chunks c where c.collection_id = %1$s)
         select coalesce(s.lexeme, c.lexeme), coalesce(s.n, 0), coalesce(c.n, 0)
         from stored s full join counted c on coalesce(s.lexeme, '''') = coalesce(c.lexeme, '''')
         where coalesce(s.n, 0) <> coalesce(c.n, 0)
         order by 1', target);
end;
$$;

comment on function retrieval.statistics_drift(text) is
'Lexemes whose stored document frequency is not what a recount gives; a null lexeme stands for the number of chunks. No rows: all is right. Reads the whole collection.';
-- end

-- begin sql/create_collection.sql
-- Creates a collection with its own partitions.
--
-- A partition is built as a table of its own and attached when it is complete: `create table … partition of` would
-- wait for every reader of the parent and make new readers queue behind it, attaching does not.

create or replace function retrieval._attach_partition(parent text, id bigint, key text)
    returns void
    language plpgsql
as $$
declare
    partition constant text := parent || '_' || id;
begin
    execute format('create table retrieval.%I (like retrieval.%I including all excluding identity)', partition, parent);
    -- an equal check lets attach trust the (empty) table instead of scanning it
    execute format('alter table retrieval.%I add constraint partition_bound check (%I is not null and %2$I = %s)', partition, key, id);
    execute format('alter table retrieval.%I attach partition retrieval.%I for values in (%s)', parent, partition, id);
    execute format('alter table retrieval.%I drop constraint partition_bound', partition);
end;
$$;

comment on function retrieval._attach_partition(text, bigint, text) is
'Creates the partition of a table for one collection or space.';

-- A statement trigger on the parent does not fire for statements aimed at a partition (a cascaded delete is one),
-- so a partition gets its parent's.
create or replace function retrieval._copy_statement_triggers(parent text, partition text)
    returns void
    language plpgsql
as $$
declare
    definition text;
begin
    for definition in
        select pg_get_triggerdef(t.oid)
        from pg_catalog.pg_trigger t
        where t.tgrelid = format('retrieval.%I', parent)::regclass and not t.tgisinternal
          and t.tgtype & 1 = 0  -- for each statement
    loop
        execute replace(definition, format(' ON retrieval.%I ', parent), format(' ON retrieval.%I ', partition));
    end loop;
end;
$$;

comment on function retrieval._copy_statement_triggers(text, text) is
'Gives a partition the statement triggers of its parent.';

create or replace function retrieval.create_collection(name text, text_config text default 'english')
    returns bigint
    language plpgsql
as $$
declare
    created bigint;
begin
    perform retrieval._check_name('collection', name);
    insert into retrieval.collections (name, text_config) values (name, text_config)
    returning collection_id into created;

    perform retrieval._attach_partition('documents', created, 'collection_id');
    perform retrieval._attach_partition('chunks', created, 'collection_id');
    perform retrieval._attach_partition('chunk_statistics', created, 'collection_id');
    perform retrieval._attach_partition('lexeme_statistics', created, 'collection_id');
    execute format(
        'alter table retrieval.%1$I add constraint document_fkey foreign key (document_id, collection_id)
         references retrieval.%2$I (document_id, collection_id) on delete cascade',
        'chunks_' || created, 'documents_' || created);
    -- ranking reads the lexemes of hundreds of chunks: kept in the row they cost no visit to the TOAST table
    execute format('alter table retrieval.%I set (toast_tuple_target = 8160)', 'chunks_' || created);
    perform retrieval._copy_statement_triggers('documents', 'documents_' || created);
    perform retrieval._copy_statement_triggers('chunks', 'chunks_' || created);
    execute format(
        'create trigger forget_chunks after truncate on retrieval.%I
         for each statement execute function retrieval._forget_chunks(%L)', 'chunks_' || created, created);
    return created;
exception when unique_violation then
    raise exception 'collection % already exists', quote_ident(name) using errcode = 'duplicate_object';
end;
$$;

comment on function retrieval.create_collection(text, text) is
'Creates a collection and returns its id. text_config is the text-search configuration of its documents unless a document names its own (psql: \dF lists them). 42710 where the name is taken.';
-- end

-- begin sql/drop_collection.sql
-- Removing a collection or a space.
--
-- Dropping an attached partition locks its parent against everyone. So a removal first empties the partitions,
-- which locks only them, and then drops them if the parent is free at once; otherwise they stay behind, empty and
-- unreachable, and the next removal or retrieval.drop_orphans() takes them along.

create or replace function retrieval._drop_tables(tables text[])
    returns boolean
    language plpgsql
as $$
declare
    lock_timeout constant text := current_setting('lock_timeout');
begin
    perform set_config('lock_timeout', '100ms', true);
    execute 'drop table ' || array_to_string(tables, ', ');
    perform set_config('lock_timeout', lock_timeout, true);
    return true;
exception when lock_not_available then
    return false;
end;
$$;

comment on function retrieval._drop_tables(text[]) is
'Drops tables if their locks can be had within 100 ms, and says whether it did.';

create or replace function retrieval.drop_orphans()
    returns integer
    language plpgsql
as $$
declare
    orphan record;
    dropped integer := 0;
begin
    for orphan in
        select o.name
        from (
            select c.relname as name, p.relname as parent, substring(c.relname from '_(\d+)$')::bigint as id
            from pg_catalog.pg_inherits i
            join pg_catalog.pg_class c on c.oid = i.inhrelid
            join pg_catalog.pg_class p on p.oid = i.inhparent
            where p.relnamespace = 'retrieval'::regnamespace and p.relkind = 'p') o
        where case o.parent
              when 'embeddings' then not exists (select from retrieval.spaces s where s.space_id = o.id)
              else not exists (select from retrieval.collections n where n.collection_id = o.id) end
        -- referencing tables before those that they reference
        order by array_position(array['embeddings', 'chunks'], o.parent::text) nulls last
    loop
        dropped := dropped + retrieval._drop_tables(array[format('retrieval.%I', orphan.name)])::integer;
    end loop;
    return dropped;
end;
$$;

comment on function retrieval.drop_orphans() is
'Drops the tables of removed collections and spaces that were in use when they were removed; returns how many tables.';

create or replace function retrieval.drop_collection(name text)
    returns void
    language plpgsql
as $$
declare
    removed constant bigint := (retrieval._collection(name)).collection_id;
    tables text[];
begin
    select array_agg(format('retrieval.%I', t.name) order by t.number) into tables
    from (
        select 0 as number, 'embeddings_' || s.space_id as name from retrieval.spaces s where s.collection_id = removed
        union all
        select i, parent || '_' || removed
        from unnest(array['chunks', 'documents', 'lexeme_statistics', 'chunk_statistics']) with ordinality p(parent, i)) t;
    -- the statistics follow by trigger
    execute 'truncate ' || array_to_string(array(select t from unnest(tables) t where t !~ 'statistics'), ', ');
    delete from retrieval.collections c where c.collection_id = removed;
    perform retrieval._drop_tables(tables);
    perform retrieval.drop_orphans();
end;
$$;

comment on function retrieval.drop_collection(text) is
'Removes a collection with everything in it. Searches in other collections do not wait for it. 42704 where there is none of that name.';
-- end

-- begin sql/metric.sql
-- The metric's operator class, operator and score. Inner product and distances become scores by their sign, cosine
-- distance becomes the cosine: a score is better when higher.
create or replace function retrieval._operator_class(metric text)
    returns text
    language sql immutable
    return case metric when 'cosine' then 'halfvec_cosine_ops' when 'inner_product' then 'halfvec_ip_ops'
                       when 'l2' then 'halfvec_l2_ops' when 'l1' then 'halfvec_l1_ops' end;

create or replace function retrieval._distance_operator(metric text)
    returns text
    language sql immutable
    return case metric when 'cosine' then '<=>' when 'inner_product' then '<#>' when 'l2' then '<->' when 'l1' then '<+>' end;

create or replace function retrieval._semantic_score(metric text, distance double precision)
    returns double precision
    language sql immutable
    return case metric when 'cosine' then 1 - distance else -distance end;

comment on function retrieval._operator_class(text) is 'The pgvector operator class of a metric.';
comment on function retrieval._distance_operator(text) is 'The pgvector operator of a metric.';
comment on function retrieval._semantic_score(text, double precision) is
'The score of a distance: the cosine, the inner product, or the negative distance.';
-- end

-- begin sql/check_embedding.sql
-- An embedding is only worth something beside others of the same model.

create or replace function retrieval._check_signature(space retrieval.spaces, signature jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    differing text;
begin
    select string_agg(format('%s is %s, the space has %s', k.key, coalesce(signature -> k.key, 'null'), coalesce(space.signature -> k.key, 'null')), '; ' order by k.key)
    into differing
    from (select jsonb_object_keys(signature) union select jsonb_object_keys(space.signature) where signature is not null) k(key)
    where signature -> k.key is distinct from space.signature -> k.key;
    if differing is not null then
        raise exception 'the embeddings of space % were made by another model: %', quote_ident(space.name), differing
            using errcode = 'invalid_parameter_value', constraint = 'space_signature';
    end if;
end;
$$;

comment on function retrieval._check_signature(retrieval.spaces, jsonb) is
'22023 with the constraint space_signature where a signature is given and is not the space''s.';

create or replace function retrieval._check_embedding(space retrieval.spaces, embedding halfvec, signature jsonb)
    returns void
    language plpgsql immutable
    set search_path from current
as $$
begin
    if embedding is null then
        raise exception 'query_embedding must not be null' using errcode = 'null_value_not_allowed';
    end if;
    -- first, because another model explains other dimensions
    perform retrieval._check_signature(space, signature);
    if vector_dims(embedding) <> space.dimensions then
        raise exception 'query_embedding has % dimensions, space % has %', vector_dims(embedding), quote_ident(space.name), space.dimensions
            using errcode = 'invalid_parameter_value';
    elsif space.metric = 'cosine' and l2_norm(embedding) = 0 then
        raise exception 'query_embedding is all zeros, which has no cosine with anything' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_embedding(retrieval.spaces, halfvec, jsonb) is
'22023 where an embedding cannot be compared with those of a space; the constraint space_signature where another model made it.';
-- end

-- begin sql/create_space.sql
-- Creates a space: the embeddings of one model for one collection. It is `building` until activate_space.
create or replace function retrieval.create_space(
    collection text,
    space text,
    model text,
    dimensions integer,
    kind text default 'dense',
    metric text default 'cosine',
    index_method text default 'hnsw',
    quantization text default 'half',
    revision text default null,
    signature jsonb default '{}',
    index_options jsonb default '{}')
    returns bigint
    language plpgsql
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    created bigint;
begin
    perform retrieval._check_name('space', space);
    perform retrieval._check_choice('kind', kind, array['dense']);
    perform retrieval._check_choice('metric', metric, array['cosine', 'inner_product', 'l2', 'l1']);
    perform retrieval._check_choice('index_method', index_method, array['hnsw', 'none']);
    perform retrieval._check_choice('quantization', quantization, array['half']);
    perform retrieval._check_count('dimensions', dimensions, 4000);
    perform retrieval._check_index_options(index_options);

    insert into retrieval.spaces (collection_id, name, kind, model, revision, signature, dimensions, metric,
                                  index_method, index_options, quantization)
    values (owner.collection_id, space, kind, model, revision, signature, dimensions, metric,
            index_method, index_options, quantization)
    returning space_id into created;

    perform retrieval._attach_partition('embeddings', created, 'space_id');
    execute format(
        'alter table retrieval.%1$I
             alter column embedding set storage plain,  -- 4,000 dimensions fit into a page
             add constraint dimensions_check check (vector_dims(embedding) = %2$s),
             add constraint collection_check check (collection_id = %3$s),
             add constraint chunk_fkey foreign key (chunk_id, collection_id)
                 references retrieval.%4$I (chunk_id, collection_id) on delete cascade%5$s',
        'embeddings_' || created, dimensions, owner.collection_id, 'chunks_' || owner.collection_id,
        -- a vector of zeros has no direction; pgvector would leave it out of the index without a word
        case when metric = 'cosine' then ', add constraint not_zero_check check (l2_norm(embedding) > 0)' else '' end);
    return created;
exception when unique_violation then
    raise exception 'space % already exists in collection %', quote_ident(space), quote_ident(collection)
        using errcode = 'duplicate_object';
end;
$$;

comment on function retrieval.create_space(text, text, text, integer, text, text, text, text, text, jsonb, jsonb) is
'Creates a space for a model''s embeddings in a collection and returns its id. metric: cosine, inner_product, l2 or l1; index_method: hnsw or none (exact); index_options: m and ef_construction. Insert into retrieval.embeddings, then build_index and activate_space. 42710 where the name is taken.';
-- end

-- begin sql/build_index.sql
-- Builds the vector index of a space, if it lacks a valid one. Filled tables are indexed faster than empty ones
-- are filled, so load first.
create or replace function retrieval.build_index(collection text, space text default null)
    returns void
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
    index_name constant text := format('embeddings_%s_index', target.space_id);
    options text;
begin
    -- whoever comes second waits here and then finds the index built
    perform pg_advisory_xact_lock(hashtextextended('retrieval.build_index', target.space_id));
    if target.index_method = 'none' or exists (
        select from pg_catalog.pg_index i
        where i.indexrelid = to_regclass(format('retrieval.%I', index_name)) and i.indisvalid) then
        return;
    end if;
    select string_agg(format('%I = %s', o.key, o.value::integer), ', ' order by o.key) into options
    from jsonb_each_text(target.index_options) o;
    if to_regclass(format('retrieval.%I', index_name)) is not null then
        execute format('drop index retrieval.%I', index_name);  -- left invalid by an interruption
    end if;
    execute format('create index %I on retrieval.%I using %s ((embedding::halfvec(%s)) %s)%s',
                   index_name, 'embeddings_' || target.space_id, target.index_method, target.dimensions,
                   retrieval._operator_class(target.metric), ' with (' || options || ')');
end;
$$;

comment on function retrieval.build_index(text, text) is
'Builds the vector index of a space (without a name: the active one) unless it has a valid one. Writers of the space wait meanwhile, searches do not.';
-- end

-- begin sql/activate_space.sql
-- Makes a space the one that searches use; the one before it stays as a shadow. Refused while chunks lack an
-- embedding in it.
create or replace function retrieval.activate_space(collection text, space text)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, coalesce(space, ''));
    missing bigint;
begin
    execute format(
        'select count(*) from retrieval.chunks c
         where c.collection_id = %s
           and not exists (select from retrieval.embeddings e where e.space_id = %s and e.chunk_id = c.chunk_id)',
        owner.collection_id, target.space_id) into missing;
    if missing > 0 then
        raise exception 'space % of collection % is not complete: % of the chunks have no embedding in it',
                        quote_ident(space), quote_ident(collection), missing
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    update retrieval.spaces s set state = 'shadow'
    where s.collection_id = owner.collection_id and s.kind = target.kind and s.state = 'active'
      and s.space_id <> target.space_id;
    update retrieval.spaces s set state = 'active', activated_at = now()
    where s.space_id = target.space_id and s.state <> 'active';
end;
$$;

comment on function retrieval.activate_space(text, text) is
'Makes a space the collection''s active one, which searches use; the former one becomes a shadow. 55000 while chunks lack an embedding in it.';
-- end

-- begin sql/drop_space.sql
-- Removes a space with its embeddings. The active one only when forced: searches would lose their semantic half.
create or replace function retrieval.drop_space(collection text, space text, force boolean default false)
    returns void
    language plpgsql
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), coalesce(space, ''));
    tables constant text[] := array[format('retrieval.%I', 'embeddings_' || target.space_id)];
begin
    if target.state = 'active' and force is not true then
        raise exception 'space % is the active one of collection %', quote_ident(space), quote_ident(collection)
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Activate another space first, or pass force => true.';
    end if;
    execute 'truncate ' || tables[1];
    delete from retrieval.spaces s where s.space_id = target.space_id;
    perform retrieval._drop_tables(tables);
    perform retrieval.drop_orphans();
end;
$$;

comment on function retrieval.drop_space(text, text, boolean) is
'Removes a space with its embeddings. 55000 for the active one unless force is true.';
-- end

-- begin sql/parse_query.sql
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

create or replace function retrieval._text_configs(collection_id bigint)
    returns text[]
    language plpgsql stable
as $$
declare
    text_configs text[];
begin
    execute format(
        'select array_agg(text_config order by text_config)
         from (select text_config from retrieval.chunk_statistics where collection_id = %s
               group by text_config having sum(chunk_count) > 0) s', collection_id)
        into text_configs;
    return coalesce(text_configs, '{}');
end;
$$;

comment on function retrieval._text_configs(bigint) is 'The text-search configurations that a collection''s chunks use.';

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
                 where s.collection_id = %s and s.lexeme >= p.prefix and s.lexeme < p.prefix || U&''\+10FFFF''
                 group by s.lexeme order by sum(s.document_frequency) desc, s.lexeme limit 64) e
             where e.lexeme <> all ($2)', collection_id)
            using started, coalesce(lexemes, '{}');
    end if;
end;
$$;

comment on function retrieval._query_terms(bigint, text[], text) is
'The lexemes that a query ranks by and how often it names each.';
-- end

-- begin sql/field_weights.sql
-- How much an occurrence counts, by where it stands: title, context or content. A word's frequency in the score is
-- the sum of its occurrences, each times its field's weight ("simple BM25F": Robertson, Zaragoza and Taylor, "Simple
-- BM25 Extension to Multiple Weighted Fields", CIKM 2004), with one length for the whole chunk.

-- {title, context, content}; a field that is left out counts 1.
create or replace function retrieval._field_weights(field_weights jsonb)
    returns double precision[]
    language plpgsql immutable
as $$
declare
    fields constant text[] := array['title', 'context', 'content'];
    field record;
    weights double precision[];
begin
    if field_weights is null then
        return array[1, 1, 1];
    elsif jsonb_typeof(field_weights) <> 'object' then
        raise exception 'field_weights must be an object such as {"title": 2, "context": 1.5}' using errcode = 'invalid_parameter_value';
    end if;
    for field in select * from jsonb_each(field_weights) loop
        perform retrieval._check_choice('field_weights: field', field.key, fields);
        if jsonb_typeof(field.value) <> 'number' or field.value::numeric not between 0 and 1000 then
            raise exception 'field_weights: % must be a number from 0 to 1000, not %', field.key, field.value
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
    weights := array(select coalesce((field_weights ->> f.name)::double precision, 1) from unnest(fields) with ordinality f(name, number) order by f.number);
    if 0 = all (weights) then
        raise exception 'field_weights must not all be 0' using errcode = 'invalid_parameter_value';
    end if;
    return weights;
end;
$$;

comment on function retrieval._field_weights(jsonb) is
'The weights of title, context and content as an array; 22023 where they are unusable.';

create or replace function retrieval.set_field_weights(collection text, field_weights jsonb)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    perform retrieval._field_weights(field_weights);
    update retrieval.collections c
    set settings = case when field_weights is null then c.settings - 'field_weights'
                        else c.settings || jsonb_build_object('field_weights', field_weights) end
    where c.collection_id = target;
end;
$$;

comment on function retrieval.set_field_weights(text, jsonb) is
'Makes occurrences in some fields count more in a collection''s keyword searches: {"title": 2, "context": 1.5}. A field left out counts 1, one with 0 is not ranked by; null restores 1 for all.';

-- The weighted frequency of a word in the chunk c, as SQL; $1 are the frequency thresholds. Title and context come
-- first in a tsvector, so ts_rank with the weights of the fields after them set to 0 is again a sum over 1/j² from
-- j = 1, and counts the occurrences up to there.
create or replace function retrieval._frequency_expression(word text, field_weights double precision[])
    returns text
    language sql immutable
    return (select string_agg(format('%s * width_bucket(ts_rank(''%s'', c.lexemes, %L)::double precision, $1)', f.weight, f.fields, word), ' + ')
            from (values (field_weights[1] - field_weights[2], '{0,0,0,1}'),
                         (field_weights[2] - field_weights[3], '{0,0,1,1}'),
                         (field_weights[3], '{1,1,1,1}')) f(weight, fields)
            where f.weight <> 0);

comment on function retrieval._frequency_expression(text, double precision[]) is
'SQL for the weighted number of occurrences of a word in a chunk.';
-- end

-- begin sql/threshold_query.sql
-- Which chunks can score more than a threshold, as a tsquery that the GIN index answers.
--
-- A chunk's score is at most the sum of the bounds of the words that it holds (WAND: Broder et al., "Efficient Query
-- Evaluation using a Two-Level Retrieval Process", CIKM 2003). So it can only pass the threshold if it holds a set of
-- words whose bounds add up to more. The words come in descending order of their bounds; for the first word of the
-- set that a chunk holds, the rest must come from the words after it. Beyond `depth` words of a set the condition is
-- relaxed to "any word without which the rest is too little": that lets more chunks through, never fewer.
--
-- Null means no condition: whatever the chunk holds beyond, it passes. An empty text means that nothing passes.
create or replace function retrieval._threshold_query(
    words text[], bounds double precision[], remainders double precision[], threshold double precision, depth integer,
    first integer default 1)
    returns text
    language plpgsql immutable
as $$
declare
    alternatives text[] := '{}';
    rest text;
begin
    if threshold < 0 then
        return null;
    end if;
    for i in first .. cardinality(words) loop
        exit when remainders[i] <= threshold;
        if depth = 0 then
            alternatives := alternatives || words[i];
        else
            rest := retrieval._threshold_query(words, bounds, remainders, threshold - bounds[i], depth - 1, i + 1);
            if rest is null then
                alternatives := alternatives || words[i];
            elsif rest <> '' then
                alternatives := alternatives || ('(' || words[i] || ' & ' || rest || ')');
            end if;
        end if;
    end loop;
    return case when cardinality(alternatives) < 2 then coalesce(alternatives[1], '')
                else '(' || array_to_string(alternatives, ' | ') || ')' end;
end;
$$;

comment on function retrieval._threshold_query(text[], double precision[], double precision[], double precision, integer, integer) is
'A tsquery, as text, that every chunk matches whose words'' bounds add up to more than the threshold. words: quoted for tsquery, in descending order of bounds; remainders[i]: the sum of the bounds from i on.';
-- end

-- begin sql/keyword_search.sql
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
    field_weights double precision[], condition text, metadata_path jsonpath)
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
        ' and c.metadata @@ ' || quote_literal(metadata_path));
end;
$$;

comment on function retrieval._keyword_statement(bigint, text, text[], double precision[], double precision, double precision[], text, jsonpath) is
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
    collection retrieval.collections, query_text text, metadata_path jsonpath, candidates integer, keyword_operator text,
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
                    collection.collection_id, threshold_query, term.words, term.weights, term.average_length, fields, condition, metadata_path) || ') h'
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

comment on function retrieval._keyword_candidates(retrieval.collections, text, jsonpath, integer, text, jsonb) is
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
        using target, query_text, retrieval.compile_filter(metadata_filter), max_results, keyword_operator, field_weights;
end;
$$;

comment on function retrieval.keyword_search(text, text, jsonb, integer, text, jsonb) is
'The best chunks by BM25, best first, ties by chunk_id; no rows where no word of the query occurs. query_text: words, "a phrase", -not, or, prefix*. keyword_operator ''and'' demands every word. field_weights: as in set_field_weights, for this call. score is the BM25 score; its scale depends on query and collection.';
-- end

-- begin sql/explain_keyword_search.sql
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
         from retrieval._keyword_terms(%1$s, retrieval._text_configs(%1$s), $1, $6) t
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
-- end

-- begin sql/semantic_search.sql
-- Semantic search: the nearest chunks of a space.
--
-- The HNSW index yields chunks in the order of their distance; where a filter discards them, an iterative scan goes
-- on until enough have passed (strict_order, and no bound on how far: a promise of max_results is kept). The settings
-- belong to the function that walks the index, so no caller can forget them, and the statement is planned anew each
-- time: a cached generic plan would filter after the scan and come back short.

-- The statement that finds: $1 is the query embedding, $2 how many. Without the cast that the index is built on, it
-- reads every embedding: the exact answer.
create or replace function retrieval._semantic_statement(space retrieval.spaces, metadata_path jsonpath, exact boolean)
    returns text
    language plpgsql stable
as $$
declare
    cast_to constant text := case when exact then '::halfvec' else format('::halfvec(%s)', space.dimensions) end;
    distance constant text := format('e.embedding%s %s $1%1$s', cast_to, retrieval._distance_operator(space.metric));
begin
    return format(
        'select n.chunk_id, n.distance
         from (select e.chunk_id, %1$s as distance
               from retrieval.embeddings e%2$s
               where e.space_id = %3$s
               order by %1$s%4$s
               limit $2) n
         order by n.distance, n.chunk_id',
        distance,
        case when metadata_path is not null then
            format(' join retrieval.chunks c on c.collection_id = %s and c.chunk_id = e.chunk_id and c.metadata @@ %L',
                   space.collection_id, metadata_path) end,
        space.space_id,
        case when exact then ', e.chunk_id' end);
end;
$$;

comment on function retrieval._semantic_statement(retrieval.spaces, jsonpath, boolean) is
'The SQL that finds the nearest chunks. Every value in it is quoted; $1 is the query embedding, $2 the number of chunks wanted.';

create or replace function retrieval._semantic_candidates(
    space retrieval.spaces, query_embedding halfvec, metadata_path jsonpath, candidates integer)
    returns table (chunk_id bigint, score double precision)
    language plpgsql stable rows 100
    set search_path from current
    set hnsw.iterative_scan = 'strict_order'
    set hnsw.max_scan_tuples = 2147483647
    set hnsw.ef_search = 100
as $$
declare
    exact boolean := space.index_method = 'none';
    chunk_ids bigint[];
    distances double precision[];
begin
    perform set_config('hnsw.ef_search', least(greatest(candidates, 100), 1000)::text, true);
    loop
        execute format('select array_agg(s.chunk_id), array_agg(s.distance) from (%s) s',
                       retrieval._semantic_statement(space, metadata_path, exact))
            into chunk_ids, distances using query_embedding, candidates;
        -- a graph need not reach every chunk; where it came back short, the exact answer is cheap or due
        exit when exact or cardinality(chunk_ids) >= candidates;
        exact := true;
    end loop;
    return query
        select n.chunk_id, retrieval._semantic_score(space.metric, n.distance)
        from unnest(chunk_ids, distances) n(chunk_id, distance);
end;
$$;

comment on function retrieval._semantic_candidates(retrieval.spaces, halfvec, jsonpath, integer) is
'The nearest chunks of a space, nearest first, ties by chunk_id.';

create or replace function retrieval.semantic_search(
    collection text,
    query_embedding halfvec,
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    signature jsonb default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, semantic_rank bigint, semantic_score double precision)
    language plpgsql stable rows 10
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_embedding(target, query_embedding, signature);
    return query execute format(
        'select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata, h.score, h.rank, h.score
         from retrieval._semantic_candidates($1, $2, $3, $4) with ordinality h(chunk_id, score, rank)
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
         order by h.rank', target.collection_id)
        using target, query_embedding, retrieval.compile_filter(metadata_filter), max_results;
end;
$$;

comment on function retrieval.semantic_search(text, halfvec, jsonb, integer, text, jsonb) is
'The nearest chunks of a space (without a name: the active one), nearest first; max_results rows whenever that many match the filter. score is the cosine, the inner product, or the negative distance, by the space''s metric. Where a signature is given it must equal the space''s: an embedding of another model is refused.';
-- end

-- begin sql/hybrid_search.sql
-- Hybrid search: keyword and semantic candidates, fused by weighted reciprocal rank fusion (Cormack, Clarke and
-- Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009):
--
--     score = Σ over the legs of  weight / (rrf_k + rank in the leg),  ranks from 1
--
-- A leg that did not find a chunk adds nothing for it. The filter reaches each leg before its cut.
create or replace function retrieval.hybrid_search(
    collection text,
    query_text text default null,
    query_embedding halfvec default null,
    metadata_filter jsonb default null,
    max_results integer default 10,
    weights jsonb default '{"keyword": 1, "semantic": 1}',
    rrf_k integer default 60,
    candidates integer default 100,
    space text default null,
    signature jsonb default null,
    keyword_operator text default 'or')
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, keyword_rank bigint, keyword_score double precision,
        semantic_rank bigint, semantic_score double precision)
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
begin
    if query_text is null and query_embedding is null then
        raise exception 'query_text or query_embedding must be given' using errcode = 'null_value_not_allowed';
    end if;
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_count('candidates', candidates);
    perform retrieval._check_count('rrf_k', rrf_k, 1000000);
    perform retrieval._check_choice('keyword_operator', keyword_operator, array['or', 'and']);
    perform retrieval._check_weights(weights, array['keyword', 'semantic']);
    if query_embedding is not null then
        target := retrieval._space(owner, space);
        perform retrieval._check_embedding(target, query_embedding, signature);
    end if;
    return query execute format(
        'with keyword as (
             select k.* from retrieval._keyword_candidates($11, $1, $4, $5, $6, null) with ordinality k(chunk_id, score, rank)
             where $1 is not null),
         semantic as (
             select s.* from retrieval._semantic_candidates($2, $3, $4, $5) with ordinality s(chunk_id, score, rank)
             where $3 is not null),
         fused as (
             select chunk_id,
                    coalesce($7 / ($9 + k.rank), 0) + coalesce($8 / ($9 + s.rank), 0) as score,
                    k.rank as keyword_rank, k.score as keyword_score, s.rank as semantic_rank, s.score as semantic_score
             from keyword k full join semantic s using (chunk_id)
             order by score desc, chunk_id
             limit $10)
         select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata,
                f.score, f.keyword_rank, f.keyword_score, f.semantic_rank, f.semantic_score
         from fused f
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = f.chunk_id
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
         order by f.score desc, f.chunk_id', owner.collection_id)
        using query_text, target, query_embedding, retrieval.compile_filter(metadata_filter),
              greatest(candidates, max_results), keyword_operator,
              coalesce((weights ->> 'keyword')::double precision, 1), coalesce((weights ->> 'semantic')::double precision, 1),
              rrf_k, max_results, owner;
end;
$$;

comment on function retrieval.hybrid_search(text, text, halfvec, jsonb, integer, jsonb, integer, integer, text, jsonb, text) is
'Keyword and semantic search fused by weighted reciprocal rank fusion, best first, ties by chunk_id. Either query may be null. weights: {"keyword": 1, "semantic": 1}, a leg left out counts 1; candidates: how many each leg contributes. Ranks and scores of the legs are null where a leg did not find the chunk.';

create or replace function retrieval._check_weights(weights jsonb, legs text[])
    returns void
    language plpgsql immutable
as $$
declare
    weight record;
begin
    if weights is null or jsonb_typeof(weights) <> 'object' then
        raise exception 'weights must be an object such as {"keyword": 1, "semantic": 1}' using errcode = 'invalid_parameter_value';
    end if;
    for weight in select * from jsonb_each(weights) loop
        perform retrieval._check_choice('weights: leg', weight.key, legs);
        if jsonb_typeof(weight.value) <> 'number' or weight.value::double precision < 0 then
            raise exception 'weights: % must be a number from 0, not %', weight.key, weight.value
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
    if not exists (select from unnest(legs) leg where coalesce((weights ->> leg)::double precision, 1) > 0) then
        raise exception 'weights must not all be 0' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_weights(jsonb, text[]) is '22023 where the weights of legs are unusable.';
-- end

-- begin sql/put_documents.sql
-- Stores documents with their chunks, each replacing whatever its key held before: all of them or none.
--
-- A document is locked (by its upsert, in the order of the keys, so that two writers cannot deadlock) before its old
-- chunks are removed; a second writer of the same key therefore sees and replaces what the first one stored.
create or replace function retrieval.put_documents(collection text, documents jsonb)
    returns table (document_key text, document_id bigint, "position" integer, chunk_id bigint)
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    repeated record;
    stored_ids bigint[];
begin
    if jsonb_typeof(documents) is distinct from 'array' then
        raise exception 'documents must be a JSON array of objects' using errcode = 'invalid_parameter_value';
    end if;
    select d ->> 'document_key' as key into repeated from jsonb_array_elements(documents) d
    group by 1 having count(*) > 1 or d ->> 'document_key' is null limit 1;
    if found then
        raise exception '%', case when repeated.key is null then 'a document has no document_key'
                                  else format('document_key %L is given twice', repeated.key) end
            using errcode = 'invalid_parameter_value';
    end if;
    execute format($query$
        with stored as (
            insert into retrieval.documents
                (collection_id, document_key, title, source, content, metadata, text_config, content_hash)
            select %s, g.document_key, g.title, g.source, coalesce(g.content, ''), coalesce(g.metadata, '{}'), g.text_config, g.content_hash
            from jsonb_to_recordset($1) g(document_key text, title text, source text, content text, metadata jsonb,
                                          text_config text, content_hash text)
            order by g.document_key
            on conflict (document_key, collection_id) do update
            set title = excluded.title, source = excluded.source, content = excluded.content, metadata = excluded.metadata,
                text_config = excluded.text_config, content_hash = excluded.content_hash, updated_at = now()
            returning document_id)
        select array_agg(document_id) from stored$query$, owner) into stored_ids using documents;
    execute format('delete from retrieval.chunks where collection_id = %s and document_id = any($1)', owner) using stored_ids;
    return query execute format($query$
        with inserted as (
            insert into retrieval.chunks (collection_id, document_id, position, start_offset, end_offset, content, context,
                                          title, metadata, text_config)
            select %1$s, d.document_id, (c.number - 1)::integer, (c.chunk ->> 'start_offset')::integer,
                   (c.chunk ->> 'end_offset')::integer, coalesce(c.chunk ->> 'content', ''), coalesce(c.chunk ->> 'context', ''),
                   d.title, d.metadata, coalesce(d.text_config, n.text_config)
            from jsonb_to_recordset($1) g(document_key text, chunks jsonb)
            join retrieval.documents d on d.collection_id = %1$s and d.document_key = g.document_key
            join retrieval.collections n on n.collection_id = %1$s
            cross join lateral jsonb_array_elements(
                coalesce(g.chunks, jsonb_build_array(jsonb_build_object(
                    'content', d.content, 'start_offset', 0, 'end_offset', char_length(d.content)))))
                with ordinality c(chunk, number)
            returning document_id, position, chunk_id)
        select d.document_key, i.document_id, i.position, i.chunk_id
        from inserted i
        join retrieval.documents d on d.collection_id = %1$s and d.document_id = i.document_id
        order by d.document_key, i.position$query$, owner) using documents;
end;
$$;

comment on function retrieval.put_documents(text, jsonb) is
'Stores documents, each replacing what its key held, and returns their chunks. An element: {"document_key", "content", "title", "source", "metadata", "text_config", "content_hash", "chunks": [{"content", "context", "start_offset", "end_offset"}, …]}; only the key is required, and without chunks the content is one chunk. Embeddings follow with retrieval.put_embeddings.';
-- end

-- begin sql/delete_documents.sql
-- Deletes documents; their chunks and embeddings go with them.
create or replace function retrieval.delete_documents(collection text, document_keys text[])
    returns integer
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    deleted integer;
begin
    -- locked in the order that every writer of documents follows
    execute format('select from retrieval.documents where collection_id = %s and document_key = any($1) order by document_key for update', owner)
        using document_keys;
    -- the chunks first and all at once: cascading would count them once per document
    execute format(
        'delete from retrieval.chunks c using retrieval.documents d
         where c.collection_id = %1$s and d.collection_id = %1$s and d.document_key = any($1) and c.document_id = d.document_id', owner)
        using document_keys;
    execute format('delete from retrieval.documents where collection_id = %s and document_key = any($1)', owner)
        using document_keys;
    get diagnostics deleted = row_count;
    return deleted;
end;
$$;

comment on function retrieval.delete_documents(text, text[]) is
'Deletes the documents of these keys with their chunks and embeddings; returns how many there were.';
-- end

-- begin sql/tidy_collection.sql
-- After a bulk load: what autovacuum would do in its own time, done now.
create or replace function retrieval.tidy_collection(collection text)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    tidied record;
begin
    perform retrieval._fold_statistics(target, 1);
    for tidied in
        select i.indexrelid
        from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        join pg_catalog.pg_am a on a.oid = c.relam
        where i.indrelid = to_regclass(format('retrieval.%I', 'chunks_' || target)) and a.amname = 'gin'
    loop
        perform gin_clean_pending_list(tidied.indexrelid);
    end loop;
    for tidied in
        select format('%I', p.name || '_' || target) as name from unnest(array['documents', 'chunks', 'chunk_statistics', 'lexeme_statistics']) p(name)
        union all
        select format('%I', 'embeddings_' || s.space_id) from retrieval.spaces s where s.collection_id = target
    loop
        execute 'analyze retrieval.' || tidied.name;
    end loop;
end;
$$;

comment on function retrieval.tidy_collection(text) is
'Folds the statistics, empties the pending lists of the text and metadata indexes and analyzes a collection''s tables. Worth calling after a bulk load; otherwise autovacuum does as much in its own time.';
-- end

-- begin sql/put_embeddings.sql
-- Stores the embeddings of chunks in a space, replacing those that are there.
create or replace function retrieval.put_embeddings(
    collection text, space text, chunk_ids bigint[], embeddings halfvec[], signature jsonb default null)
    returns integer
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
    stored integer;
begin
    perform retrieval._check_signature(target, signature);
    if cardinality(chunk_ids) <> cardinality(embeddings) then
        raise exception 'there are % chunk_ids and % embeddings', cardinality(chunk_ids), cardinality(embeddings)
            using errcode = 'invalid_parameter_value';
    elsif array_position(chunk_ids, null) is not null then
        raise exception 'chunk_ids must not contain null' using errcode = 'null_value_not_allowed';
    end if;
    execute format(
        'insert into retrieval.embeddings (space_id, collection_id, chunk_id, embedding)
         select %1$s, %2$s, e.chunk_id, e.embedding
         from unnest($1, $2) e(chunk_id, embedding)
         join retrieval.chunks c on c.collection_id = %2$s and c.chunk_id = e.chunk_id
         order by e.chunk_id  -- one order for all, so that two writers cannot deadlock
         for key share of c
         on conflict (chunk_id, space_id) do update set embedding = excluded.embedding',
        target.space_id, target.collection_id)
        using chunk_ids, embeddings;
    get diagnostics stored = row_count;
    return stored;
end;
$$;

comment on function retrieval.put_embeddings(text, text, bigint[], halfvec[], jsonb) is
'Stores embeddings of chunks in a space (null: the active one), replacing those that are there; returns how many. A chunk that does not exist (any more) is passed over. Where a signature is given it must equal the space''s.';

create or replace function retrieval.missing_embeddings(collection text, space text, max_results integer default 1000)
    returns table (chunk_id bigint, title text, context text, content text)
    language plpgsql stable
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
begin
    return query execute format(
        'select c.chunk_id, c.title, c.context, c.content
         from retrieval.chunks c
         where c.collection_id = %s
           and not exists (select from retrieval.embeddings e where e.space_id = %s and e.chunk_id = c.chunk_id)
         order by c.chunk_id
         limit $1', target.collection_id, target.space_id)
        using max_results;
end;
$$;

comment on function retrieval.missing_embeddings(text, text, integer) is
'Chunks that have no embedding in a space yet, in order of chunk_id, with what is to be embedded.';
-- end

-- begin sql/neighbouring_chunks.sql
-- The chunks around one, for reading on from a hit.
create or replace function retrieval.neighbouring_chunks(chunk_id bigint, before integer default 1, after integer default 1)
    returns setof retrieval.chunks
    language plpgsql stable
as $$
declare
    anchor record;
begin
    if before is null or before < 0 or after is null or after < 0 then
        raise exception '% must be 0 or more, not %', case when before >= 0 then 'after' else 'before' end,
                        coalesce(case when before >= 0 then after else before end::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    select c.collection_id, c.document_id, c.position into anchor
    from retrieval.chunks c where c.chunk_id = neighbouring_chunks.chunk_id;
    if not found then
        return;
    end if;
    return query execute format(
        'select c.* from retrieval.chunks c
         where c.collection_id = %s and c.document_id = $1 and c.position between $2 and $3
         order by c.position', anchor.collection_id)
        using anchor.document_id, anchor.position::bigint - before, anchor.position::bigint + after;
end;
$$;

comment on function retrieval.neighbouring_chunks(bigint, integer, integer) is
'A chunk, up to `before` chunks before it and up to `after` after it in its document, as rows of retrieval.chunks in order of position. No rows where the chunk does not exist.';
-- end

-- begin sql/highlight.sql
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
-- end
