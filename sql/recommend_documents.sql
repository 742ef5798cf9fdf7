-- Recommendations of whole documents: an example is the mean of its chunks' embeddings, and of each document found the
-- best chunk is returned. How many chunks hold enough documents nobody knows, so more are fetched until they do.
create or replace function retrieval.recommend_documents(
    collection text,
    positive_keys text[],
    negative_keys text[] default '{}',
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    strategy text default 'average_vector',
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
    wanted integer;
    best record;
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_count('candidates', candidates);
    perform retrieval._check_choice('strategy', strategy, array['average_vector', 'best_score']);
    perform retrieval._check_search_effort(target, coalesce(search_effort, 1));
    perform retrieval._check_examples('document', positive_keys, negative_keys);
    for example in execute format(
        'select x.document_key, d.document_id, m.embedding::halfvec as embedding, x.document_key = any ($1) as positive
         from (select distinct unnest($1 || $2)) x(document_key)
         left join retrieval.documents d on d.collection_id = %1$s and d.document_key = x.document_key and d.tenant = %4$L
         cross join lateral (
             select retrieval._mean_embedding(array_agg(e.embedding order by e.chunk_id), %2$L) as embedding
             from retrieval.chunks c join retrieval.embeddings e on e.space_id = %3$s and e.chunk_id = c.chunk_id
             where c.collection_id = %1$s and c.document_id = d.document_id) m
         order by d.document_id', owner.collection_id, target.metric, target.space_id, retrieval.current_tenant())
        using positive_keys, negative_keys
    loop
        perform retrieval._check_example(target, 'document', example.document_key, example.document_id is not null, example.embedding is not null);
        if example.positive then
            liked := liked || example.embedding;
        else
            disliked := disliked || example.embedding;
        end if;
        excluded := excluded || example.document_id;
    end loop;
    wanted := 2 * max_results;
    loop
        execute format(
            'with hit as (
                 select h.*, c.document_id
                 from retrieval._recommended_chunks($1, $2, $3, $4, $5, $6, $7, $8) with ordinality h(chunk_id, score, similarity, rank)
                 join retrieval.chunks c on c.collection_id = %s and c.chunk_id = h.chunk_id),
             best as (
                 select * from (select distinct on (h.document_id) h.* from hit h order by h.document_id, h.rank) b
                 order by b.rank limit $9)
             select array_agg(b.chunk_id order by b.rank) as chunk_ids, array_agg(b.score order by b.rank) as scores,
                    array_agg(b.similarity order by b.rank) as similarities, count(*) as documents, (select count(*) from hit) as chunks
             from best b', owner.collection_id)
            into best
            using target, liked, disliked, strategy,
                  concat_ws(' and ', retrieval._filter_condition(owner, metadata_filter), format('c.document_id <> all (%L)', excluded)),
                  wanted, candidates, search_effort, max_results;
        exit when best.documents = max_results or best.chunks < wanted;
        wanted := 4 * wanted;
    end loop;
    return query execute retrieval._hits_statement(
            owner.collection_id, 'unnest($1, $2, $3) with ordinality h(chunk_id, score, similarity, rank)', 'h.rank, h.similarity')
        using best.chunk_ids, best.scores, best.similarities;
end;
$$;

comment on function retrieval.recommend_documents(text, text[], text[], jsonb, integer, text, text, integer, integer) is
'The documents most like the positive examples and unlike the negative ones, one row for each, of its best chunk; otherwise as retrieval.recommend. Examples are document keys; each counts as the mean of its chunks'' embeddings.';
