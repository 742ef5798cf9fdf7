-- How the rows of an attached table read as documents. The SQL is made when it is needed, from the columns' names: a table
-- may get another name, schema or column type at any time, and only what an attachment names must stay.

-- Types that users made are read through their output functions alone. A cast may be a function of anybody's, and the
-- trigger would run it with the rights of this schema's owner.
create or replace function retrieval._column_expression(relation oid, column_name text, as_text boolean)
    returns text
    language plpgsql stable
as $$
declare
    base_type oid;
begin
    with recursive types as (
        select a.atttypid as type from pg_catalog.pg_attribute a
        where a.attrelid = relation and a.attname = column_name and a.attnum > 0 and not a.attisdropped
        union all
        select y.typbasetype from types join pg_catalog.pg_type y on y.oid = types.type where y.typtype = 'd')
    select t.type into base_type from types t join pg_catalog.pg_type y on y.oid = t.type where y.typtype <> 'd';
    if not found then
        raise exception 'column % of table % does not exist', quote_ident(column_name), relation::regclass
            using errcode = 'undefined_column';
    end if;
    return case when base_type >= 16384 then format('case when t.%1$I is not null then format(''%%s'', t.%1$I) end', column_name)
                when as_text then format('t.%I::text', column_name)
                else format('t.%I', column_name) end;
end;
$$;

comment on function retrieval._column_expression(oid, text, boolean) is
'The SQL that reads a column of a row t: as it is, or as text; always as text where users made its type. 42703 where there is no such column.';

create or replace function retrieval._key_expression(attached retrieval.attached_tables, relation oid)
    returns text
    language sql stable
    return case cardinality(attached.key_columns)
        when 1 then retrieval._column_expression(relation, attached.key_columns[1], true)
        else (select 'jsonb_build_array(' || string_agg(retrieval._column_expression(relation, c.name, false), ', ' order by c.number) || ')::text'
              from unnest(attached.key_columns) with ordinality c(name, number)) end;

comment on function retrieval._key_expression(retrieval.attached_tables, oid) is
'The SQL of a row''s document_key: the text of its key column, or the text of a JSON array of several.';

create or replace function retrieval._table_rows(attached retrieval.attached_tables, relation oid, source text)
    returns text
    language sql stable
    return format(
        'select r.*, retrieval._text_hash(r.title, r.content, %s) as content_hash
         from (select %s as document_key, %s as title, %s as content, %s as metadata from %s t) r',
        attached.maximum_chunk_length,
        retrieval._key_expression(attached, relation),
        case when attached.title_column is null then 'null::text' else retrieval._column_expression(relation, attached.title_column, true) end,
        (select coalesce('concat_ws(E''\n\n'', ' || string_agg(
             format('nullif(%s, '''')', retrieval._column_expression(relation, c.name, true)), ', ' order by c.number) || ')', '''''::text')
         from unnest(attached.content_columns) with ordinality c(name, number)),
        (select coalesce('(select to_jsonb(m.*) from (select ' || string_agg(
             format('%s as %I', retrieval._column_expression(relation, c.name, false), c.name), ', ' order by c.number) || ') m)', '''{}''::jsonb')
         from unnest(attached.metadata_columns) with ordinality c(name, number)),
        source);

comment on function retrieval._table_rows(retrieval.attached_tables, oid, text) is
'The SQL that reads the rows of a table, or of a transition table with its columns, as document_key, title, content, metadata and content_hash.';

-- Only what differs is written. `known_only` is for a reader of the table: a document that appeared since it looked was
-- written by a transaction that knew the row better.
create or replace function retrieval._store_rows(attached retrieval.attached_tables, table_rows text, known_only boolean)
    returns text
    language sql immutable
    return format($query$
        with given as materialized (%2$s),
        known as materialized (
            select d.document_key, d.content_hash, d.source from retrieval.documents d
            where d.collection_id = %1$s and d.tenant = %5$L and d.document_key in (select g.document_key from given g)),
        stored as (
            insert into retrieval.documents as d (collection_id, document_key, tenant, title, source, content, metadata, content_hash)
            select %1$s, g.document_key, %5$L, g.title, %3$L, g.content, g.metadata, g.content_hash
            from given g
            order by g.document_key  -- the order of every writer
            on conflict (document_key, tenant, collection_id) do update
            set title = excluded.title, content = excluded.content, metadata = excluded.metadata,
                content_hash = excluded.content_hash, updated_at = now()
            where d.source = excluded.source and %4$s
              and (d.title, d.content_hash, d.metadata) is distinct from (excluded.title, excluded.content_hash, excluded.metadata)
            returning d.document_id, d.document_key)
        select count(*) as stored,
               array_agg(s.document_id) filter (where k.content_hash is distinct from g.content_hash) as rewritten,
               count(k.document_key) > 0 as known,
               (select min(k.document_key) from known k where k.source is distinct from %3$L) as taken
        from stored s join given g using (document_key) left join known k using (document_key)$query$,
        attached.collection_id, table_rows, attached.table_name,
        case when known_only then 'exists (select from known k where k.document_key = d.document_key)' else 'true' end,
        attached.tenant);

comment on function retrieval._store_rows(retrieval.attached_tables, text, boolean) is
'The SQL that stores rows as documents: how many were written, the ids of those to be cut, whether some had been there, and a key that another document has.';

create or replace function retrieval._cut_rows(attached retrieval.attached_tables, rewritten bigint[], known boolean, taken text)
    returns void
    language plpgsql
as $$
begin
    if taken is not null then
        raise exception 'document % of the collection is not of table %', quote_literal(taken), attached.table_name
            using errcode = 'unique_violation', hint = 'Keys are unique in a collection: attach the table to another one, or delete that document.';
    elsif rewritten is not null then
        perform retrieval._split_documents(attached.collection_id, rewritten, attached.maximum_chunk_length, known);
    end if;
end;
$$;

comment on function retrieval._cut_rows(retrieval.attached_tables, bigint[], boolean, text) is
'What is to be done after retrieval._store_rows: cuts the documents, or 23505 where a key is taken.';

create or replace function retrieval._delete_rows(attached retrieval.attached_tables, document_keys text[])
    returns integer
    language plpgsql
as $$
declare
    condition constant text := format('d.collection_id = %s and d.tenant = %L and d.source = %L%s', attached.collection_id, attached.tenant, attached.table_name,
                                      case when document_keys is not null then ' and d.document_key = any($1)' end);
    ids bigint[];
    deleted integer;
begin
    execute format('select array_agg(l.document_id) from (
                        select d.document_id from retrieval.documents d where %s order by d.document_key for update) l', condition)
        into ids using document_keys;
    execute format('delete from retrieval.chunks where collection_id = %s and document_id = any($1)', attached.collection_id) using ids;
    execute format('delete from retrieval.documents where collection_id = %s and document_id = any($1)', attached.collection_id) using ids;
    get diagnostics deleted = row_count;
    return deleted;
end;
$$;

comment on function retrieval._delete_rows(retrieval.attached_tables, text[]) is
'Deletes the documents of an attached table with these keys, or with null all of them; returns how many there were.';
