-- Recommendations: chunks are the query. The strategies are those of Qdrant (https://qdrant.tech/documentation/concepts/explore):
--
-- - average_vector: what is nearest to p + p − n, where p and n are the means of the positive and the negative examples;
--   without negative ones to p. Under the metric cosine each example counts by its direction alone.
-- - best_score: each candidate is compared with every example. Let s be the largest similarity to a positive example and
--   t the largest to a negative one; the score is σ(s) where s > t, else −σ(t), with σ(x) = ½ + x / (2 + 2·|x|).
--   The documentation has s and −t²; but −t² ranks wrongly where similarities are negative, as all distances are here, and
--   Qdrant itself computes with σ (reco_query.rs). Where they are positive both rank alike.
--
-- Examples are compared as they are stored: a query adapter maps queries, not chunks.

create or replace function retrieval._best_score(positive double precision, negative double precision)
    returns double precision
    language sql immutable
    return case when negative is null or positive > negative then 0.5 + positive / (2 + 2 * abs(positive))
                else -0.5 - negative / (2 + 2 * abs(negative)) end;

comment on function retrieval._best_score(double precision, double precision) is
'The score of a candidate by its largest similarities to a positive and, unless null, to a negative example.';

create or replace function retrieval._mean_embedding(embeddings halfvec[], metric text)
    returns vector
    language sql immutable
    set search_path from current
    return (select avg(case metric when 'cosine' then l2_normalize(e.embedding::vector) else e.embedding::vector end)
            from unnest(embeddings) e(embedding));

comment on function retrieval._mean_embedding(halfvec[], text) is
'The mean of embeddings, of their directions where the metric is cosine; null where there are none.';

-- What is wrong with lists of examples, whatever they name.
create or replace function retrieval._check_examples(kind text, positive text[], negative text[])
    returns void
    language plpgsql immutable
as $$
declare
    named_twice text;
begin
    if coalesce(cardinality(positive), 0) = 0 then
        raise exception 'there must be a positive example' using errcode = 'invalid_parameter_value';
    elsif array_position(positive || negative, null) is not null then
        raise exception 'an example must not be null' using errcode = 'null_value_not_allowed';
    end if;
    select p.example into named_twice from unnest(positive) p(example) where p.example = any (negative) limit 1;
    if found then
        raise exception '% % is both a positive and a negative example', kind, named_twice using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_examples(text, text[], text[]) is '22023 where positive and negative examples are unusable, 22004 for a null.';

create or replace function retrieval._check_example(
    space retrieval.spaces, kind text, example text, in_collection boolean, embedded boolean)
    returns void
    language plpgsql stable
as $$
begin
    if not in_collection then
        raise exception '% % does not exist in collection %', kind, example,
                        (select quote_ident(c.name) from retrieval.collections c where c.collection_id = space.collection_id)
            using errcode = 'undefined_object';
    elsif not embedded then
        raise exception '% % has no embedding in space %', kind, example, quote_ident(space.name)
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'retrieval.missing_embeddings lists what is to be embedded.';
    end if;
end;
$$;

comment on function retrieval._check_example(retrieval.spaces, text, text, boolean, boolean) is
'42704 where an example is not in the collection, 55000 where it has no embedding.';

-- The exact scores of what is near any positive example.
create or replace function retrieval._best_score_statement(space retrieval.spaces, candidates integer)
    returns text
    language sql stable
    return format(
        'select b.chunk_id, retrieval._best_score(b.positive, b.negative), b.positive
         from (select e.chunk_id,
                      retrieval._semantic_score(%1$L, (select min(e.embedding %2$s x) from unnest($2) x)) as positive,
                      retrieval._semantic_score(%1$L, (select min(e.embedding %2$s x) from unnest($3) x)) as negative
               from retrieval.embeddings e
               where e.space_id = %3$s and e.chunk_id in (
                   select n.chunk_id from unnest($2) x, retrieval._nearest_chunks($1, x, $4, %4$s, $5) n)) b
         order by 2 desc, 1',
        space.metric, retrieval._distance_operator(space.metric), space.space_id, candidates);

comment on function retrieval._best_score_statement(retrieval.spaces, integer) is
'The SQL of the strategy best_score: $1 is the space, $2 and $3 are the examples, $4 is the filter and $5 the effort.';

create or replace function retrieval._recommended_chunks(
    space retrieval.spaces, positive halfvec[], negative halfvec[], strategy text, filter_condition text, wanted integer,
    candidates integer, search_effort integer)
    returns table (chunk_id bigint, score double precision, similarity double precision)
    language plpgsql stable rows 100
    set search_path from current
as $$
declare
    p constant vector := retrieval._mean_embedding(positive, space.metric);
    n constant vector := retrieval._mean_embedding(negative, space.metric);
    query constant halfvec := coalesce(p + p - n, p)::halfvec;
begin
    if space.metric = 'cosine' and exists (
           select from unnest(case strategy when 'average_vector' then array[query] else positive || negative end) e(embedding)
           where l2_norm(e.embedding) = 0) then
        raise exception 'the examples cancel each other out: zeros have no cosine with anything' using errcode = 'invalid_parameter_value';
    elsif strategy = 'average_vector' then
        return query select c.chunk_id, c.score, c.score
                     from retrieval._nearest_chunks(space, query, filter_condition, wanted, search_effort) c;
    else
        return query execute retrieval._best_score_statement(space, greatest(candidates, wanted)) || ' limit ' || wanted
            using space, positive, negative, filter_condition, search_effort;
    end if;
end;
$$;

comment on function retrieval._recommended_chunks(retrieval.spaces, halfvec[], halfvec[], text, text, integer, integer, integer) is
'The chunks that a strategy recommends, best first, ties by chunk_id: the score and the similarity to what is liked.';

create or replace function retrieval.recommend(
    collection text,
    positive bigint[],
    negative bigint[] default '{}',
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    strategy text default 'average_vector',
    exclude_documents boolean default true,
    candidates integer default 100,
    search_effort integer default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, semantic_rank bigint, semantic_score double precision)
    language plpgsql stable rows 10
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space);
    example record;
    liked halfvec[] := '{}';
    disliked halfvec[] := '{}';
    excluded bigint[] := '{}';
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_count('candidates', candidates);
    perform retrieval._check_choice('strategy', strategy, array['average_vector', 'best_score']);
    perform retrieval._check_search_effort(target, coalesce(search_effort, 1));
    perform retrieval._check_examples('chunk', positive::text[], negative::text[]);
    for example in execute format(
        'select x.chunk_id, c.document_id, e.embedding, x.chunk_id = any ($1) as positive
         from (select distinct unnest($1 || $2)) x(chunk_id)
         left join retrieval.chunks c on c.collection_id = %s and c.chunk_id = x.chunk_id and c.tenant = %L
         left join retrieval.embeddings e on e.space_id = %s and e.chunk_id = c.chunk_id
         order by x.chunk_id', owner.collection_id, retrieval.current_tenant(), target.space_id)
        using positive, negative
    loop
        perform retrieval._check_example(target, 'chunk', example.chunk_id::text, example.document_id is not null, example.embedding is not null);
        if example.positive then
            liked := liked || example.embedding;
        else
            disliked := disliked || example.embedding;
        end if;
        excluded := excluded || case when exclude_documents then example.document_id else example.chunk_id end;
    end loop;
    return query execute retrieval._hits_statement(
            owner.collection_id, 'retrieval._recommended_chunks($1, $2, $3, $4, $5, $6, $7, $8) with ordinality h(chunk_id, score, similarity, rank)',
            'h.rank, h.similarity')
        using target, liked, disliked, strategy,
              concat_ws(' and ', retrieval._filter_condition(owner, metadata_filter),
                        format('c.%I <> all (%L)', case when exclude_documents then 'document_id' else 'chunk_id' end, excluded)),
              max_results, candidates, search_effort;
end;
$$;

comment on function retrieval.recommend(text, bigint[], bigint[], jsonb, integer, text, text, boolean, integer, integer) is
'The chunks most like the positive examples and unlike the negative ones, in a dense space (without a name: the active one), best first, ties by chunk_id. Examples are ids of embedded chunks of the collection; one named twice counts once. Neither they nor, unless exclude_documents is false, other chunks of their documents are returned. strategy average_vector: score is the similarity to the examples'' mean, moved away from that of the negative ones; best_score: it is between -1 and 1, below 0 for what is nearer to a negative example, and the candidates nearest of each positive example are looked at. semantic_score is the similarity to that mean or to the nearest positive example.';
