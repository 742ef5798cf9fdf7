-- How right a space's index is, and what that costs, for several efforts: the ground on which search_options are chosen.
create or replace function retrieval.measure_recall(
    collection text,
    space text,
    queries halfvec[],
    search_efforts integer[],
    oversamplings integer[] default array[1],
    max_results integer default 10,
    query_chunk_ids bigint[] default null)
    returns table (search_effort integer, oversampling integer, recall double precision, milliseconds double precision)
    language plpgsql
    set search_path from current
as $$
declare
    target retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
    exact retrieval.spaces := target;
    expected text[];  -- arrays in an array would have to be of one length
    found_ids bigint[];
    right_ones bigint;
    wanted bigint;
    spent double precision;
    started timestamptz;
begin
    perform retrieval._check_count('max_results', max_results, 1000);
    if coalesce(cardinality(queries), 0) = 0 then
        raise exception 'queries must not be empty' using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_embeddings(target, queries);
    exact.index_method := 'none';
    for number in 1 .. cardinality(queries) loop
        expected[number] := array(
            select n.chunk_id from retrieval._nearest_chunks(exact, queries[number], null, max_results + 1, null) n
            where n.chunk_id is distinct from query_chunk_ids[number] limit max_results);
    end loop;
    foreach oversampling in array oversamplings loop
        perform retrieval._check_count('oversamplings', oversampling, 100);
        if target.quantization = 'bit' then
            target.search_options := target.search_options || jsonb_build_object('oversampling', oversampling);
        end if;
        foreach search_effort in array search_efforts loop
            perform retrieval._check_search_effort(target, search_effort);
            right_ones := 0;
            wanted := 0;
            spent := 0;
            for number in 1 .. cardinality(queries) loop
                started := clock_timestamp();
                found_ids := array(select n.chunk_id from retrieval._nearest_chunks(target, queries[number], null, max_results + 1, search_effort) n);
                spent := spent + extract(epoch from clock_timestamp() - started);
                found_ids := (array_remove(found_ids, query_chunk_ids[number]))[:max_results];
                select right_ones + count(*) filter (where e.chunk_id = any (found_ids)), wanted + count(*) into right_ones, wanted
                from unnest(expected[number]::bigint[]) e(chunk_id);
            end loop;
            recall := right_ones / greatest(wanted, 1)::double precision;
            milliseconds := 1000 * spent / cardinality(queries);
            return next;
        end loop;
    end loop;
end;
$$;

comment on function retrieval.measure_recall(text, text, halfvec[], integer[], integer[], integer, bigint[]) is
'Searches a dense space with each query exactly and with each effort, and returns for each effort which share of the true results was found and how long a search took on average. query_chunk_ids: where the queries are the embeddings of chunks, these chunks, which are then no results; oversamplings: for quantization bit. Nothing is changed.';
