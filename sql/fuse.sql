-- Fusion: one ranking out of several, of chunks, documents or the rows of any other table. Each formula stands here once.
-- Over the legs, added up, weight times
--
--     rrf       1 / (rrf_k + rank)                       Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms
--                                                        Condorcet and individual Rank Learning Methods", SIGIR 2009
--     relative  (score − min) / (max − min)              min–max over the leg
--     dbsf      (score − (μ − 3σ)) / 6σ, cut to 0 … 1    distribution-based score fusion: μ and σ over the leg
--
-- A leg that did not find an id adds nothing for it. Where all scores of a leg are equal, as that of a single candidate is,
-- each counts 1 under relative (all are the best there is) and ½ under dbsf (all are the mean). Negative scores are like
-- others: only differences count. σ is that of the candidates, not an estimate from a sample. Of an id that a leg names
-- several times the best score counts, and the others are as if they had not been given.
--
-- Keyword search and an own table, in one ranking:
--
--     with found as (
--         select 'keyword' as leg, k.document_key as id, k.score
--         from retrieval.keyword_search('shop', 'warm jacket', max_results => 100) k
--         union all
--         (select 'sales', p.sku, p.sold from products p order by p.sold desc limit 100))
--     select p.*, f.score, f.contributions
--     from (select array_agg(leg) as legs, array_agg(id) as ids, array_agg(score) as scores from found) a
--     cross join retrieval.fuse(a.legs, a.ids, a.scores, 'relative', '{"sales": 0.5}') f
--     join products p on p.sku = f.id
--     order by f.score desc, f.id;
--
-- Ids written as a literal need their type: retrieval.fuse('{a,b}', '{17,18}'::bigint[], '{0.5,2}').

create or replace function retrieval._relative_score(score double precision, minimum double precision, maximum double precision)
    returns double precision
    language sql immutable
    return case when maximum > minimum then (score - minimum) / (maximum - minimum) else 1 end;

comment on function retrieval._relative_score(double precision, double precision, double precision) is
'A score brought to 0 … 1 between the smallest and the largest of its list; 1 where these are equal.';

create or replace function retrieval._fusion_share(
    fusion text, rank bigint, score double precision, minimum double precision, maximum double precision,
    mean double precision, deviation double precision, rrf_k integer)
    returns double precision
    language sql immutable
    return case fusion
        when 'rrf' then 1 / (rrf_k + rank)::double precision
        when 'relative' then retrieval._relative_score(score, minimum, maximum)
        when 'dbsf' then case when maximum > minimum and deviation > 0 then least(greatest((score - mean) / (6 * deviation) + 0.5, 0), 1) else 0.5 end end;

comment on function retrieval._fusion_share(text, bigint, double precision, double precision, double precision, double precision, double precision, integer) is
'What a candidate of a leg adds to its fused score where the leg''s weight is 1.';

-- Which legs there are nobody says: one that found nothing has no candidates. So a weight may name any leg, and weights
-- that are all 0 are no error either: the leg that has another may be the one that found nothing.
create or replace function retrieval._check_leg_weights(weights jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    weight record;
begin
    if weights is null or jsonb_typeof(weights) <> 'object' then
        raise exception 'weights must be an object such as {"keyword": 1, "semantic": 1}' using errcode = 'invalid_parameter_value';
    end if;
    for weight in select * from jsonb_each(weights) loop
        if jsonb_typeof(weight.value) <> 'number' or weight.value::numeric not between 0 and 1000000
           or weight.value::numeric <> 0 and weight.value::numeric < 1e-300 then  -- no double precision
            raise exception 'weights: % must be a number from 0 to 1000000, not %', weight.key, weight.value
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
end;
$$;

comment on function retrieval._check_leg_weights(jsonb) is '22023 where the weights of legs that are not known are unusable.';

create or replace function retrieval._check_candidates(legs text[], ids anyarray, scores double precision[])
    returns void
    language plpgsql immutable
as $$
declare
    candidate record;
begin
    if (coalesce(cardinality(ids), 0), coalesce(cardinality(scores), 0)) <> (coalesce(cardinality(legs), 0), coalesce(cardinality(legs), 0)) then
        raise exception 'legs, ids and scores must be equally many, not %, % and %',
                        coalesce(cardinality(legs), 0), coalesce(cardinality(ids), 0), coalesce(cardinality(scores), 0)
            using errcode = 'invalid_parameter_value';
    end if;
    select * into candidate
    from unnest(legs, ids, scores) with ordinality c(leg, id, score, number)
    -- the squares of larger ones would be no numbers any more; NaN is larger than all
    where c.leg is null or c.id is null or c.score is null or abs(c.score) > 1e100
    order by c.number limit 1;
    if not found then
        return;
    elsif candidate.leg is null or candidate.id is null then
        raise exception 'candidate % must have a leg and an id', candidate.number using errcode = 'invalid_parameter_value';
    end if;
    raise exception 'leg %: the score of % must be a number up to 1e100, not %',
                    candidate.leg, candidate.id, coalesce(candidate.score::text, 'null') using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._check_candidates(text[], anyarray, double precision[]) is
'22023 for the first candidate that cannot be ranked.';

create or replace function retrieval.fuse(
    legs text[],
    ids anyarray,
    scores double precision[],
    fusion text default 'rrf',
    weights jsonb default '{}',
    rrf_k integer default 60)
    returns table (id anyelement, score double precision, contributions jsonb)
    language plpgsql immutable rows 100
as $$
#variable_conflict use_column
begin
    perform retrieval._check_choice('fusion', fuse.fusion, array['rrf', 'relative', 'dbsf']);
    perform retrieval._check_count('rrf_k', fuse.rrf_k, 1000000);
    perform retrieval._check_leg_weights(fuse.weights);
    perform retrieval._check_candidates(fuse.legs, fuse.ids, fuse.scores);
    return query
        with candidates as (
            select c.leg, c.id, max(c.score) as score
            from unnest(fuse.legs, fuse.ids, fuse.scores) c(leg, id, score)
            group by c.leg, c.id),
        -- in this order throughout, so that the order in which candidates are given changes no last digit
        ranked as (
            select c.leg, c.id, c.score, row_number() over leg as rank,
                   retrieval._fusion_share(
                       fuse.fusion, row_number() over leg, c.score, min(c.score) over leg, max(c.score) over leg,
                       avg(c.score) over leg, stddev_pop(c.score) over leg, fuse.rrf_k) as share
            from candidates c
            window leg as (partition by c.leg order by c.score desc, c.id rows between unbounded preceding and unbounded following)),
        weighed as (
            select r.*, coalesce((fuse.weights ->> r.leg)::double precision, 1) * r.share as contribution
            from ranked r)
        -- the smallest first, so that the same contributions are the same sum, whichever legs they are from
        select w.id, sum(w.contribution order by w.contribution),
               jsonb_object_agg(w.leg, jsonb_build_object('rank', w.rank, 'score', w.score, 'contribution', w.contribution))
        from weighed w
        group by w.id
        order by 2 desc, 1;
end;
$$;

comment on function retrieval.fuse(text[], anyarray, double precision[], text, jsonb, integer) is
'One ranking out of several lists, best first, ties by id; no rows where there is no candidate. legs, ids and scores: leg, id and score of each candidate, in any order; a higher score is better, and rank is the place by score within the leg, ties by id. fusion: rrf, relative or dbsf. weights: {"leg": 2}, a leg left out counts 1, one with 0 adds 0 to what it found. contributions says for each leg that found the id its rank, its score, and what it added.';
