-- Recounting the statistics, and finding where they would come out different.
create or replace function retrieval.refresh_statistics(collection text)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        -- an older snapshot would miss chunks whose differences are removed here
        raise exception 'statistics can be refreshed only at isolation level read committed' using errcode = 'object_not_in_prerequisite_state';
    end if;
    -- a writer whose chunks are not seen yet must not have its differences removed
    execute format('lock table retrieval.%I in share row exclusive mode', 'chunks_' || target);
    -- deleted, not truncated: an older snapshot must go on seeing whose chunks there are (see retrieval._tenant_condition)
    execute format('delete from retrieval.%I', 'chunk_statistics_' || target);
    execute format('truncate retrieval.%I', 'lexeme_statistics_' || target);
    execute format(
        'insert into retrieval.chunk_statistics (collection_id, tenant, text_config, chunk_count, total_length)
         select %1$s, tenant, text_config, count(*), sum(length)
         from retrieval.chunks where collection_id = %1$s group by tenant, text_config', target);
    execute format(
        'insert into retrieval.lexeme_statistics
             (collection_id, tenant, lexeme, document_frequency, maximum_frequency, minimum_length_ratio)
         select %1$s, c.tenant, l.lexeme, count(*), max(cardinality(l.positions)), min(c.length::real / cardinality(l.positions))
         from retrieval.chunks c, unnest(c.lexemes) l
         where c.collection_id = %1$s group by c.tenant, l.lexeme', target);
end;
$$;

comment on function retrieval.refresh_statistics(text) is
'Recounts a collection''s statistics, those of every tenant, from its chunks. Writers of the collection wait meanwhile. Needed only to tighten the ranking''s bounds after many deletions, or when retrieval doctor reports a drift.';

create or replace function retrieval.statistics_drift(collection text)
    returns table (lexeme text, stored bigint, counted bigint, tenant text)
    language plpgsql stable
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    return query execute format(
        'with stored as (
             select l.tenant, l.lexeme, sum(l.document_frequency)::bigint as n from retrieval.lexeme_statistics l
             where l.collection_id = %1$s group by l.tenant, l.lexeme
             union all
             select s.tenant, null, sum(s.chunk_count)::bigint from retrieval.chunk_statistics s where s.collection_id = %1$s group by s.tenant),
         counted as (
             select c.tenant, l.lexeme, count(*) as n from retrieval.chunks c, unnest(c.lexemes) l
             where c.collection_id = %1$s group by c.tenant, l.lexeme
             union all
             select c.tenant, null, count(*) from retrieval.chunks c where c.collection_id = %1$s group by c.tenant)
         select coalesce(s.lexeme, c.lexeme), coalesce(s.n, 0), coalesce(c.n, 0), coalesce(s.tenant, c.tenant)
         from stored s full join counted c on s.tenant = c.tenant and coalesce(s.lexeme, '''') = coalesce(c.lexeme, '''')
         where coalesce(s.n, 0) <> coalesce(c.n, 0)
         order by 4, 1', target);
end;
$$;

comment on function retrieval.statistics_drift(text) is
'Lexemes whose stored document frequency, of some tenant, is not what a recount gives; a null lexeme stands for the number of chunks. No rows: all is right. Reads the whole collection.';
