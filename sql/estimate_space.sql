-- What a dense space will take on disk, and what its index takes to build, before there is one.
--
-- Computed from how PostgreSQL and pgvector lay out their pages: 8192 bytes less a header of 24; per tuple a line
-- pointer of 4; lengths are rounded up to a multiple of 8 (MAXALIGN). Of a relation it is the main fork, as
-- pg_relation_size counts it, freshly loaded: no dead rows, no duplicate vectors (of which HNSW stores up to ten
-- once), chunks stored in the order of their ids. Sparse spaces are not estimated, as their size is that of texts
-- nobody has seen yet, nor are multivector ones, which have no index and whose size is 2 bytes times dimensions for
-- every token.

create or replace function retrieval._aligned(bytes numeric)
    returns bigint
    language sql immutable
    return ceil(bytes / 8) * 8;

-- A halfvec is 4 bytes of length, 2 + 2 of dimensions and padding, 2 per dimension; a bit string 4 + 4, 1 per 8.
create or replace function retrieval._vector_bytes(dimensions integer, quantization text)
    returns integer
    language sql immutable
    return 8 + case quantization when 'bit' then (dimensions + 7) / 8 else 2 * dimensions end;

-- The partition: rows have a header of 24 (23 aligned), three bigint and the embedding, whose storage is plain, so
-- never out of line nor with a short header. The primary key: leaves have 16 bytes of special space, tuples of
-- 8 + 16, and are left 90 % full by ascending keys (BTREE_DEFAULT_FILLFACTOR); above them come tuples of 8 + 8, as
-- suffix truncation leaves the chunk_id, on pages 70 % full (BTREE_NONLEAF_FILLFACTOR); then the metapage.
create or replace function retrieval._estimate_heap(chunks bigint, dimensions integer)
    returns bigint
    language sql immutable
as $$
    with leaf as (select ceil(chunks / floor(8152 * 0.9 / 28)) as pages)
    select 8192 * (ceil(chunks::numeric / (8168 / (retrieval._aligned(48 + retrieval._vector_bytes(dimensions, 'half')) + 4)))
                   + pages + case when pages > 1 then ceil(pages / floor(8152 * 0.7 / 20)) else 0 end + 1)::bigint
    from leaf
$$;

-- HNSW, pgvector's hnsw.h: a page has 8 bytes of special space and holds pairs of tuples: an element (72 bytes, of
-- which 60 for ten heap tids, and the vector) and its neighbours (4, and per level m tids of 6, on the lowest level
-- 2 m). A pair is not torn unless it is larger than a page, and then has two. Of m elements one reaches the next
-- level (HnswGetMl), m / (m - 1) - 1 more levels on average.
create or replace function retrieval._estimate_hnsw(chunks bigint, vector_bytes integer, m integer)
    returns bigint
    language sql immutable
as $$
    with pair as (
        select retrieval._aligned(72 + vector_bytes) + retrieval._aligned(4 + 12 * m) + 8 as bytes, 6.0 * m as level),
    page as (
        select bytes, level, floor(8160 / bytes) as pairs from pair)
    select 8192 * (1 + ceil(chunks * case
        when pairs = 0 then 2
        else 1 / least(8160 / (bytes + level / (m - 1)),
                       -- where no level more fits, it costs the page its last pair
                       pairs - case when pairs * bytes + level > 8160 then 1 - (1 - 1.0 / m) ^ pairs else 0 end) end))::bigint
    from page
$$;

-- The graph in memory, hnsw.h and hnswbuild.c: an element of 128 bytes, the vector, a list of 8 bytes per level, on
-- each level an array of 8 and 16 per neighbour; every allocation with its chunk header of 8 (24 before PostgreSQL
-- 16). Memory comes in blocks of 1 MB; a parallel build sets 4 MB aside.
create or replace function retrieval._estimate_hnsw_memory(chunks bigint, vector_bytes integer, m integer)
    returns bigint
    language sql stable
as $$
    with header as (select case when current_setting('server_version_num')::integer >= 160000 then 8 else 24 end as bytes)
    select ceil(chunks * (128 + retrieval._aligned(vector_bytes) + 8 + 8 + 32 * m + 4 * bytes + (8 + 8 + 16 * m + bytes) / (m - 1.0)))::bigint
           + 5 * 1048576
    from header
$$;

-- IVFFlat, ivfflat.h: a metapage; the lists' centres, 8 bytes and a vector each; per list its own chain of pages.
-- An index tuple is 8 bytes and the vector, which loses 3 bytes of its header if it is short (VARATT_CAN_MAKE_SHORT).
-- Lists differ in length; as if exponentially distributed, a list of x pages on average takes 1 / (1 - exp(-1 / x)).
create or replace function retrieval._estimate_ivfflat(chunks bigint, vector_bytes integer, lists integer)
    returns bigint
    language sql immutable
as $$
    with page as (
        select 8160 / (retrieval._aligned(8 + vector_bytes) + 4) as centres,
               8160 / (retrieval._aligned(8 + vector_bytes - case when vector_bytes <= 130 then 3 else 0 end) + 4) as vectors)
    select 8192 * (1 + ceil(lists::numeric / centres)
                   + case lists when 1 then ceil(chunks::numeric / vectors)
                                else ceil(lists / (1 - exp(greatest(- lists::double precision * vectors / chunks, -700)))) end)::bigint
    from page
$$;

create or replace function retrieval._index_option(index_options jsonb, option text, fallback bigint, minimum integer, maximum integer)
    returns integer
    language plpgsql immutable
as $$
declare
    value constant text := index_options ->> option;
begin
    if value is null then
        return fallback;
    elsif value !~ '^\d{1,5}$' or value::integer not between minimum and maximum then
        raise exception 'index_options: % must be a whole number between % and %, not %', option, minimum, maximum, value
            using errcode = 'invalid_parameter_value';
    end if;
    return value;
end;
$$;

create or replace function retrieval._check_estimate(index_options jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    option text;
begin
    if index_options is null or jsonb_typeof(index_options) <> 'object' then
        raise exception 'index_options must be an object such as {"m": 16, "lists": 100}' using errcode = 'invalid_parameter_value';
    end if;
    for option in select jsonb_object_keys(index_options) loop
        perform retrieval._check_choice('index_options: option', option, array['m', 'ef_construction', 'lists']);
    end loop;
end;
$$;

create or replace function retrieval.estimate_space(chunks bigint, dimensions integer, index_options jsonb default '{}')
    returns table (index_method text, quantization text, heap_bytes bigint, index_bytes bigint, build_memory_bytes bigint)
    language plpgsql stable rows 5
as $$
declare
    m integer;
    lists integer;
    heap bigint;
begin
    perform retrieval._check_count('chunks', chunks, 1000000000000);
    perform retrieval._check_count('dimensions', dimensions, 4000);
    perform retrieval._check_estimate(index_options);
    m := retrieval._index_option(index_options, 'm', 16, 2, 100);
    -- without the option as build_index chooses, and as pgvector recommends
    lists := retrieval._index_option(index_options, 'lists',
        least(32768, greatest(1, case when chunks <= 1000000 then chunks / 1000 else sqrt(chunks)::bigint end)), 1, 32768);
    heap := retrieval._estimate_heap(chunks, dimensions);
    return query
        select o.index_method, o.quantization, heap,
               case o.index_method
                   when 'none' then 0::bigint
                   when 'hnsw' then retrieval._estimate_hnsw(chunks, v.bytes, m)
                   else retrieval._estimate_ivfflat(chunks, v.bytes, lists) end,
               case o.index_method when 'hnsw' then retrieval._estimate_hnsw_memory(chunks, v.bytes, m) end
        from (values ('none', 'half'), ('hnsw', 'half'), ('hnsw', 'bit'), ('ivfflat', 'half'), ('ivfflat', 'bit'))
                 o(index_method, quantization),
             retrieval._vector_bytes(dimensions, o.quantization) v(bytes);
end;
$$;

comment on function retrieval._aligned(numeric) is 'A length rounded up to a multiple of 8.';
comment on function retrieval._vector_bytes(integer, text) is 'The length of a stored halfvec or bit string.';
comment on function retrieval._estimate_heap(bigint, integer) is 'Bytes of a partition of retrieval.embeddings and its primary key.';
comment on function retrieval._estimate_hnsw(bigint, integer, integer) is 'Bytes of an HNSW index.';
comment on function retrieval._estimate_hnsw_memory(bigint, integer, integer) is 'Bytes of the graph while an HNSW index is built.';
comment on function retrieval._estimate_ivfflat(bigint, integer, integer) is 'Bytes of an IVFFlat index.';
comment on function retrieval._index_option(jsonb, text, bigint, integer, integer) is 'A whole number among index options, or the fallback; 22023 out of bounds.';
comment on function retrieval._check_estimate(jsonb) is '22023 where index options to be estimated are not an object of known ones.';
comment on function retrieval.estimate_space(bigint, integer, jsonb) is
'What a dense space of so many chunks will take, one row for each index_method and quantization that create_space offers: heap_bytes is the table with its primary key, index_bytes the vector index, build_memory_bytes the maintenance_work_mem with which an HNSW graph is built in memory (null for the others: IVFFlat names the memory that it lacks). index_options: m, ef_construction (which takes no space) and lists. An upper bound where vectors occur more than once.';
