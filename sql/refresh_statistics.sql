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
    execute format('truncate retrieval.%I, retrieval.%I', 'chunk_statistics_' || target, 'lexeme_statistics_' || target);
    execute format(
        'insert into retrieval.chunk_statistics (collection_id, text_config, chunk_count, total_length)
         select %1$s, text_config, count(*), sum(length)
         from retrieval.chunks where collection_id = %1$s group by text_config', target);
    execute format(
        'insert into retrieval.lexeme_statistics
             (collection_id, lexeme, document_frequency, maximum_frequency, minimum_length_ratio)
         select %1$s, l.lexeme, count(*), max(cardinality(l.positions)), min(c.length::real / cardinality(l.positions))
         from retrieval.chunks c, unnest(c.lexemes) l
         where c.collection_id = %1$s group by l.lexeme', target);
end;
$$;

comment on function retrieval.refresh_statistics(text) is
'Recounts a collection''s statistics from its chunks. Writers of the collection wait meanwhile. Needed only to tighten the ranking''s bounds after many deletions, or when retrieval doctor reports a drift.';

create or replace function retrieval.statistics_drift(collection text)
    returns table (lexeme text, stored bigint, counted bigint)
    language plpgsql stable
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    return query execute format(
        'with stored as (
             select l.lexeme, sum(l.document_frequency)::bigint as n from retrieval.lexeme_statistics l
             where l.collection_id = %1$s group by l.lexeme
             union all
             select null, sum(s.chunk_count)::bigint from retrieval.chunk_statistics s where s.collection_id = %1$s),
         counted as (
             select l.lexeme, count(*) as n from retrieval.chunks c, unnest(c.lexemes) l
             where c.collection_id = %1$s group by l.lexeme
             union all
             select null, count(*) from retrieval.chunks c where c.collection_id = %1$s)
         select coalesce(s.lexeme, c.lexeme), coalesce(s.n, 0), coalesce(c.n, 0)
         from stored s full join counted c on coalesce(s.lexeme, '''') = coalesce(c.lexeme, '''')
         where coalesce(s.n, 0) <> coalesce(c.n, 0)
         order by 1', target);
end;
$$;

comment on function retrieval.statistics_drift(text) is
'Lexemes whose stored document frequency is not what a recount gives; a null lexeme stands for the number of chunks. No rows: all is right. Reads the whole collection.';
