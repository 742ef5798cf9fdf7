-- Near-duplicates: of chunks that say the same only the best is kept.
--
-- Greedy in the order of the ranking: a chunk falls to the best chunk that is kept and like it. What is only like a
-- fallen one is kept, so nothing falls to a chunk that it is not like itself. Equal content counts as alike in any
-- space and without one; no content, as of a document that is a title, is not equal.

-- Each chunk that is kept is compared with what is left, and nothing more once there are enough: among near-duplicates few are
-- kept, among others few are compared. Of a hundred that are all kept comparing all pairs in one statement is no faster.
create or replace function retrieval._collapsed_chunks(
    collection retrieval.collections, space retrieval.spaces, chunk_ids bigint[], scores double precision[], similarity double precision,
    maximum integer)
    returns table (chunk_id bigint, score double precision, duplicates bigint[])
    language plpgsql stable rows 100
    set search_path from current
as $$
declare
    ranked record;  -- all of them, best first, as arrays
    is_left boolean[];
    kept integer := 0;
    kept_embedding halfvec;
    kept_content bigint;
    alike bigint[];
begin
    execute format(
        'select array_agg(r.chunk_id order by r.rank) as ids, array_agg(r.score order by r.rank) as scores,
                array_agg(e.embedding order by r.rank) as embeddings, array_agg(r.first_of_content order by r.rank) as contents
         from (select u.chunk_id, u.score, row_number() over (order by u.score desc, u.chunk_id) as rank,
                      case when c.content <> '''' then min(u.chunk_id) over (partition by c.content collate "C") end as first_of_content
               from unnest($1, $2) u(chunk_id, score)
               join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = u.chunk_id) r
         left join retrieval.embeddings e on e.space_id = %2$L and e.chunk_id = r.chunk_id', collection.collection_id, space.space_id)
        into ranked using chunk_ids, scores;
    is_left := array_fill(true, array[coalesce(cardinality(ranked.ids), 0)]);
    for place in 1 .. cardinality(is_left) loop
        continue when not is_left[place];
        exit when kept = maximum;
        kept := kept + 1;
        kept_embedding := ranked.embeddings[place];
        kept_content := ranked.contents[place];
        alike := array(
            select o.number
            from unnest(ranked.embeddings, ranked.contents, is_left) with ordinality o(embedding, content, is_left, number)
            where o.is_left and o.number > place
              -- NaN, the distance of zeros, is larger than all
              and (o.embedding <=> kept_embedding <= 1 - similarity or o.content = kept_content)
            order by o.number);
        chunk_id := ranked.ids[place];
        score := ranked.scores[place];
        duplicates := array(select ranked.ids[a.number] from unnest(alike) with ordinality a(number, place) order by a.place);
        return next;
        for fallen in 1 .. cardinality(alike) loop
            is_left[alike[fallen]] := false;
        end loop;
    end loop;
end;
$$;

comment on function retrieval._collapsed_chunks(retrieval.collections, retrieval.spaces, bigint[], double precision[], double precision, integer) is
'The chunks of a ranking that are like none that is kept before them, best first, each with those that fell to it; no more than the maximum, all where that is null. Without a space (null) only content counts.';

create or replace function retrieval._comparing_space(collection retrieval.collections, space text)
    returns retrieval.spaces
    language plpgsql stable
as $$
begin
    if space is null and not exists (
           select from retrieval.spaces s where s.collection_id = collection.collection_id and s.state = 'active' and s.kind = 'dense') then
        return null;
    end if;
    return retrieval._space(collection, space);
end;
$$;

comment on function retrieval._comparing_space(retrieval.collections, text) is
'The dense space of that name, or the active one; null where no name is given and none is active.';

create or replace function retrieval.collapse_duplicates(
    collection text,
    chunk_ids bigint[],
    scores double precision[],
    similarity double precision default 0.95,
    space text default null)
    returns table (chunk_id bigint, score double precision, duplicates bigint[])
    language plpgsql stable rows 100
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._comparing_space(owner, space);
begin
    perform retrieval._check_share('similarity', similarity);
    perform retrieval._check_ranking(owner, chunk_ids, coalesce(scores, '{}'));
    return query select c.* from retrieval._collapsed_chunks(owner, target, chunk_ids, scores, similarity, null) c;
end;
$$;

comment on function retrieval.collapse_duplicates(text, bigint[], double precision[], double precision, text) is
'A ranking without near-duplicates, best first, ties by chunk_id. A chunk falls to the best one kept before it whose cosine with it, in a dense space (without a name: the active one), is at least `similarity`, or whose content is equal; duplicates are the ids of those that fell, best first. Without an active space only equal content counts. chunk_ids and scores: the ranking, in any order; a higher score is better. No rows for an empty ranking.';
