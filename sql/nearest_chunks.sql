-- The nearest chunks of a space, for semantic and sparse search alike.

-- The statement that walks the index. It takes the `depth` nearest of the whole space and filters those: so nothing in it
-- leaves the planner a choice, and how many passed says how selective the filter is where the query points. $1 is the
-- query. A quantised index proposes, the stored embeddings decide.
create or replace function retrieval._index_scan_statement(
    space retrieval.spaces, filter_condition text, depth bigint, candidates integer)
    returns text
    language plpgsql stable
as $$
declare
    distance constant text := format('e.embedding %s $1', retrieval._distance_operator(space.metric));
begin
    return format(
        'select n.chunk_id, n.distance
         from (select e.chunk_id, %1$s as distance
               from (select e.chunk_id, e.embedding from retrieval.%2$I e
                     where e.space_id = %3$s
                     order by %4$s %5$s %6$s
                     limit %7$s) e%8$s
               order by distance, e.chunk_id
               limit %9$s) n',
        distance, retrieval._embedding_table(space.kind), space.space_id,
        retrieval._indexed_expression(space, 'e.embedding'),
        case space.quantization when 'bit' then '<~>' else retrieval._distance_operator(space.metric) end,
        retrieval._indexed_expression(space, '$1'), depth,
        format(' join retrieval.chunks c on c.collection_id = %s and c.chunk_id = e.chunk_id', space.collection_id) || ' and ' || filter_condition,
        candidates);
end;
$$;

comment on function retrieval._index_scan_statement(retrieval.spaces, text, bigint, integer) is
'The SQL that finds the nearest chunks by the index of a space. Every value in it is quoted; $1 is the query.';

-- The statement that computes every distance, of the chunks in $2 or, without a filter, of all. Without the cast that the
-- index is built on, the index cannot serve it.
create or replace function retrieval._exact_statement(space retrieval.spaces, filtered boolean, candidates integer)
    returns text
    language sql stable
    return format(
        'select e.chunk_id, e.embedding %1$s $1 as distance
         from retrieval.%2$I e
         where e.space_id = %3$s%4$s
         order by distance, e.chunk_id
         limit %5$s',
        retrieval._distance_operator(space.metric), retrieval._embedding_table(space.kind), space.space_id,
        case when filtered then ' and e.chunk_id = any ($2)' else '' end, candidates);

comment on function retrieval._exact_statement(retrieval.spaces, boolean, integer) is
'The SQL that finds the nearest chunks by computing every distance; $1 is the query, $2 are the chunks to compare where there is a filter.';

-- Volatile, because a stable function may not explain.
create or replace function retrieval._estimate_rows(statement text)
    returns double precision
    language plpgsql
as $$
declare
    plan jsonb;
begin
    execute 'explain (format json) ' || statement into plan;
    return (plan -> 0 -> 'Plan' ->> 'Plan Rows')::double precision;
end;
$$;

comment on function retrieval._estimate_rows(text) is 'How many rows the planner expects of a statement.';

-- The margin is three standard deviations of the number that passes, if chunks pass by chance.
create or replace function retrieval._scan_depth(candidates bigint, share double precision)
    returns bigint
    language sql immutable
    return ceil((candidates + 3 * sqrt(candidates)) / share)::bigint;

comment on function retrieval._scan_depth(bigint, double precision) is
'How many chunks must be read for so many to pass a filter that lets this share through.';

-- Of 60,000 real embeddings 60 found more than 99 % of the ten nearest; the rest is room for larger collections, where the
-- same effort finds less. For IVFFlat the root of the lists, as pgvector recommends.
create or replace function retrieval._default_effort(space retrieval.spaces)
    returns integer
    language sql stable
    return case space.index_method
        when 'hnsw' then 200
        when 'ivfflat' then ceil(sqrt(retrieval._index_lists(space)))::integer end;

comment on function retrieval._default_effort(retrieval.spaces) is
'ef_search of an HNSW index, probes of an IVFFlat index, where neither the call nor the space says.';

create or replace function retrieval._chunk_count(collection_id bigint, every_tenant boolean default false)
    returns bigint
    language plpgsql stable
as $$
declare
    counted bigint;
begin
    execute format('select coalesce(sum(s.chunk_count), 0) from retrieval.chunk_statistics s where s.collection_id = %s%s', collection_id,
                   case when not every_tenant then format(' and s.tenant = %L', retrieval.current_tenant()) end) into counted;
    return counted;
end;
$$;

comment on function retrieval._chunk_count(bigint, boolean) is
'The number of chunks that the current tenant, or every one, has in a collection, by its statistics.';

-- Two ways, and which is taken where:
--
-- - Filter first, exact: the chunks that pass are collected and every distance is computed. Costs as much as there are
--   chunks that pass, and is always right.
-- - Vector first: the index yields the nearest of the whole space, of which those that pass remain. Costs as much as has
--   to be read until enough have passed: candidates / share that passes, with a margin for chance. Its recall is that
--   of the graph, as long as that many are read.
--
-- The planner's statistics of the metadata (or of a declared key's index, see index_metadata) say how many chunks
-- pass; the cheaper way by that is taken. They can be wrong in both directions, so both ways notice: collecting stops
-- where it has become twice the dearer way, and a scan that comes back short says how many really pass near this query, which
-- may be far fewer than elsewhere in the collection; then the choice is made again with what is now known. A scan that
-- has read everything and is still short met a graph that does not reach every chunk: then exact, too.
create or replace function retrieval._nearest_chunks(
    space retrieval.spaces, query anyelement, filter_condition text, candidates integer, search_effort integer)
    returns table (chunk_id bigint, score double precision)
    language plpgsql stable rows 100
    set search_path from current
    set hnsw.iterative_scan = 'strict_order'
    set hnsw.max_scan_tuples = 2147483647
    set hnsw.ef_search = 100
    set ivfflat.iterative_scan = 'relaxed_order'
    set ivfflat.probes = 1
as $$
declare
    -- what one more to be read from the index costs, in chunks that are collected and compared one by one: some 60 µs
    -- against 5 µs for 384 dimensions
    scan_cost constant double precision := 12;
    effort constant integer := coalesce(search_effort, (space.search_options ->> 'search_effort')::integer, retrieval._default_effort(space));
    -- of a quantised index, several candidates for each result are scored by their stored embeddings
    wanted constant bigint := candidates * case space.quantization when 'bit' then coalesce((space.search_options ->> 'oversampling')::integer, 10) else 1 end;
    depth bigint := wanted;
    total double precision := retrieval._chunk_count(space.collection_id, filter_condition is null);
    passing double precision := total;
    exact boolean := space.index_method = 'none';
    passed bigint[];
    chunk_ids bigint[];
    distances double precision[];
begin
    perform set_config('ivfflat.probes', effort::text, true);
    if filter_condition is not null then
        passing := greatest(1, retrieval._estimate_rows(format(
            'select from retrieval.chunks c where c.collection_id = %s and %s', space.collection_id, filter_condition)));
        if starts_with(filter_condition, 'c.tenant = ') then
            passing := least(passing, greatest(total, 1));
            -- the index holds all tenants' chunks: their statistics may be too many rows to be added up
            total := greatest(total, retrieval._estimate_rows(format(
                'select from retrieval.chunks c where c.collection_id = %s', space.collection_id)));
        end if;
        depth := retrieval._scan_depth(wanted, passing / greatest(total, passing));
    end if;
    loop
        if exact or depth * scan_cost >= passing then
            if filter_condition is not null then
                execute format('select array(select c.chunk_id from retrieval.chunks c where c.collection_id = %s and %s limit %s)',
                               space.collection_id, filter_condition, case when exact then 'all' else (2 * depth * scan_cost)::bigint::text end)
                    into passed;
            end if;
            if exact or filter_condition is null or cardinality(passed) < (2 * depth * scan_cost)::bigint then
                execute format('select array_agg(s.chunk_id), array_agg(s.distance) from (%s) s',
                               retrieval._exact_statement(space, filter_condition is not null, candidates))
                    into chunk_ids, distances using query, passed;
                perform set_config('retrieval.plan', 'exact', true);  -- for explain_search
                exit;
            end if;
            -- far more than expected
            depth := retrieval._scan_depth(wanted, cardinality(passed) / total);
            passing := total;
        end if;
        -- the last ones of a graph search are the least certain, and with a filter they count as much as the first
        perform set_config('hnsw.ef_search', least(greatest(2 * depth, effort), 1000)::text, true);
        execute format('select array_agg(s.chunk_id), array_agg(s.distance) from (%s) s',
                       retrieval._index_scan_statement(space, filter_condition, depth, candidates))
            into chunk_ids, distances using query;
        exit when cardinality(chunk_ids) >= candidates;
        exact := depth >= total or filter_condition is null;
        depth := least(total, greatest(4 * depth, retrieval._scan_depth(wanted, greatest(cardinality(chunk_ids), 0.5) / depth)));
    end loop;
    return query
        select n.chunk_id, retrieval._semantic_score(space.metric, n.distance)
        from unnest(chunk_ids, distances) n(chunk_id, distance);
end;
$$;

comment on function retrieval._nearest_chunks(retrieval.spaces, anyelement, text, integer, integer) is
'The nearest chunks of a space that fulfil a condition on c, nearest first, ties by chunk_id; as many as are wanted whenever they exist.';
