-- What a language model wrote of where a chunk stands in its document, so that nothing is asked twice by one tenant: what is there
-- already would tell what another's texts are.

create or replace function retrieval._context_key(digest bytea)
    returns bytea
    language sql stable strict parallel safe
    return case retrieval.current_tenant() when '' then digest
                else sha256(digest || convert_to(retrieval.current_tenant(), 'UTF8')) end;

comment on function retrieval._context_key(bytea) is 'What stands for a digest in the current tenant''s cache of contexts.';

create or replace function retrieval.cached_contexts(digests bytea[])
    returns table (digest bytea, context text)
    language plpgsql
as $$
begin
    -- to the day: a cache that is read often must not be written as often; and a reader waits for nobody
    with due as (
        select c.digest
        from retrieval.context_cache c
        where c.digest in (select retrieval._context_key(d) from unnest(digests) d) and c.used_at < now() - interval '1 day'
        for no key update skip locked)
    update retrieval.context_cache c set used_at = now()
    from due d
    where c.digest = d.digest;
    return query
        select g.digest, c.context
        from (select distinct unnest(digests)) g(digest) join retrieval.context_cache c on c.digest = retrieval._context_key(g.digest);
end;
$$;

comment on function retrieval.cached_contexts(bytea[]) is
'The contexts that the cache holds, in no order; each is named by the SHA-256 of what the language model was asked.';

create or replace function retrieval.cache_contexts(digests bytea[], contexts text[])
    returns void
    language sql
begin atomic
    insert into retrieval.context_cache (digest, context)
    select distinct on (c.digest) c.digest, c.context
    from (select retrieval._context_key(g.digest), g.context from unnest(digests, contexts) g(digest, context)) c(digest, context)
    order by c.digest  -- so that two writers cannot deadlock
    on conflict (digest) do update set used_at = excluded.used_at;
end;

comment on function retrieval.cache_contexts(bytea[], text[]) is
'Puts contexts into the cache, each under the digest at its place. One that is there already stays as it is: two processes then store the same.';

create or replace function retrieval.trim_context_cache(unused_for interval default '0')
    returns bigint
    language sql
begin atomic
    with removed as (
        delete from retrieval.context_cache c where c.used_at <= now() - unused_for returning 1)
    select count(*) from removed;
end;

comment on function retrieval.trim_context_cache(interval) is
'Removes the contexts that no ingestion has used for so long (to the day), by default all of them, and returns how many. Nothing else removes any: a document that is deleted leaves what was written of it here.';
