-- Stores the embeddings of chunks in a space, replacing those that are there: one function for each kind of space,
-- because each has its own type.

-- $1 are the ids of chunks, $2 their embeddings. A tenant's ingestion stores for its own chunks, a worker for those of all.
create or replace function retrieval._put_statement(space retrieval.spaces)
    returns text
    language sql stable
    return format(
        'insert into retrieval.%1$I (space_id, collection_id, chunk_id, %2$I)
         select %3$s, %4$s, e.chunk_id, e.embedding
         from (%5$s) e
         join retrieval.chunks c on c.collection_id = %4$s and c.chunk_id = e.chunk_id and %6$s
         order by e.chunk_id  -- one order for all, so that two writers cannot deadlock
         for key share of c
         on conflict (chunk_id, space_id) do update set %2$I = excluded.%2$I',
        retrieval._embedding_table(space.kind), case space.kind when 'multivector' then 'embeddings' else 'embedding' end,
        space.space_id, space.collection_id,
        case space.kind
        when 'multivector' then
            'select n.chunk_id, $2[n.last - n.count + 1:n.last] as embedding
             from (select u.chunk_id, u.count, sum(u.count) over (order by u.ordinality) as last
                   from unnest($1, $3) with ordinality u(chunk_id, count, ordinality)) n'
        else 'select u.chunk_id, u.embedding from unnest($1, $2) u(chunk_id, embedding)' end, retrieval._kept_chunks());

comment on function retrieval._put_statement(retrieval.spaces) is
'The SQL that stores embeddings: $1 are ids of chunks, $2 their embeddings, for a multivector space one after the other with $3 the number of each chunk.';

create or replace function retrieval._check_same_number(chunk_ids bigint[], parameter text, number bigint)
    returns void
    language plpgsql immutable
as $$
declare
    repeated bigint;
begin
    if cardinality(chunk_ids) is distinct from number then
        raise exception 'there are % chunk_ids and % %', coalesce(cardinality(chunk_ids), 0), coalesce(number, 0), parameter
            using errcode = 'invalid_parameter_value';
    elsif array_position(chunk_ids, null) is not null then
        raise exception 'chunk_ids must not contain null' using errcode = 'null_value_not_allowed';
    end if;
    select u.chunk_id into repeated from unnest(chunk_ids) u(chunk_id) group by 1 having count(*) > 1 limit 1;
    if found then
        raise exception 'chunk % is given twice', repeated using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_same_number(bigint[], text, bigint) is
'22023 where there is not one embedding for each chunk.';

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
    perform retrieval._check_same_number(chunk_ids, 'embeddings', cardinality(embeddings));
    perform retrieval._check_embeddings(target, embeddings);
    execute retrieval._put_statement(target) using chunk_ids, embeddings;
    get diagnostics stored = row_count;
    return stored;
end;
$$;

comment on function retrieval.put_embeddings(text, text, bigint[], halfvec[], jsonb) is
'Stores embeddings of chunks in a space (null: the active one), replacing those that are there; returns how many. A chunk that does not exist (any more), or is another tenant''s, is passed over; the owner of the schema who is in no tenant stores for the chunks of all. Where a signature is given it must equal the space''s.';
