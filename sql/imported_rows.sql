-- How the rows of a table or view read as embeddings of a collection's chunks, and what can be wrong with them.

create or replace function retrieval._column_type(table_name regclass, parameter text, column_name text)
    returns text
    language plpgsql stable
    set search_path from current
as $$
declare
    base_type oid;
begin
    with recursive types as (
        select a.atttypid as type from pg_catalog.pg_attribute a
        where a.attrelid = table_name and a.attname = column_name and a.attnum > 0 and not a.attisdropped
        union all
        select y.typbasetype from types join pg_catalog.pg_type y on y.oid = types.type where y.typtype = 'd')
    select t.type into base_type from types t join pg_catalog.pg_type y on y.oid = t.type where y.typtype <> 'd';
    if not found then
        raise exception '%: % has no column %', parameter, table_name, coalesce(quote_ident(column_name), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = (select 'It has ' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || '.' from pg_catalog.pg_attribute a
                          where a.attrelid = table_name and a.attnum > 0 and not a.attisdropped);
    end if;
    return format_type(base_type, null);
end;
$$;

comment on function retrieval._column_type(regclass, text, text) is
'The type of a column, of a domain the one beneath; 22023 where there is no such column.';

create or replace function retrieval._imported_rows(
    target retrieval.spaces, table_name regclass, key text, embedding text, chunk_position text, text_hash text)
    returns text
    language plpgsql stable
as $$
declare
    attached retrieval.attached_tables;
begin
    attached.key_columns := coalesce(nullif(retrieval._column_names(key), '{}'), '{null}');
    perform retrieval._column_type(table_name, 'key', k.name) from unnest(attached.key_columns) k(name);
    if chunk_position is not null then
        perform retrieval._column_type(table_name, 'chunk_position', chunk_position);
    end if;
    if text_hash is not null and retrieval._column_type(table_name, 'text_hash', text_hash) <> 'bytea' then
        raise exception 'text_hash: column % of % is not of type bytea', quote_ident(text_hash), table_name using errcode = 'invalid_parameter_value';
    end if;
    return format(
        'select r.document_key, r.position, r.embedding, d.document_id, c.chunk_id, %1$s as is_stale
         from (select %2$s as document_key, %3$s as position, %4$s as text_hash, t.%5$I as embedding from %6$s t) r
         left join retrieval.documents d on d.collection_id = %7$s and d.tenant = %8$L and d.document_key = r.document_key
         left join retrieval.chunks c on c.collection_id = %7$s and c.document_id = d.document_id and c.position = coalesce(r.position, 0)',
        case when text_hash is null then 'false'
             else 'coalesce(c.chunk_id is not null and r.text_hash <> retrieval._embedded_text_hash(c.title, c.context, c.content), false)' end,
        retrieval._key_expression(attached, table_name),
        case when chunk_position is null then 'null::integer' else format('t.%I::integer', chunk_position) end,
        case when text_hash is null then 'null::bytea' else format('t.%I', text_hash) end,
        embedding, table_name, target.collection_id, retrieval.current_tenant());
end;
$$;

comment on function retrieval._imported_rows(retrieval.spaces, regclass, text, text, text, text) is
'The SQL that reads the rows of a table with the chunks they are for: document_key, position, embedding, document_id, chunk_id and is_stale, where the chunk has another text.';

create or replace function retrieval._row_name()
    returns text
    language sql immutable
    return $name$'document ' || coalesce(quote_literal(m.document_key), 'null') || coalesce(', position ' || m.position, '')$name$;

comment on function retrieval._row_name() is 'The SQL that names such a row m.';

create or replace function retrieval._check_imported_keys(target retrieval.spaces, imported_rows text)
    returns void
    language plpgsql stable
as $$
declare
    wrong text;
begin
    execute format(
        'select %s from (%s) m join retrieval.chunks o on o.collection_id = %s and o.document_id = m.document_id and o.position > 0
         where m.position is null and m.embedding is not null limit 1', retrieval._row_name(), imported_rows, target.collection_id) into wrong;
    if wrong is not null then
        raise exception '% has several chunks, and its row does not say which of them is meant', wrong
            using errcode = 'invalid_parameter_value', hint = 'Name a column of positions, which count from 0, as chunk_position.';
    end if;
    execute format(
        'select %s from (%s) m where m.embedding is not null and m.chunk_id is not null
         group by m.chunk_id, m.document_key, m.position having count(*) > 1 limit 1', retrieval._row_name(), imported_rows) into wrong;
    if wrong is not null then
        raise exception '% is given twice', wrong using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_imported_keys(retrieval.spaces, text) is
'22023 where such rows do not say which chunk they are for, or two say the same.';

-- The order matters: the later questions cannot be asked of every embedding.
create or replace function retrieval._unfitness(target retrieval.spaces, embedding_type text)
    returns text
    language plpgsql immutable
as $$
declare
    dimensions constant text := case when embedding_type = 'sparsevec' then 'split_part(m.embedding::text, ''/'', 2)::integer'
        when embedding_type like '%[]' then 'cardinality(m.embedding)' else 'vector_dims(m.embedding)' end;
    elements constant text := format('unnest(m.embedding%s) x', case when embedding_type in ('vector', 'halfvec') then '::real[]' end);
    questions text[];
begin
    if target.kind = 'multivector' then
        return format('case when not coalesce(retrieval._are_token_embeddings(m.embedding::halfvec[], %s, %L), false) then %L end',
                      target.dimensions, target.metric, 'is not a list of vectors of space ' || quote_ident(target.name) || ', which have '
                      || target.dimensions || ' dimensions' || case target.metric when 'cosine' then ' and are not all zeros' else '' end);
    end if;
    questions := array[format('when %1$s <> %2$s then ''has '' || %1$s || %3$L', dimensions, target.dimensions,
                              format(' dimensions, space %I has %s', target.name, target.dimensions))];
    if embedding_type like '%[]' then
        questions := questions || array[
            'when array_ndims(m.embedding) > 1 then ''is an array of arrays''',
            format('when exists (select from %s where x is null) then ''holds null''', elements),
            format('when exists (select from %s where x = ''NaN'') then ''holds NaN''', elements)];
    end if;
    if target.kind = 'dense' then
        questions := questions || format('when exists (select from %s where abs(x) >= 65520) then ''holds a number beyond 65504, the last in half precision''', elements);
    end if;
    if target.metric = 'cosine' then
        questions := questions || format('when l2_norm(m.embedding::%s) = 0 then ''is all zeros, which has no cosine with anything''',
                                         case target.kind when 'dense' then 'halfvec' else 'sparsevec' end);
    end if;
    return format('case %s end', array_to_string(questions, ' '));
end;
$$;

comment on function retrieval._unfitness(retrieval.spaces, text) is
'The SQL that says of such a row m what keeps its embedding out of a space; null where nothing does.';
