-- What the vectors of a dense space look like, from a sample: enough to see that two models share a space, that
-- vectors are not normalised, or that a model gives everything the same vector. retrieval doctor judges the figures.
--
-- Small spaces are sampled by the least hashes of chunk_id, larger ones from pages drawn first (tablesample system,
-- always the same ones; four times as many rows as wanted, so that neighbours on a page do not fill the sample): equal
-- tables give equal figures. However large the space, no more than `sample` vectors and their neighbours are compared;
-- only count(*) goes over all rows, by the primary key.

-- Connects vectors whose cosine is beyond chance (of unrelated vectors its deviation is 1 / sqrt(dimensions)) and
-- returns how large the second largest connected group is. Vectors of one model hang together by some chain even
-- where they are about different things; those of two models hardly ever.
create or replace function retrieval._separate_share(vectors halfvec[], dimensions integer)
    returns double precision
    language plpgsql immutable strict
    set search_path from current
as $$
declare
    farthest constant double precision := 1 - 5 / sqrt(dimensions);
    unreached halfvec[] := vectors;
    reached halfvec[];
    sizes integer[];
    before integer;
begin
    while cardinality(unreached) > 0 loop
        before := cardinality(unreached);
        reached := unreached[1:1];
        unreached := unreached[2:];
        while cardinality(reached) > 0 loop
            select array_agg(u.vector) filter (where u.near), array_agg(u.vector) filter (where not u.near) into reached, unreached
            from (select v.vector, exists (select from unnest(reached) r(vector) where r.vector <=> v.vector < farthest) as near
                  from unnest(unreached) v(vector)) u;
        end loop;
        sizes := sizes || before - coalesce(cardinality(unreached), 0);
    end loop;
    return (select s.size from unnest(sizes) s(size) order by s.size desc offset 1 limit 1)::double precision / cardinality(vectors);
end;
$$;

comment on function retrieval._separate_share(halfvec[], integer) is
'The share of the second largest group of vectors that no cosine above 5 / sqrt(dimensions) connects with the rest; null where all are connected.';

create or replace function retrieval.describe_space(collection text, space text default null, sample integer default 1000)
    returns table (
        embeddings bigint, sampled bigint, mean_cosine double precision,
        neighbour_pairs bigint, neighbour_cosine double precision, negative_neighbours double precision,
        norm_minimum double precision, norm_mean double precision, norm_maximum double precision, norm_deviation double precision,
        duplicate_vectors double precision, zero_vectors double precision, separate_vectors double precision)
    language plpgsql stable rows 1
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
    kept constant text := retrieval._kept_chunks();
    stored bigint;
begin
    perform retrieval._check_count('sample', sample);
    stored := retrieval._count_embeddings(target, kept);
    return query execute format(
        'with vectors as materialized (
             select e.chunk_id, e.embedding, l2_norm(e.embedding) as norm, row_number() over (order by hashint8extended(e.chunk_id, 0), e.chunk_id) as number
             from retrieval.%1$I e tablesample system (%2$s) repeatable (0)
             where %7$s
             order by number limit %3$s),
         -- one after the other in the order of their hashes: random pairs
         random_pairs as (
             select 1 - (v.embedding <=> lead(v.embedding) over (order by v.number)) as cosine from vectors v where v.norm > 0),
         neighbours as (
             select 1 - (v.embedding <=> e.embedding) as cosine
             from vectors v
             join retrieval.chunks c on c.collection_id = %4$s and c.chunk_id = v.chunk_id
             join retrieval.chunks n on n.collection_id = %4$s and n.document_id = c.document_id and n.position = c.position + 1
             join retrieval.%1$I e on e.chunk_id = n.chunk_id
             where v.norm > 0 and l2_norm(e.embedding) > 0),
         equal as (
             select count(*) as vectors, count(distinct %6$s) as inputs
             from vectors v join retrieval.chunks c on c.collection_id = %4$s and c.chunk_id = v.chunk_id
             group by v.embedding),
         -- fewer vectors, or of fewer dimensions, fall apart by themselves
         distinct_vectors as (
             select d.embedding from (select v.embedding, min(v.number) as number from vectors v where v.norm > 0 group by v.embedding) d
             where %5$s >= 384 order by d.number limit 400)
         select $1, count(*), (select avg(cosine) from random_pairs),
                (select count(*) from neighbours), (select avg(cosine) from neighbours),
                (select count(*) filter (where cosine < 0)::double precision / nullif(count(*), 0) from neighbours),
                min(norm), avg(norm), max(norm), stddev_pop(norm),
                (select coalesce(sum(e.vectors) filter (where e.inputs > 1), 0) from equal e)::double precision / nullif(count(*), 0),
                count(*) filter (where norm = 0)::double precision / nullif(count(*), 0),
                (select case when count(*) = 400 then coalesce(retrieval._separate_share(array_agg(embedding), %5$s), 0) end from distinct_vectors)
         from vectors',
        retrieval._embedding_partition(target),
        -- which pages a tenant's are on nobody knows
        case kept when 'true' then least(100, 400.0 * sample / greatest(stored, 1)) else 100 end, sample, target.collection_id, target.dimensions,
        -- what the model was given: of an image that is not what its chunk says
        case target.modality when 'image' then 'c.metadata ->> ''sha256''' else '(coalesce(c.title, ''''), c.context, c.content)' end,
        case kept when 'true' then kept else format(
            'e.chunk_id in (select c.chunk_id from retrieval.chunks c where c.collection_id = %s and %s)', target.collection_id, kept) end)
        using stored;
end;
$$;

comment on function retrieval.describe_space(text, text, integer) is
'What the vectors that the current tenant (the owner of the schema who is in no tenant: all of them) has in a dense space (without a name: the active one) look like, from a sample of that many at most. mean_cosine: of random pairs; neighbour_cosine and negative_neighbours: mean and share below 0 of the cosines of neighbour_pairs, which are sampled chunks and the next ones of their documents; norm_…: length of the vectors; duplicate_vectors: share of the sampled vectors that are equal to that of a chunk in the sample with another title, context or content (in a space of images: with another sha256 in its metadata); zero_vectors: share without a direction; separate_vectors: share of a second group of vectors that nothing connects with the largest one, as two models would leave it (null for fewer than 400 different vectors or 384 dimensions). Null where there is nothing to measure.';
