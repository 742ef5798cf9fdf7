-- The statistics that BM25 needs: how many chunks, how long, and in how many of them a lexeme occurs, of each tenant.
--
-- Each statement that writes chunks appends what it changed, and a reader adds up. Nothing is updated in place:
-- two writers never wait for each other here, and what a reader sees belongs to the same snapshot as the chunks
-- that it sees, also after a rollback. When many differences have piled up, one writer folds them.

create or replace function retrieval._count_chunks()
    returns trigger
    language plpgsql
as $$
declare
    -- an update that leaves the lexemes alone (metadata, say) changes no statistics
    changed constant text := case tg_op
        when 'INSERT' then 'select 1 as sign, n.* from new_chunks n'
        when 'DELETE' then 'select -1 as sign, o.* from old_chunks o'
        else 'select 1 as sign, n.* from new_chunks n join old_chunks o using (chunk_id)
              where (n.lexemes, n.text_config, n.tenant, n.collection_id) is distinct from (o.lexemes, o.text_config, o.tenant, o.collection_id)
              union all
              select -1, o.* from new_chunks n join old_chunks o using (chunk_id)
              where (n.lexemes, n.text_config, n.tenant, n.collection_id) is distinct from (o.lexemes, o.text_config, o.tenant, o.collection_id)'
        end;
    counted record;
begin
    if tg_op = 'UPDATE' then
        -- of no rows, as after every insert: see retrieval._copy_document()
        if not exists (select from new_chunks) then
            return null;
        end if;
    end if;
    -- a removed chunk leaves the bounds as they are: they stay valid, only less tight
    execute format(
        'insert into retrieval.lexeme_statistics
             (collection_id, tenant, lexeme, document_frequency, maximum_frequency, minimum_length_ratio)
         select w.collection_id, w.tenant, l.lexeme, sum(w.sign),
                coalesce(max(cardinality(l.positions)) filter (where w.sign > 0), 0),
                coalesce(min(w.length::real / cardinality(l.positions)) filter (where w.sign > 0), ''infinity'')
         from (%s) w, unnest(w.lexemes) l
         group by w.collection_id, w.tenant, l.lexeme', changed);
    for counted in execute format(
        'insert into retrieval.chunk_statistics (collection_id, tenant, text_config, chunk_count, total_length)
         select w.collection_id, w.tenant, w.text_config, sum(w.sign), sum(w.sign * w.length)
         from (%s) w
         group by w.collection_id, w.tenant, w.text_config
         returning collection_id, tenant', changed)
    loop
        perform retrieval._fold_statistics(counted.collection_id, 500, counted.tenant);
    end loop;
    return null;
end;
$$;

comment on function retrieval._count_chunks() is
'Trigger: appends to the statistics what a statement changed in the chunks.';

create or replace trigger count_chunks_inserted
    after insert on retrieval.chunks referencing new table as new_chunks
    for each statement execute function retrieval._count_chunks();

create or replace trigger count_chunks_updated
    after update on retrieval.chunks referencing old table as old_chunks new table as new_chunks
    for each statement execute function retrieval._count_chunks();

create or replace trigger count_chunks_deleted
    after delete on retrieval.chunks referencing old table as old_chunks
    for each statement execute function retrieval._count_chunks();

-- Truncating is not deleting: no rows are seen. The trigger sits on the partition and is told its collection.
create or replace function retrieval._forget_chunks()
    returns trigger
    language plpgsql
as $$
begin
    execute format('truncate retrieval.%I, retrieval.%I',
                   'chunk_statistics_' || tg_argv[0], 'lexeme_statistics_' || tg_argv[0]);
    return null;
end;
$$;

comment on function retrieval._forget_chunks() is 'Trigger: truncated chunks have no statistics.';

-- Adds the differences up where more than `threshold` statements have left theirs, of one tenant or, with null, of all. Only one session folds at a
-- time and nobody waits for it; a repeatable-read transaction leaves it to others, because a fold that it cannot
-- see would make its own fail.
create or replace function retrieval._fold_statistics(collection_id bigint, threshold bigint, tenant text default null)
    returns void
    language plpgsql
as $$
declare
    scope constant text := format('collection_id = %s', collection_id) || coalesce(' and tenant = ' || quote_literal(tenant), '');
    differences bigint;
begin
    execute 'select count(*) from retrieval.chunk_statistics where ' || scope into differences;
    if differences <= threshold
       or current_setting('transaction_isolation') <> 'read committed'
       or not pg_try_advisory_xact_lock(hashtextextended('retrieval.fold_statistics ' || coalesce(tenant, ''), collection_id)) then
        return;
    end if;
    execute format(
        'with folded as (delete from retrieval.chunk_statistics where %2$s returning *)
         insert into retrieval.chunk_statistics (collection_id, tenant, text_config, chunk_count, total_length)
         select %1$s, tenant, text_config, sum(chunk_count), sum(total_length)
         from folded group by tenant, text_config having sum(chunk_count) <> 0', collection_id, scope);
    execute format(
        'with folded as (
             delete from retrieval.lexeme_statistics
             where %2$s and (tenant, lexeme) in (
                 select tenant, lexeme from retrieval.lexeme_statistics
                 where %2$s group by tenant, lexeme having count(*) > 1)
             returning *)
         insert into retrieval.lexeme_statistics
             (collection_id, tenant, lexeme, document_frequency, maximum_frequency, minimum_length_ratio)
         select %1$s, tenant, lexeme, sum(document_frequency), max(maximum_frequency), min(minimum_length_ratio)
         from folded group by tenant, lexeme having sum(document_frequency) <> 0', collection_id, scope);
end;
$$;

comment on function retrieval._fold_statistics(bigint, bigint, text) is
'Folds a collection''s statistics, those of a tenant or with null of all, into one row per tenant and lexeme, where more than the threshold of statements have written.';
