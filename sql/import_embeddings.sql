-- Embeddings that exist already go from a column of a table or view into a space.

create or replace function retrieval._check_embedding_type(target retrieval.spaces, table_name regclass, embedding text)
    returns text
    language plpgsql stable
as $$
declare
    found_type constant text := retrieval._column_type(table_name, 'embedding', embedding);
    types constant text[] := case target.kind when 'dense' then array['vector', 'halfvec', 'real[]', 'double precision[]']
                                  when 'sparse' then array['sparsevec'] else array['halfvec[]', 'vector[]'] end;
begin
    if found_type <> all (types) then
        raise exception 'embedding: column % of % is of type %, not % as the % space needs',
                        quote_ident(embedding), table_name, found_type, array_to_string(types, ' or '), target.kind
            using errcode = 'invalid_parameter_value', hint = 'A view of the table can cast it.';
    end if;
    return found_type;
end;
$$;

comment on function retrieval._check_embedding_type(retrieval.spaces, regclass, text) is
'The type of a column that holds embeddings; 22023 where a space cannot take them.';

-- The partition's checks refuse what does not fit; only then is the row looked for that is to be named.
create or replace function retrieval._store_imported(target retrieval.spaces, imported_rows text, embedding_type text)
    returns bigint
    language plpgsql
    set search_path from current
as $$
declare
    stored bigint;
    wrong text;
begin
    execute format(
        'insert into retrieval.%1$I (space_id, collection_id, chunk_id, %2$I)
         select %3$s, %4$s, c.chunk_id, %5$s
         from (%6$s) m
         join retrieval.chunks c on c.collection_id = %4$s and c.chunk_id = m.chunk_id
         where m.embedding is not null and not m.is_stale
         order by c.chunk_id  -- one order for all, so that two writers cannot deadlock
         for key share of c
         on conflict (chunk_id, space_id) do update set %2$I = excluded.%2$I',
        retrieval._embedding_table(target.kind), case target.kind when 'multivector' then 'embeddings' else 'embedding' end,
        target.space_id, target.collection_id,
        case when target.kind = 'multivector' then 'm.embedding::halfvec[]' when target.kind = 'dense' then 'm.embedding::halfvec'
             when target.index_method <> 'hnsw' then 'm.embedding'
             else 'case when retrieval._count_nonzeros(m.embedding) > 1000 then retrieval.keep_largest(m.embedding, 1000) else m.embedding end' end,
        imported_rows);
    get diagnostics stored = row_count;
    return stored;
exception when data_exception or integrity_constraint_violation then
    execute format(
        'select u.name || '': the embedding '' || u.reason
         from (select %s as name, %s as reason from (%s) m where m.embedding is not null and m.chunk_id is not null and not m.is_stale) u
         where u.reason is not null order by u.name limit 1',
        retrieval._row_name(), retrieval._unfitness(target, embedding_type), imported_rows) into wrong;
    if wrong is null then
        raise;
    end if;
    raise exception '%', wrong using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._store_imported(retrieval.spaces, text, text) is
'Stores the embeddings that rows hold and returns how many; 22023 names the first row whose embedding the space cannot hold.';

create or replace function retrieval.import_embeddings(
    collection text, space text, table_name regclass, key text, embedding text,
    chunk_position text default null, text_hash text default null, signature jsonb default null)
    returns table (imported bigint, unknown_keys bigint, stale bigint, nulls bigint, missing bigint, unknown_examples text[])
    language plpgsql
    set search_path from current
    set datestyle = 'ISO, YMD'  -- the keys of attached tables are written so
    set intervalstyle = 'postgres'
    set timezone = 'UTC'
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, case when space is null then 'dense' end);
    embedding_type text;
    imported_rows text;
begin
    perform retrieval._check_signature(target, signature);
    if table_name is null then
        raise exception 'table_name must not be null' using errcode = 'invalid_parameter_value';
    end if;
    embedding_type := retrieval._check_embedding_type(target, table_name, embedding);
    imported_rows := retrieval._imported_rows(target, table_name, key, embedding, chunk_position, text_hash);
    perform retrieval._check_imported_keys(target, imported_rows);
    execute format(
        'select count(*) filter (where m.chunk_id is null and m.embedding is not null), count(*) filter (where m.is_stale and m.embedding is not null),
                count(*) filter (where m.embedding is null)
         from (%s) m', imported_rows) into unknown_keys, stale, nulls;
    if unknown_keys > 0 then
        execute format(
            'select array(select coalesce(m.document_key, ''null'') || coalesce('', position '' || m.position, '''')
                          from (%s) m where m.chunk_id is null and m.embedding is not null order by m.document_key, m.position limit 5)',
            imported_rows) into unknown_examples;
    end if;
    imported := retrieval._store_imported(target, imported_rows, embedding_type);
    missing := retrieval._count_missing(target, retrieval._kept_chunks());
    perform retrieval._enqueue_missing(target);  -- what is there now needs no worker
    return next;
end;
$$;

comment on function retrieval.import_embeddings(text, text, regclass, text, text, text, text, jsonb) is
'Stores the embeddings that a table or view holds in a space (null: the active dense one), replacing those that are there. key names the column of document keys, cast to text, or several as attach_table does; embedding a column of type vector, halfvec, real[] or double precision[], for a sparse space sparsevec, for a multivector space halfvec[] or vector[] (of more than the 1,000 elements that a sparse HNSW index holds the largest are kept); chunk_position the column of positions, from 0, without which a document must have one chunk; text_hash a bytea column with the SHA-256 of the embedded text, as export_embeddings gives it. Where a signature is given it must equal the space''s. One row: how many were imported; passed over because there is no such chunk (unknown_keys; the first five are unknown_examples), because the chunk has another text now (stale), because the embedding is null (nulls); and how many chunks have no embedding yet (missing). Nothing is stored where a row is given twice or its embedding does not fit: 22023 names it. In a space that has its index every row is added to it, so import into a new space before build_index.';
