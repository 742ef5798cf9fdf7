-- What is checked of a ranking that is given as two arrays: ids of chunks, in any order, and their scores.

-- The ids are looked up in the snapshot of the calling statement: what a search found in the same one is there.
create or replace function retrieval._check_ranking(collection retrieval.collections, chunk_ids bigint[], scores double precision[])
    returns void
    language plpgsql stable
as $$
declare
    wrong record;
begin
    perform retrieval._check_same_number(coalesce(chunk_ids, '{}'), 'scores', coalesce(cardinality(scores), cardinality(chunk_ids), 0));
    select * into wrong
    from unnest(chunk_ids, scores) with ordinality h(chunk_id, score, number)
    -- as in fuse; NaN is larger than all
    where scores is not null and (h.score is null or abs(h.score) > 1e100)
    order by h.number limit 1;
    if found then
        raise exception 'the score of chunk % must be a number up to 1e100, not %', wrong.chunk_id, coalesce(wrong.score::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    execute format(
        'select h.chunk_id from unnest($1) with ordinality h(chunk_id, number)
         where not exists (select from retrieval.chunks c where c.collection_id = %s and c.chunk_id = h.chunk_id and c.tenant = %L)
         order by h.number limit 1', collection.collection_id, retrieval.current_tenant())
        into wrong using chunk_ids;
    if wrong.chunk_id is not null then
        raise exception 'chunk % does not exist in collection %', wrong.chunk_id, quote_ident(collection.name) using errcode = 'undefined_object';
    end if;
end;
$$;

comment on function retrieval._check_ranking(retrieval.collections, bigint[], double precision[]) is
'22023 where ids and scores are not equally many, an id is named twice or a score is not a number, 22004 where an id is null, 42704 where it is not in the collection, or another tenant''s. Scores may be null: then there are none.';

create or replace function retrieval._check_share(parameter text, value double precision)
    returns void
    language plpgsql immutable
as $$
begin
    if value is null or value not between 0 and 1 then
        raise exception '% must be between 0 and 1, not %', parameter, coalesce(value::text, 'null') using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_share(text, double precision) is '22023 where a value is null or not between 0 and 1.';
