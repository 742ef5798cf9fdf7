-- The chunks around one, for reading on from a hit.

create or replace function retrieval._check_neighbours(before integer, after integer)
    returns void
    language plpgsql immutable
as $$
begin
    if before is null or before < 0 or after is null or after < 0 then
        raise exception '% must be 0 or more, not %', case when before >= 0 then 'after' else 'before' end,
                        coalesce(case when before >= 0 then after else before end::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_neighbours(integer, integer) is '22023 where a number of chunks around another is null or below 0.';

create or replace function retrieval.neighbouring_chunks(chunk_id bigint, before integer default 1, after integer default 1)
    returns setof retrieval.chunks
    language plpgsql stable
as $$
declare
    anchor record;
begin
    perform retrieval._check_neighbours(before, after);
    select c.collection_id, c.document_id, c.position into anchor
    from retrieval.chunks c where c.chunk_id = neighbouring_chunks.chunk_id and c.tenant = retrieval.current_tenant();
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
'A chunk, up to `before` chunks before it and up to `after` after it in its document, as rows of retrieval.chunks in order of position. No rows where the chunk does not exist, or is another tenant''s.';
