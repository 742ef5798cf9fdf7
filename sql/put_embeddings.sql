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
