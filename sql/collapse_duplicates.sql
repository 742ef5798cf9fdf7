-- Near-duplicates: of chunks that say the same only the best is kept.
--
-- Greedy in the order of the ranking: a chunk falls to the best chunk that is kept and like it. What is only like a
-- fallen one is kept, so nothing falls to a chunk that it is not like itself. Equal content counts as alike in any
-- space and without one; no content, as of a document that is a title, is not equal.

-- One statement compares all pairs: for a hundred chunks that is faster than a statement for each that is kept.
create or replace function retrieval._collapsed_chunks(
    collection retrieval.collections, space retrieval.spaces, chunk_ids bigint[], scores double precision[], similarity double precision)
    returns table (chunk_id bigint, score double precision, duplicates bigint[])
    language plpgsql stable rows 100
    set search_path from current
as $$
declare
    hit record;
    fallen bigint[] := '{}';
begin
    for hit in execute format(
        'with ranked as materialized (
             select u.chunk_id, u.score, row_number() over (order by u.score desc, u.chunk_id) as rank, e.embedding,
                    case when c.content <> '''' then min(u.chunk_id) over (partition by c.content collate "C") end as first_of_content
             from unnest($1, $2) u(chunk_id, score)
             join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = u.chunk_id
             left join retrieval.embeddings e on e.space_id = %2$L and e.chunk_id = u.chunk_id)
         select r.chunk_id, r.score, array(
                    select o.chunk_id from ranked o
                    where o.rank > r.rank
                      -- NaN, the distance of zeros, is larger than all
                      and (o.embedding <=> r.embedding <= 1 - $3 or o.first_of_content = r.first_of_content)
                    order by o.rank) as alike
         from ranked r
         order by r.rank', collection.collection_id, space.space_id)
        using chunk_ids, scores, similarity
    loop
        continue when hit.chunk_id = any (fallen);
        chunk_id := hit.chunk_id;
        score := hit.score;
        duplicates := array(select a.id from unnest(hit.alike) with ordinality a(id, number) where a.id <> all (fallen) order by a.number);
        return next;
        fallen := fallen || duplicates;
    end loop;
end;
$$;

comment on function retrieval._collapsed_chunks(retrieval.collections, retrieval.spaces, bigint[], double precision[], double precision) is
'The chunks of a ranking that are like none that is kept before them, best first, each with those that fell to it. Without a space (null) only content counts.';

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
    return query select c.* from retrieval._collapsed_chunks(owner, target, chunk_ids, scores, similarity) c;
end;
$$;

comment on function retrieval.collapse_duplicates(text, bigint[], double precision[], double precision, text) is
'A ranking without near-duplicates, best first, ties by chunk_id. A chunk falls to the best one kept before it whose cosine with it, in a dense space (without a name: the active one), is at least `similarity`, or whose content is equal; duplicates are the ids of those that fell, best first. Without an active space only equal content counts. chunk_ids and scores: the ranking, in any order; a higher score is better. No rows for an empty ranking.';
