-- The embeddings of a space with what finds their chunks again, here or in another database: one function for each kind,
-- because each has its own type.

create or replace function retrieval._export_statement(target retrieval.spaces)
    returns text
    language sql stable
    return format(
        'select d.document_key, c.position, retrieval._embedded_text_hash(c.title, c.context, c.content), e.%1$I
         from retrieval.%2$I e
         join retrieval.chunks c on c.collection_id = %3$s and c.chunk_id = e.chunk_id
         join retrieval.documents d on d.collection_id = %3$s and d.document_id = c.document_id and d.tenant = %5$L
         where e.space_id = %4$s
         order by e.chunk_id',
        case target.kind when 'multivector' then 'embeddings' else 'embedding' end, retrieval._embedding_table(target.kind),
        target.collection_id, target.space_id, retrieval.current_tenant());

comment on function retrieval._export_statement(retrieval.spaces) is 'The SQL that reads a space''s embeddings for an export.';

create or replace function retrieval.export_embeddings(collection text, space text default null)
    returns table (document_key text, "position" integer, text_hash bytea, embedding halfvec)
    language plpgsql stable rows 100000
    set search_path from current
as $$
begin
    return query execute retrieval._export_statement(retrieval._space(retrieval._collection(collection), space));
end;
$$;

comment on function retrieval.export_embeddings(text, text) is
'The embeddings that the current tenant has in a dense space (null: the active one), with the key of their document, the position of their chunk and the SHA-256 of the text that was embedded (title, context and content of the chunk, without the empty ones, joined by line breaks, in UTF-8), in the order in which the chunks were stored. What import_embeddings reads back, also in another database.';

create or replace function retrieval.export_sparse_embeddings(collection text, space text default null)
    returns table (document_key text, "position" integer, text_hash bytea, embedding sparsevec)
    language plpgsql stable rows 100000
    set search_path from current
as $$
begin
    return query execute retrieval._export_statement(retrieval._space(retrieval._collection(collection), space, 'sparse'));
end;
$$;

comment on function retrieval.export_sparse_embeddings(text, text) is
'The embeddings of a sparse space (null: the active one), as export_embeddings gives those of a dense one.';

create or replace function retrieval.export_token_embeddings(collection text, space text default null)
    returns table (document_key text, "position" integer, text_hash bytea, embeddings halfvec[])
    language plpgsql stable rows 100000
    set search_path from current
as $$
begin
    return query execute retrieval._export_statement(retrieval._space(retrieval._collection(collection), space, 'multivector'));
end;
$$;

comment on function retrieval.export_token_embeddings(text, text) is
'The embeddings of a multivector space (null: the active one), as export_embeddings gives those of a dense one.';
