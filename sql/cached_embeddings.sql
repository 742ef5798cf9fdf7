-- The embedding cache: equal text under an equal signature is embedded once, whichever document or collection holds it. Each tenant
-- has its own: what is there already would tell what another's texts are.

create or replace function retrieval._signature_hash(signature jsonb)
    returns bytea
    language sql stable strict parallel safe
    return sha256(convert_to(signature::text || coalesce(E'\n' || nullif(retrieval.current_tenant(), ''), ''), 'UTF8'));

comment on function retrieval._signature_hash(jsonb) is 'What stands for a signature in the current tenant''s embedding cache.';

create or replace function retrieval.cached_embeddings(signature jsonb, text_hashes bytea[])
    returns table (text_hash bytea, embedding halfvec, sparse_embedding sparsevec, token_embeddings halfvec[])
    language plpgsql
    set search_path from current
as $$
begin
    -- to the hour: a cache that is read often must not be written as often; and a reader waits for nobody
    with due as (
        select c.signature_hash, c.text_hash
        from retrieval.embedding_cache c
        where c.signature_hash = retrieval._signature_hash(signature) and c.text_hash = any (text_hashes)
          and c.used_at < now() - interval '1 hour'
        for no key update skip locked)
    update retrieval.embedding_cache c set used_at = now()
    from due d
    where c.signature_hash = d.signature_hash and c.text_hash = d.text_hash;
    return query
        select c.text_hash, c.embedding, c.sparse_embedding, c.token_embeddings
        from retrieval.embedding_cache c
        where c.signature_hash = retrieval._signature_hash(signature) and c.text_hash = any (text_hashes);
end;
$$;

comment on function retrieval.cached_embeddings(jsonb, bytea[]) is
'The embeddings that the cache holds of texts under a signature, in no order; a text is named by the SHA-256 of its UTF-8. One of the three columns is filled, by the model''s kind.';

create or replace function retrieval._cache_embeddings(cached retrieval.embedding_cache[])
    returns void
    language sql
begin atomic
    insert into retrieval.embedding_cache
    select distinct on ((c).signature_hash, (c).text_hash) (c).* from unnest(cached) c
    order by (c).signature_hash, (c).text_hash  -- so that two writers cannot deadlock
    on conflict (signature_hash, text_hash) do update set used_at = excluded.used_at;
end;

comment on function retrieval._cache_embeddings(retrieval.embedding_cache[]) is 'Puts embeddings into the cache.';

create or replace function retrieval.cache_embeddings(signature jsonb, text_hashes bytea[], embeddings halfvec[])
    returns void
    language sql
    set search_path from current
begin atomic
    select retrieval._cache_embeddings(array_agg(row(retrieval._signature_hash(signature), t.text_hash, t.embedding, null, null, now())::retrieval.embedding_cache))
    from unnest(text_hashes, embeddings) t(text_hash, embedding);
end;

comment on function retrieval.cache_embeddings(jsonb, bytea[], halfvec[]) is 'Puts dense embeddings of texts into the cache.';

create or replace function retrieval.cache_sparse_embeddings(signature jsonb, text_hashes bytea[], embeddings sparsevec[])
    returns void
    language sql
    set search_path from current
begin atomic
    select retrieval._cache_embeddings(array_agg(row(retrieval._signature_hash(signature), t.text_hash, null, t.embedding, null, now())::retrieval.embedding_cache))
    from unnest(text_hashes, embeddings) t(text_hash, embedding);
end;

comment on function retrieval.cache_sparse_embeddings(jsonb, bytea[], sparsevec[]) is 'Puts sparse embeddings of texts into the cache.';

create or replace function retrieval.cache_token_embeddings(signature jsonb, text_hashes bytea[], token_counts integer[], embeddings halfvec[])
    returns void
    language sql
    set search_path from current
begin atomic
    select retrieval._check_token_counts(token_counts, cardinality(embeddings));
    select retrieval._cache_embeddings(array_agg(row(retrieval._signature_hash(signature), t.text_hash, null, null,
                                                     cache_token_embeddings.embeddings[t.last - t.count + 1:t.last], now())::retrieval.embedding_cache))
    from (select u.text_hash, u.count, sum(u.count) over (order by u.ordinality) as last
          from unnest(text_hashes, token_counts) with ordinality u(text_hash, count, ordinality)) t;
end;

comment on function retrieval.cache_token_embeddings(jsonb, bytea[], integer[], halfvec[]) is
'Puts token embeddings of texts into the cache: those of all texts one after the other, with the number of each text.';

create or replace function retrieval.trim_embedding_cache(maximum_bytes bigint)
    returns bigint
    language sql
begin atomic
    with sizes as (
        select c.signature_hash, c.text_hash,
               -- a row has some 100 bytes beside its vector, index entries included
               sum(100 + coalesce(pg_column_size(c.embedding), 0) + coalesce(pg_column_size(c.sparse_embedding), 0)
                   + coalesce(pg_column_size(c.token_embeddings), 0)) over (order by c.used_at desc, c.signature_hash, c.text_hash) as bytes
        from retrieval.embedding_cache c
        -- looked at as a whole first: most of the time there is nothing to add up
        where (select pg_total_relation_size('retrieval.embedding_cache')) > maximum_bytes),
    free as (  -- what another session uses just now stays
        select c.signature_hash, c.text_hash
        from retrieval.embedding_cache c
        join sizes s on c.signature_hash = s.signature_hash and c.text_hash = s.text_hash
        where s.bytes > maximum_bytes
        for update of c skip locked),
    removed as (
        delete from retrieval.embedding_cache c
        using free f
        where c.signature_hash = f.signature_hash and c.text_hash = f.text_hash
        returning 1)
    select count(*) from removed;
end;

comment on function retrieval.trim_embedding_cache(bigint) is
'Removes what was used longest ago from the embedding cache, until it holds no more than so many bytes; returns how many embeddings.';
