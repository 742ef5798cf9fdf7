-- Frozen: what this revision does must never change once it is released.

do $$
begin
    if current_setting('server_version_num')::integer < 150000 then
        raise exception 'PostgreSQL 15 or newer is needed, this is %', current_setting('server_version')
            using errcode = 'feature_not_supported';
    elsif current_setting('server_encoding') <> 'UTF8' then
        raise exception 'a database with encoding UTF8 is needed, this one has %', current_setting('server_encoding')
            using errcode = 'feature_not_supported';
    end if;
end;
$$;

create schema if not exists retrieval;
create extension if not exists vector;

do $$
begin
    if (select string_to_array(regexp_replace(extversion, '[^0-9.].*', ''), '.')::integer[] < array[0, 8]
        from pg_catalog.pg_extension where extname = 'vector') then
        raise exception 'pgvector 0.8 or newer is needed, this is %', (select extversion from pg_catalog.pg_extension where extname = 'vector')
            using errcode = 'feature_not_supported', hint = 'Install a newer pgvector and run: alter extension vector update;';
    end if;
end;
$$;

-- pgvector's types and operators resolve wherever the extension was installed, and none that a caller made for the session.
select set_config('search_path', 'pg_catalog, ' || quote_ident(n.nspname) || ', pg_temp', true)
from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname = 'vector';

-- Who is no superuser may have a function set pgvector's parameters only where its library is loaded.
do $$ begin perform '[1]'::vector; end; $$;

-- begin sql/segment.sql
-- Characters of scripts without blanks between words (and hangul, whose words carry their particles), as the inside of a
-- regular expression's bracket: the iteration mark and the ideographic zero, kana, Han with its extensions, hangul
-- syllables, Thai, Lao, Burmese and Khmer.
create or replace function retrieval._script_characters()
    returns text
    language sql immutable parallel safe
    return '々〇\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u1000-\u1049\u1780-\u17d3';

comment on function retrieval._script_characters() is
'The characters that are indexed as bigrams, as the inside of a regular expression''s bracket.';

-- Prepares text for PostgreSQL's parser, the same way for what is indexed and what is asked.
--
-- The parser knows neither full-width forms nor typographic punctuation, and takes a run of Chinese for one
-- long word. Here text becomes NFKC, typographic punctuation becomes a blank, and a run of such
-- characters becomes its overlapping bigrams. ASCII text, the common case, passes untouched.
--
-- A run also yields its last character alone, so that every character of an indexed run starts some lexeme and
-- a query of one character can be answered by prefix. A query leaves that one out (`final_character => false`).
create or replace function retrieval.segment(content text, final_character boolean default true)
    returns text
    language plpgsql immutable strict parallel safe
as $$
declare
    script constant text := retrieval._script_characters();
    segmented text;
begin
    if octet_length(content) = char_length(content) then
        return content;
    end if;
    segmented := normalize(translate(content, '’‘', ''''''), nfkc);
    -- Latin-1 symbols (not ª µ º), general punctuation, arrows to dingbats, CJK punctuation (not 々 〇)
    segmented := regexp_replace(segmented, '[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf×÷\u2000-\u206f\u2190-\u27ff\u2900-\u2bff\u3000-\u3004\u3008-\u3020\u3030\u30fb]', ' ', 'g');
    if segmented !~ ('[' || script || ']') then
        return segmented;
    end if;
    -- abcd → ' abcd ' → ' a ab bc cd d ' → ' ab bc cd d '
    segmented := regexp_replace(segmented, '([' || script || ']+)', ' \1 ', 'g');
    segmented := regexp_replace(segmented, '([' || script || '])', '\1 \1', 'g');
    segmented := regexp_replace(segmented, ' [' || script || '] (?=[' || script || '])', ' ', 'g');
    if not final_character then
        segmented := regexp_replace(segmented, '([' || script || ']{2}) [' || script || ']( |$)', '\1\2', 'g');
    end if;
    return segmented;
end;
$$;

comment on function retrieval.segment(text, boolean) is
'Text as PostgreSQL''s parser should see it: NFKC, typographic punctuation blanked, runs of Han, kana, hangul, Thai, Lao, Burmese and Khmer split into overlapping bigrams. Index and query both go through it.';
-- end

-- begin sql/to_lexemes.sql
-- The tsvector of a chunk. Title, context and content carry the weights A, B and D and follow each other in this
-- order, so that a field's occurrences can be told apart later.
--
-- Declared immutable although to_tsvector looks the configuration up by name: whoever alters a configuration
-- re-indexes, as with any text-search index.
create or replace function retrieval.to_lexemes(text_config text, title text, context text, content text)
    returns tsvector
    language plpgsql immutable parallel safe
as $$
declare
    configuration constant regconfig := text_config::regconfig;
    lexemes tsvector := to_tsvector(configuration, retrieval.segment(content));
begin
    if context <> '' then
        lexemes := setweight(to_tsvector(configuration, retrieval.segment(context)), 'B') || lexemes;
    end if;
    if title <> '' then
        lexemes := setweight(to_tsvector(configuration, retrieval.segment(title)), 'A') || lexemes;
    end if;
    return lexemes;
end;
$$;

comment on function retrieval.to_lexemes(text, text, text, text) is
'The tsvector of a chunk: title (weight A), context (B) and content (D) under a text-search configuration.';

-- The number of occurrences in a tsvector: the sum of its lexemes' positions, not the number of lexemes.
--
-- ts_rank divides by exactly that number when its normalisation is 2, so the ratio of two calls yields it at C
-- speed. A marker that no parser emits is added so that there is always one word to rank.
create or replace function retrieval.lexeme_length(lexemes tsvector)
    returns integer
    language sql immutable strict parallel safe
    return round(ts_rank('{1,1,1,1}', lexemes || E'''\x01'':1'::tsvector, E'''\x01'''::tsquery, 0)::float8
               / ts_rank('{1,1,1,1}', lexemes || E'''\x01'':1'::tsvector, E'''\x01'''::tsquery, 2)::float8)::integer - 1;

comment on function retrieval.lexeme_length(tsvector) is
'The length of a chunk as BM25 counts it: occurrences of lexemes, stop words excluded.';
-- end

-- begin sql/current_tenant.sql
-- Whose rows a transaction is about. A tenant is a text; what belongs to none has the empty one, which is like any other here.
--
-- A program that serves many says it for each transaction: set_config('retrieval.tenant', 'acme', true). Whoever logs in with
-- SQL could say anything there, so a role that retrieval.bind_role has bound has its tenant from there and nowhere else; what
-- counts is the role that logged in, whichever it has set since.
--
-- With the rights of the owner, since readers need none on the table of bound roles. Its body is read when it runs: the tables
-- have it as a default.
create or replace function retrieval.current_tenant()
    returns text
    language plpgsql stable parallel safe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce((select r.tenant from retrieval.role_tenants r where r.role_name = session_user),
                    current_setting('retrieval.tenant', true), '');
end;
$$;

comment on function retrieval.current_tenant() is
'The tenant that the transaction is in, whose rows alone it sees, counts and writes: the one that the login role is bound to (see bind_role), else the setting retrieval.tenant, else the empty text, for what belongs to no tenant.';
-- end

-- Logins that cannot choose their tenant; see retrieval.bind_role. Few or none: current_tenant() reads them all the time.
create table retrieval.role_tenants (
    role_name text not null,
    tenant text not null,
    constraint role_tenants_pkey primary key (role_name),
    constraint role_tenants_tenant_check check (octet_length(tenant) <= 200 and tenant !~ '[[:cntrl:]]')
);

create table retrieval.collections (
    collection_id bigint generated always as identity,
    name text not null,
    text_config text not null default 'english',
    settings jsonb not null default '{}',
    created_at timestamptz not null default now(),
    constraint collections_pkey primary key (collection_id),
    constraint collections_name_key unique (name),
    constraint collections_name_check check (name ~ '^[^[:cntrl:]/\s]([^[:cntrl:]/]{0,198}[^[:cntrl:]/\s])?$'),
    constraint collections_settings_check check (jsonb_typeof(settings) = 'object')
);

-- What the settings of a collection are for one tenant, over those that it has for all.
create table retrieval.tenant_settings (
    collection_id bigint not null,
    tenant text not null default retrieval.current_tenant(),
    settings jsonb not null default '{}',
    constraint tenant_settings_pkey primary key (collection_id, tenant),
    constraint tenant_settings_collection_id_fkey foreign key (collection_id)
        references retrieval.collections on delete cascade,
    constraint tenant_settings_settings_check check (jsonb_typeof(settings) = 'object')
);

-- Documents, chunks and statistics are partitioned by collection, embeddings by space: what belongs to one
-- collection is locked, scanned, vacuumed and dropped alone. Foreign keys therefore join partition to partition
-- (create_collection and create_space add them), never one shared table that every collection would lock.
create table retrieval.documents (
    document_id bigint generated always as identity,
    collection_id bigint not null,
    document_key text not null,
    tenant text not null default retrieval.current_tenant(),
    title text,
    source text,
    content text not null default '',
    metadata jsonb not null default '{}',
    text_config text,
    modality text not null default 'text',
    content_hash text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint documents_pkey primary key (document_id, collection_id),
    constraint documents_key_key unique (document_key, tenant, collection_id),
    constraint documents_key_check check (octet_length(document_key) between 1 and 2000),
    constraint documents_tenant_check check (octet_length(tenant) <= 200 and tenant !~ '[[:cntrl:]]'),
    constraint documents_metadata_check check (jsonb_typeof(metadata) = 'object'),
    constraint documents_modality_check check (modality in ('text', 'image'))
) partition by list (collection_id);

-- tenant, title, metadata, text_config and modality are copies that retrieval._copy_document() keeps: a filter and the
-- ranking then need no second join.
create table retrieval.chunks (
    chunk_id bigint generated always as identity,
    collection_id bigint not null,
    document_id bigint not null,
    tenant text not null default retrieval.current_tenant(),
    position integer not null,
    start_offset integer,
    end_offset integer,
    content text not null,
    context text not null default '',
    title text,
    metadata jsonb not null default '{}',
    text_config text not null default 'simple',
    modality text not null default 'text',
    lexemes tsvector not null,  -- and length: written by retrieval._index_text()
    length integer not null,
    constraint chunks_pkey primary key (chunk_id, collection_id),
    constraint chunks_position_key unique (document_id, position, collection_id),
    constraint chunks_position_check check (position >= 0),
    constraint chunks_offsets_check check (start_offset >= 0 and end_offset >= start_offset),
    constraint chunks_modality_check check (modality in ('text', 'image'))
) partition by list (collection_id);

create index chunks_lexemes_index on retrieval.chunks using gin (lexemes);
create index chunks_metadata_index on retrieval.chunks using gin (metadata jsonb_path_ops);
create index chunks_images_index on retrieval.chunks (chunk_id) where modality = 'image';
-- here and below: without tenants nothing is in it
create index chunks_tenant_index on retrieval.chunks (tenant) where tenant <> '';

-- Keys with an index of their own on the collection's chunks; see retrieval.index_metadata.
create table retrieval.metadata_indexes (
    collection_id bigint not null,
    key text not null,
    type text not null,
    created_at timestamptz not null default now(),
    constraint metadata_indexes_pkey primary key (collection_id, key),
    constraint metadata_indexes_collection_id_fkey foreign key (collection_id)
        references retrieval.collections on delete cascade,
    constraint metadata_indexes_key_check check (char_length(key) <= 200 and not starts_with(key, '$')),
    constraint metadata_indexes_type_check check (type in ('numeric', 'text'))
);

-- Both statistics tables are written by appending differences and read by adding them up, so that writers
-- never wait for each other; see retrieval._count_chunks().
create table retrieval.chunk_statistics (
    collection_id bigint not null,
    tenant text not null,
    text_config text not null,
    chunk_count bigint not null,
    total_length bigint not null
) partition by list (collection_id);

create index chunk_statistics_tenant_index on retrieval.chunk_statistics (tenant) where tenant <> '';

-- maximum_frequency and minimum_length_ratio (smallest length / frequency) bound what a lexeme can add to a score.
create table retrieval.lexeme_statistics (
    collection_id bigint not null,
    tenant text not null,
    lexeme text collate "C" not null,
    document_frequency bigint not null,
    maximum_frequency integer not null,
    minimum_length_ratio real not null
) partition by list (collection_id);

create index lexeme_statistics_lexeme_index on retrieval.lexeme_statistics (lexeme);
create index lexeme_statistics_tenant_index on retrieval.lexeme_statistics (tenant, lexeme) where tenant <> '';

create table retrieval.spaces (
    space_id bigint generated always as identity,
    collection_id bigint not null,
    name text not null,
    kind text not null default 'dense',
    modality text not null default 'text',
    model text not null,
    revision text,
    signature jsonb not null default '{}',
    dimensions integer not null,
    metric text not null default 'cosine',
    index_method text not null default 'hnsw',
    index_options jsonb not null default '{}',
    quantization text not null default 'half',
    search_options jsonb not null default '{}',
    alignment jsonb,
    state text not null default 'building',
    created_at timestamptz not null default now(),
    activated_at timestamptz,
    constraint spaces_pkey primary key (space_id),
    constraint spaces_name_key unique (collection_id, name),
    constraint spaces_collection_id_fkey foreign key (collection_id)
        references retrieval.collections on delete cascade,
    constraint spaces_kind_check check (kind in ('dense', 'sparse', 'multivector')),
    constraint spaces_modality_check check (modality in ('text', 'image')),
    constraint spaces_dimensions_check check (dimensions between 1 and case kind when 'sparse' then 1000000000 else 4000 end),
    constraint spaces_metric_check check (metric in ('cosine', 'inner_product', 'l2', 'l1')),
    constraint spaces_index_method_check check (index_method in ('hnsw', 'ivfflat', 'none')),
    constraint spaces_quantization_check check (quantization in ('half', 'bit')),
    constraint spaces_state_check check (state in ('building', 'active', 'shadow', 'retired'))
);

create unique index spaces_active_index on retrieval.spaces (collection_id, kind, modality) where state = 'active';

create table retrieval.embeddings (
    space_id bigint not null,
    collection_id bigint not null,
    chunk_id bigint not null,
    embedding halfvec not null,
    constraint embeddings_pkey primary key (chunk_id, space_id)
) partition by list (space_id);

create table retrieval.sparse_embeddings (
    space_id bigint not null,
    collection_id bigint not null,
    chunk_id bigint not null,
    embedding sparsevec not null,
    constraint sparse_embeddings_pkey primary key (chunk_id, space_id)
) partition by list (space_id);

create table retrieval.token_embeddings (
    space_id bigint not null,
    collection_id bigint not null,
    chunk_id bigint not null,
    embeddings halfvec[] not null,
    constraint token_embeddings_pkey primary key (chunk_id, space_id)
) partition by list (space_id);

create table retrieval.query_adapters (
    space_id bigint not null,
    matrix halfvec[] not null,
    translation halfvec not null,
    details jsonb not null default '{}',
    created_at timestamptz not null default now(),
    constraint query_adapters_pkey primary key (space_id),
    constraint query_adapters_space_id_fkey foreign key (space_id) references retrieval.spaces on delete cascade
);

-- what a model made can be made again: not worth the write-ahead log
create unlogged table retrieval.embedding_cache (
    signature_hash bytea not null,
    text_hash bytea not null,
    embedding halfvec,
    sparse_embedding sparsevec,
    token_embeddings halfvec[],
    used_at timestamptz not null default now(),
    constraint embedding_cache_pkey primary key (signature_hash, text_hash),
    constraint embedding_cache_embedding_check check (num_nonnulls(embedding, sparse_embedding, token_embeddings) = 1)
);

create index embedding_cache_used_at_index on retrieval.embedding_cache (used_at);

-- What is to be embedded; see retrieval._enqueue_chunks(). A queue is mostly dead rows: they are removed by their number, not by
-- their share.
create table retrieval.jobs (
    job_id bigint generated always as identity,
    space_id bigint not null,
    chunk_ids bigint[] not null,
    state text not null default 'pending',
    attempts integer not null default 0,
    run_after timestamptz not null default now(),
    worker text,
    error text,
    created_at timestamptz not null default now(),
    constraint jobs_pkey primary key (job_id),
    constraint jobs_space_id_fkey foreign key (space_id) references retrieval.spaces on delete cascade,
    constraint jobs_chunk_ids_check check (cardinality(chunk_ids) > 0),
    constraint jobs_state_check check (state in ('pending', 'running', 'failed'))
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create index jobs_space_id_index on retrieval.jobs (space_id, run_after, job_id);

-- how many chunks were embedded of late: nothing is lost with it
create unlogged table retrieval.finished_jobs (
    space_id bigint not null,
    chunks integer not null,
    finished_at timestamptz not null default now(),
    constraint finished_jobs_space_id_fkey foreign key (space_id) references retrieval.spaces on delete cascade
);

create index finished_jobs_space_id_index on retrieval.finished_jobs (space_id, finished_at);
-- what a language model wrote costs money to be written again
create table retrieval.context_cache (
    digest bytea not null,
    context text not null,
    used_at timestamptz not null default now(),
    constraint context_cache_pkey primary key (digest)
);


-- Tables whose rows a collection follows; see retrieval.attach_table. The table is found by its triggers, whatever its name is by
-- now: table_name is the one that it had, and the source of its documents.
create table retrieval.attached_tables (
    attached_table_id bigint generated always as identity,
    collection_id bigint not null,
    tenant text not null default retrieval.current_tenant(),
    table_name text not null,
    key_columns text[] not null,
    title_column text,
    content_columns text[] not null,
    metadata_columns text[] not null,
    maximum_chunk_length integer not null,
    created_at timestamptz not null default now(),
    constraint attached_tables_pkey primary key (attached_table_id),
    constraint attached_tables_table_key unique (collection_id, table_name, tenant),
    constraint attached_tables_collection_id_fkey foreign key (collection_id)
        references retrieval.collections on delete cascade
);
create table retrieval.attached_table_failures (
    failure_id bigint generated always as identity,
    attached_table_id bigint not null,
    document_key text,
    operation text not null,
    sqlstate text not null,
    message text not null,
    failed_at timestamptz not null default now(),
    constraint attached_table_failures_pkey primary key (failure_id),
    constraint attached_table_failures_attached_table_id_fkey foreign key (attached_table_id)
        references retrieval.attached_tables on delete cascade
);
create index attached_table_failures_attached_table_id_index on retrieval.attached_table_failures (attached_table_id);

-- Keys to the HTTP service. Whether one is for all collections is said, never inferred from having no grants: these go with their
-- collections.
create table retrieval.api_keys (
    api_key_id text not null,
    key_hash text not null,
    name text not null,
    scopes text[] not null,
    all_collections boolean not null,
    tenant text not null default '',
    requests_per_minute integer,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    constraint api_keys_pkey primary key (api_key_id),
    constraint api_keys_scopes_check check (cardinality(scopes) > 0 and scopes <@ array['read', 'write', 'admin']),
    constraint api_keys_tenant_check check (octet_length(tenant) <= 200 and tenant !~ '[[:cntrl:]]'),
    constraint api_keys_admin_check check ('admin' <> all (scopes) or all_collections and tenant = '')
);
create table retrieval.api_key_collections (
    api_key_id text not null,
    collection_id bigint not null,
    constraint api_key_collections_pkey primary key (api_key_id, collection_id),
    constraint api_key_collections_api_key_id_fkey foreign key (api_key_id)
        references retrieval.api_keys on delete cascade,
    constraint api_key_collections_collection_id_fkey foreign key (collection_id)
        references retrieval.collections on delete cascade
);
create index api_key_collections_collection_id_index on retrieval.api_key_collections (collection_id);

-- Queries with graded judgements. Rows of a version stay as they are: a change ends one and begins another.
create table retrieval.golden_sets (
    golden_set_id bigint generated always as identity,
    collection_id bigint not null,
    tenant text not null default retrieval.current_tenant(),
    name text not null,
    origin text not null default 'human',
    description text,
    version integer not null default 0,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    constraint golden_sets_pkey primary key (golden_set_id),
    constraint golden_sets_name_key unique (collection_id, tenant, name),
    constraint golden_sets_collection_id_fkey foreign key (collection_id)
        references retrieval.collections on delete cascade,
    constraint golden_sets_tenant_check check (octet_length(tenant) <= 200 and tenant !~ '[[:cntrl:]]'),
    constraint golden_sets_origin_check check (origin in ('human', 'synthetic', 'clicks'))
);
create table retrieval.golden_queries (
    golden_set_id bigint not null,
    query_key text not null,
    query_text text not null,
    first_version integer not null,
    last_version integer,
    constraint golden_queries_pkey primary key (golden_set_id, query_key, first_version),
    constraint golden_queries_golden_set_id_fkey foreign key (golden_set_id)
        references retrieval.golden_sets on delete cascade,
    constraint golden_queries_versions_check check (last_version >= first_version)
);
create unique index golden_queries_current_index on retrieval.golden_queries (golden_set_id, query_key) where last_version is null;
create table retrieval.judgements (
    golden_set_id bigint not null,
    query_key text not null,
    document_key text not null,
    grade smallint not null,
    judge text,
    judged_at timestamptz not null default now(),
    first_version integer not null,
    last_version integer,
    constraint judgements_pkey primary key (golden_set_id, query_key, document_key, first_version),
    constraint judgements_golden_set_id_fkey foreign key (golden_set_id)
        references retrieval.golden_sets on delete cascade,
    constraint judgements_versions_check check (last_version >= first_version)
);
create unique index judgements_current_index on retrieval.judgements (golden_set_id, query_key, document_key)
    where last_version is null;

-- What ways of searching reached on golden sets; see retrieval.record_evaluation. A golden set is a name and a version: what was
-- measured on it stays when it is dropped.
create table retrieval.evaluations (
    evaluation_id bigint generated always as identity,
    collection_id bigint not null,
    tenant text not null default retrieval.current_tenant(),
    golden_set text,
    golden_set_version integer,
    name text not null,
    settings jsonb not null,
    context jsonb not null,
    measures jsonb not null,
    created_at timestamptz not null default now(),
    constraint evaluations_pkey primary key (evaluation_id),
    constraint evaluations_collection_id_fkey foreign key (collection_id) references retrieval.collections on delete cascade,
    constraint evaluations_tenant_check check (octet_length(tenant) <= 200 and tenant !~ '[[:cntrl:]]')
);
create index evaluations_collection_id_index on retrieval.evaluations (collection_id, tenant, evaluation_id);
create table retrieval.evaluation_queries (
    evaluation_id bigint not null,
    query_key text not null,
    query_text text not null,
    measures jsonb not null,
    milliseconds double precision,
    document_keys text[] not null,
    constraint evaluation_queries_pkey primary key (evaluation_id, query_key),
    constraint evaluation_queries_evaluation_id_fkey foreign key (evaluation_id) references retrieval.evaluations on delete cascade
);

-- What was asked, where a collection has opted in; see retrieval.set_query_logging. Written at the end and removed at the beginning of
-- the index by time, in batches: that needs no partitions up to some tens of millions of rows.
create table retrieval.logged_queries (
    query_id uuid not null default gen_random_uuid(),
    collection_id bigint not null,
    tenant text not null default retrieval.current_tenant(),
    query_text text not null,
    document_keys text[] not null,
    result_count integer not null,
    top_score double precision,
    details jsonb not null default '{}',
    logged_at timestamptz not null default now(),
    constraint logged_queries_pkey primary key (query_id),
    constraint logged_queries_collection_id_fkey foreign key (collection_id)
        references retrieval.collections on delete cascade,
    constraint logged_queries_tenant_check check (octet_length(tenant) <= 200 and tenant !~ '[[:cntrl:]]'),
    constraint logged_queries_details_check check (jsonb_typeof(details) = 'object')
);
create index logged_queries_collection_id_index on retrieval.logged_queries (collection_id, logged_at);
create table retrieval.logged_clicks (
    query_id uuid not null,
    document_key text not null,
    rank integer not null,
    clicked_at timestamptz not null default now(),
    constraint logged_clicks_pkey primary key (query_id, document_key),
    constraint logged_clicks_query_id_fkey foreign key (query_id) references retrieval.logged_queries on delete cascade,
    constraint logged_clicks_rank_check check (rank >= 1)
);

-- begin sql/text_config.sql
-- Text-search configurations are stored by name: a regconfig column would block pg_upgrade.

-- The name of a configuration with its schema, unless that is pg_catalog: the tsvector is computed under other search paths
-- later (a trigger, a restore). What writes documents knows nothing of its caller's search path, so a name without a schema
-- is that of pg_catalog, else of pgvector's schema, mostly public, else the only one in the database.
create or replace function retrieval._qualify_text_config(text_config text)
    returns text
    language plpgsql stable
as $$
declare
    parts text[];
    named record;
begin
    begin
        parts := parse_ident(text_config);
    exception when invalid_parameter_value then
        parts := null;
    end;
    select n.nspname as schema_name, c.cfgname as name, count(*) over (partition by pg_ts_config_is_visible(c.oid)) as alike into named
    from pg_catalog.pg_ts_config c
    join pg_catalog.pg_namespace n on n.oid = c.cfgnamespace
    where parts in (array[c.cfgname::text], array[n.nspname::text, c.cfgname::text])
    order by n.nspname <> 'pg_catalog', not pg_ts_config_is_visible(c.oid)
    limit 1;
    if not found then
        raise exception 'text search configuration % does not exist', coalesce(quote_literal(text_config), 'null')
            using errcode = 'invalid_parameter_value', hint = 'psql lists the existing ones with \dF.';
    elsif named.alike > 1 then
        raise exception 'text search configuration % is in several schemas', quote_literal(text_config)
            using errcode = 'invalid_parameter_value', hint = 'Name the schema as well: schema.name.';
    elsif not has_schema_privilege(named.schema_name, 'usage') then
        raise exception 'text search configuration % cannot be used: % may not use its schema', quote_literal(text_config), current_user
            using errcode = 'insufficient_privilege', hint = format('grant usage on schema %I to %I;', named.schema_name, current_user);
    end if;
    return case when named.schema_name = 'pg_catalog' then quote_ident(named.name) else format('%I.%I', named.schema_name, named.name) end;
end;
$$;

comment on function retrieval._qualify_text_config(text) is
'The schema-qualified name of a text-search configuration; 22023 where there is none or not one alone, 42501 where its schema may not be used.';

create or replace function retrieval._check_text_config()
    returns trigger
    language plpgsql
as $$
begin
    new.text_config := retrieval._qualify_text_config(new.text_config);
    return new;
end;
$$;

comment on function retrieval._check_text_config() is
'Trigger: a text configuration exists when it is named, and is stored with its schema.';

create or replace trigger check_text_config
    before insert or update of text_config on retrieval.collections
    for each row execute function retrieval._check_text_config();

create or replace trigger check_text_config
    before insert or update of text_config on retrieval.documents
    for each row when (new.text_config is not null) execute function retrieval._check_text_config();
-- end

-- begin sql/arguments.sql
-- What every function checks first: names become rows, counts and choices are in range, each with one message.

create or replace function retrieval._collection(collection text)
    returns retrieval.collections
    language plpgsql stable
as $$
declare
    found_collection retrieval.collections;
begin
    select * into found_collection from retrieval.collections c where c.name = collection;
    if not found then
        raise exception 'collection % does not exist', coalesce(quote_ident(collection), 'null')
            using errcode = 'undefined_object',
                  hint = 'Existing collections: select name from retrieval.collections;';
    end if;
    if retrieval.current_tenant() <> '' then
        found_collection.settings := found_collection.settings - 'calibration' || coalesce(
            (select s.settings from retrieval.tenant_settings s
             where s.collection_id = found_collection.collection_id and s.tenant = retrieval.current_tenant()), '{}');
    end if;
    return found_collection;
end;
$$;

comment on function retrieval._collection(text) is 'The collection of that name, with the settings that it has for the current tenant; 42704 where there is none.';

-- Without a name: the collection's active space of the kind, the one of texts before that of images.
create or replace function retrieval._space(collection retrieval.collections, space text, kind text default 'dense')
    returns retrieval.spaces
    language plpgsql stable
as $$
declare
    found_space retrieval.spaces;
begin
    select * into found_space
    from retrieval.spaces s
    where s.collection_id = collection.collection_id
      and case when space is null then s.state = 'active' and s.kind = _space.kind else s.name = space end
    order by s.modality <> 'text'
    limit 1;
    if not found and space is null then
        raise exception 'collection % has no active% space', quote_ident(collection.name), case kind when 'dense' then '' else ' ' || kind end
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Create one with retrieval.create_space and make it the active one with retrieval.activate_space.';
    elsif not found then
        raise exception 'space % does not exist in collection %', quote_ident(space), quote_ident(collection.name)
            using errcode = 'undefined_object',
                  hint = 'Existing spaces: select name, state from retrieval.spaces;';
    elsif found_space.kind <> kind then  -- a kind of null takes any
        raise exception 'space % is %, not %', quote_ident(space), found_space.kind, kind using errcode = 'invalid_parameter_value';
    end if;
    return found_space;
end;
$$;

comment on function retrieval._space(retrieval.collections, text, text) is
'The space of that name, or the active one of the kind where the name is null, the one of texts before that of images; 42704 or 55000 where there is none, 22023 where it is of another kind. With kind null the name may be of any.';

-- What every search and its candidates check first.
create or replace function retrieval._check_count(parameter text, value bigint, maximum bigint default 10000)
    returns void
    language plpgsql immutable
as $$
begin
    if value is null or value < 1 or value > maximum then
        raise exception '% must be between 1 and %, not %', parameter, maximum, coalesce(value::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_count(text, bigint, bigint) is '22023 where a count is null, below 1 or above the maximum.';

create or replace function retrieval._check_choice(parameter text, value text, choices text[])
    returns void
    language plpgsql immutable
as $$
begin
    if value is null or value <> all (choices) then
        raise exception '% must be one of %, not %', parameter, array_to_string(choices, ', '), coalesce(quote_literal(value), 'null')
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_choice(text, text, text[]) is '22023 where a value is not one of the choices.';

create or replace function retrieval._check_options(parameter text, options jsonb, choices text[])
    returns void
    language plpgsql immutable
as $$
declare
    option record;
begin
    if options is null or jsonb_typeof(options) <> 'object' then
        raise exception '% must be an object', parameter using errcode = 'invalid_parameter_value';
    elsif cardinality(choices) = 0 and options <> '{}' then
        raise exception '% must be {}: without an index there is nothing to set, not %', parameter, options using errcode = 'invalid_parameter_value';
    end if;
    for option in select * from jsonb_each_text(options) loop
        perform retrieval._check_choice(parameter || ': option', option.key, choices);
        if option.value is null or option.value !~ '^\d{1,5}$' then
            raise exception '%: % must be a whole number, not %', parameter, option.key, coalesce(option.value, 'null')
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
end;
$$;

comment on function retrieval._check_options(text, jsonb, text[]) is
'22023 where options are not an object of whole numbers under some of these names.';

create or replace function retrieval._check_index_options(index_method text, index_options jsonb)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_options('index_options', index_options,
        case index_method when 'hnsw' then array['m', 'ef_construction'] when 'ivfflat' then array['lists'] else '{}' end);
    -- the limits of pgvector
    perform retrieval._check_count('index_options: lists', coalesce((index_options ->> 'lists')::bigint, 1), 32768);
    perform retrieval._check_count('index_options: m', coalesce((index_options ->> 'm')::bigint, 16), 100);
    perform retrieval._check_count('index_options: ef_construction', coalesce((index_options ->> 'ef_construction')::bigint, 64), 1000);
    if coalesce((index_options ->> 'm')::bigint, 16) < 2
       or coalesce((index_options ->> 'ef_construction')::bigint, 1000) < 2 * coalesce((index_options ->> 'm')::bigint, 16) then
        raise exception 'index_options: m must be at least 2 and ef_construction at least twice m' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_index_options(text, jsonb) is '22023 where the options of a vector index are unusable.';

create or replace function retrieval._check_search_options(space retrieval.spaces)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_options('search_options', space.search_options,
        case when space.index_method = 'none' then '{}'
             when space.quantization = 'bit' then array['search_effort', 'oversampling'] else array['search_effort'] end);
    perform retrieval._check_search_effort(space, coalesce((space.search_options ->> 'search_effort')::integer, 1));
    perform retrieval._check_count('search_options: oversampling', coalesce((space.search_options ->> 'oversampling')::bigint, 1), 100);
end;
$$;

comment on function retrieval._check_search_options(retrieval.spaces) is '22023 where what a space searches with is unusable.';

create or replace function retrieval._check_search_effort(space retrieval.spaces, search_effort integer)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_count('search_effort', search_effort, case space.index_method when 'ivfflat' then 32768 else 1000 end);
end;
$$;

comment on function retrieval._check_search_effort(retrieval.spaces, integer) is '22023 where an index cannot be searched with that effort.';

create or replace function retrieval._check_name(kind text, name text)
    returns void
    language plpgsql immutable
as $$
begin
    if name is null or name !~ '^[^[:cntrl:]/\s]([^[:cntrl:]/]{0,198}[^[:cntrl:]/\s])?$' then
        raise exception '% name % is not usable: 1 to 200 characters, no slash or control character, no blank at either end',
                        kind, coalesce(quote_literal(name), 'null') using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_name(text, text) is '22023 where a collection or space cannot be called that.';
-- end

-- begin sql/tenant_condition.sql
-- How the functions keep to the current tenant. They do it themselves, in conditions that any index can serve: under row-level
-- security no GIN or HNSW index could be used, as the operators that those serve are not leakproof. The policies guard whoever
-- reads and writes the tables in SQL of his own.

-- A collection that nobody else has anything in needs no condition, and keeps the plans that it has without tenants. The
-- statistics say so in the snapshot in which the chunks are searched. Where they say nothing at all (a recount has just
-- removed what this snapshot could see of them) the condition stays.
create or replace function retrieval._tenant_condition(collection_id bigint)
    returns text
    language plpgsql stable
as $$
declare
    tenant constant text := retrieval.current_tenant();
    alone boolean;
begin
    execute format(
        'select not exists (select from retrieval.chunk_statistics s where s.collection_id = %1$s and s.tenant <> %2$L)
                and exists (select from retrieval.chunk_statistics s where s.collection_id = %1$s and s.tenant = %2$L)',
        collection_id, tenant) into alone;
    return case when not alone then format('c.tenant = %L', tenant) end;
end;
$$;

comment on function retrieval._tenant_condition(bigint) is
'The SQL condition that a chunk c belongs to the current tenant; null where every chunk of the collection does.';

-- The upkeep (workers, indexes, checks) is that of all tenants where the owner of the schema does it without having chosen one.
-- In a function with its owner's rights the setting "role" still names the role that the caller has set.
create or replace function retrieval._keeps_every_tenant()
    returns boolean
    language plpgsql stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    return retrieval.current_tenant() = ''
       and not exists (select from retrieval.role_tenants r where r.role_name = session_user)
       and pg_has_role(coalesce(nullif(current_setting('role'), 'none')::name, session_user),
                       (select n.nspowner from pg_namespace n where n.nspname = 'retrieval'), 'usage');
end;
$$;

comment on function retrieval._keeps_every_tenant() is
'Whether the caller is the owner of the schema (a member of it, a superuser), bound to no tenant and in none.';

create or replace function retrieval._check_keeps_every_tenant()
    returns void
    language plpgsql stable
as $$
begin
    if not retrieval._keeps_every_tenant() then
        raise exception 'the queue holds chunks of all tenants: only the owner of the schema, in no tenant, works on it'
            using errcode = 'insufficient_privilege';
    end if;
end;
$$;

comment on function retrieval._check_keeps_every_tenant() is '42501 where the caller is not the owner of the schema, or is in a tenant.';

create or replace function retrieval._kept_chunks()
    returns text
    language sql stable
    return case when retrieval._keeps_every_tenant() then 'true' else format('c.tenant = %L', retrieval.current_tenant()) end;

comment on function retrieval._kept_chunks() is
'The SQL condition that a chunk c is the caller''s to embed and count: of the current tenant, or any for the owner who is in none.';
-- end

-- begin sql/bind_role.sql
-- Binds logins to tenants: whoever can write SQL can also write `set retrieval.tenant`.
create or replace function retrieval.bind_role(role_name text, tenant text)
    returns void
    language plpgsql
as $$
begin
    if not exists (select from pg_catalog.pg_roles r where r.rolname = bind_role.role_name) then
        raise exception 'role % does not exist', coalesce(quote_ident(role_name), 'null') using errcode = 'undefined_object';
    elsif tenant is null or octet_length(tenant) > 200 or tenant ~ '[[:cntrl:]]' then
        raise exception 'tenant % is not usable: up to 200 bytes, no control character', coalesce(quote_literal(tenant), 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    insert into retrieval.role_tenants (role_name, tenant) values (bind_role.role_name, bind_role.tenant)
    on conflict on constraint role_tenants_pkey do update set tenant = excluded.tenant;
end;
$$;

comment on function retrieval.bind_role(text, text) is
'Binds a login role to a tenant: its transactions are in that tenant, whatever it sets retrieval.tenant to, from the next statement on; the empty text binds it to what belongs to no tenant. Replaces an earlier binding. Only the role that logs in counts, not those that it is a member of. 42704 where there is no such role.';
-- end

-- begin sql/unbind_role.sql
-- Undoes bind_role.
create or replace function retrieval.unbind_role(role_name text)
    returns boolean
    language plpgsql
as $$
begin
    delete from retrieval.role_tenants r where r.role_name = unbind_role.role_name;
    return found;
end;
$$;

comment on function retrieval.unbind_role(text) is
'Lets a login role choose its tenant by the setting retrieval.tenant again; returns whether it was bound. Works for a role that has been dropped.';
-- end

-- begin sql/compile_filter.sql
-- A metadata filter is JSON and becomes a jsonpath predicate for `metadata @@ …`. Keys and values are written as
-- quoted JSON strings, so a filter is always data. Names of operators start with `$`; every other name is a key,
-- and a key inside a key is a path: {"address": {"city": "Bonn"}}.
--
-- A predicate is true or false, never unknown: `$ne`, `$nin` and `$not` keep a document that lacks the key or holds
-- another type. Negation is therefore pushed down to the single comparisons, and each is negated as
-- "false or unknown"; the positive ones need no such care because an unknown is as good as false to and/or.

create or replace function retrieval._filter_error(message text)
    returns text
    language plpgsql immutable
as $$
begin
    raise exception 'metadata filter: %', message using errcode = 'invalid_parameter_value';
end;
$$;

-- One comparison, negated or not.
create or replace function retrieval._filter_term(predicate text, negated boolean)
    returns text
    language sql immutable
    return case when negated then format('(!(%1$s) || (%1$s) is unknown)', predicate)
                else format('(%s)', predicate) end;

-- jsonpath has no constant predicate.
create or replace function retrieval._filter_constant(value boolean)
    returns text
    language sql immutable
    return case when value then '(1 == 1)' else '(1 == 0)' end;

-- A balanced tree of ands or ors: a list of ten thousand values must not become ten thousand levels of recursion.
create or replace function retrieval._filter_join(predicates text[], operator text)
    returns text
    language plpgsql immutable
as $$
declare
    pairs text[];
begin
    while cardinality(predicates) > 1 loop
        select array_agg(case when p.second is null then p.first
                              else format('(%s %s %s)', p.first, operator, p.second) end order by p.number)
        into pairs
        from (select i as number, predicates[2 * i - 1] as first, predicates[2 * i] as second
              from generate_series(1, (cardinality(predicates) + 1) / 2) i) p;
        predicates := pairs;
    end loop;
    return predicates[1];
end;
$$;

-- A number, string, boolean or null as a jsonpath literal.
create or replace function retrieval._filter_value(operator text, key text, value jsonb)
    returns text
    language sql immutable
    return case when jsonb_typeof(value) in ('object', 'array')
                then retrieval._filter_error(format('%s on key %s takes a string, number, boolean or null, not %s',
                                                    operator, to_json(key), jsonb_typeof(value)))
                else value::text end;

create or replace function retrieval._filter_operator(path text, key text, operator text, operand jsonb,
                                                      negated boolean, depth integer)
    returns text
    language plpgsql immutable
as $$
declare
    kind constant text := jsonb_typeof(operand);
    values_list jsonb := operand;
    term_negated boolean;
    all_of boolean;
begin
    case
    when operator = '$eq' then
        return retrieval._filter_term(format('%s == %s', path, retrieval._filter_value(operator, key, operand)), negated);
    when operator = '$ne' then
        return retrieval._filter_term(format('%s == %s', path, retrieval._filter_value(operator, key, operand)), not negated);
    when operator in ('$gt', '$gte', '$lt', '$lte') then
        if kind not in ('number', 'string') then
            perform retrieval._filter_error(format('%s on key %s takes a number or a string, not %s', operator, to_json(key), kind));
        end if;
        return retrieval._filter_term(
            format('%s %s %s', path,
                   case operator when '$gt' then '>' when '$gte' then '>=' when '$lt' then '<' else '<=' end,
                   operand::text), negated);
    when operator in ('$in', '$nin', '$contains') then
        if kind <> 'array' then
            if operator <> '$contains' then
                perform retrieval._filter_error(format('%s on key %s takes an array, not %s', operator, to_json(key), kind));
            end if;
            values_list := jsonb_build_array(operand);
        end if;
        -- $in is any of, $contains all of; negation turns each into the other and an empty list follows suit
        term_negated := negated <> (operator = '$nin');
        all_of := (operator = '$contains') <> term_negated;
        return (
            select coalesce(retrieval._filter_join(
                       array_agg(retrieval._filter_term(
                           format('%s == %s', path || case operator when '$contains' then '[*]' else '' end,
                                  retrieval._filter_value(operator, key, v.value)),
                           term_negated) order by v.ordinality),
                       case when all_of then '&&' else '||' end), retrieval._filter_constant(all_of))
            from jsonb_array_elements(values_list) with ordinality v);
    when operator = '$prefix' then
        if kind <> 'string' then
            perform retrieval._filter_error(format('$prefix on key %s takes a string, not %s', to_json(key), kind));
        end if;
        return retrieval._filter_term(format('%s starts with %s', path, operand::text), negated);
    when operator = '$exists' then
        if kind <> 'boolean' then
            perform retrieval._filter_error(format('$exists on key %s takes true or false, not %s', to_json(key), kind));
        end if;
        return case when operand::boolean <> negated then format('exists(%s)', path) else format('!exists(%s)', path) end;
    when operator = '$not' then
        if kind <> 'object' then
            perform retrieval._filter_error(format('$not on key %s takes an object of operators, not %s', to_json(key), kind));
        end if;
        return retrieval._filter_key(path, key, operand, not negated, depth + 1);
    else
        return retrieval._filter_error(format('unknown operator %s on key %s', to_json(operator), to_json(key)));
    end case;
end;
$$;

-- What stands behind a key: a bare value, an object of operators, or an object of keys (a nested path).
create or replace function retrieval._filter_key(path text, key text, condition jsonb, negated boolean, depth integer)
    returns text
    language plpgsql immutable
as $$
declare
    operators integer;
    members integer;
begin
    if depth > 100 then
        perform retrieval._filter_error('nested more than 100 levels deep');
    end if;
    if jsonb_typeof(condition) <> 'object' then
        return retrieval._filter_operator(path, key, '$eq', condition, negated, depth);
    end if;
    select count(*), count(*) filter (where starts_with(name, '$'))
    into members, operators
    from jsonb_object_keys(condition) name;
    if members = 0 then
        perform retrieval._filter_error(format('key %s has no condition', to_json(key)));
    elsif operators not in (0, members) then
        perform retrieval._filter_error(format('key %s mixes operators and keys', to_json(key)));
    end if;
    return (
        select retrieval._filter_join(
                   array_agg(case when operators > 0
                                  then retrieval._filter_operator(path, key, m.name, m.operand, negated, depth)
                                  else retrieval._filter_key(path || '.' || to_json(m.name), m.name, m.operand, negated, depth + 1)
                             end order by m.name),
                   case when negated then '||' else '&&' end)
        from jsonb_each(condition) m(name, operand));
end;
$$;

-- A whole filter, or a member of $and, $or and $not.
create or replace function retrieval._filter_node(filter jsonb, negated boolean, depth integer)
    returns text
    language plpgsql immutable
as $$
declare
    member record;
    predicates text[] := '{}';
begin
    if depth > 100 then
        perform retrieval._filter_error('nested more than 100 levels deep');
    elsif jsonb_typeof(filter) <> 'object' then
        perform retrieval._filter_error(format('expected an object, found %s: %s', jsonb_typeof(filter), left(filter::text, 60)));
    elsif filter = '{}' then
        return retrieval._filter_constant(not negated);
    end if;
    for member in select * from jsonb_each(filter) loop
        if member.key in ('$and', '$or') then
            if jsonb_typeof(member.value) <> 'array' or member.value = '[]' then
                perform retrieval._filter_error(format('%s takes a non-empty array of filters', member.key));
            end if;
            predicates := predicates || (
                select retrieval._filter_join(array_agg(retrieval._filter_node(f.value, negated, depth + 1) order by f.ordinality),
                                              case when (member.key = '$and') <> negated then '&&' else '||' end)
                from jsonb_array_elements(member.value) with ordinality f);
        elsif member.key = '$not' then
            predicates := predicates || retrieval._filter_node(member.value, not negated, depth + 1);
        elsif starts_with(member.key, '$') then
            perform retrieval._filter_error(format('unknown operator %s', to_json(member.key)));
        else
            predicates := predicates
                || retrieval._filter_key('$.' || to_json(member.key), member.key, member.value, negated, depth + 1);
        end if;
    end loop;
    return retrieval._filter_join(predicates, case when negated then '||' else '&&' end);
end;
$$;

create or replace function retrieval.compile_filter(metadata_filter jsonb)
    returns jsonpath
    language sql immutable
    return case when metadata_filter is null or metadata_filter = '{}' then null
                else retrieval._filter_node(metadata_filter, false, 0)::jsonpath end;

comment on function retrieval.compile_filter(jsonb) is
'The jsonpath predicate of a metadata filter, for `metadata @@ …`; null for no filter. Operators: $eq $ne $gt $gte $lt $lte $in $nin $exists $contains $prefix $and $or $not. A malformed filter raises 22023 and names the operator or key.';
-- end

-- begin sql/filter_condition.sql
-- The current tenant and a metadata filter as SQL on a chunk c. The filter's jsonpath would do, but no b-tree serves a jsonpath. So what the filter says
-- about a key that index_metadata has declared is written twice, here {"year": {"$gte": 2022}}, with P its jsonpath and
-- E the expression that is indexed:
--
--     nullif(c.metadata @@ P, false) is not null and (E >= 2022 or E = 'NaN' and c.metadata @@ P)
--
-- The first half decides, and first, since it is cheaper than E; in this shape the planner takes it for always true.
-- The second follows from it: an index finds the chunks, and E's statistics tell how many there are. Equality needs no
-- first half, for nothing that a filter names equals what stands for an array.

-- The key's value in a form that a b-tree can hold. Numbers and texts compare as in jsonpath: exactly, and by code point.
-- An array (any element of it may match) and a number too long for an index become one value that is always looked at.
-- A text is cut; that does not change how it compares with what is shorter.
create or replace function retrieval._metadata_expression(metadata text, key text, type text)
    returns text
    language sql immutable
    return format(
        case type
        when 'numeric' then
            '(case jsonb_typeof(%1$s -> %2$L)
              when ''number'' then case when octet_length(%1$s ->> %2$L) <= 1000 then (%1$s -> %2$L)::numeric else ''NaN'' end
              when ''array'' then ''NaN'' end)'
        when 'text' then
            '(case jsonb_typeof(%1$s -> %2$L)
              when ''string'' then left(%1$s ->> %2$L, 200)
              when ''array'' then ''[]'' end collate "C")'
        end, metadata, key);

comment on function retrieval._metadata_expression(text, text, text) is
'What index_metadata indexes of a key, as SQL on a column that holds metadata.';

-- One condition on an indexed key; null where the index cannot answer it, such as a text for a numeric key.
create or replace function retrieval._metadata_comparison(key text, type text, operator text, operand jsonb)
    returns text
    language plpgsql immutable strict
as $$
declare
    sql_operator constant text := case operator
        when '$eq' then '=' when '$in' then '=' when '$gt' then '>' when '$gte' then '>=' when '$lt' then '<' when '$lte' then '<='
        when '$prefix' then '^@' end;
    operands constant jsonb := case operator when '$in' then operand else jsonb_build_array(operand) end;
begin
    if sql_operator is null or operands = '[]' or exists (
           select from jsonb_array_elements(operands) v
           where case type when 'numeric' then jsonb_typeof(v) <> 'number'
                 else jsonb_typeof(v) <> 'string' or char_length(v #>> '{}') >= 200 or v = '"[]"' end) then
        return null;
    end if;
    return format(case operator when '$in' then '%s %s any (%L::%s[])' else '%s %s %L::%s' end,
                  retrieval._metadata_expression('c.metadata', key, type), sql_operator,
                  case operator when '$in' then array(select jsonb_array_elements_text(operands))::text else operands ->> 0 end, type);
end;
$$;

comment on function retrieval._metadata_comparison(text, text, text, jsonb) is
'A key, operator and operand of a filter as SQL that an index of index_metadata serves, or null.';

-- What must hold all together. $and is taken apart, and so are several operators on one key.
create or replace function retrieval._filter_conjuncts(metadata_filter jsonb)
    returns table (conjunct jsonb, key text, operator text, operand jsonb)
    language sql immutable
begin atomic
    with recursive member(name, condition) as (
        select m.key, m.value from jsonb_each(metadata_filter) m
        union all
        select i.key, i.value
        from member m
        cross join jsonb_array_elements(case m.name when '$and' then m.condition end) f
        cross join jsonb_each(f) i)
    select jsonb_build_object(m.name, case when o.key is null then m.condition else jsonb_build_object(o.key, o.value) end),
           m.name, o.key, o.value
    from member m
    left join jsonb_each(case when jsonb_typeof(m.condition) = 'object' then m.condition
                         else jsonb_build_object('$eq', m.condition) end) o
        on starts_with(o.key, '$') and not starts_with(m.name, '$')
    where m.name <> '$and';
end;

comment on function retrieval._filter_conjuncts(jsonb) is
'The conjuncts of a well-formed filter, each a filter of its own; with key, operator and operand where it is as simple as that.';

-- The conjunction of filters as a quoted jsonpath; one level up, since it may be as deep as filters get.
create or replace function retrieval._filter_conjunction(conjuncts jsonb)
    returns text
    language sql immutable strict
    return quote_literal(retrieval._filter_node(jsonb_build_object('$and', conjuncts), false, -1)::jsonpath);

comment on function retrieval._filter_conjunction(jsonb) is 'The quoted jsonpath of several filters that must all hold.';

create or replace function retrieval._filter_condition(collection retrieval.collections, metadata_filter jsonb)
    returns text
    language plpgsql stable
as $$
declare
    tenant_condition constant text := retrieval._tenant_condition(collection.collection_id);
    path constant jsonpath := retrieval.compile_filter(metadata_filter);
begin
    if path is null then
        return tenant_condition;
    elsif not exists (select from retrieval.metadata_indexes m where m.collection_id = collection.collection_id) then
        return concat_ws(' and ', tenant_condition, 'c.metadata @@ ' || quote_literal(path));
    end if;
    return (
        with conjuncts as materialized (
            select f.conjunct, m.key, m.type, f.operator not in ('$eq', '$in') as ordered,
                   retrieval._metadata_comparison(m.key, m.type, f.operator, f.operand) as comparison
            from retrieval._filter_conjuncts(metadata_filter) f
            left join retrieval.metadata_indexes m on m.collection_id = collection.collection_id and m.key = f.key),
        indexed as (
            select format(case when bool_or(c.ordered) then 'nullif(c.metadata @@ %1$s, false) is not null and ' else '' end
                              -- without the key, E is null and its equality no reason to skip the predicate
                              || '(%2$s or %3$s = %4$L and c.metadata -> %5$L is not null and c.metadata @@ %1$s)',
                          retrieval._filter_conjunction(jsonb_agg(c.conjunct)), string_agg(c.comparison, ' and '),
                          retrieval._metadata_expression('c.metadata', c.key, c.type),
                          case c.type when 'numeric' then 'NaN' else '[]' end, c.key) as condition
            from conjuncts c where c.comparison is not null
            group by c.key, c.type)
        select concat_ws(' and ', tenant_condition,
                   'c.metadata @@ ' || retrieval._filter_conjunction(jsonb_agg(c.conjunct) filter (where c.comparison is null)),
                   (select string_agg(i.condition, ' and ') from indexed i))
        from conjuncts c
        having count(*) > 0);
end;
$$;

comment on function retrieval._filter_condition(retrieval.collections, jsonb) is
'What a search may find, as SQL on a chunk c of the collection: what belongs to the current tenant (see _tenant_condition) and where compile_filter''s predicate of the metadata filter is true; null where that is every chunk. Every value in it is quoted. A malformed filter raises 22023.';
-- end

-- begin sql/index_text.sql
-- The lexemes of a chunk and their number follow its text. A trigger rather than generated columns: two of these would
-- parse the text twice, which is most of the work of storing a chunk, and would parse it again with every change of metadata.
create or replace function retrieval._index_text()
    returns trigger
    language plpgsql
as $$
begin
    new.lexemes := retrieval.to_lexemes(new.text_config, new.title, new.context, new.content);
    new.length := retrieval.lexeme_length(new.lexemes);
    return new;
end;
$$;

comment on function retrieval._index_text() is
'Trigger: lexemes and length of a chunk follow its text, whatever else is written into them.';

create or replace trigger index_text_inserted
    before insert on retrieval.chunks
    for each row execute function retrieval._index_text();

-- Touching the content indexes it again, for whoever has altered a configuration.
create or replace trigger index_text_updated
    before update of content, context, lexemes, length on retrieval.chunks
    for each row execute function retrieval._index_text();

-- These are copied from the document whenever its metadata is.
create or replace trigger index_text_copied
    before update of title, text_config on retrieval.chunks
    for each row when ((new.title, new.text_config) is distinct from (old.title, old.text_config))
    execute function retrieval._index_text();
-- end

-- begin sql/copy_document.sql
-- A chunk carries its document's tenant, title, metadata, text configuration and modality, so that a filter and the ranking need no
-- second join. Whoever writes chunks may fill the copies in; what is missing or wrong is corrected here, once per
-- statement, and again when the document changes: no caller can let them drift apart.

create or replace function retrieval._copy_document()
    returns trigger
    language plpgsql
as $$
declare
    written_collection bigint;
begin
    for written_collection in select distinct collection_id from written_rows loop
        -- a concurrent change of the document waits until new chunks can be seen, or is seen here
        if tg_op = 'INSERT' then
            execute format(
                'select from retrieval.documents d
                 where d.collection_id = %1$s
                   and d.document_id in (select w.document_id from written_rows w where w.collection_id = %1$s)
                 for share', written_collection);
        end if;
        execute format(
            'update retrieval.chunks c
             set tenant = d.tenant, title = d.title, metadata = d.metadata, text_config = coalesce(d.text_config, n.text_config), modality = d.modality
             from retrieval.documents d
             join retrieval.collections n using (collection_id)
             where c.collection_id = %1$s and d.collection_id = %1$s and c.document_id = d.document_id
               and d.document_id in (select w.document_id from written_rows w where w.collection_id = %1$s)
               and (c.tenant <> d.tenant or c.title is distinct from d.title or c.metadata <> d.metadata
                    or c.text_config <> coalesce(d.text_config, n.text_config) or c.modality <> d.modality)', written_collection);
    end loop;
    return null;
end;
$$;

comment on function retrieval._copy_document() is
'Trigger on documents and chunks: chunks take tenant, title, metadata, text configuration and modality from their document.';

create or replace trigger copy_document_inserted
    after insert on retrieval.chunks referencing new table as written_rows
    for each statement execute function retrieval._copy_document();

create or replace trigger copy_document_updated
    after update on retrieval.chunks referencing new table as written_rows
    for each statement execute function retrieval._copy_document();

create or replace trigger copy_document_updated
    after update on retrieval.documents referencing new table as written_rows
    for each statement execute function retrieval._copy_document();

-- Another configuration for a collection means new lexemes for every document that does not name its own.
create or replace function retrieval._copy_text_config()
    returns trigger
    language plpgsql
as $$
begin
    execute format(
        'update retrieval.chunks c set text_config = %1$L
         from retrieval.documents d
         where c.collection_id = %2$s and d.collection_id = %2$s and c.document_id = d.document_id and d.text_config is null',
        new.text_config, new.collection_id);
    return null;
end;
$$;

comment on function retrieval._copy_text_config() is
'Trigger: a collection''s new text configuration reaches the chunks of its documents.';

create or replace trigger copy_text_config
    after update of text_config on retrieval.collections
    for each row when (new.text_config is distinct from old.text_config) execute function retrieval._copy_text_config();
-- end

-- begin sql/count_chunks.sql
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
-- end

-- begin sql/refresh_statistics.sql
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
-- end

-- begin sql/create_collection.sql
-- Creates a collection with its own partitions.
--
-- A partition is built as a table of its own and attached when it is complete: `create table … partition of` would
-- wait for every reader of the parent and make new readers queue behind it, attaching does not.

create or replace function retrieval._attach_partition(parent text, id bigint, key text)
    returns void
    language plpgsql
as $$
declare
    partition constant text := parent || '_' || id;
begin
    execute format('create table retrieval.%I (like retrieval.%I including all excluding identity)', partition, parent);
    -- an equal check lets attach trust the (empty) table instead of scanning it
    execute format('alter table retrieval.%I add constraint partition_bound check (%I is not null and %2$I = %s)', partition, key, id);
    execute format('alter table retrieval.%I attach partition retrieval.%I for values in (%s)', parent, partition, id);
    execute format('alter table retrieval.%I drop constraint partition_bound', partition);
end;
$$;

comment on function retrieval._attach_partition(text, bigint, text) is
'Creates the partition of a table for one collection or space.';

-- A statement trigger on the parent does not fire for statements aimed at a partition (a cascaded delete is one),
-- so a partition gets its parent's.
create or replace function retrieval._copy_statement_triggers(parent text, partition text)
    returns void
    language plpgsql
as $$
declare
    definition text;
begin
    for definition in
        select pg_get_triggerdef(t.oid)
        from pg_catalog.pg_trigger t
        where t.tgrelid = format('retrieval.%I', parent)::regclass and not t.tgisinternal
          and t.tgtype & 1 = 0  -- for each statement
    loop
        execute replace(definition, format(' ON retrieval.%I ', parent), format(' ON retrieval.%I ', partition));
    end loop;
end;
$$;

comment on function retrieval._copy_statement_triggers(text, text) is
'Gives a partition the statement triggers of its parent.';

create or replace function retrieval.create_collection(name text, text_config text default 'english')
    returns bigint
    language plpgsql
as $$
declare
    created bigint;
begin
    perform retrieval._check_name('collection', name);
    insert into retrieval.collections (name, text_config) values (name, text_config)
    returning collection_id into created;

    perform retrieval._attach_partition('documents', created, 'collection_id');
    perform retrieval._attach_partition('chunks', created, 'collection_id');
    perform retrieval._attach_partition('chunk_statistics', created, 'collection_id');
    perform retrieval._attach_partition('lexeme_statistics', created, 'collection_id');
    execute format(
        'alter table retrieval.%1$I add constraint document_fkey foreign key (document_id, collection_id)
         references retrieval.%2$I (document_id, collection_id) on delete cascade',
        'chunks_' || created, 'documents_' || created);
    -- ranking reads the lexemes of hundreds of chunks: kept in the row they cost no visit to the TOAST table
    execute format('alter table retrieval.%I set (toast_tuple_target = 8160)', 'chunks_' || created);
    perform retrieval._copy_statement_triggers('documents', 'documents_' || created);
    perform retrieval._copy_statement_triggers('chunks', 'chunks_' || created);
    execute format(
        'create trigger forget_chunks after truncate on retrieval.%I
         for each statement execute function retrieval._forget_chunks(%L)', 'chunks_' || created, created);
    return created;
exception when unique_violation then
    raise exception 'collection % already exists', quote_ident(name) using errcode = 'duplicate_object';
end;
$$;

comment on function retrieval.create_collection(text, text) is
'Creates a collection and returns its id. text_config is the text-search configuration of its documents unless a document names its own (psql: \dF lists them). 42710 where the name is taken.';
-- end

-- begin sql/drop_collection.sql
-- Removing a collection or a space.
--
-- Dropping an attached partition locks its parent against everyone. So a removal first empties the partitions,
-- which locks only them, and then drops them if the parent is free at once; otherwise they stay behind, empty and
-- unreachable, and the next removal or retrieval.drop_orphans() takes them along.

create or replace function retrieval._drop_tables(tables text[])
    returns boolean
    language plpgsql
as $$
declare
    lock_timeout constant text := current_setting('lock_timeout');
begin
    perform set_config('lock_timeout', '100ms', true);
    execute 'drop table ' || array_to_string(tables, ', ');
    perform set_config('lock_timeout', lock_timeout, true);
    return true;
exception when lock_not_available then
    return false;
end;
$$;

comment on function retrieval._drop_tables(text[]) is
'Drops tables if their locks can be had within 100 ms, and says whether it did.';

create or replace function retrieval.drop_orphans()
    returns integer
    language plpgsql
as $$
declare
    orphan record;
    dropped integer := 0;
begin
    for orphan in
        select o.name
        from (
            select c.relname as name, p.relname as parent, substring(c.relname from '_(\d+)$')::bigint as id
            from pg_catalog.pg_inherits i
            join pg_catalog.pg_class c on c.oid = i.inhrelid
            join pg_catalog.pg_class p on p.oid = i.inhparent
            where p.relnamespace = 'retrieval'::regnamespace and p.relkind = 'p') o
        where case when o.parent ~ 'embeddings$' then not exists (select from retrieval.spaces s where s.space_id = o.id)
              else not exists (select from retrieval.collections n where n.collection_id = o.id) end
        -- referencing tables before those that they reference
        order by o.parent !~ 'embeddings$', o.parent <> 'chunks'
    loop
        dropped := dropped + retrieval._drop_tables(array[format('retrieval.%I', orphan.name)])::integer;
    end loop;
    return dropped;
end;
$$;

comment on function retrieval.drop_orphans() is
'Drops the tables of removed collections and spaces that were in use when they were removed; returns how many tables.';

create or replace function retrieval.drop_collection(name text)
    returns void
    language plpgsql
as $$
declare
    removed constant bigint := (retrieval._collection(name)).collection_id;
    tables text[];
begin
    -- before the partitions, as writers do
    perform retrieval._lock_spaces(removed);
    select array_agg(format('retrieval.%I', t.name) order by t.number) into tables
    from (
        select 0 as number, retrieval._embedding_partition(s) as name from retrieval.spaces s where s.collection_id = removed
        union all
        select i, parent || '_' || removed
        from unnest(array['chunks', 'documents', 'lexeme_statistics', 'chunk_statistics']) with ordinality p(parent, i)) t;
    -- the statistics follow by trigger
    execute 'truncate ' || array_to_string(array(select t from unnest(tables) t where t !~ 'statistics'), ', ');
    -- with the rights of the caller, whose tables lose their triggers; a cascade would have those of the owner of ours
    delete from retrieval.attached_tables a where a.collection_id = removed;
    delete from retrieval.collections c where c.collection_id = removed;
    perform retrieval._drop_tables(tables);
    perform retrieval.drop_orphans();
end;
$$;

comment on function retrieval.drop_collection(text) is
'Removes a collection with everything in it. Searches in other collections do not wait for it. 42704 where there is none of that name.';
-- end

-- begin sql/index_metadata.sql
-- Indexes a metadata key for ranges and prefixes, which the index on all metadata cannot serve (it answers equality).
-- Neither booleans nor dates have a type: the first are a matter of equality, the second are texts in ISO 8601.

create or replace function retrieval._metadata_index(collection_id bigint, key text)
    returns text
    language sql immutable
    return format('chunks_%s_metadata_%s', collection_id, left(encode(sha256(convert_to(key, 'UTF8')), 'hex'), 16));

comment on function retrieval._metadata_index(bigint, text) is 'The name of a key''s index: keys are longer than names may be.';

create or replace function retrieval.index_metadata(collection text, key text, type text)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    declared text;
begin
    if key is null or starts_with(key, '$') or char_length(key) > 200 then
        raise exception 'key % cannot be indexed: up to 200 characters, the first of them no $', coalesce(quote_literal(key), 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_choice('type', type, array['numeric', 'text']);
    insert into retrieval.metadata_indexes (collection_id, key, type) values (target, key, type)
    on conflict on constraint metadata_indexes_pkey do nothing;
    if not found then
        select m.type into declared from retrieval.metadata_indexes m
        where m.collection_id = target and m.key = index_metadata.key;
        if declared <> type then
            raise exception 'key % of collection % is indexed as %, not %', quote_literal(key), quote_ident(collection), declared, type
                using errcode = 'duplicate_object', hint = 'Drop that index first: retrieval.drop_metadata_index.';
        end if;
        return;
    end if;
    execute format('create index %I on retrieval.%I (%s)', retrieval._metadata_index(target, key), 'chunks_' || target,
                   retrieval._metadata_expression('metadata', key, type));
    -- the statistics of the expression
    execute format('analyze retrieval.%I', 'chunks_' || target);
end;
$$;

comment on function retrieval.index_metadata(text, text, text) is
'Indexes a metadata key of a collection, so that $eq $in $gt $gte $lt $lte, and $prefix for a text, are answered by a b-tree; no filter finds anything else than before. type: numeric or text (a date in ISO 8601 is one); values of other types, and conditions inside $or and $not, are found as ever. Keys inside keys cannot be indexed. Writers of the collection wait until the index is built and the transaction over; readers do not. Again with the same type does nothing, with another one raises 42710.';
-- end

-- begin sql/drop_metadata_index.sql
create or replace function retrieval.drop_metadata_index(collection text, key text)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    delete from retrieval.metadata_indexes m where m.collection_id = target and m.key = drop_metadata_index.key;
    if not found then
        raise exception 'key % of collection % is not indexed', coalesce(quote_literal(key), 'null'), quote_ident(collection)
            using errcode = 'undefined_object', hint = 'Indexed keys: select key, type from retrieval.metadata_indexes;';
    end if;
    execute format('drop index retrieval.%I', retrieval._metadata_index(target, key));
end;
$$;

comment on function retrieval.drop_metadata_index(text, text) is
'Removes what index_metadata has built; filters find the same without it. Waits for who searches the collection, and makes others wait until the transaction is over. 42704 where the key is not indexed.';
-- end

-- begin sql/metric.sql
-- What a metric is to pgvector, and what a space's index is built on. Inner product and distances become scores by
-- their sign, cosine distance becomes the cosine: a score is better when higher.
create or replace function retrieval._distance_operator(metric text)
    returns text
    language sql immutable
    return case metric when 'cosine' then '<=>' when 'inner_product' then '<#>' when 'l2' then '<->' when 'l1' then '<+>' end;

create or replace function retrieval._semantic_score(metric text, distance double precision)
    returns double precision
    language sql immutable
    return case metric when 'cosine' then 1 - distance else -distance end;

create or replace function retrieval._embedding_table(kind text)
    returns text
    language sql immutable
    return case kind when 'dense' then 'embeddings' when 'sparse' then 'sparse_embeddings' when 'multivector' then 'token_embeddings' end;

create or replace function retrieval._embedding_partition(space retrieval.spaces)
    returns text
    language sql immutable
    return retrieval._embedding_table(space.kind) || '_' || space.space_id;

-- `value` is an embedding as SQL, a column or a parameter.
create or replace function retrieval._indexed_expression(space retrieval.spaces, value text)
    returns text
    language sql immutable
    return format(case when space.kind = 'sparse' then '%1$s::sparsevec(%2$s)'
                       when space.quantization = 'bit' then 'binary_quantize(%1$s)::bit(%2$s)'
                       else '%1$s::halfvec(%2$s)' end, value, space.dimensions);

create or replace function retrieval._operator_class(space retrieval.spaces)
    returns text
    language sql immutable
    return case when space.quantization = 'bit' then 'bit_hamming_ops'
                else case space.kind when 'sparse' then 'sparsevec_' else 'halfvec_' end
                     || case space.metric when 'inner_product' then 'ip' else space.metric end || '_ops' end;

comment on function retrieval._distance_operator(text) is 'The pgvector operator of a metric.';
comment on function retrieval._semantic_score(text, double precision) is
'The score of a distance: the cosine, the inner product, or the negative distance.';
comment on function retrieval._embedding_table(text) is 'The table that holds the embeddings of a kind of space.';
comment on function retrieval._embedding_partition(retrieval.spaces) is 'The partition that holds a space''s embeddings.';
comment on function retrieval._indexed_expression(retrieval.spaces, text) is
'What a space''s index is built on, for the embedding or parameter of that name.';
comment on function retrieval._operator_class(retrieval.spaces) is 'The pgvector operator class of a space''s index.';
-- end

-- begin sql/check_embedding.sql
-- An embedding is only worth something beside others of the same model.

create or replace function retrieval._check_signature(space retrieval.spaces, signature jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    differing text;
begin
    if jsonb_typeof(signature) <> 'object' then
        raise exception 'signature must be an object such as {"model": "a"}, not %', signature using errcode = 'invalid_parameter_value';
    end if;
    select string_agg(format('%s is %s, the space has %s', k.key, coalesce(signature -> k.key, 'null'), coalesce(space.signature -> k.key, 'null')), '; ' order by k.key)
    into differing
    from (select jsonb_object_keys(signature) union select jsonb_object_keys(space.signature) where signature is not null) k(key)
    where signature -> k.key is distinct from space.signature -> k.key;
    if differing is not null then
        raise exception 'the embeddings of space % were made by another model: %', quote_ident(space.name), differing
            using errcode = 'invalid_parameter_value', constraint = 'space_signature';
    end if;
end;
$$;

comment on function retrieval._check_signature(retrieval.spaces, jsonb) is
'22023 with the constraint space_signature where a signature is given and is not the space''s.';

create or replace function retrieval._check_embedding(space retrieval.spaces, embedding halfvec, signature jsonb)
    returns void
    language plpgsql immutable
    set search_path from current
as $$
begin
    if embedding is null then
        raise exception 'query_embedding must not be null' using errcode = 'null_value_not_allowed';
    end if;
    -- first, because another model explains other dimensions
    perform retrieval._check_signature(space, signature);
    if vector_dims(embedding) <> space.dimensions then
        raise exception 'query_embedding has % dimensions, space % has %', vector_dims(embedding), quote_ident(space.name), space.dimensions
            using errcode = 'invalid_parameter_value';
    elsif space.metric = 'cosine' and l2_norm(embedding) = 0 then
        raise exception 'query_embedding is all zeros, which has no cosine with anything' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_embedding(retrieval.spaces, halfvec, jsonb) is
'22023 where an embedding cannot be compared with those of a space; the constraint space_signature where another model made it.';

create or replace function retrieval._check_sparse_embedding(space retrieval.spaces, embedding sparsevec, signature jsonb)
    returns void
    language plpgsql immutable
    set search_path from current
as $$
begin
    if embedding is null then
        raise exception 'query_sparse must not be null' using errcode = 'null_value_not_allowed';
    end if;
    perform retrieval._check_signature(space, signature);
    if split_part(embedding::text, '/', 2)::integer <> space.dimensions then
        raise exception 'query_sparse has % dimensions, space % has %', split_part(embedding::text, '/', 2), quote_ident(space.name), space.dimensions
            using errcode = 'invalid_parameter_value';
    elsif space.metric = 'cosine' and l2_norm(embedding) = 0 then
        raise exception 'query_sparse is all zeros, which has no cosine with anything' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_sparse_embedding(retrieval.spaces, sparsevec, jsonb) is
'22023 where a sparse embedding cannot be compared with those of a space; the constraint space_signature where another model made it.';

-- What the checks of the partition refuse as well, in words and by number.
create or replace function retrieval._raise_unfit_embedding(space retrieval.spaces, number bigint, dimensions integer)
    returns void
    language plpgsql immutable
as $$
begin
    if dimensions is null then
        raise exception 'embedding % is null', number using errcode = 'null_value_not_allowed';
    elsif dimensions <> space.dimensions then
        raise exception 'embedding % has % dimensions, space % has %', number, dimensions, quote_ident(space.name), space.dimensions
            using errcode = 'invalid_parameter_value';
    end if;
    raise exception 'embedding % is all zeros, which has no cosine with anything', number using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._raise_unfit_embedding(retrieval.spaces, bigint, integer) is 'Says what keeps an embedding out of a space.';

create or replace function retrieval._check_embeddings(space retrieval.spaces, embeddings halfvec[])
    returns void
    language plpgsql immutable
    set search_path from current
as $$
begin
    perform retrieval._raise_unfit_embedding(space, e.number, vector_dims(e.embedding))
    from unnest(embeddings) with ordinality e(embedding, number)
    where e.embedding is null or vector_dims(e.embedding) <> space.dimensions or space.metric = 'cosine' and l2_norm(e.embedding) = 0
    order by e.number limit 1;
end;
$$;

comment on function retrieval._check_embeddings(retrieval.spaces, halfvec[]) is
'22023 for the first embedding that a space cannot hold, 22004 where that is null.';

create or replace function retrieval._check_sparse_embeddings(space retrieval.spaces, embeddings sparsevec[])
    returns void
    language plpgsql immutable
    set search_path from current
as $$
begin
    perform retrieval._raise_unfit_embedding(space, e.number, e.dimensions)
    from (select u.number, split_part(u.embedding::text, '/', 2)::integer as dimensions, l2_norm(u.embedding) as norm
          from unnest(embeddings) with ordinality u(embedding, number)) e
    where e.dimensions is null or e.dimensions <> space.dimensions or space.metric = 'cosine' and e.norm = 0
    order by e.number limit 1;
end;
$$;

comment on function retrieval._check_sparse_embeddings(retrieval.spaces, sparsevec[]) is
'22023 for the first embedding that a space cannot hold, 22004 where that is null.';

create or replace function retrieval._check_token_counts(token_counts integer[], embeddings bigint)
    returns void
    language plpgsql immutable
as $$
begin
    if (select coalesce(bool_or(t is null or t < 1), false) or coalesce(sum(t), 0) <> coalesce(embeddings, 0) from unnest(token_counts) t) then
        raise exception 'token_counts must be numbers from 1 that add up to the % embeddings', coalesce(embeddings, 0)
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_token_counts(integer[], bigint) is
'22023 where token embeddings given one after the other cannot be told apart by these numbers.';
-- end

-- begin sql/keep_largest.sql
-- What fits into an index of sparse vectors, which holds 1,000 elements that are not zero.
create or replace function retrieval.keep_largest(embedding sparsevec, count integer)
    returns sparsevec
    language sql immutable strict parallel safe
    set search_path from current
    return (select ('{' || coalesce(string_agg(k.element, ',' order by k.index), '') || '}/' || split_part(embedding::text, '/', 2))::sparsevec
            from (select element, split_part(element, ':', 1)::integer as index
                  from unnest(string_to_array(substring(embedding::text from '{(.*)}'), ',')) element
                  order by abs(split_part(element, ':', 2)::real) desc, index
                  limit count) k);

comment on function retrieval.keep_largest(sparsevec, integer) is
'A sparse vector with no more than its largest elements by absolute value, the others zero.';
-- end

-- begin sql/truncate_embedding.sql
-- The shorter embedding that a Matryoshka model offers.
create or replace function retrieval.truncate_embedding(embedding halfvec, dimensions integer)
    returns halfvec
    language plpgsql immutable strict parallel safe
    set search_path from current
as $$
begin
    perform retrieval._check_count('dimensions', dimensions, vector_dims(embedding));
    return l2_normalize(subvector(embedding, 1, dimensions)::halfvec);
end;
$$;

comment on function retrieval.truncate_embedding(halfvec, integer) is
'The first dimensions of an embedding, brought back to length 1: what a Matryoshka model (Kusupati et al., 2022) offers as its shorter embedding. It fits a space of that many dimensions of the same model.';
-- end

-- begin sql/create_space.sql
-- Creates a space: the embeddings of one model for one collection. It is `building` until activate_space.
create or replace function retrieval.create_space(
    collection text,
    space text,
    model text,
    dimensions integer,
    kind text default 'dense',
    metric text default null,
    index_method text default null,
    quantization text default 'half',
    revision text default null,
    signature jsonb default '{}',
    index_options jsonb default '{}',
    search_options jsonb default '{}',
    alignment jsonb default null,
    modality text default 'text')
    returns bigint
    language plpgsql
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    created retrieval.spaces;
    partition text;
begin
    perform retrieval._check_name('space', space);
    perform retrieval._check_choice('kind', kind, array['dense', 'sparse', 'multivector']);
    perform retrieval._check_choice('modality', modality, array['text', 'image']);
    created.kind := kind;
    created.dimensions := dimensions;
    created.metric := coalesce(metric, case kind when 'sparse' then 'inner_product' else 'cosine' end);
    created.index_method := coalesce(index_method, case kind when 'multivector' then 'none' else 'hnsw' end);
    created.quantization := quantization;
    created.index_options := index_options;
    created.search_options := search_options;
    perform retrieval._check_space(created);

    insert into retrieval.spaces (collection_id, name, kind, modality, model, revision, signature, dimensions, metric,
                                  index_method, index_options, quantization, search_options, alignment)
    values (owner.collection_id, space, kind, modality, model, revision, signature, dimensions, created.metric,
            created.index_method, index_options, quantization, search_options, alignment)
    returning * into created;

    partition := retrieval._embedding_partition(created);
    perform retrieval._attach_partition(retrieval._embedding_table(kind), created.space_id, 'space_id');
    execute format(
        'alter table retrieval.%1$I %2$s,
             add constraint collection_check check (collection_id = %3$s),
             add constraint chunk_fkey foreign key (chunk_id, collection_id)
                 references retrieval.%4$I (chunk_id, collection_id) on delete cascade',
        partition, retrieval._embedding_checks(created), owner.collection_id, 'chunks_' || owner.collection_id);
    -- the key that was just added waited for whoever wrote chunks without knowing of this space
    execute format('select retrieval._enqueue_chunks(%s, array(select c.chunk_id from retrieval.chunks c where c.collection_id = %s order by 1))',
                   created.space_id, owner.collection_id);
    return created.space_id;
exception when unique_violation then
    raise exception 'space % already exists in collection %', quote_ident(space), quote_ident(collection)
        using errcode = 'duplicate_object';
end;
$$;

comment on function retrieval.create_space(text, text, text, integer, text, text, text, text, text, jsonb, jsonb, jsonb, jsonb, text) is
'Creates a space for a model''s embeddings in a collection and returns its id. kind: dense (retrieval.embeddings), sparse (sparse_embeddings) or multivector (token_embeddings); metric: cosine, inner_product, l2 or l1, without one cosine, for a sparse space inner_product; index_method: hnsw, ivfflat or none (exact), without one hnsw, for a multivector space none; quantization: half, or bit for an index of signs whose candidates are scored by the stored embeddings; index_options: m (16) and ef_construction (128), or lists; search_options: see set_search_options; modality: what the model embeds, text (every chunk that has some) or image (the chunks of images). Its chunks are enqueued for a worker; or insert embeddings. Then build_index and activate_space. 42710 where the name is taken.';

-- Which of the choices go together is what pgvector can index.
create or replace function retrieval._check_space(space retrieval.spaces)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_choice('metric', space.metric, case space.kind when 'multivector' then array['cosine', 'inner_product']
                                                            else array['cosine', 'inner_product', 'l2', 'l1'] end);
    perform retrieval._check_choice('index_method', space.index_method,
        case space.kind when 'dense' then array['hnsw', 'ivfflat', 'none'] when 'sparse' then array['hnsw', 'none'] else array['none'] end);
    perform retrieval._check_choice('quantization', space.quantization,
        case space.kind when 'dense' then array['half', 'bit'] else array['half'] end);
    perform retrieval._check_count('dimensions', space.dimensions, case space.kind when 'sparse' then 1000000000 else 4000 end);
    if space.index_method = 'ivfflat' and space.metric = 'l1' and space.quantization = 'half' then
        raise exception 'index_method ivfflat has no metric l1; take hnsw' using errcode = 'invalid_parameter_value';
    elsif space.quantization = 'bit' and space.metric not in ('cosine', 'inner_product') then
        raise exception 'quantization bit keeps the signs alone, which says nothing of metric %; take cosine or inner_product', space.metric
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_index_options(space.index_method, space.index_options);
    perform retrieval._check_search_options(space);
end;
$$;

comment on function retrieval._check_space(retrieval.spaces) is '22023 where the choices made for a space are not possible.';

create or replace function retrieval._count_nonzeros(embedding sparsevec)
    returns integer
    language sql immutable strict parallel safe
    return length(embedding::text) - length(replace(embedding::text, ':', ''));

comment on function retrieval._count_nonzeros(sparsevec) is 'The number of elements of a sparse vector that are not zero.';

create or replace function retrieval._are_token_embeddings(embeddings halfvec[], dimensions integer, metric text)
    returns boolean
    language sql immutable strict parallel safe
    set search_path from current
    return cardinality(embeddings) > 0 and array_ndims(embeddings) = 1
       and (select bool_and(coalesce(vector_dims(t) = dimensions and (metric <> 'cosine' or l2_norm(t) > 0), false)) from unnest(embeddings) t);

comment on function retrieval._are_token_embeddings(halfvec[], integer, text) is
'Whether these are vectors of so many dimensions, one or more, that the metric can take.';

-- What a space's partition accepts, as clauses of alter table.
create or replace function retrieval._embedding_checks(space retrieval.spaces)
    returns text
    language sql immutable
    return case space.kind
        when 'dense' then format(
            'alter column embedding set storage plain, add constraint dimensions_check check (vector_dims(embedding) = %s)', space.dimensions)
        when 'sparse' then format(
            'add constraint dimensions_check check (embedding::sparsevec(%s) is not null)', space.dimensions)
            -- pgvector''s limit, met when the row comes rather than when the index is built
            || case space.index_method when 'hnsw' then ', add constraint nonzeros_check check (retrieval._count_nonzeros(embedding) <= 1000)' else '' end
        else format(
            'alter column embeddings set storage external, add constraint embeddings_check check (retrieval._are_token_embeddings(embeddings, %s, %L))',
            space.dimensions, space.metric) end
        -- a vector of zeros has no direction; pgvector would leave it out of the index without a word
        || case when space.metric = 'cosine' and space.kind <> 'multivector'
                then ', add constraint not_zero_check check (l2_norm(embedding) > 0)' else '' end;

comment on function retrieval._embedding_checks(retrieval.spaces) is
'What the partition of a space accepts, as clauses of alter table. 4,000 dimensions fit into a page, so a dense embedding stays in its row.';
-- end

-- begin sql/build_index.sql
-- Builds the vector index of a space, if it lacks a valid one. Filled tables are indexed faster than empty ones
-- are filled, so load first; IVFFlat moreover takes its centres from what is there when it is built.

-- Lists as pgvector recommends: a thousandth of the rows, beyond a million their root. Twice pgvector's ef_construction:
-- of 60,000 real embeddings a search then misses 1 in 1,000 of the ten nearest rather than 4, at the same speed, for
-- a build that takes twice as long.
create or replace function retrieval._index_definition(space retrieval.spaces)
    returns text
    language plpgsql stable
as $$
declare
    options jsonb := space.index_options;
    rows_there bigint;
begin
    if space.index_method = 'ivfflat' and not options ? 'lists' then
        execute format('select count(*) from retrieval.%I', retrieval._embedding_partition(space)) into rows_there;
        options := jsonb_build_object('lists', least(32768, greatest(1, case when rows_there <= 1000000 then rows_there / 1000 else sqrt(rows_there)::bigint end)));
    end if;
    if space.index_method = 'hnsw' and not options ? 'ef_construction' then
        options := options || jsonb_build_object('ef_construction', greatest(128, 2 * (options ->> 'm')::integer));
    end if;
    return format('retrieval.%I using %s ((%s) %s)%s',
                  retrieval._embedding_partition(space), space.index_method,
                  retrieval._indexed_expression(space, 'embedding'), retrieval._operator_class(space),
                  (select ' with (' || string_agg(format('%I = %s', o.key, o.value::integer), ', ' order by o.key) || ')'
                   from jsonb_each_text(options) o));
end;
$$;

comment on function retrieval._index_definition(retrieval.spaces) is 'What follows `create index … on` for a space.';

create or replace function retrieval._has_index(space retrieval.spaces)
    returns boolean
    language sql stable
    return exists (select from pg_catalog.pg_index i
                   where i.indexrelid = to_regclass(format('retrieval.%I', retrieval._embedding_partition(space) || '_index')) and i.indisvalid);

comment on function retrieval._has_index(retrieval.spaces) is 'Whether a space has a valid vector index.';

-- The lists that the index really has: those asked for, or those that fitted when it was built.
create or replace function retrieval._index_lists(space retrieval.spaces)
    returns integer
    language sql stable
    return (select substring(o.option from 'lists=(\d+)')::integer
            from pg_catalog.pg_class c, unnest(c.reloptions) o(option)
            where c.oid = to_regclass(format('retrieval.%I', retrieval._embedding_partition(space) || '_index')) and o.option ~ '^lists=');

comment on function retrieval._index_lists(retrieval.spaces) is 'The number of lists of a space''s IVFFlat index; null where there is none.';

create or replace function retrieval._index_lock(space retrieval.spaces)
    returns bigint
    language sql immutable
    return hashtextextended('retrieval.build_index', space.space_id);

comment on function retrieval._index_lock(retrieval.spaces) is 'The advisory lock that whoever builds a space''s index holds.';

create or replace function retrieval.build_index(collection text, space text default null, kind text default 'dense')
    returns void
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, kind);
    index_name constant text := retrieval._embedding_partition(target) || '_index';
begin
    if target.index_method = 'none' or retrieval._has_index(target) then
        return;
    end if;
    -- no waiting: a concurrent build waits for every open transaction, and so would wait for this one
    if not pg_try_advisory_xact_lock(retrieval._index_lock(target)) then
        raise exception 'the index of space % of collection % is being built by another session', quote_ident(target.name), quote_ident(collection)
            using errcode = 'object_in_use';
    elsif retrieval._has_index(target) then
        return;
    end if;
    if to_regclass(format('retrieval.%I', index_name)) is not null then
        execute format('drop index retrieval.%I', index_name);  -- left invalid by an interruption
    end if;
    execute format('create index %I on %s', index_name, retrieval._index_definition(target));
end;
$$;

comment on function retrieval.build_index(text, text, text) is
'Builds the vector index of a space (without a name: the active one of its kind) unless it has a valid one. Writers of the space wait meanwhile, searches do not; 55006 while another session builds it. index_statements builds without making anyone wait.';
-- end

-- begin sql/index_statements.sql
-- The same index as build_index makes, while the space is read and written.
create or replace function retrieval.index_statements(collection text, space text default null, kind text default 'dense')
    returns setof text
    language plpgsql stable
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, kind);
    index_name constant text := retrieval._embedding_partition(target) || '_index';
begin
    if target.index_method = 'none' or retrieval._has_index(target) then
        return;
    end if;
    if to_regclass(format('retrieval.%I', index_name)) is not null then
        return next format('drop index concurrently if exists retrieval.%I', index_name);
    end if;
    -- operator classes and types resolve wherever the extension was installed
    return next format('set search_path to %s', current_setting('search_path'));
    return next format('create index concurrently %I on %s', index_name, retrieval._index_definition(target));
    return next 'reset search_path';
end;
$$;

comment on function retrieval.index_statements(text, text, text) is
'The statements that build the vector index of a space while it is read and written, none where it has a valid one. They cannot run inside of a transaction; in psql: select retrieval.index_statements(''c'') \gexec. An index that an interruption left invalid is replaced. Whoever runs them holds pg_advisory_lock(retrieval._index_lock(…)) meanwhile, as the command retrieval spaces build does, so that nobody takes a half-built index for an abandoned one.';
-- end

-- begin sql/index_progress.sql
-- How far the build of an index is.
create or replace function retrieval.index_progress(collection text, space text default null, kind text default 'dense')
    returns table (phase text, done bigint, total bigint)
    language plpgsql stable
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, kind);
begin
    return query
        select p.phase, greatest(p.tuples_done, p.blocks_done), greatest(p.tuples_total, p.blocks_total)
        from pg_catalog.pg_stat_progress_create_index p
        where p.relid = to_regclass(format('retrieval.%I', retrieval._embedding_partition(target)));
end;
$$;

comment on function retrieval.index_progress(text, text, text) is
'How far the build of a space''s index is, by pg_stat_progress_create_index: rows or blocks done and in all. No row while none is built.';
-- end

-- begin sql/written_spaces.sql
-- What a writer of chunks has to embed for.
create or replace function retrieval.written_spaces(collection text)
    returns setof retrieval.spaces
    language plpgsql
as $$
begin
    return query
        select s.* from retrieval.spaces s
        where s.collection_id = (retrieval._collection(collection)).collection_id and s.state <> 'retired'
        order by s.space_id
        for share;
end;
$$;

comment on function retrieval.written_spaces(text) is
'The spaces that need an embedding of every new chunk: all but the retired ones. Their states stay as they are until the transaction ends, so a writer calls this first, in the transaction that stores.';
-- end

-- begin sql/activate_space.sql
-- Which space searches use. `active`: searched; `building` and `shadow`: not searched, but kept complete by whoever
-- writes; `retired`: neither. Writers hold a share lock on the spaces that they write (written_spaces) until they
-- commit, and a change of state takes the rows for itself first: so every chunk that was committed before the change is
-- seen by its check, and every later writer sees the new states.

create or replace function retrieval._lock_spaces(collection_id bigint)
    returns void
    language sql
begin atomic
    select from retrieval.spaces s where s.collection_id = _lock_spaces.collection_id order by s.space_id for no key update;
end;

comment on function retrieval._lock_spaces(bigint) is 'Waits for the writers of a collection''s spaces and keeps new ones waiting until the transaction ends.';

-- Which chunks belong into a space, as a condition on a chunk c. An image without a caption says nothing in words but the
-- name of its file, which keyword search finds.
create or replace function retrieval._embeds(space retrieval.spaces)
    returns text
    language sql immutable
    return case space.modality
        when 'image' then 'c.modality = ''image'''
        -- asked of the images, which have an index and are few or none, so that counting chunks need not read them
        else format('not exists (select from retrieval.chunks i
                                 where i.collection_id = %s and i.chunk_id = c.chunk_id and i.modality = ''image'' and i.content = '''')',
                    space.collection_id) end;

comment on function retrieval._embeds(retrieval.spaces) is
'The SQL condition that a chunk c belongs into a space: into one of images every image, into one of texts everything but images without a caption.';

create or replace function retrieval._lacks(space retrieval.spaces)
    returns text
    language sql immutable
    return format('c.collection_id = %s and %s
                   and not exists (select from retrieval.%I e where e.space_id = %s and e.chunk_id = c.chunk_id)',
                  space.collection_id, retrieval._embeds(space), retrieval._embedding_table(space.kind), space.space_id);

comment on function retrieval._lacks(retrieval.spaces) is
'The SQL condition that a chunk c belongs into a space and has no embedding in it.';

create or replace function retrieval._count_missing(space retrieval.spaces, among text default 'true')
    returns bigint
    language plpgsql
as $$
declare
    missing bigint;
begin
    execute format('select count(*) from retrieval.chunks c where %s and %s', retrieval._lacks(space), among) into missing;
    return missing;
end;
$$;

comment on function retrieval._count_missing(retrieval.spaces, text) is
'How many chunks c that fulfil a condition and belong into a space have no embedding in it.';

create or replace function retrieval._count_embeddings(space retrieval.spaces, among text default 'true')
    returns bigint
    language plpgsql
as $$
declare
    embeddings bigint;
begin
    execute format('select count(*) from retrieval.%I e where e.space_id = %s', retrieval._embedding_table(space.kind), space.space_id)
            || case when among <> 'true' then format(
                   ' and exists (select from retrieval.chunks c where c.collection_id = %s and c.chunk_id = e.chunk_id and %s)', space.collection_id, among)
               else '' end
        into embeddings;
    return embeddings;
end;
$$;

comment on function retrieval._count_embeddings(retrieval.spaces, text) is 'How many chunks c that fulfil a condition have an embedding in a space.';

create or replace function retrieval.activate_space(collection text, space text)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
    missing bigint;
begin
    perform retrieval._lock_spaces(owner.collection_id);
    target := retrieval._space(owner, coalesce(space, ''), null);
    missing := retrieval._count_missing(target);
    if missing > 0 then
        raise exception 'space % of collection % is not complete: % of the chunks have no embedding in it',
                        quote_ident(space), quote_ident(collection), missing
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    update retrieval.spaces s set state = 'shadow'
    where s.collection_id = owner.collection_id and s.kind = target.kind and s.modality = target.modality and s.state = 'active'
      and s.space_id <> target.space_id;
    update retrieval.spaces s set state = 'active', activated_at = clock_timestamp()
    where s.space_id = target.space_id and s.state <> 'active';
end;
$$;

comment on function retrieval.activate_space(text, text) is
'Makes a space the collection''s active one of its kind and modality, which searches use; the former one becomes a shadow, to which rollback_space returns. 55000 while chunks lack an embedding in it.';
-- end

-- begin sql/rollback_space.sql
-- The way back from activate_space.
create or replace function retrieval.rollback_space(collection text, kind text default 'dense', modality text default 'text')
    returns text
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    former text;
begin
    perform retrieval._lock_spaces(owner.collection_id);
    select s.name into former
    from retrieval.spaces s
    where s.collection_id = owner.collection_id and s.kind = rollback_space.kind and s.modality = rollback_space.modality
      and s.state = 'shadow' and s.activated_at is not null
    order by s.activated_at desc, s.space_id desc
    limit 1;
    if not found then
        raise exception 'collection % has no former % space of modality % to go back to',
                        quote_ident(collection), coalesce(quote_literal(kind), 'null'), coalesce(quote_literal(modality), 'null')
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform retrieval.activate_space(collection, former);
    return former;
end;
$$;

comment on function retrieval.rollback_space(text, text, text) is
'Makes the space that was active before the active one again, and returns its name. 55000 where there is none or it has become incomplete.';
-- end

-- begin sql/retire_space.sql
-- Ends the upkeep of a space that is no longer searched.
create or replace function retrieval.retire_space(collection text, space text)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
begin
    perform retrieval._lock_spaces(owner.collection_id);
    target := retrieval._space(owner, coalesce(space, ''), null);
    if target.state = 'active' then
        raise exception 'space % is the active one of collection %', quote_ident(space), quote_ident(collection)
            using errcode = 'object_not_in_prerequisite_state', hint = 'Activate another space first.';
    end if;
    update retrieval.spaces s set state = 'retired' where s.space_id = target.space_id;
    delete from retrieval.jobs j where j.space_id = target.space_id;
end;
$$;

comment on function retrieval.retire_space(text, text) is
'Keeps a space as it is: new chunks are no longer embedded for it. 55000 for the active one.';
-- end

-- begin sql/resume_space.sql
-- Undoes retire_space.
create or replace function retrieval.resume_space(collection text, space text)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces := retrieval._space(owner, coalesce(space, ''), null);
begin
    perform retrieval._lock_spaces(owner.collection_id);
    -- whoever writes chunks without knowing that they are to be embedded again
    execute format('lock table retrieval.%I in share row exclusive mode', 'chunks_' || owner.collection_id);
    update retrieval.spaces s set state = case when s.activated_at is null then 'building' else 'shadow' end
    where s.space_id = target.space_id and s.state = 'retired'
    returning * into target;
    if found then
        perform retrieval._enqueue_missing(target);
    end if;
end;
$$;

comment on function retrieval.resume_space(text, text) is
'Has new chunks embedded for a retired space again, and those that came meanwhile. Waits for the writers of the collection.';
-- end

-- begin sql/list_spaces.sql
-- What there is to know of a collection's spaces, active ones first.
create or replace function retrieval.list_spaces(collection text)
    returns table (
        space_id bigint, name text, kind text, modality text, state text, model text, revision text, dimensions integer, signature jsonb,
        metric text, index_method text, quantization text, index_options jsonb, search_options jsonb, alignment jsonb,
        has_query_adapter boolean, embeddings bigint, missing bigint, indexed boolean, bytes bigint, created_at timestamptz, activated_at timestamptz)
    language plpgsql stable
as $$
declare
    kept constant text := retrieval._kept_chunks();
begin
    return query
        select s.space_id, s.name, s.kind, s.modality, s.state, s.model, s.revision, s.dimensions, s.signature, s.metric,
               s.index_method, s.quantization, s.index_options, s.search_options, s.alignment,
               exists (select from retrieval.query_adapters a where a.space_id = s.space_id),
               c.embedded, m.missing, s.index_method = 'none' or retrieval._has_index(s),
               case when kept = 'true' then pg_total_relation_size(format('retrieval.%I', retrieval._embedding_partition(s))) end, s.created_at, s.activated_at
        from retrieval.spaces s
        cross join lateral retrieval._count_missing(s, kept) m(missing)
        cross join lateral retrieval._count_embeddings(s, kept) c(embedded)
        where s.collection_id = (retrieval._collection(collection)).collection_id
        order by s.state <> 'active', s.modality <> 'text', s.space_id;
end;
$$;

comment on function retrieval.list_spaces(text) is
'The spaces of a collection, active ones first: what made them, what they embed (modality), how they are indexed, how many chunks have (embeddings) and how many of those that belong into them lack an embedding (missing), whether their index is there (indexed, true where there is to be none), and what they occupy on disk with it (bytes). Counted are the current tenant''s chunks, and bytes is null; for the owner of the schema who is in no tenant those of all.';
-- end

-- begin sql/list_collections.sql
-- What there is to search.
create or replace function retrieval.list_collections(collection text default null)
    returns table (
        name text, text_config text, documents bigint, chunks bigint, space text, model text, dimensions integer, chunking jsonb,
        ranking jsonb, field_weights jsonb)
    language plpgsql stable
as $$
declare
    listed retrieval.collections;
begin
    for listed in select * from retrieval.collections n where collection is null or n.name = collection order by n.name loop
        name := listed.name;
        text_config := listed.text_config;
        execute format('select count(*) from retrieval.documents d where d.collection_id = %s and d.tenant = %L',
                       listed.collection_id, retrieval.current_tenant()) into documents;
        chunks := retrieval._chunk_count(listed.collection_id);
        select s.name, s.model, s.dimensions into space, model, dimensions
        from retrieval.spaces s
        where s.collection_id = listed.collection_id and s.state = 'active' and s.kind = 'dense'
        order by s.modality <> 'text' limit 1;
        chunking := listed.settings -> 'chunking';
        ranking := listed.settings -> 'ranking';
        field_weights := listed.settings -> 'field_weights';
        return next;
    end loop;
end;
$$;

comment on function retrieval.list_collections(text) is
'Every collection by name, or that one: how many documents and chunks of the current tenant it has, its active dense space (the one of texts before that of images) with the model, null where there is none, and what set_chunking, set_ranking and set_field_weights have set.';
-- end

-- begin sql/set_search_options.sql
-- What a space's searches use unless a call says otherwise.
create or replace function retrieval.set_search_options(collection text, space text, search_options jsonb)
    returns void
    language plpgsql
as $$
declare
    target retrieval.spaces := retrieval._space(retrieval._collection(collection), coalesce(space, ''), null);
begin
    target.search_options := search_options;
    perform retrieval._check_search_options(target);
    update retrieval.spaces s set search_options = set_search_options.search_options where s.space_id = target.space_id;
end;
$$;

comment on function retrieval.set_search_options(text, text, jsonb) is
'Sets what a space''s searches use unless a call says otherwise: {"search_effort": 200} is ef_search of an HNSW index (1 to 1000) or probes of an IVFFlat index; with quantization bit, {"oversampling": 10} is how many candidates of the index are scored by their stored embeddings for each result wanted. {} returns to the defaults.';
-- end

-- begin sql/drop_space.sql
-- Removes a space with its embeddings. The active one only when forced: searches would lose their semantic half.
create or replace function retrieval.drop_space(collection text, space text, force boolean default false)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
    partition text;
begin
    -- before the partition, as writers do
    perform retrieval._lock_spaces(owner.collection_id);
    target := retrieval._space(owner, coalesce(space, ''), null);
    if target.state = 'active' and force is not true then
        raise exception 'space % is the active one of collection %', quote_ident(space), quote_ident(collection)
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Activate another space first, or pass force => true.';
    end if;
    -- and for those who have enqueued chunks for it
    perform from retrieval.spaces s where s.space_id = target.space_id for update;
    partition := format('retrieval.%I', retrieval._embedding_partition(target));
    execute 'truncate ' || partition;
    delete from retrieval.spaces s where s.space_id = target.space_id;
    perform retrieval._drop_tables(array[partition]);
    perform retrieval.drop_orphans();
end;
$$;

comment on function retrieval.drop_space(text, text, boolean) is
'Removes a space with its embeddings. 55000 for the active one unless force is true.';
-- end

-- begin sql/parse_query.sql
-- What a person types, in web-search syntax: words, "a phrase", -not, or, prefix*. Nothing typed is an error.
--
-- Words are ranked as a bag. Phrases and exclusions are conditions, and with the operator `and` so is every word;
-- `or` joins its two neighbours into one condition that either satisfies. A query is parsed under every
-- text-search configuration that the collection's chunks use. Of a query that is longer, its first 16,384 characters count.

-- A word as a tsquery that the parser does not touch.
create or replace function retrieval._lexeme_query(lexeme text)
    returns tsquery
    language sql immutable strict parallel safe
    return ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;

comment on function retrieval._lexeme_query(text) is 'The tsquery of exactly this lexeme.';

create or replace function retrieval._text_statistics(
    collection_id bigint, out text_configs text[], out chunk_count double precision, out average_length double precision)
    language plpgsql stable
as $$
begin
    execute format(
        'select coalesce(array_agg(text_config order by text_config), ''{}''), sum(chunks), sum(total_length) / sum(chunks)
         from (select text_config, sum(chunk_count) as chunks, sum(total_length) as total_length
               from retrieval.chunk_statistics where collection_id = %s and tenant = %L
               group by text_config having sum(chunk_count) > 0) s', collection_id, retrieval.current_tenant())
        into text_configs, chunk_count, average_length;
end;
$$;

comment on function retrieval._text_statistics(bigint) is
'The text-search configurations that the current tenant''s chunks in a collection use, their number and their average length.';

-- The pieces of a query in order: kind is word, prefix, phrase or or.
create or replace function retrieval._query_items(query_text text)
    returns table (kind text, content text, excluded boolean)
    language sql immutable
    begin atomic
        select case when i.item[2] is not null then 'phrase'
                    when i.item[1] = '' and lower(i.item[3]) = 'or' then 'or'
                    when i.item[3] ~ '\w\*$' then 'prefix'
                    else 'word' end,
               coalesce(i.item[2], rtrim(i.item[3], '*')),
               i.item[1] = '-'
        from regexp_matches(left(query_text, 16384), '(-(?=[^\s-])|)(?:"([^"]*)"|([^\s"]+))', 'g') with ordinality i(item, number)
        order by i.number;
    end;

comment on function retrieval._query_items(text) is 'The words, prefixes, phrases and operators of a query, in order.';

create or replace function retrieval._item_condition(text_config text, kind text, content text)
    returns tsquery
    language plpgsql stable
as $$
declare
    configuration constant regconfig := text_config;
    segmented constant text := retrieval.segment(content, false);
    condition tsquery;
begin
    condition := case kind
        when 'phrase' then phraseto_tsquery(configuration, segmented)
        when 'prefix' then coalesce((
            select string_agg(retrieval._lexeme_query(l.lexeme)::text || ':*', ' & ')::tsquery
            from unnest(to_tsvector(configuration, segmented)) l), '')
        else plainto_tsquery(configuration, segmented) end;
    if octet_length(segmented) = char_length(segmented) then
        return condition;
    end if;
    -- a single character is indexed only inside of bigrams
    return regexp_replace(condition::text, '''([' || retrieval._script_characters() || '])''(?!:)', '''\1'':*', 'g')::tsquery;
end;
$$;

comment on function retrieval._item_condition(text, text, text) is 'The tsquery that one piece of a query means where it is a condition.';

-- A balanced tree of ands or ors: a thousand conditions must not become a thousand levels of recursion.
create or replace function retrieval._join_conditions(conditions tsquery[], operator text)
    returns tsquery
    language plpgsql immutable
as $$
begin
    while cardinality(conditions) > 1 loop
        conditions := array(
            select case when c.second is null then c.first when operator = 'and' then c.first && c.second else c.first || c.second end
            from (select i as number, conditions[2 * i - 1] as first, conditions[2 * i] as second
                  from generate_series(1, (cardinality(conditions) + 1) / 2) i) c
            order by c.number);
    end loop;
    return coalesce(conditions[1], '');
end;
$$;

comment on function retrieval._join_conditions(tsquery[], text) is 'Conditions joined by and or or; empty where there are none.';

-- The condition of a whole query under one configuration; empty where there is none.
create or replace function retrieval._query_condition(text_config text, query_text text, keyword_operator text)
    returns tsquery
    language plpgsql stable
as $$
declare
    item record;
    conditions tsquery[] := '{}';
    alternatives tsquery[] := '{}';  -- of the group that `or` is still joining
    optional boolean := true;    -- one of the group demands nothing, so the group demands nothing
    joining boolean := false;
begin
    for item in select * from retrieval._query_items(query_text) loop
        if item.kind = 'or' then
            joining := true;
        elsif item.excluded then
            conditions := array_append(conditions, !!retrieval._item_condition(text_config, item.kind, item.content));
        else
            if not joining then
                if not optional then
                    conditions := array_append(conditions, retrieval._join_conditions(alternatives, 'or'));
                end if;
                alternatives := '{}';
                optional := false;
            end if;
            joining := false;
            if item.kind in ('word', 'prefix') and keyword_operator = 'or' then
                optional := true;
            else
                alternatives := array_append(alternatives, retrieval._item_condition(text_config, item.kind, item.content));
            end if;
        end if;
    end loop;
    if not optional then
        conditions := array_append(conditions, retrieval._join_conditions(alternatives, 'or'));
    end if;
    return retrieval._join_conditions(conditions, 'and');
end;
$$;

comment on function retrieval._query_condition(text, text, text) is
'What a chunk must match besides holding a word of the query; an empty tsquery where that is nothing.';

-- The bag of words of a query. Under several configurations a word may yield several lexemes; each counts as often
-- as the configuration that yields it most often says. A prefix stands for the commonest lexemes that start with it,
-- and so does a single character of a script that is indexed as bigrams, where the query has no pair.
create or replace function retrieval._query_terms(collection_id bigint, text_configs text[], query_text text)
    returns table (lexeme text, frequency integer)
    language plpgsql stable
as $$
declare
    words text := left(query_text, 16384);  -- more than anyone types
    prefixes text := '';
    lexemes text[];
    frequencies integer[];
    started text[];
begin
    if query_text ~* '[-"*]|\mor\M' then
        select string_agg(i.content, ' ') filter (where i.kind <> 'prefix'),
               string_agg(i.content, ' ') filter (where i.kind = 'prefix')
        into words, prefixes
        from retrieval._query_items(query_text) i
        where i.kind <> 'or' and not i.excluded;
    end if;
    select array_agg(w.lexeme), array_agg(w.frequency) into lexemes, frequencies
    from (select l.lexeme, max(cardinality(l.positions)) as frequency
          from unnest(text_configs) t(text_config),
               unnest(to_tsvector(t.text_config::regconfig, retrieval.segment(coalesce(words, ''), false))) l
          group by l.lexeme) w;
    return query select w.lexeme, w.frequency from unnest(lexemes, frequencies) w(lexeme, frequency);

    started := array(
        select l.lexeme
        from unnest(text_configs) t(text_config),
             unnest(to_tsvector(t.text_config::regconfig, retrieval.segment(coalesce(prefixes, ''), false))) l
        union
        select w.lexeme from unnest(lexemes) w(lexeme)
        where w.lexeme ~ ('^[' || retrieval._script_characters() || ']$')
          -- beside pairs it is a particle of a sentence, and its many pairs would outweigh what was asked
          and not exists (select from unnest(lexemes) o(lexeme) where o.lexeme ~ ('[' || retrieval._script_characters() || ']{2}')));
    if cardinality(started) > 0 then
        return query execute format(
            'select distinct e.lexeme, 1
             from unnest($1) p(prefix)
             cross join lateral (
                 select s.lexeme from retrieval.lexeme_statistics s
                 where s.collection_id = %s and s.tenant = %L and s.lexeme >= p.prefix and s.lexeme < p.prefix || U&''\+10FFFF''
                 group by s.lexeme order by sum(s.document_frequency) desc, s.lexeme limit 64) e
             where e.lexeme <> all ($2)', collection_id, retrieval.current_tenant())
            using started, coalesce(lexemes, '{}');
    end if;
end;
$$;

comment on function retrieval._query_terms(bigint, text[], text) is
'The lexemes that a query ranks by and how often it names each.';
-- end

-- begin sql/field_weights.sql
-- How much an occurrence counts, by where it stands: title, context or content. A word's frequency in the score is
-- the sum of its occurrences, each times its field's weight ("simple BM25F": Robertson, Zaragoza and Taylor, "Simple
-- BM25 Extension to Multiple Weighted Fields", CIKM 2004), with one length for the whole chunk.

-- {title, context, content}; a field that is left out counts 1.
create or replace function retrieval._field_weights(field_weights jsonb)
    returns double precision[]
    language plpgsql immutable
as $$
declare
    fields constant text[] := array['title', 'context', 'content'];
    field record;
    weights double precision[];
begin
    if field_weights is null then
        return array[1, 1, 1];
    elsif jsonb_typeof(field_weights) <> 'object' then
        raise exception 'field_weights must be an object such as {"title": 2, "context": 1.5}' using errcode = 'invalid_parameter_value';
    end if;
    for field in select * from jsonb_each(field_weights) loop
        perform retrieval._check_choice('field_weights: field', field.key, fields);
        if jsonb_typeof(field.value) <> 'number' or field.value::numeric not between 0 and 1000
           or field.value::numeric <> 0 and field.value::numeric < 1e-100 then  -- the score could not tell it from 0
            raise exception 'field_weights: % must be a number from 0 to 1000, not %', field.key, field.value
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
    weights := array(select coalesce((field_weights ->> f.name)::double precision, 1) from unnest(fields) with ordinality f(name, number) order by f.number);
    if 0 = all (weights) then
        raise exception 'field_weights must not all be 0' using errcode = 'invalid_parameter_value';
    end if;
    return weights;
end;
$$;

comment on function retrieval._field_weights(jsonb) is
'The weights of title, context and content as an array; 22023 where they are unusable.';

create or replace function retrieval.set_field_weights(collection text, field_weights jsonb)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    perform retrieval._field_weights(field_weights);
    update retrieval.collections c
    set settings = case when field_weights is null then c.settings - 'field_weights'
                        else c.settings || jsonb_build_object('field_weights', field_weights) end
    where c.collection_id = target;
end;
$$;

comment on function retrieval.set_field_weights(text, jsonb) is
'Makes occurrences in some fields count more in a collection''s keyword searches: {"title": 2, "context": 1.5}. A field left out counts 1, one with 0 is not ranked by; null restores 1 for all.';

-- The weighted frequency of a word in the chunk c, as SQL; $1 are the frequency thresholds. Title and context come
-- first in a tsvector, so ts_rank with the weights of the fields after them set to 0 is again a sum over 1/j² from
-- j = 1, and counts the occurrences up to there.
create or replace function retrieval._frequency_expression(word text, field_weights double precision[])
    returns text
    language sql immutable
    return (select string_agg(format('%s * width_bucket(ts_rank(''%s'', c.lexemes, %L)::double precision, $1)', f.weight, f.fields, word), ' + ')
            from (values (field_weights[1] - field_weights[2], '{0,0,0,1}'),
                         (field_weights[2] - field_weights[3], '{0,0,1,1}'),
                         (field_weights[3], '{1,1,1,1}')) f(weight, fields)
            where f.weight <> 0);

comment on function retrieval._frequency_expression(text, double precision[]) is
'SQL for the weighted number of occurrences of a word in a chunk.';

create or replace function retrieval._counted_word(lexeme text, field_weights double precision[])
    returns text
    language sql immutable
    return retrieval._lexeme_query(lexeme)::text
           || case when 0 = any (field_weights)
                   then ':' || case when field_weights[1] <> 0 then 'A' else '' end
                            || case when field_weights[2] <> 0 then 'B' else '' end
                            || case when field_weights[3] <> 0 then 'D' else '' end
                   else '' end;

comment on function retrieval._counted_word(text, double precision[]) is
'A lexeme as a tsquery, in text: where a field counts nothing, the word must stand in another one.';
-- end

-- begin sql/threshold_query.sql
-- Which chunks can score more than a threshold, as a tsquery that the GIN index answers.
--
-- A chunk's score is at most the sum of the bounds of the words that it holds (WAND: Broder et al., "Efficient Query
-- Evaluation using a Two-Level Retrieval Process", CIKM 2003). So it can only pass the threshold if it holds a set of
-- words whose bounds add up to more. The words come in descending order of their bounds; for the first word of the
-- set that a chunk holds, the rest must come from the words after it. Beyond `depth` words of a set the condition is
-- relaxed to "any word without which the rest is too little": that lets more chunks through, never fewer.
--
-- Null means no condition: whatever the chunk holds beyond, it passes. An empty text means that nothing passes.
create or replace function retrieval._threshold_query(
    words text[], bounds double precision[], remainders double precision[], threshold double precision, depth integer,
    first integer default 1)
    returns text
    language plpgsql immutable
as $$
declare
    alternatives text[] := '{}';
    rest text;
begin
    if threshold < 0 then
        return null;
    end if;
    for i in first .. cardinality(words) loop
        exit when remainders[i] <= threshold;
        if depth = 0 then
            alternatives := alternatives || words[i];
        else
            rest := retrieval._threshold_query(words, bounds, remainders, threshold - bounds[i], depth - 1, i + 1);
            if rest is null then
                alternatives := alternatives || words[i];
            elsif rest <> '' then
                alternatives := alternatives || ('(' || words[i] || ' & ' || rest || ')');
            end if;
        end if;
    end loop;
    return case when cardinality(alternatives) < 2 then coalesce(alternatives[1], '')
                else '(' || array_to_string(alternatives, ' | ') || ')' end;
end;
$$;

comment on function retrieval._threshold_query(text[], double precision[], double precision[], double precision, integer, integer) is
'A tsquery, as text, that every chunk matches whose words'' bounds add up to more than the threshold. words: quoted for tsquery, in descending order of bounds; remainders[i]: the sum of the bounds from i on.';
-- end

-- begin sql/hits_statement.sql
-- From a ranking to what a search returns, for every search alike.

-- `ranking` is a from item as SQL, called h, with chunk_id, score, rank and what `leg_columns` names. It holds chunks of the current
-- tenant alone; should it ever not, they are dropped here.
create or replace function retrieval._hits_statement(collection_id bigint, ranking text, leg_columns text default 'h.rank, h.score')
    returns text
    language sql stable
    return format(
        'select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata, h.score, %3$s
         from %2$s
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id and c.tenant = %4$L
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
         order by h.rank', collection_id, ranking, leg_columns, retrieval.current_tenant());

comment on function retrieval._hits_statement(bigint, text, text) is
'The SQL that returns the chunks of a ranking as hits, in order of rank: chunk, document and score, then the columns of the legs.';
-- end

-- begin sql/best_chunks.sql
-- The best chunks for some words, by exact BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) as Lucene
-- writes it, over the chunks that hold any word of the query:
--
--     score = Σ frequency(word in query) · idf · tf / (tf + k1 · (1 − b + b · length / average length))
--     idf   = ln(1 + (N − n + ½) / (n + ½)),  k1 = 1.2 and b = 0.75 unless the call or the collection says otherwise
--
-- k1 is how long more occurrences of a word go on to count (0: not at all, a chunk holds it or does not), b how much of its
-- length a chunk is measured against (0: none). N, n and the average length are those of the collection at this moment, as if it held nothing but the current tenant's chunks.

create or replace function retrieval._inverse_document_frequency(chunk_count double precision, document_frequency double precision)
    returns double precision
    language sql immutable parallel safe
    return ln(1 + (chunk_count - document_frequency + 0.5) / (document_frequency + 0.5));

comment on function retrieval._inverse_document_frequency(double precision, double precision) is
'What a word counts that stands in so many of a collection''s chunks.';

-- k1 and b travel as one array.
create or replace function retrieval._bm25_constants(
    collection retrieval.collections, k1 double precision default null, b double precision default null)
    returns double precision[]
    language sql immutable
    return array[
        coalesce(k1, (collection.settings #>> '{ranking,k1}')::double precision, 1.2),
        coalesce(b, (collection.settings #>> '{ranking,b}')::double precision, 0.75)];

comment on function retrieval._bm25_constants(retrieval.collections, double precision, double precision) is
'k1 and b of a search: what it says, else what the collection''s ranking does (see set_ranking), else 1.2 and 0.75.';

create or replace function retrieval._check_bm25_constants(k1 double precision, b double precision)
    returns void
    language plpgsql immutable
as $$
begin
    if k1 not between 0 and 100 then  -- NaN is larger than all
        raise exception 'k1 must be between 0 and 100, not %', k1 using errcode = 'invalid_parameter_value';
    elsif b not between 0 and 1 then
        raise exception 'b must be between 0 and 1, not %', b using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_bm25_constants(double precision, double precision) is
'22023 where k1 or b cannot be ranked by; null is what is not given.';

-- tf / (tf + K) = 1 / (1 + K / tf), and K / tf is at least k1 · ((1 − b) / largest tf + b · least (length / tf) / average length), whatever
-- k1 and b are: neither of the two has a negative factor. The ratio is stored in single precision, which may have rounded it up.
create or replace function retrieval._score_bound(
    weight double precision, maximum_frequency integer, minimum_length_ratio double precision, average_length double precision,
    largest_field_weight double precision, bm25_constants double precision[])
    returns double precision
    language sql immutable parallel safe
    return weight / (1 + 0.999999 * bm25_constants[1] * ((1 - bm25_constants[2]) / maximum_frequency
                                                         + bm25_constants[2] * minimum_length_ratio / average_length) / largest_field_weight);

comment on function retrieval._score_bound(double precision, integer, double precision, double precision, double precision, double precision[]) is
'The most that a word can add to a chunk''s score: weight is its idf, times how often the query names it; minimum_length_ratio the least length / frequency of the chunks that hold it.';

-- ts_rank of one word is 6/π² · Σ 1/j² for j = 1 … tf: strictly increasing in tf, so the midpoints between its
-- values, found by width_bucket, give the exact tf at C speed. A tsvector keeps 255 positions per lexeme and
-- field, 256 in all, which is where tf is capped, in scores, lengths and statistics alike.
create or replace function retrieval._frequency_thresholds(maximum_frequency integer)
    returns double precision[]
    language sql immutable parallel safe
    return (select array_agg(t.midpoint order by t.frequency)
            from (select j as frequency,
                         6 / pi() ^ 2 * (sum(1.0::double precision / (j * j)) over (order by j) - 0.5 / (j * j)) as midpoint
                  from generate_series(1, maximum_frequency) j) t);

comment on function retrieval._frequency_thresholds(integer) is
'Between the values of ts_rank for 0, 1, 2 … occurrences of a word; width_bucket over it gives the number of occurrences.';

-- The one statement that ranks: $1 is _frequency_thresholds(…), $2 how many. With tf / (tf + K) = 1 − K / (tf + K) each
-- word's frequency is looked up once. Scores are rounded, so that the order in which they were added up breaks no tie. A k1 of 0
-- would divide by 0 where a word does not stand; one that is next to nothing makes the same scores.
create or replace function retrieval._keyword_statement(
    collection_id bigint, candidates text, words text[], weights double precision[], average_length double precision,
    field_weights double precision[], bm25_constants double precision[], condition text, filter_condition text)
    returns text
    language plpgsql immutable
as $$
declare
    k1 constant double precision := greatest(bm25_constants[1], 1e-200);
    b constant double precision := bm25_constants[2];
    total double precision;
    losses text;
begin
    select sum(t.weight),
           string_agg(format('%s / (%s + n.norm)', t.weight, retrieval._frequency_expression(t.word, field_weights)), ' + ')
    into total, losses
    from unnest(words, weights) t(word, weight);
    return format(
        'select c.chunk_id, round((%s - n.norm * (%s)) * 1e11) / 1e11 as score
         from retrieval.chunks c
         cross join lateral (select %s::double precision + %s::double precision * c.length as norm) n
         where c.collection_id = %s and c.lexemes @@ %L%s%s
         order by score desc, c.chunk_id
         limit $2',
        total, losses, k1 * (1 - b), k1 * b / average_length, collection_id, candidates,
        ' and (' || condition || ')',
        ' and (' || filter_condition || ')');
end;
$$;

comment on function retrieval._keyword_statement(bigint, text, text[], double precision[], double precision, double precision[], double precision[], text, text) is
'The SQL that ranks the chunks matching a tsquery by BM25. Every value in it is quoted; $1 are the frequency thresholds, $2 the number of chunks wanted.';

-- The loop around that statement: the threshold starts where only few chunks reach it and is lowered until the last of the
-- chunks wanted does; then no other chunk can score more. The more words there are, the smaller the share of them that
-- even the best chunks hold, and the dearer a tsquery that looks at pairs of them.
create or replace function retrieval._best_chunks(
    collection_id bigint, words text[], weights double precision[], bounds double precision[], average_length double precision,
    maximum_frequency integer, field_weights double precision[], bm25_constants double precision[], condition text, filter_condition text,
    candidates integer)
    returns table (chunk_id bigint, score double precision)
    language plpgsql stable rows 100
    set extra_float_digits = 1  -- the weights are written into the statement
    set enable_seqscan = off    -- the planner takes a long tsquery to be as cheap to compare with every chunk as a short one
    set jit = off               -- and such a statement is run faster than compiled
as $$
declare
    frequency_thresholds constant double precision[] := retrieval._frequency_thresholds(maximum_frequency);
    few_words constant boolean := cardinality(words) <= 8;
    remainders double precision[] := bounds;
    threshold double precision;
    threshold_query text;
    answered_query text;
    chunk_ids bigint[];
    scores double precision[];
begin
    for i in reverse cardinality(bounds) - 1 .. 1 loop
        remainders[i] := bounds[i] + remainders[i + 1];
    end loop;
    threshold := case when few_words then 0.7 else 0.5 end * remainders[1];
    for round in 1 .. 5 loop
        threshold_query := retrieval._threshold_query(
            words, bounds, remainders,
            -- chunks that tie with the threshold belong to the answer, and what rounding has added counts nothing
            greatest(threshold * (1 - 1e-9) - 1e-11, 0),
            case when few_words then 2 when round = 1 or cardinality(words) <= 16 then 1 else 0 end);
        if threshold_query is distinct from answered_query then
            execute 'select array_agg(h.chunk_id), array_agg(h.score) from (' || retrieval._keyword_statement(
                    collection_id, threshold_query, words, weights, average_length, field_weights, bm25_constants, condition,
                    filter_condition) || ') h'
                into chunk_ids, scores using frequency_thresholds, candidates;
            answered_query := threshold_query;
        end if;
        exit when threshold = 0 or scores[candidates] >= threshold;
        -- a full list settles where the threshold has to be, unless that is much lower; of many words it always is
        threshold := case when round = 4 or not few_words and scores[candidates] is not null then coalesce(scores[candidates], 0)
                          else greatest(scores[candidates], 0.5 * threshold) end;
    end loop;
    return query select h.chunk_id, h.score from unnest(chunk_ids, scores) h(chunk_id, score);
end;
$$;

comment on function retrieval._best_chunks(bigint, text[], double precision[], double precision[], double precision, integer, double precision[], double precision[], text, text, integer) is
'The chunks that score best for some words, best first, ties by chunk_id. words: as _counted_word writes them, in descending order of bounds; condition and filter_condition: what a chunk c must fulfil besides, as SQL, or null.';
-- end

-- begin sql/keyword_search.sql
-- Keyword search: the words of a query as a bag, by BM25 (best_chunks.sql); its phrases and exclusions as conditions.

-- The query's conditions as SQL on a chunk c; null where it has none. Each chunk answers to its own configuration.
create or replace function retrieval._chunk_condition(collection_id bigint, query_text text, keyword_operator text)
    returns text
    language plpgsql stable
as $$
begin
    if keyword_operator = 'or' and query_text !~ '["-]' then
        return null;
    end if;
    return (
        select case count(*) filter (where numnode(q.condition) > 0) when 0 then null
               else string_agg(format('c.text_config = %L', q.text_config)
                               || case when numnode(q.condition) > 0 then format(' and c.lexemes @@ %L', q.condition) else '' end,
                               ' or ') end
        from (select t.text_config, retrieval._query_condition(t.text_config, query_text, keyword_operator) as condition
              from unnest((retrieval._text_statistics(collection_id)).text_configs) t(text_config)) q);
end;
$$;

comment on function retrieval._chunk_condition(bigint, text, text) is
'What a chunk must fulfil besides holding a word of the query, as SQL; null where that is nothing.';

-- The words of a query that occur in the collection: how often the query names each, in how many chunks it stands, its
-- weight in the score, and the most that it can add to one.
create or replace function retrieval._keyword_terms(
    collection_id bigint, query_text text, field_weights double precision[], bm25_constants double precision[])
    returns table (lexeme text, query_frequency integer, document_frequency bigint, weight double precision, bound double precision,
                   average_length double precision, maximum_frequency integer)
    language plpgsql stable
as $$
declare
    texts constant record := retrieval._text_statistics(collection_id);
begin
    return query execute format(
        'select q.lexeme, q.frequency, s.n, w.weight,
                retrieval._score_bound(w.weight, s.maximum_frequency, s.minimum_length_ratio, $4, $5, $6), $4, s.maximum_frequency
         from retrieval._query_terms(%1$s, $1, $2) q
         cross join lateral (
             select sum(l.document_frequency)::bigint as n, max(l.maximum_frequency) as maximum_frequency,
                    min(l.minimum_length_ratio)::double precision as minimum_length_ratio
             from retrieval.lexeme_statistics l
             where l.collection_id = %1$s and l.tenant = %2$L and l.lexeme = q.lexeme) s
         cross join lateral (select q.frequency * retrieval._inverse_document_frequency($3, s.n) as weight) w
         where s.n > 0
         -- where there are more words than anyone means, those that can add most
         order by 5 desc, 1 limit 64', collection_id, retrieval.current_tenant())
        using texts.text_configs, query_text, texts.chunk_count, texts.average_length,
              greatest(field_weights[1], field_weights[2], field_weights[3]), bm25_constants;
end;
$$;

comment on function retrieval._keyword_terms(bigint, text, double precision[], double precision[]) is
'The words that a query ranks by, 64 at most, with what is known of each in the collection; in descending order of bound.';

create or replace function retrieval._keyword_candidates(
    collection retrieval.collections, query_text text, filter_condition text, candidates integer, keyword_operator text,
    field_weights jsonb, k1 double precision, b double precision)
    returns table (chunk_id bigint, score double precision)
    language plpgsql stable rows 100
    set client_min_messages = warning
as $$
declare
    fields constant double precision[] := retrieval._field_weights(coalesce(field_weights, collection.settings -> 'field_weights'));
    bm25_constants constant double precision[] := retrieval._bm25_constants(collection, k1, b);
    term record;
begin
    perform retrieval._check_bm25_constants(k1, b);
    select array_agg(retrieval._counted_word(k.lexeme, fields)) as words, array_agg(k.weight) as weights, array_agg(k.bound) as bounds,
           max(k.average_length) as average_length, max(k.maximum_frequency) as maximum_frequency
    into term
    from retrieval._keyword_terms(collection.collection_id, query_text, fields, bm25_constants) k;
    if term.words is null then
        return;
    end if;
    return query select * from retrieval._best_chunks(
        collection.collection_id, term.words, term.weights, term.bounds, term.average_length, term.maximum_frequency,
        fields, bm25_constants, retrieval._chunk_condition(collection.collection_id, query_text, keyword_operator), filter_condition, candidates);
end;
$$;

comment on function retrieval._keyword_candidates(retrieval.collections, text, text, integer, text, jsonb, double precision, double precision) is
'The best chunks by BM25, best first, ties by chunk_id.';

create or replace function retrieval.keyword_search(
    collection text,
    query_text text,
    metadata_filter jsonb default null,
    max_results integer default 10,
    keyword_operator text default 'or',
    field_weights jsonb default null,
    k1 double precision default null,
    b double precision default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, keyword_rank bigint, keyword_score double precision)
    language plpgsql stable rows 10
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_choice('keyword_operator', keyword_operator, array['or', 'and']);
    return query execute retrieval._hits_statement(
            target.collection_id, 'retrieval._keyword_candidates($1, $2, $3, $4, $5, $6, $7, $8) with ordinality h(chunk_id, score, rank)')
        using target, query_text, retrieval._filter_condition(target, metadata_filter), max_results, keyword_operator, field_weights, k1, b;
end;
$$;

comment on function retrieval.keyword_search(text, text, jsonb, integer, text, jsonb, double precision, double precision) is
'The best chunks by BM25, best first, ties by chunk_id; no rows where no word of the query occurs. query_text: words, "a phrase", -not, or, prefix*. keyword_operator ''and'' demands every word. field_weights: as in set_field_weights, for this call. k1, from 0 to 100, and b, from 0 to 1: the constants of BM25; without them those of the collection (see set_ranking), else 1.2 and 0.75. score is the BM25 score; its scale depends on query and collection.';
-- end

-- begin sql/explain_keyword_search.sql
-- Why a chunk has its score: one row for each hit and each word of the query. The contributions of a hit add up to its
-- score; they are computed here from the positions in the tsvector, not the way the search does it.
create or replace function retrieval.explain_keyword_search(
    collection text,
    query_text text,
    metadata_filter jsonb default null,
    max_results integer default 10,
    keyword_operator text default 'or',
    field_weights jsonb default null,
    k1 double precision default null,
    b double precision default null)
    returns table (
        keyword_rank bigint, chunk_id bigint, document_key text, score double precision, length integer,
        lexeme text, query_frequency integer, document_frequency bigint, inverse_document_frequency double precision,
        bound double precision, title_frequency bigint, context_frequency bigint, content_frequency bigint,
        contribution double precision)
    language plpgsql stable
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    fields constant double precision[] :=
        retrieval._field_weights(coalesce(explain_keyword_search.field_weights, target.settings -> 'field_weights'));
    bm25_constants constant double precision[] := retrieval._bm25_constants(target, k1, b);
begin
    perform retrieval._check_bm25_constants(k1, b);
    return query execute format(
        'select h.keyword_rank, h.chunk_id, h.document_key, h.score, c.length, t.lexeme, t.query_frequency, t.document_frequency,
                t.weight / t.query_frequency, t.bound, f.title, f.context, f.content,
                t.weight * (w.frequency / case when w.frequency + w.norm = 0 then 1 else w.frequency + w.norm end)
         from retrieval._keyword_terms(%1$s, $1, $6, $8) t
         left join retrieval.keyword_search($2, $1, $3, $4, $5, $7, ($8)[1], ($8)[2]) h on true
         left join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id
         left join lateral (
             select count(*) filter (where u.weight = ''A'') as title, count(*) filter (where u.weight = ''B'') as context,
                    count(*) filter (where u.weight = ''D'') as content
             from unnest(c.lexemes) l, unnest(l.weights) u(weight)
             where l.lexeme = t.lexeme) f on true
         cross join lateral (
             select ($6)[1] * f.title + ($6)[2] * f.context + ($6)[3] * f.content as frequency,
                    ($8)[1] * (1 - ($8)[2] + ($8)[2] * c.length / t.average_length) as norm) w
         order by h.keyword_rank, 14 desc nulls last, t.lexeme', target.collection_id)
        using query_text, collection, metadata_filter, max_results, keyword_operator, fields, field_weights, bm25_constants;
end;
$$;

comment on function retrieval.explain_keyword_search(text, text, jsonb, integer, text, jsonb, double precision, double precision) is
'Why keyword_search ranks as it does: a row for each hit and word of the query, with the word''s document frequency, idf, the most it can contribute (bound), its occurrences by field, and its contribution to the score. Where nothing is found, the words alone.';
-- end

-- begin sql/nearest_chunks.sql
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
-- end

-- begin sql/chunk_count.sql
-- How large a collection is, without counting.
create or replace function retrieval.chunk_count(collection text)
    returns bigint
    language sql stable
    return retrieval._chunk_count((retrieval._collection(collection)).collection_id);

comment on function retrieval.chunk_count(text) is 'The number of chunks of a collection, by its statistics; 42704 where there is no such collection.';
-- end

-- begin sql/set_query_adapter.sql
-- A query adapter: an affine map, learnt from judged queries, that semantic and hybrid search apply to query embeddings.
create or replace function retrieval.set_query_adapter(collection text, space text, matrix halfvec[], translation halfvec, details jsonb default '{}')
    returns void
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
begin
    if cardinality(matrix) is distinct from target.dimensions or vector_dims(translation) is distinct from target.dimensions
       or (select bool_or(r is null or vector_dims(r) <> target.dimensions) from unnest(matrix) r) then
        raise exception 'matrix must have % rows of % numbers and translation %, as space % has dimensions', target.dimensions, target.dimensions, target.dimensions, quote_ident(target.name)
            using errcode = 'invalid_parameter_value';
    end if;
    insert into retrieval.query_adapters (space_id, matrix, translation, details)
    values (target.space_id, matrix, translation, details)
    on conflict (space_id) do update
        set matrix = excluded.matrix, translation = excluded.translation, details = excluded.details, created_at = now();
end;
$$;

comment on function retrieval.set_query_adapter(text, text, halfvec[], halfvec, jsonb) is
'Has searches in a space map the query embedding, brought to length 1: each number of the new one is the inner product of a row of the matrix with it, plus that of the translation. details say where the map comes from. It replaces the one before.';

create or replace function retrieval.drop_query_adapter(collection text, space text)
    returns boolean
    language plpgsql
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
begin
    delete from retrieval.query_adapters a where a.space_id = target.space_id;
    return found;
end;
$$;

comment on function retrieval.drop_query_adapter(text, text) is
'Has searches in a space take the query embedding as it is again; returns whether there was an adapter.';

create or replace function retrieval._adapt_query(space retrieval.spaces, query_embedding halfvec)
    returns halfvec
    language plpgsql stable
    set search_path from current
as $$
declare
    adapter retrieval.query_adapters;
    given constant halfvec := l2_normalize(query_embedding);
    adapted halfvec;
begin
    select * into adapter from retrieval.query_adapters a where a.space_id = space.space_id;
    if not found then
        return query_embedding;
    end if;
    select array_agg(-(r.row <#> given) order by r.number)::real[]::halfvec + adapter.translation into adapted
    from unnest(adapter.matrix) with ordinality r(row, number);
    if space.metric = 'cosine' and l2_norm(adapted) = 0 then
        raise exception 'the query adapter of space % maps query_embedding to zeros, which have no cosine with anything', quote_ident(space.name)
            using errcode = 'invalid_parameter_value';
    end if;
    return l2_normalize(adapted);
end;
$$;

comment on function retrieval._adapt_query(retrieval.spaces, halfvec) is
'A query embedding as the space''s query adapter maps it, unchanged where the space has none.';
-- end

-- begin sql/adapt_query.sql
-- Where a query is looked for, for programs that compare it with embeddings themselves.
create or replace function retrieval.adapt_query(collection text, query_embedding halfvec, space text default null)
    returns halfvec
    language sql stable
    set search_path from current
    return retrieval._adapt_query(retrieval._space(retrieval._collection(collection), space), query_embedding);

comment on function retrieval.adapt_query(text, halfvec, text) is
'The query''s embedding as semantic_search compares it with those of a dense space (without a name: the active one): mapped by the space''s query adapter, as it is where there is none.';
-- end

-- begin sql/semantic_search.sql
-- Semantic search: the nearest chunks of a space, under the space's query adapter.
create or replace function retrieval.semantic_search(
    collection text,
    query_embedding halfvec,
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    signature jsonb default null,
    search_effort integer default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, semantic_rank bigint, semantic_score double precision)
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space);
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_embedding(target, query_embedding, signature);
    perform retrieval._check_search_effort(target, coalesce(search_effort, 1));
    return query execute retrieval._hits_statement(
            owner.collection_id, 'retrieval._nearest_chunks($1, $2, $3, $4, $5) with ordinality h(chunk_id, score, rank)')
        using target, retrieval._adapt_query(target, query_embedding), retrieval._filter_condition(owner, metadata_filter), max_results, search_effort;
end;
$$;

comment on function retrieval.semantic_search(text, halfvec, jsonb, integer, text, jsonb, integer) is
'The nearest chunks of a space (without a name: the active one), nearest first; max_results rows whenever that many match the filter. score is the cosine, the inner product, or the negative distance, by the space''s metric. Where a signature is given it must equal the space''s: an embedding of another model is refused. search_effort is ef_search of an HNSW index or probes of an IVFFlat index, without one the space''s (see set_search_options).';
-- end

-- begin sql/sparse_search.sql
-- Sparse search: the best chunks by learned sparse vectors (SPLADE, BGE-M3), whose elements stand for words.

create or replace function retrieval._indexable_query(space retrieval.spaces, query_sparse sparsevec)
    returns sparsevec
    language sql immutable
    set search_path from current
    return case space.index_method when 'hnsw' then retrieval.keep_largest(query_sparse, 1000) else query_sparse end;

comment on function retrieval._indexable_query(retrieval.spaces, sparsevec) is
'A sparse query with no more elements than an index holds, where the space has one.';

create or replace function retrieval.sparse_search(
    collection text,
    query_sparse sparsevec,
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    signature jsonb default null,
    search_effort integer default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, sparse_rank bigint, sparse_score double precision)
    language plpgsql stable rows 10
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space, 'sparse');
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_sparse_embedding(target, query_sparse, signature);
    perform retrieval._check_search_effort(target, coalesce(search_effort, 1));
    return query execute retrieval._hits_statement(
            owner.collection_id, 'retrieval._nearest_chunks($1, $2, $3, $4, $5) with ordinality h(chunk_id, score, rank)')
        using target, retrieval._indexable_query(target, query_sparse), retrieval._filter_condition(owner, metadata_filter), max_results, search_effort;
end;
$$;

comment on function retrieval.sparse_search(text, sparsevec, jsonb, integer, text, jsonb, integer) is
'The best chunks of a sparse space (without a name: the active one), best first; as semantic_search otherwise. A query with more than the 1,000 elements that an index holds keeps its largest.';
-- end

-- begin sql/sample_embeddings.sql
-- Embeddings to try things with. Ordered by a hash: the same ones again as long as the chunks are the same, and as good as
-- drawn by chance.
create or replace function retrieval._sample_embeddings(target retrieval.spaces, among text, sample integer)
    returns table (chunk_id bigint, embedding halfvec, title text, context text, content text)
    language plpgsql stable
    set search_path from current
as $$
begin
    return query execute format(
        'select c.chunk_id, e.embedding, c.title, c.context, c.content
         from (select s.chunk_id from retrieval.embeddings s%3$s where s.space_id = %1$s
               order by hashint8extended(s.chunk_id, 0), s.chunk_id limit $1) s
         join retrieval.embeddings e on e.space_id = %1$s and e.chunk_id = s.chunk_id
         join retrieval.chunks c on c.collection_id = %2$s and c.chunk_id = s.chunk_id',
        target.space_id, target.collection_id,
        format(' join retrieval.chunks c on c.collection_id = %s and c.chunk_id = s.chunk_id and ', target.collection_id)
            || nullif(among, 'true')) using sample;
end;
$$;

comment on function retrieval._sample_embeddings(retrieval.spaces, text, integer) is
'A sample of the chunks c of a dense space that fulfil a condition; null is none.';

create or replace function retrieval.sample_embeddings(collection text, space text default null, sample integer default 1000)
    returns table (chunk_id bigint, embedding halfvec, title text, context text, content text)
    language plpgsql stable
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
begin
    perform retrieval._check_count('sample', sample, 1000000);
    return query select * from retrieval._sample_embeddings(target, retrieval._kept_chunks(), sample);
end;
$$;

comment on function retrieval.sample_embeddings(text, text, integer) is
'Some of the current tenant''s chunks (for the owner of the schema who is in no tenant, of all) of a dense space (without a name: the active one) with their embeddings and what was embedded; the same ones at each call while the chunks are the same.';
-- end

-- begin sql/measure_recall.sql
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
-- end

-- begin sql/fuse.sql
-- Fusion: one ranking out of several, of chunks, documents or the rows of any other table. Each formula stands here once.
-- Over the legs, added up, weight times
--
--     rrf       1 / (rrf_k + rank)                       Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms
--                                                        Condorcet and individual Rank Learning Methods", SIGIR 2009
--     relative  (score − min) / (max − min)              min–max over the leg
--     dbsf      (score − (μ − 3σ)) / 6σ, cut to 0 … 1    distribution-based score fusion: μ and σ over the leg
--
-- A leg that did not find an id adds nothing for it. Where all scores of a leg are equal, as that of a single candidate is,
-- each counts 1 under relative (all are the best there is) and ½ under dbsf (all are the mean). Negative scores are like
-- others: only differences count. σ is that of the candidates, not an estimate from a sample. Of an id that a leg names
-- several times the best score counts, and the others are as if they had not been given.
--
-- Keyword search and an own table, in one ranking:
--
--     with found as (
--         select 'keyword' as leg, k.document_key as id, k.score
--         from retrieval.keyword_search('shop', 'warm jacket', max_results => 100) k
--         union all
--         (select 'sales', p.sku, p.sold from products p order by p.sold desc limit 100))
--     select p.*, f.score, f.contributions
--     from (select array_agg(leg) as legs, array_agg(id) as ids, array_agg(score) as scores from found) a
--     cross join retrieval.fuse(a.legs, a.ids, a.scores, 'relative', '{"sales": 0.5}') f
--     join products p on p.sku = f.id
--     order by f.score desc, f.id;
--
-- Ids written as a literal need their type: retrieval.fuse('{a,b}', '{17,18}'::bigint[], '{0.5,2}').

create or replace function retrieval._relative_score(score double precision, minimum double precision, maximum double precision)
    returns double precision
    language sql immutable
    return case when maximum > minimum then (score - minimum) / (maximum - minimum) else 1 end;

comment on function retrieval._relative_score(double precision, double precision, double precision) is
'A score brought to 0 … 1 between the smallest and the largest of its list; 1 where these are equal.';

create or replace function retrieval._fusion_share(
    fusion text, rank bigint, score double precision, minimum double precision, maximum double precision,
    mean double precision, deviation double precision, rrf_k integer)
    returns double precision
    language sql immutable
    return case fusion
        when 'rrf' then 1 / (rrf_k + rank)::double precision
        when 'relative' then retrieval._relative_score(score, minimum, maximum)
        when 'dbsf' then case when maximum > minimum and deviation > 0 then least(greatest((score - mean) / (6 * deviation) + 0.5, 0), 1) else 0.5 end end;

comment on function retrieval._fusion_share(text, bigint, double precision, double precision, double precision, double precision, double precision, integer) is
'What a candidate of a leg adds to its fused score where the leg''s weight is 1.';

-- Which legs there are nobody says: one that found nothing has no candidates. So a weight may name any leg, and weights
-- that are all 0 are no error either: the leg that has another may be the one that found nothing.
create or replace function retrieval._check_leg_weights(weights jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    weight record;
begin
    if weights is null or jsonb_typeof(weights) <> 'object' then
        raise exception 'weights must be an object such as {"keyword": 1, "semantic": 1}' using errcode = 'invalid_parameter_value';
    end if;
    for weight in select * from jsonb_each(weights) loop
        if jsonb_typeof(weight.value) <> 'number' or weight.value::numeric not between 0 and 1000000
           or weight.value::numeric <> 0 and weight.value::numeric < 1e-300 then  -- no double precision
            raise exception 'weights: % must be a number from 0 to 1000000, not %', weight.key, weight.value
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
end;
$$;

comment on function retrieval._check_leg_weights(jsonb) is '22023 where the weights of legs that are not known are unusable.';

create or replace function retrieval._check_candidates(legs text[], ids anyarray, scores double precision[])
    returns void
    language plpgsql immutable
as $$
declare
    candidate record;
begin
    if (coalesce(cardinality(ids), 0), coalesce(cardinality(scores), 0)) <> (coalesce(cardinality(legs), 0), coalesce(cardinality(legs), 0)) then
        raise exception 'legs, ids and scores must be equally many, not %, % and %',
                        coalesce(cardinality(legs), 0), coalesce(cardinality(ids), 0), coalesce(cardinality(scores), 0)
            using errcode = 'invalid_parameter_value';
    end if;
    select * into candidate
    from unnest(legs, ids, scores) with ordinality c(leg, id, score, number)
    -- the squares of larger ones would be no numbers any more; NaN is larger than all
    where c.leg is null or c.id is null or c.score is null or abs(c.score) > 1e100
    order by c.number limit 1;
    if not found then
        return;
    elsif candidate.leg is null or candidate.id is null then
        raise exception 'candidate % must have a leg and an id', candidate.number using errcode = 'invalid_parameter_value';
    end if;
    raise exception 'leg %: the score of % must be a number up to 1e100, not %',
                    candidate.leg, candidate.id, coalesce(candidate.score::text, 'null') using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._check_candidates(text[], anyarray, double precision[]) is
'22023 for the first candidate that cannot be ranked.';

create or replace function retrieval.fuse(
    legs text[],
    ids anyarray,
    scores double precision[],
    fusion text default 'rrf',
    weights jsonb default '{}',
    rrf_k integer default 60)
    returns table (id anyelement, score double precision, contributions jsonb)
    language plpgsql immutable rows 100
as $$
#variable_conflict use_column
begin
    perform retrieval._check_choice('fusion', fuse.fusion, array['rrf', 'relative', 'dbsf']);
    perform retrieval._check_count('rrf_k', fuse.rrf_k, 1000000);
    perform retrieval._check_leg_weights(fuse.weights);
    perform retrieval._check_candidates(fuse.legs, fuse.ids, fuse.scores);
    return query
        with candidates as (
            select c.leg, c.id, max(c.score) as score
            from unnest(fuse.legs, fuse.ids, fuse.scores) c(leg, id, score)
            group by c.leg, c.id),
        -- in this order throughout, so that the order in which candidates are given changes no last digit
        ranked as (
            select c.leg, c.id, c.score, row_number() over leg as rank,
                   retrieval._fusion_share(
                       fuse.fusion, row_number() over leg, c.score, min(c.score) over leg, max(c.score) over leg,
                       avg(c.score) over leg, stddev_pop(c.score) over leg, fuse.rrf_k) as share
            from candidates c
            window leg as (partition by c.leg order by c.score desc, c.id rows between unbounded preceding and unbounded following)),
        weighed as (
            select r.*, coalesce((fuse.weights ->> r.leg)::double precision, 1) * r.share as contribution
            from ranked r)
        -- the smallest first, so that the same contributions are the same sum, whichever legs they are from
        select w.id, sum(w.contribution order by w.contribution),
               jsonb_object_agg(w.leg, jsonb_build_object('rank', w.rank, 'score', w.score, 'contribution', w.contribution))
        from weighed w
        group by w.id
        order by 2 desc, 1;
end;
$$;

comment on function retrieval.fuse(text[], anyarray, double precision[], text, jsonb, integer) is
'One ranking out of several lists, best first, ties by id; no rows where there is no candidate. legs, ids and scores: leg, id and score of each candidate, in any order; a higher score is better, and rank is the place by score within the leg, ties by id. fusion: rrf, relative or dbsf. weights: {"leg": 2}, a leg left out counts 1, one with 0 adds 0 to what it found. contributions says for each leg that found the id its rank, its score, and what it added.';
-- end

-- begin sql/boost.sql
-- Boosts: the scores of a ranking times what metadata says. A boost has a field, which is a key or the keys of a path into
-- nested objects, and is of one of three kinds. What a field's value makes of the score is its factor:
--
-- - decay      1 − weight · (1 − f), where f is 1 near an origin and falls to decay_to at a distance of offset + scale. With
--              x = max(0, |value − origin| − offset) / scale it is
--
--                  gaussian     decay_to ^ x²
--                  exponential  decay_to ^ x
--                  linear       max(0, 1 − (1 − decay_to) · x)
--
--              These are gauss, exp and linear of Elasticsearch, its σ², λ and s put in
--              (https://www.elastic.co/guide/en/elasticsearch/reference/current/query-dsl-function-score-query.html).
--              The value is a number, or a date where origin or scale is a text: "now", "2026-01-31", "30 days".
-- - values     the weight of the value; of an array the largest weight that one of its elements has.
-- - modifier   1 + weight · m(v), at most 1000, where the more the better, as for sales. none: m(v) = v, sqrt: √v, and
--              log1p: log₁₀(1 + v), as in Elasticsearch's field_value_factor. A value below 0 counts as 0.
--
-- A field that is missing, null, or holds what its boost cannot read has the factor `missing`, which is 1 unless given.
--
-- A search, then what is recent and of one team:
--
--     with hit as materialized (select * from retrieval.keyword_search('handbook', 'rotate a key', max_results => 100))
--     select h.document_key, b.boosted_score, b.factors
--     from (select array_agg(chunk_id) as chunk_ids, array_agg(score) as scores from hit) a
--     cross join retrieval.boost('handbook', a.chunk_ids, a.scores, '[
--         {"field": "published", "decay": "exponential", "origin": "now", "scale": "90 days", "weight": 0.5},
--         {"field": "team", "values": {"security": 1.3}}]') b
--     join hit h using (chunk_id)
--     order by b.boosted_score desc, b.chunk_id limit 10;

create or replace function retrieval._json_number(value jsonb)
    returns double precision
    language sql immutable
    return case when jsonb_typeof(value) = 'number' then
        -- what is no double precision would be an error
        case when abs(value::numeric) < 1e-100 then 0 else least(greatest(value::numeric, -1e100), 1e100)::double precision end end;

comment on function retrieval._json_number(jsonb) is 'A number of JSON, cut at ±1e100; null for any other value.';

-- A cast would raise an error where there is no such day, and take a text without a zone for the session's. jsonpath's
-- datetime() does neither, but it reads more than ISO 8601, and before PostgreSQL 17 no Z.
create or replace function retrieval._epoch(value text)
    returns double precision
    language sql stable
    return case
        when value !~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
                      '([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)?)?$'
             or starts_with(value, '0000') then null
        -- a 30th of February would be in March
        when substr(value, 9, 2) > '28'
             and extract(month from make_date(left(value, 4)::integer, substr(value, 6, 2)::integer, 1) + substr(value, 9, 2)::integer - 1)
                 <> substr(value, 6, 2)::integer then null
        else extract(epoch from (value || case when strpos(value, 'Z') + strpos(value, '+') + strpos(substr(value, 11), '-') = 0
                                               then 'Z' else '' end)::timestamptz)::double precision end;

comment on function retrieval._epoch(text) is
'The seconds from 1970 to a date or timestamp of ISO 8601 (1999-12-31, 1999-12-31T23:59:59.9+01:00), in UTC unless it says otherwise; null for any other text.';

-- What a boost's value measures, as SQL on a row s: a number, the seconds of a date, or a weight; null where it is missing.
create or replace function retrieval._boost_measure(boost jsonb, number bigint)
    returns text
    language plpgsql immutable
as $$
begin
    return format(
        case when boost ->> 'kind' = 'values' then
            'case when jsonb_typeof(s.value%1$s) = ''array'' then
                      (select coalesce(max((%2$L::jsonb ->> e)::double precision), %3$s) from jsonb_array_elements_text(s.value%1$s) e)
                  when jsonb_typeof(s.value%1$s) in (''string'', ''number'', ''boolean'') then
                      coalesce((%2$L::jsonb ->> s.text%1$s)::double precision, %3$s) end'
        when (boost -> 'dates')::boolean then 'case when jsonb_typeof(s.value%1$s) = ''string'' then retrieval._epoch(s.text%1$s) end'
        else 'retrieval._json_number(s.value%1$s)' end,
        number, boost -> 'values', boost -> 'default');
end;
$$;

comment on function retrieval._boost_measure(jsonb, bigint) is 'From a value to what its boost counts by, as SQL.';

-- What it makes of the score. PostgreSQL raises an error where exp() is too small for a double precision.
create or replace function retrieval._boost_factor(boost jsonb, number bigint)
    returns text
    language plpgsql immutable
as $$
begin
    return format(
        case boost ->> 'kind'
        when 'values' then 's.measure%1$s'
        when 'none' then 'least(1 + %2$s * greatest(s.measure%1$s, 0), 1000)'
        when 'log1p' then 'least(1 + %2$s * log(1 + greatest(s.measure%1$s, 0)), 1000)'
        when 'sqrt' then 'least(1 + %2$s * sqrt(greatest(s.measure%1$s, 0)), 1000)'
        when 'gaussian' then '1 - %2$s + %2$s * exp(greatest(ln(%3$s::double precision) * %4$s ^ 2, -600))'
        when 'exponential' then '1 - %2$s + %2$s * exp(greatest(ln(%3$s::double precision) * %4$s, -600))'
        when 'linear' then '1 - %2$s + %2$s * greatest(1 - (1 - %3$s) * %4$s, 0)' end,
        number, boost -> 'weight', boost -> 'decay_to',
        format('least(greatest(abs(s.measure%s - (%s)) - %s, 0) / %s, 1e100)',
               number, boost -> 'origin', boost -> 'offset', boost -> 'scale'));
end;
$$;

comment on function retrieval._boost_factor(jsonb, bigint) is 'From what a boost counts by to its factor, as SQL.';

-- Each step is a column that the next one reads, so that nothing is computed twice. What a boost holds stands in it as a
-- literal: keys and values quoted, the rest numbers.
create or replace function retrieval._boost_steps(boost jsonb, number bigint)
    returns text[]
    language plpgsql immutable
as $$
begin
    return array[
        (select format('s.metadata%1$s as value%2$s, s.metadata%1$s #>> ''{}'' as text%2$s',
                       string_agg(format(' -> %L', k.key), '' order by k.place), number)
         from jsonb_array_elements_text(boost -> 'path') with ordinality k(key, place)),
        format('%s as measure%s', retrieval._boost_measure(boost, number), number),
        format('case when s.measure%1$s is null then %2$s else %3$s end as unbounded%1$s',
               number, boost -> 'missing', retrieval._boost_factor(boost, number)),
        format('case when s.unbounded%1$s < $3 then 0 else s.unbounded%1$s end as factor%1$s', number)];
end;
$$;

comment on function retrieval._boost_steps(jsonb, bigint) is
'The columns from metadata to a boost''s factor, as SQL on a row s; $3 is the smallest factor that does not count as 0.';

create or replace function retrieval._boosted(
    collection_id bigint, chunk_ids bigint[], scores double precision[], checked_boosts jsonb, max_results integer)
    returns table (chunk_id bigint, score double precision, boosted_score double precision, factors jsonb)
    language plpgsql stable rows 100
as $$
declare
    boost_count constant integer := jsonb_array_length(checked_boosts);
    query text := format(
        'select h.chunk_id, h.score, c.metadata
         from unnest($1, $2) h(chunk_id, score)
         join retrieval.chunks c on c.collection_id = %s and c.chunk_id = any ($1) and c.chunk_id = h.chunk_id', collection_id);
    columns text;
    product text;
    described text;
begin
    for columns in
        select string_agg(s.step, ', ' order by b.number)
        from jsonb_array_elements(checked_boosts) with ordinality b(boost, number)
        cross join unnest(retrieval._boost_steps(b.boost, b.number)) with ordinality s(step, number)
        group by s.number order by s.number
    loop
        query := format('select s.*, %s from (%s offset 0) s', columns, query);
    end loop;
    select string_agg(format(' * s.factor%s', b.number), '' order by b.number),
           string_agg(format('jsonb_build_object(''field'', %1$L::jsonb, ''value'', s.value%2$s, ''factor'', s.factor%2$s)',
                             b.boost -> 'field', b.number), ', ' order by b.number)
    into product, described
    from jsonb_array_elements(checked_boosts) with ordinality b(boost, number);
    return query execute format(
        'select s.chunk_id, s.score, s.boosted_score, jsonb_build_array(%s)
         from (select s.*, case when s.score < 1e-50 then 0 else s.score%s end as boosted_score from (%s offset 0) s
               order by boosted_score desc, s.chunk_id limit $4) s', described, product, query)
        -- what is smaller counts as 0: a product too small for a double precision would be an error
        using chunk_ids, scores, 10.0 ^ (-250.0 / greatest(boost_count, 1)), max_results;
end;
$$;

comment on function retrieval._boosted(bigint, bigint[], double precision[], jsonb, integer) is
'The candidates that are chunks of the collection with their boosted scores, best first, ties by chunk_id. checked_boosts: as _check_boosts returns them; scores from 0 to 1e100.';

create or replace function retrieval.boost(
    collection text,
    chunk_ids bigint[],
    scores double precision[],
    boosts jsonb,
    reference_time timestamptz default now())
    returns table (chunk_id bigint, score double precision, boosted_score double precision, factors jsonb)
    language plpgsql stable rows 100
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    negative record;
begin
    perform retrieval._check_ranking(owner, chunk_ids, coalesce(scores, '{}'));
    -- it would be the better the smaller its factor
    select h.* into negative from unnest(chunk_ids, scores) with ordinality h(chunk_id, score, number) where h.score < 0 order by h.number limit 1;
    if found then
        raise exception 'the score of chunk % must not be negative, but is %', negative.chunk_id, negative.score using errcode = 'invalid_parameter_value';
    end if;
    return query select * from retrieval._boosted(
        owner.collection_id, chunk_ids, scores, retrieval._check_boosts(boosts, reference_time), cardinality(chunk_ids));
end;
$$;

comment on function retrieval.boost(text, bigint[], double precision[], jsonb, timestamptz) is
'A ranking by other scores: each candidate''s score times the factors that boosts make of its chunk''s metadata; best first, ties by chunk_id. boosts: an array of up to 32 objects, or one object. Each has a field (a key, or an array of keys into nested objects), optionally missing (the factor where the value cannot be used; 1), and either decay (gaussian, exponential or linear; with origin, scale, offset 0, decay_to 0.5, weight 1), or values ({"value": weight, …}; with default 1), or modifier (none, log1p or sqrt; with weight 1). Dates: an origin such as "now" (unless given) or "2026-01-31", a scale such as "30 days", values in ISO 8601; "now" is reference_time. factors: field, value and factor of each boost, in their order; a score below 1e-50 counts as 0, and so does a factor below 10 ^ (-250 / number of boosts). 22023 where a boost is unusable, by its number, or a score is negative.';
-- end

-- begin sql/check_boosts.sql
-- Boosts as they are given become what retrieval._boosted computes by: checked, with every default, and dates and intervals
-- as seconds. A month of an interval counts 30 days and a year 365.25, as where PostgreSQL itself counts seconds.

create or replace function retrieval._refuse_boost(number bigint, key text, expected text, value jsonb)
    returns void
    language plpgsql immutable
as $$
begin
    raise exception 'boost %: % must be %, not %', number, key, expected, coalesce(left(value::text, 60), 'null')
        using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._refuse_boost(bigint, text, text, jsonb) is 'Raises 22023 for what a boost has under a key.';

create or replace function retrieval._boost_number(
    number bigint, key text, value jsonb, range text, minimum double precision, maximum double precision)
    returns double precision
    language plpgsql immutable
as $$
declare
    given constant double precision := retrieval._json_number(value);
begin
    if given is null or given not between minimum and maximum then
        perform retrieval._refuse_boost(number, key, 'a number' || range, value);
    end if;
    return given;
end;
$$;

comment on function retrieval._boost_number(bigint, text, jsonb, text, double precision, double precision) is
'The number that a boost has under a key; 22023 where there is none in this range, which range puts into words.';

create or replace function retrieval._boost_seconds(number bigint, key text, value jsonb, range text, minimum double precision)
    returns double precision
    language plpgsql immutable
as $$
declare
    given double precision;
begin
    -- a mere number would be seconds to PostgreSQL, which nobody means
    if jsonb_typeof(value) = 'string' and value #>> '{}' ~ '[[:alpha:]:]' then
        begin
            given := extract(epoch from (value #>> '{}')::interval);
        exception when data_exception then
            given := null;
        end;
    end if;
    if given is null or given not between minimum and 1e100 then
        perform retrieval._refuse_boost(number, key, format('an interval%s such as "30 days"', range), value);
    end if;
    return given;
end;
$$;

comment on function retrieval._boost_seconds(bigint, text, jsonb, text, double precision) is
'The seconds of the interval that a boost has under a key; 22023 where there is none in this range.';

create or replace function retrieval._check_decay(number bigint, boost jsonb, reference_time timestamptz)
    returns jsonb
    language plpgsql stable
as $$
declare
    dates constant boolean := (jsonb_typeof(boost -> 'origin') = 'string' or jsonb_typeof(boost -> 'scale') = 'string') is true;
    origin double precision;
    scale double precision;
    "offset" double precision;
begin
    if boost -> 'decay' not in ('"gaussian"', '"exponential"', '"linear"') then
        perform retrieval._refuse_boost(number, 'decay', 'one of gaussian, exponential, linear', boost -> 'decay');
    elsif dates then
        origin := case when coalesce(boost -> 'origin', '"now"') = '"now"' then extract(epoch from reference_time)
                  when jsonb_typeof(boost -> 'origin') = 'string' then retrieval._epoch(boost ->> 'origin') end;
        if origin is null then
            perform retrieval._refuse_boost(number, 'origin', '"now" or a date or timestamp of ISO 8601', boost -> 'origin');
        end if;
        scale := retrieval._boost_seconds(number, 'scale', boost -> 'scale', ' above 0', 1e-6);
        "offset" := retrieval._boost_seconds(number, 'offset', coalesce(boost -> 'offset', '"0 days"'), ' from 0', 0);
    else
        origin := retrieval._boost_number(number, 'origin', boost -> 'origin', '', -1e100, 1e100);
        scale := retrieval._boost_number(number, 'scale', boost -> 'scale', ' above 0', 1e-100, 1e100);
        "offset" := retrieval._boost_number(number, 'offset', coalesce(boost -> 'offset', '0'), ' from 0', 0, 1e100);
    end if;
    return jsonb_build_object(
        'kind', boost -> 'decay', 'dates', dates, 'origin', origin, 'scale', scale, 'offset', "offset",
        'decay_to', retrieval._boost_number(number, 'decay_to', coalesce(boost -> 'decay_to', '0.5'), ' above 0 and below 1',
                                            1e-100, 0.9999999999999999),
        'weight', retrieval._boost_number(number, 'weight', coalesce(boost -> 'weight', '1'), ' from 0 to 1', 0, 1));
end;
$$;

comment on function retrieval._check_decay(bigint, jsonb, timestamptz) is 'A decay as _boosted takes it; 22023 where it is unusable.';

create or replace function retrieval._check_values(number bigint, boost jsonb)
    returns jsonb
    language plpgsql immutable
as $$
begin
    if jsonb_typeof(boost -> 'values') <> 'object' then
        perform retrieval._refuse_boost(number, 'values', 'an object such as {"BMW": 1.5}', boost -> 'values');
    end if;
    return jsonb_build_object(
        'kind', 'values',
        'values', (select coalesce(jsonb_object_agg(v.key, retrieval._boost_number(
                       number, 'the weight of ' || to_json(v.key), v.value, ' from 0 to 1000', 0, 1000)), '{}')
                   from jsonb_each(boost -> 'values') v),
        'default', retrieval._boost_number(number, 'default', coalesce(boost -> 'default', '1'), ' from 0 to 1000', 0, 1000));
end;
$$;

comment on function retrieval._check_values(bigint, jsonb) is 'Weights of values as _boosted takes them; 22023 where they are unusable.';

create or replace function retrieval._check_modifier(number bigint, boost jsonb)
    returns jsonb
    language plpgsql immutable
as $$
begin
    if boost -> 'modifier' not in ('"none"', '"log1p"', '"sqrt"') then
        perform retrieval._refuse_boost(number, 'modifier', 'one of none, log1p, sqrt', boost -> 'modifier');
    end if;
    return jsonb_build_object(
        'kind', boost -> 'modifier',
        'weight', retrieval._boost_number(number, 'weight', coalesce(boost -> 'weight', '1'), ' from 0 to 1000', 0, 1000));
end;
$$;

comment on function retrieval._check_modifier(bigint, jsonb) is 'A modifier as _boosted takes it; 22023 where it is unusable.';

create or replace function retrieval._check_boost(number bigint, boost jsonb, reference_time timestamptz)
    returns jsonb
    language plpgsql stable
as $$
declare
    kinds text[];
    keys text[];
    unknown text;
    path jsonb;
begin
    if jsonb_typeof(boost) <> 'object' then
        raise exception 'boost % must be an object, not %', number, left(boost::text, 60) using errcode = 'invalid_parameter_value';
    end if;
    path := case when jsonb_typeof(boost -> 'field') = 'array' then boost -> 'field' else jsonb_build_array(boost -> 'field') end;
    if path = '[]' or exists (select from jsonb_array_elements(path) k where jsonb_typeof(k) <> 'string') then
        perform retrieval._refuse_boost(number, 'field', 'a key or an array of keys', boost -> 'field');
    end if;
    kinds := array(select k from unnest(array['decay', 'values', 'modifier']) k where boost ? k);
    keys := array['field', 'missing'] || case kinds[1]
        when 'decay' then array['decay', 'origin', 'scale', 'offset', 'decay_to', 'weight']
        when 'values' then array['values', 'default'] else array['modifier', 'weight'] end;
    select min(k collate "C") into unknown from jsonb_object_keys(boost) k where k <> all (keys);
    if cardinality(kinds) <> 1 then
        raise exception 'boost %: exactly one of decay, values and modifier must be given, not %',
                        number, coalesce(nullif(array_to_string(kinds, ' and '), ''), 'none')
            using errcode = 'invalid_parameter_value';
    elsif unknown is not null then
        raise exception 'boost %: unknown key %, beside % there may be %',
                        number, to_json(unknown), kinds[1], array_to_string(array_remove(keys, kinds[1]), ', ')
            using errcode = 'invalid_parameter_value';
    end if;
    return jsonb_build_object(
               'field', boost -> 'field', 'path', path,
               'missing', retrieval._boost_number(number, 'missing', coalesce(boost -> 'missing', '1'), ' from 0 to 1000', 0, 1000))
           || case kinds[1] when 'decay' then retrieval._check_decay(number, boost, reference_time)
                            when 'values' then retrieval._check_values(number, boost) else retrieval._check_modifier(number, boost) end;
end;
$$;

comment on function retrieval._check_boost(bigint, jsonb, timestamptz) is 'One boost as _boosted takes it; 22023 where it is unusable.';

create or replace function retrieval._check_boosts(boosts jsonb, reference_time timestamptz default now())
    returns jsonb
    language plpgsql stable
    set extra_float_digits = 1  -- numbers are written into JSON
as $$
declare
    listed constant jsonb := case jsonb_typeof(boosts) when 'object' then jsonb_build_array(boosts) when 'array' then boosts end;
begin
    if listed is null then
        raise exception 'boosts must be an array of objects such as [{"field": "brand", "values": {"BMW": 1.5}}]'
            using errcode = 'invalid_parameter_value';
    elsif jsonb_array_length(listed) > 32 then
        raise exception 'there may be 32 boosts, not %', jsonb_array_length(listed) using errcode = 'invalid_parameter_value';
    elsif reference_time is null or not isfinite(reference_time) then
        raise exception 'reference_time must be a time, not %', coalesce(reference_time::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return (select coalesce(jsonb_agg(retrieval._check_boost(b.number, b.boost, reference_time) order by b.number), '[]')
            from jsonb_array_elements(listed) with ordinality b(boost, number));
end;
$$;

comment on function retrieval._check_boosts(jsonb, timestamptz) is
'Boosts as _boosted takes them; 22023 for one that is unusable, by its number and key. reference_time is what "now" stands for.';
-- end

-- begin sql/max_sim.sql
-- Late interaction (Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late
-- Interaction over BERT", SIGIR 2020): for each token of the query the most similar token of the document, added up.
-- Of vectors of length 1, as such models make them, inner product and cosine are one.
--
-- hybrid_search has it order what the other legs have found. By hand, the best of a hundred candidates:
--
--     select h.chunk_id, retrieval.max_sim($1, t.embeddings) as score
--     from retrieval.keyword_search('shop', 'warm jacket', max_results => 100) h
--     join retrieval.token_embeddings t on t.space_id = $2 and t.chunk_id = h.chunk_id
--     order by score desc, h.chunk_id limit 10;
create or replace function retrieval.max_sim(query halfvec[], document halfvec[], metric text default 'inner_product')
    returns double precision
    language plpgsql immutable strict parallel safe cost 10000
    set search_path from current
as $$
declare
    dimensions constant integer := vector_dims(coalesce(query[1], document[1]));
begin
    if exists (select from unnest(query || document) t(token) where vector_dims(t.token) is distinct from dimensions) then
        raise exception 'query and document must hold vectors of the same dimensions, and no null' using errcode = 'invalid_parameter_value';
    elsif metric = 'cosine' then
        return (select sum(best.similarity)
                from unnest(query) q(token)
                cross join lateral (select case min(q.token <=> d.token) when 'NaN' then 0 else 1 - min(q.token <=> d.token) end as similarity from unnest(document) d(token)) best);
    elsif metric = 'inner_product' then
        return (select sum(best.similarity)
                from unnest(query) q(token)
                cross join lateral (select -min(q.token <#> d.token) as similarity from unnest(document) d(token)) best);
    end if;
    raise exception 'metric must be one of cosine, inner_product, not %', quote_literal(metric) using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval.max_sim(halfvec[], halfvec[], text) is
'The late-interaction score of a document for a query, each given by the vectors of its tokens: the sum over the query''s tokens of the largest similarity with a token of the document, their inner_product or their cosine, to which tokens of zeros add nothing. Null where either has none.';
-- end

-- begin sql/late_interaction_search.sql
-- Late-interaction search: the best chunks by the tokens of a multivector space (ColBERT and its kin), exactly.
--
-- No index serves it: every chunk that passes the filter is scored, in parallel where the server may. That is for some
-- thousand chunks; among more, hybrid_search has the tokens order what other legs have found.

-- The best of the chunks in $2 or, where that is null, of all that fulfil a condition on c; $1 is the query.
create or replace function retrieval._token_statement(space retrieval.spaces, filter_condition text, among boolean, candidates integer)
    returns text
    language sql immutable
    return format(
        'select t.chunk_id, retrieval.max_sim($1, t.embeddings, %1$L) as score
         from retrieval.token_embeddings t%3$s
         where t.space_id = %2$s%4$s
         order by score desc, t.chunk_id
         limit %5$s',
        space.metric, space.space_id,
        format(' join retrieval.chunks c on c.collection_id = %s and c.chunk_id = t.chunk_id', space.collection_id) || ' and ' || filter_condition,
        case when among then ' and t.chunk_id = any ($2)' else '' end, candidates);

comment on function retrieval._token_statement(retrieval.spaces, text, boolean, integer) is
'The SQL that finds the best chunks by their tokens; $1 is the query, $2 are the chunks to score where not all are meant.';

create or replace function retrieval._check_query_tokens(space retrieval.spaces, query_tokens halfvec[], signature jsonb)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_signature(space, signature);
    if coalesce(cardinality(query_tokens), 0) = 0 then
        raise exception 'query_tokens must hold a vector' using errcode = 'invalid_parameter_value';
    elsif not coalesce(retrieval._are_token_embeddings(query_tokens, space.dimensions, space.metric), false) then
        raise exception 'query_tokens must be vectors of % dimensions, as space % has%', space.dimensions, quote_ident(space.name),
                        case space.metric when 'cosine' then ', and not all zeros' else '' end using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_query_tokens(retrieval.spaces, halfvec[], jsonb) is
'22023 where the tokens of a query cannot be compared with those of a space; the constraint space_signature where another model made them.';

create or replace function retrieval.late_interaction_search(
    collection text,
    query_tokens halfvec[],
    metadata_filter jsonb default null,
    max_results integer default 10,
    space text default null,
    signature jsonb default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, late_interaction_rank bigint, late_interaction_score double precision)
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space, 'multivector');
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_query_tokens(target, query_tokens, signature);
    return query execute retrieval._hits_statement(owner.collection_id, format(
            '(select s.*, row_number() over (order by s.score desc, s.chunk_id) as rank from (%s) s) h',
            retrieval._token_statement(target, retrieval._filter_condition(owner, metadata_filter), false, max_results)))
        using query_tokens;
end;
$$;

comment on function retrieval.late_interaction_search(text, halfvec[], jsonb, integer, text, jsonb) is
'The best chunks of a multivector space (without a name: the active one) by late interaction, best first, ties by chunk_id. query_tokens: the vectors of the query''s tokens. score is max_sim under the space''s metric: between minus and plus the number of tokens where that is cosine. Exact; the time grows with the chunks that pass the filter. Where a signature is given it must equal the space''s.';
-- end

-- begin sql/packed_tokens.sql
-- The vectors of chunks' tokens, for a program that scores them itself. As text they would take longer to write and read than
-- to compare.
create or replace function retrieval.packed_tokens(collection text, chunk_ids bigint[], space text default null)
    returns table (chunk_id bigint, tokens integer, vectors bytea)
    language plpgsql stable rows 100
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, 'multivector');
begin
    return query execute format(
        'select t.chunk_id, cardinality(t.embeddings), array_send(t.embeddings)
         from retrieval.token_embeddings t
         join retrieval.chunks c on c.collection_id = %s and c.chunk_id = t.chunk_id and c.tenant = %L
         where t.space_id = %s and t.chunk_id = any ($1)
         order by t.chunk_id', target.collection_id, retrieval.current_tenant(), target.space_id) using chunk_ids;
end;
$$;

comment on function retrieval.packed_tokens(text, bigint[], text) is
'The token embeddings of chunks in a multivector space (without a name: the active one), in order of chunk_id: how many vectors, and these in the binary format of an array: after 20 bytes, for each vector 8 bytes and then its numbers as IEEE 754 halves in network byte order. Chunks without any yield no row.';
-- end

-- begin sql/check_ranking.sql
-- What is checked of a ranking that is given as two arrays: ids of chunks, in any order, and their scores.

-- The ids are looked up in the snapshot of the calling statement: what a search found in the same one is there.
create or replace function retrieval._check_ranking(collection retrieval.collections, chunk_ids bigint[], scores double precision[])
    returns void
    language plpgsql stable
as $$
declare
    wrong record;
begin
    perform retrieval._check_same_number(coalesce(chunk_ids, '{}'), 'scores', coalesce(cardinality(scores), cardinality(chunk_ids), 0));
    select * into wrong
    from unnest(chunk_ids, scores) with ordinality h(chunk_id, score, number)
    -- as in fuse; NaN is larger than all
    where scores is not null and (h.score is null or abs(h.score) > 1e100)
    order by h.number limit 1;
    if found then
        raise exception 'the score of chunk % must be a number up to 1e100, not %', wrong.chunk_id, coalesce(wrong.score::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    execute format(
        'select h.chunk_id from unnest($1) with ordinality h(chunk_id, number)
         where not exists (select from retrieval.chunks c where c.collection_id = %s and c.chunk_id = h.chunk_id and c.tenant = %L)
         order by h.number limit 1', collection.collection_id, retrieval.current_tenant())
        into wrong using chunk_ids;
    if wrong.chunk_id is not null then
        raise exception 'chunk % does not exist in collection %', wrong.chunk_id, quote_ident(collection.name) using errcode = 'undefined_object';
    end if;
end;
$$;

comment on function retrieval._check_ranking(retrieval.collections, bigint[], double precision[]) is
'22023 where ids and scores are not equally many, an id is named twice or a score is not a number, 22004 where an id is null, 42704 where it is not in the collection, or another tenant''s. Scores may be null: then there are none.';

create or replace function retrieval._check_share(parameter text, value double precision)
    returns void
    language plpgsql immutable
as $$
begin
    if value is null or value not between 0 and 1 then
        raise exception '% must be between 0 and 1, not %', parameter, coalesce(value::text, 'null') using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_share(text, double precision) is '22023 where a value is null or not between 0 and 1.';
-- end

-- begin sql/diversify.sql
-- Diversity: maximal marginal relevance (Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering
-- Documents and Producing Summaries", SIGIR 1998). The next one chosen is that with the largest
--
--     mmr_lambda · relevance − (1 − mmr_lambda) · largest similarity to one that is already chosen
--
-- Relevance is the score, brought to 0 … 1 by min–max over the candidates (all equal: 1). Similarity is the cosine, whatever
-- the metric of the space. What has none with anything, a chunk without an embedding or one of zeros, is like nothing: 0.
--
-- Ten of a hundred that are not all alike:
--
--     with found as (select h.* from retrieval.hybrid_search('shop', 'warm jacket', $1, max_results => 100) h)
--     select f.document_key, f.content, d.mmr_score
--     from (select array_agg(chunk_id) as chunk_ids, array_agg(score) as scores from found) a
--     cross join retrieval.diversify('shop', a.chunk_ids, a.scores, 0.7) with ordinality d(chunk_id, score, mmr_score, rank)
--     join found f using (chunk_id)
--     order by d.rank;

-- Only the distances to the newest choice are computed, of embeddings that were read once: choosing ten of a hundred takes a
-- thousand instead of the five thousand between all pairs.
create or replace function retrieval._diversified_chunks(
    space retrieval.spaces, chunk_ids bigint[], scores double precision[], mmr_lambda double precision, max_results integer)
    returns table (chunk_id bigint, score double precision, mmr_score double precision)
    language plpgsql stable rows 10
    set search_path from current
as $$
declare
    candidate record;  -- all of them, best first, as arrays
    similarities double precision[];
    newest bigint;
    newest_embedding halfvec;
    chosen bigint[] := '{}';
begin
    execute format(
        'select array_agg(r.chunk_id order by r.rank) as ids, array_agg(r.score order by r.rank) as scores,
                array_agg(retrieval._relative_score(r.score, r.minimum, r.maximum) order by r.rank) as relevances,
                array_agg(e.embedding order by r.rank) as embeddings
         from (select u.*, row_number() over (order by u.score desc, u.chunk_id) as rank,
                      min(u.score) over () as minimum, max(u.score) over () as maximum
               from unnest($1, $2) u(chunk_id, score)) r
         left join retrieval.embeddings e on e.space_id = %s and e.chunk_id = r.chunk_id', space.space_id)
        into candidate using chunk_ids, scores;
    while cardinality(chosen) < least(max_results, coalesce(cardinality(candidate.ids), 0)) loop
        select c.number, mmr_lambda * c.relevance - (1 - mmr_lambda) * coalesce(c.similarity, 0) into newest, mmr_score
        from unnest(candidate.relevances, similarities) with ordinality c(relevance, similarity, number)
        where c.number <> all (chosen)
        order by 2 desc, 1 limit 1;
        chunk_id := candidate.ids[newest];
        score := candidate.scores[newest];
        return next;
        chosen := chosen || newest;
        newest_embedding := candidate.embeddings[newest];
        similarities := array(
            select greatest(c.similarity, coalesce(nullif(1 - (c.embedding <=> newest_embedding), 'NaN'), 0))
            from unnest(candidate.embeddings, similarities) with ordinality c(embedding, similarity, number)
            order by c.number);
    end loop;
end;
$$;

comment on function retrieval._diversified_chunks(retrieval.spaces, bigint[], double precision[], double precision, integer) is
'The choice of maximal marginal relevance among chunks, in the order of choice, ties in the order of the ranking.';

create or replace function retrieval.diversify(
    collection text,
    chunk_ids bigint[],
    scores double precision[],
    mmr_lambda double precision default 0.5,
    max_results integer default 10,
    space text default null)
    returns table (chunk_id bigint, score double precision, mmr_score double precision)
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space);
begin
    perform retrieval._check_share('mmr_lambda', mmr_lambda);
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_ranking(owner, chunk_ids, coalesce(scores, '{}'));
    return query select d.* from retrieval._diversified_chunks(target, chunk_ids, scores, mmr_lambda, max_results) d;
end;
$$;

comment on function retrieval.diversify(text, bigint[], double precision[], double precision, integer, text) is
'Chunks of a ranking that are relevant and not like each other, by maximal marginal relevance, in the order of choice; ties by score, then by chunk_id. chunk_ids and scores: the ranking, in any order; a higher score is better. mmr_lambda: 1 is the ranking as it is, 0 diversity alone after the best chunk. Similarity is the cosine in a dense space (without a name: the active one); a chunk without an embedding is like nothing. mmr_score is what the choice was made by. No rows for an empty ranking.';
-- end

-- begin sql/collapse_duplicates.sql
-- Near-duplicates: of chunks that say the same only the best is kept.
--
-- Greedy in the order of the ranking: a chunk falls to the best chunk that is kept and like it. What is only like a
-- fallen one is kept, so nothing falls to a chunk that it is not like itself. Equal content counts as alike in any
-- space and without one; no content, as of a document that is a title, is not equal.

-- Each chunk that is kept is compared with what is left, and nothing more once there are enough: among near-duplicates few are
-- kept, among others few are compared. Of a hundred that are all kept comparing all pairs in one statement is no faster.
create or replace function retrieval._collapsed_chunks(
    collection retrieval.collections, space retrieval.spaces, chunk_ids bigint[], scores double precision[], similarity double precision,
    maximum integer)
    returns table (chunk_id bigint, score double precision, duplicates bigint[])
    language plpgsql stable rows 100
    set search_path from current
as $$
declare
    ranked record;  -- all of them, best first, as arrays
    is_left boolean[];
    kept integer := 0;
    kept_embedding halfvec;
    kept_content bigint;
    alike bigint[];
begin
    execute format(
        'select array_agg(r.chunk_id order by r.rank) as ids, array_agg(r.score order by r.rank) as scores,
                array_agg(e.embedding order by r.rank) as embeddings, array_agg(r.first_of_content order by r.rank) as contents
         from (select u.chunk_id, u.score, row_number() over (order by u.score desc, u.chunk_id) as rank,
                      case when c.content <> '''' then min(u.chunk_id) over (partition by c.content collate "C") end as first_of_content
               from unnest($1, $2) u(chunk_id, score)
               join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = u.chunk_id) r
         left join retrieval.embeddings e on e.space_id = %2$L and e.chunk_id = r.chunk_id', collection.collection_id, space.space_id)
        into ranked using chunk_ids, scores;
    is_left := array_fill(true, array[coalesce(cardinality(ranked.ids), 0)]);
    for place in 1 .. cardinality(is_left) loop
        continue when not is_left[place];
        exit when kept = maximum;
        kept := kept + 1;
        kept_embedding := ranked.embeddings[place];
        kept_content := ranked.contents[place];
        alike := array(
            select o.number
            from unnest(ranked.embeddings, ranked.contents, is_left) with ordinality o(embedding, content, is_left, number)
            where o.is_left and o.number > place
              -- NaN, the distance of zeros, is larger than all
              and (o.embedding <=> kept_embedding <= 1 - similarity or o.content = kept_content)
            order by o.number);
        chunk_id := ranked.ids[place];
        score := ranked.scores[place];
        duplicates := array(select ranked.ids[a.number] from unnest(alike) with ordinality a(number, place) order by a.place);
        return next;
        for fallen in 1 .. cardinality(alike) loop
            is_left[alike[fallen]] := false;
        end loop;
    end loop;
end;
$$;

comment on function retrieval._collapsed_chunks(retrieval.collections, retrieval.spaces, bigint[], double precision[], double precision, integer) is
'The chunks of a ranking that are like none that is kept before them, best first, each with those that fell to it; no more than the maximum, all where that is null. Without a space (null) only content counts.';

create or replace function retrieval._comparing_space(collection retrieval.collections, space text)
    returns retrieval.spaces
    language plpgsql stable
as $$
begin
    if space is null and not exists (
           select from retrieval.spaces s where s.collection_id = collection.collection_id and s.state = 'active' and s.kind = 'dense') then
        return null;
    end if;
    return retrieval._space(collection, space);
end;
$$;

comment on function retrieval._comparing_space(retrieval.collections, text) is
'The dense space of that name, or the active one; null where no name is given and none is active.';

create or replace function retrieval.collapse_duplicates(
    collection text,
    chunk_ids bigint[],
    scores double precision[],
    similarity double precision default 0.95,
    space text default null)
    returns table (chunk_id bigint, score double precision, duplicates bigint[])
    language plpgsql stable rows 100
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._comparing_space(owner, space);
begin
    perform retrieval._check_share('similarity', similarity);
    perform retrieval._check_ranking(owner, chunk_ids, coalesce(scores, '{}'));
    return query select c.* from retrieval._collapsed_chunks(owner, target, chunk_ids, scores, similarity, null) c;
end;
$$;

comment on function retrieval.collapse_duplicates(text, bigint[], double precision[], double precision, text) is
'A ranking without near-duplicates, best first, ties by chunk_id. A chunk falls to the best one kept before it whose cosine with it, in a dense space (without a name: the active one), is at least `similarity`, or whose content is equal; duplicates are the ids of those that fell, best first. Without an active space only equal content counts. chunk_ids and scores: the ranking, in any order; a higher score is better. No rows for an empty ranking.';
-- end

-- begin sql/search_legs.sql
-- The legs of a hybrid search. A leg is what its query is for: query_text makes keyword, query_embedding semantic,
-- query_sparse sparse, query_tokens late_interaction, and each space of query_embeddings one more, named after it.
--
-- `request` is a record with the arguments of hybrid_search: what the functions of this file, and those that rank with
-- them, need of it they take by name.

create or replace function retrieval._leg_names()
    returns text[]
    language sql immutable
    return array['keyword', 'semantic', 'sparse', 'late_interaction'];

comment on function retrieval._leg_names() is 'The legs that hybrid_search names itself.';

-- What the checks of arguments go by, before anything is looked up.
create or replace function retrieval._given_legs(request record)
    returns text[]
    language plpgsql immutable
as $$
begin
    if jsonb_typeof(coalesce(request.query_embeddings, '{}')) <> 'object' then
        raise exception 'query_embeddings must be an object such as {"space": [0.1, 0.2]}' using errcode = 'invalid_parameter_value';
    elsif num_nonnulls(request.query_text, request.query_embedding, request.query_sparse, request.query_tokens) = 0
       and coalesce(request.query_embeddings, '{}') = '{}' then
        raise exception 'query_text or query_embedding must be given, or another query' using errcode = 'null_value_not_allowed';
    end if;
    return array_remove(array[
            case when request.query_text is not null then 'keyword' end,
            case when request.query_embedding is not null then 'semantic' end,
            case when request.query_sparse is not null then 'sparse' end,
            case when request.query_tokens is not null then 'late_interaction' end], null)
        || array(select jsonb_object_keys(coalesce(request.query_embeddings, '{}')));
end;
$$;

comment on function retrieval._given_legs(record) is 'The legs that a request has queries for; 22004 where there is none.';

-- A leg that is named must be one, and must have a query.
create or replace function retrieval._check_leg(parameter text, leg text, legs text[])
    returns void
    language plpgsql immutable
as $$
begin
    if leg = any (legs) then
        return;
    elsif leg = any (retrieval._leg_names()) then
        raise exception '%: leg % has no query, % is not given', parameter, leg,
                        case leg when 'keyword' then 'query_text' when 'semantic' then 'query_embedding' when 'sparse' then 'query_sparse' else 'query_tokens' end
            using errcode = 'invalid_parameter_value';
    end if;
    raise exception '%: leg must be one of %, not %', parameter, array_to_string(legs, ', '), quote_literal(leg)
        using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._check_leg(text, text, text[]) is '22023 where a leg is unknown, or has no query.';

create or replace function retrieval._check_weights(weights jsonb, legs text[])
    returns void
    language plpgsql immutable
as $$
declare
    leg text;
begin
    perform retrieval._check_leg_weights(weights);
    for leg in select jsonb_object_keys(weights) loop
        perform retrieval._check_leg('weights', leg, legs);
    end loop;
    if not exists (select from unnest(legs) l where coalesce((weights ->> l)::double precision, 1) > 0) then
        raise exception 'weights must not all be 0' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_weights(jsonb, text[]) is '22023 where the weights of the legs of a search are unusable.';

create or replace function retrieval._check_leg_candidates(leg_candidates jsonb, legs text[])
    returns void
    language plpgsql immutable
as $$
declare
    depth record;
begin
    if jsonb_typeof(leg_candidates) is distinct from 'object' then
        raise exception 'leg_candidates must be an object such as {"keyword": 200}' using errcode = 'invalid_parameter_value';
    end if;
    for depth in select * from jsonb_each(leg_candidates) loop
        perform retrieval._check_leg('leg_candidates', depth.key, legs);
        if jsonb_typeof(depth.value) <> 'number' or depth.value::text !~ '^\d{1,9}$' then
            raise exception 'leg_candidates: % must be a whole number from 1 to 10000, not %', depth.key, depth.value
                using errcode = 'invalid_parameter_value';
        end if;
        perform retrieval._check_count('leg_candidates: ' || depth.key, depth.value::bigint);
    end loop;
end;
$$;

comment on function retrieval._check_leg_candidates(jsonb, text[]) is '22023 where the depths of legs are unusable.';

-- A signature that is for no leg would be one that nobody checks.
create or replace function retrieval._check_leg_signatures(leg_signatures jsonb, legs text[])
    returns void
    language plpgsql immutable
as $$
declare
    signature record;
begin
    if jsonb_typeof(leg_signatures) <> 'object' then
        raise exception 'leg_signatures must be an object such as {"sparse": {"model": "a"}}' using errcode = 'invalid_parameter_value';
    end if;
    for signature in select * from jsonb_each(leg_signatures) loop
        perform retrieval._check_leg('leg_signatures', signature.key, legs);
        if jsonb_typeof(signature.value) <> 'object' then
            raise exception 'leg_signatures: % must be an object such as {"model": "a"}, not %', signature.key, signature.value
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
end;
$$;

comment on function retrieval._check_leg_signatures(jsonb, text[]) is '22023 where the signatures of legs are unusable.';

-- As text every kind of query is the same to the functions that pass it on; halves survive that exactly.
create or replace function retrieval._embedding_text(space text, embedding jsonb, kind text)
    returns text
    language plpgsql immutable
    set search_path from current
as $$
begin
    if jsonb_typeof(embedding) = 'null' then
        raise exception 'it is null' using errcode = 'null_value_not_allowed';
    end if;
    return case kind
        when 'multivector' then (select array_agg(t.token::text::halfvec order by t.number)::text
                                 from jsonb_array_elements(embedding) with ordinality t(token, number))
        when 'sparse' then (embedding #>> '{}')::sparsevec::text
        else (embedding #>> '{}')::halfvec::text end;
exception when data_exception or program_limit_exceeded then
    raise exception 'query_embeddings: the value of % must be %', quote_ident(space),
                    case kind when 'dense' then 'a vector such as [0.1, 0.2]' when 'sparse' then 'a sparse vector such as "{1:0.5}/30522"'
                              else 'an array of vectors such as [[0.1, 0.2]]' end
        using errcode = 'invalid_parameter_value', detail = sqlerrm;
end;
$$;

comment on function retrieval._embedding_text(text, jsonb, text) is
'An embedding given as JSON, as the text of its kind of vector; an array of them for a multivector space.';

create or replace function retrieval._check_leg_query(leg text, target retrieval.spaces, query text, request record)
    returns void
    language plpgsql immutable
    set search_path from current
as $$
declare
    signature constant jsonb := coalesce(case leg when 'semantic' then request.signature end, request.leg_signatures -> leg);
begin
    if target.kind <> 'multivector' then
        perform retrieval._check_search_effort(target, coalesce(request.search_effort, 1));
    end if;
    case target.kind
        when 'dense' then perform retrieval._check_embedding(target, query::halfvec, signature);
        when 'sparse' then perform retrieval._check_sparse_embedding(target, query::sparsevec, signature);
        else perform retrieval._check_query_tokens(target, query::halfvec[], signature);
    end case;
exception when invalid_parameter_value then
    if leg = any (retrieval._leg_names()) or sqlerrm !~ '^query_' then
        raise;
    end if;
    -- the searches of a single space have another name for it
    raise exception 'query_embeddings: the value of % %', quote_ident(leg), substring(sqlerrm from ' (.*)') using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._check_leg_query(text, retrieval.spaces, text, record) is
'22023 where the query of a leg cannot be compared with the embeddings of its space.';

create or replace function retrieval._search_legs(owner retrieval.collections, request record)
    returns table (leg text, target retrieval.spaces, query text)
    language plpgsql stable rows 4
    set search_path from current
as $$
begin
    if request.query_text is not null then
        leg := 'keyword'; target := null; query := request.query_text;
        return next;
    end if;
    if request.query_embedding is not null then
        leg := 'semantic'; target := retrieval._space(owner, request.space); query := request.query_embedding::text;
        perform retrieval._check_leg_query(leg, target, query, request);
        return next;
    end if;
    if request.query_sparse is not null then
        leg := 'sparse'; target := retrieval._space(owner, null, leg); query := request.query_sparse::text;
        perform retrieval._check_leg_query(leg, target, query, request);
        return next;
    end if;
    for leg, query in select e.key, e.value::text from jsonb_each(request.query_embeddings) e order by e.key loop
        if leg = any (retrieval._leg_names()) then
            raise exception 'query_embeddings: a space called % would be mistaken for the leg of that name', leg using errcode = 'invalid_parameter_value';
        end if;
        target := retrieval._space(owner, leg, null);
        query := retrieval._embedding_text(leg, query::jsonb, target.kind);
        perform retrieval._check_leg_query(leg, target, query, request);
        return next;
    end loop;
    -- last, because it may order what the others have found
    if request.query_tokens is not null then
        leg := 'late_interaction'; target := retrieval._space(owner, null, 'multivector'); query := request.query_tokens::text;
        perform retrieval._check_leg_query(leg, target, query, request);
        return next;
    end if;
end;
$$;

comment on function retrieval._search_legs(retrieval.collections, record) is
'The legs of a request with their spaces and queries, checked; late_interaction is the last.';

-- What a leg finds, best first. `among` are the chunks that it is to order; without them it searches the collection.
create or replace function retrieval._leg_candidates(
    owner retrieval.collections, search_leg record, among bigint[], filter_condition text, candidates integer, request record,
    out chunk_ids bigint[], out scores double precision[], out plan text)
    language plpgsql stable
    set search_path from current
as $$
declare
    target constant retrieval.spaces := search_leg.target;
begin
    perform set_config('retrieval.plan', 'index', true);
    if search_leg.leg = 'keyword' then
        select array_agg(k.chunk_id), array_agg(k.score) into chunk_ids, scores
        from retrieval._keyword_candidates(owner, search_leg.query, filter_condition, candidates, request.keyword_operator,
                                           request.field_weights, request.k1, request.b) k;
    elsif target.kind = 'dense' then
        select array_agg(n.chunk_id), array_agg(n.score) into chunk_ids, scores
        from retrieval._nearest_chunks(
            target, retrieval._adapt_query(target, search_leg.query::halfvec), filter_condition, candidates, request.search_effort) n;
    elsif target.kind = 'sparse' then
        select array_agg(n.chunk_id), array_agg(n.score) into chunk_ids, scores
        from retrieval._nearest_chunks(
            target, retrieval._indexable_query(target, search_leg.query::sparsevec), filter_condition, candidates, request.search_effort) n;
    else
        perform set_config('retrieval.plan', case when among is null then 'exact' else 'candidates' end, true);
        -- the filter has had its say over what others have found
        execute format('select array_agg(t.chunk_id), array_agg(t.score) from (%s) t', retrieval._token_statement(
                target, case when among is null then filter_condition end, among is not null, candidates))
            into chunk_ids, scores using search_leg.query::halfvec[], among;
    end if;
    chunk_ids := coalesce(chunk_ids, '{}');
    scores := coalesce(scores, '{}');
    plan := current_setting('retrieval.plan');
end;
$$;

comment on function retrieval._leg_candidates(retrieval.collections, record, bigint[], text, integer, record) is
'The best chunks of a leg, best first, ties by chunk_id, with their scores. plan: index, exact, or candidates where only those of other legs were looked at.';
-- end

-- begin sql/ranking.sql
-- How a hybrid search ranks: the legs, their fusion, and what is asked for beyond, in arrays that go from step to step.
-- `request` is a record with the arguments of hybrid_search.

-- What a call does not say, the collection's ranking does (see set_ranking).
create or replace function retrieval._fusion_settings(owner retrieval.collections, request record)
    returns jsonb
    language plpgsql immutable
as $$
begin
    return jsonb_build_object(
        'fusion', coalesce(request.fusion, owner.settings #>> '{ranking,fusion}', 'relative'),
        'rrf_k', coalesce(request.rrf_k, (owner.settings #>> '{ranking,rrf_k}')::integer, 60));
end;
$$;

comment on function retrieval._fusion_settings(retrieval.collections, record) is 'What a request is fused by: {"fusion": …, "rrf_k": …}.';

create or replace function retrieval._ranking_candidates(owner retrieval.collections)
    returns integer
    language sql immutable
    return coalesce((owner.settings #>> '{ranking,candidates}')::integer, 100);

comment on function retrieval._ranking_candidates(retrieval.collections) is 'How many candidates each leg contributes where a call does not say.';

-- A search that did not ask for diversity is not refused for want of something to compare chunks in.
create or replace function retrieval._ranking_mmr_lambda(owner retrieval.collections, space text)
    returns double precision
    language sql stable
    return case when owner.settings #> '{ranking,mmr_lambda}' is not null
                     and (retrieval._comparing_space(owner, space)).space_id is not null
                then (owner.settings #>> '{ranking,mmr_lambda}')::double precision end;

comment on function retrieval._ranking_mmr_lambda(retrieval.collections, text) is
'The diversity of a search that does not say; null where the collection''s ranking does not either, or where it has no dense space to compare chunks in.';

-- A dense space of which nothing is known counts a little less than the words: where it is good, little is lost, and where it
-- is useless, as that of an English model among Chinese texts, the order of the words survives (benchmarks/quality.py).
create or replace function retrieval._leg_weight(owner retrieval.collections, request record, leg text, target retrieval.spaces)
    returns jsonb
    language plpgsql immutable
as $$
declare
    stored constant jsonb := owner.settings #> array['ranking', 'weights', leg];
    calibrated constant jsonb := owner.settings #> array['calibration', target.space_id::text, 'weight'];
begin
    return case
        when request.weights is not null then jsonb_build_object('weight', coalesce(request.weights -> leg, '1'), 'weight_from', 'call')
        when stored is not null then jsonb_build_object('weight', stored, 'weight_from', 'ranking')
        when calibrated is not null then jsonb_build_object('weight', calibrated, 'weight_from', 'calibration')
        else jsonb_build_object('weight', case target.kind when 'dense' then 0.7 else 1 end, 'weight_from', 'default') end;
end;
$$;

comment on function retrieval._leg_weight(retrieval.collections, record, text, retrieval.spaces) is
'What a leg counts in a request, and where that is from: call, ranking (see set_ranking), calibration (see calibrate) or default.';

-- What an explanation says of a leg beyond that: the words are ranked by constants that a call or the collection may have set.
create or replace function retrieval._leg_constants(owner retrieval.collections, request record, leg text)
    returns jsonb
    language plpgsql immutable
as $$
declare
    bm25_constants constant double precision[] := retrieval._bm25_constants(owner, request.k1, request.b);
begin
    return case when leg = 'keyword' then jsonb_build_object(
        'k1', bm25_constants[1], 'b', bm25_constants[2], 'field_weights', coalesce(request.field_weights, owner.settings -> 'field_weights', '{}'))
        else '{}' end;
end;
$$;

comment on function retrieval._leg_constants(retrieval.collections, record, text) is 'What the words of a request are ranked by; {} for another leg.';

create or replace function retrieval._check_request(request record, legs text[])
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_count('candidates', request.candidates);
    perform retrieval._check_count('rrf_k', coalesce(request.rrf_k, 1), 1000000);
    perform retrieval._check_count('per_document', coalesce(request.per_document, 1));
    perform retrieval._check_choice('keyword_operator', request.keyword_operator, array['or', 'and']);
    perform retrieval._check_choice('fusion', coalesce(request.fusion, 'rrf'), array['rrf', 'relative', 'dbsf']);
    perform retrieval._check_choice('late_interaction', coalesce(request.late_interaction, 'candidates'), array['candidates', 'collection']);
    perform retrieval._check_share('mmr_lambda', coalesce(request.mmr_lambda, 1));
    perform retrieval._check_bm25_constants(request.k1, request.b);
    perform retrieval._field_weights(request.field_weights);
    perform retrieval._check_share('duplicate_similarity', coalesce(request.duplicate_similarity, 1));
    perform retrieval._check_weights(coalesce(request.weights, '{}'), legs);
    perform retrieval._check_leg_candidates(request.leg_candidates, legs);
    perform retrieval._check_leg_signatures(coalesce(request.leg_signatures, '{}'), legs);
    if request.result_offset is null or request.result_offset < 0 then
        raise exception 'result_offset must be 0 or more, not %', coalesce(request.result_offset::text, 'null') using errcode = 'invalid_parameter_value';
    elsif request.result_offset > 0 and request.result_offset::bigint + request.max_results > request.candidates then
        raise exception 'result_offset + max_results must be at most candidates, which is %, not %',
                        request.candidates, request.result_offset::bigint + request.max_results
            using errcode = 'invalid_parameter_value',
                  hint = 'All pages of a ranking are cut from the same candidates: raise candidates, and for every page alike';
    elsif request.late_interaction = 'candidates' and legs = array['late_interaction'] then
        raise exception 'late_interaction: there are no candidates of another leg to score' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_request(record, text[]) is '22023 where the arguments of a search with these legs are unusable.';

-- What counts nothing has no order but that of the ids. So where the only legs that a search has are ones that count nothing
-- beside others, as a space that calibrate has found useless, they are all that there is.
create or replace function retrieval._counting_weights(weights jsonb)
    returns jsonb
    language sql immutable
    return case when exists (select from jsonb_each(weights) w where w.value::double precision > 0) then weights else '{}' end;

comment on function retrieval._counting_weights(jsonb) is 'These weights, or none, so that each leg counts 1, where they are all 0.';

-- One leg after the other. Late interaction that is to order candidates takes the best by the fusion of the legs before it.
create or replace function retrieval._run_legs(
    owner retrieval.collections, request record, condition text, settings jsonb,
    out legs text[], out chunk_ids bigint[], out scores double precision[], out weights jsonb, out is_full boolean, out report jsonb)
    language plpgsql stable
as $$
declare
    leg record;
    depth integer;
    among bigint[];
    weight jsonb;
    found_chunks record;
    started timestamptz;
begin
    legs := '{}'; chunk_ids := '{}'; scores := '{}'; weights := '{}'; is_full := false; report := '[]';
    for leg in select * from retrieval._search_legs(owner, request) loop
        depth := coalesce((request.leg_candidates ->> leg.leg)::integer, request.candidates);
        among := null;
        started := clock_timestamp();
        if leg.leg = 'late_interaction' and coalesce(request.late_interaction, 'candidates') = 'candidates' and weights <> '{}' then
            among := array(select f.id from retrieval.fuse(
                               legs, chunk_ids, scores, settings ->> 'fusion', retrieval._counting_weights(weights), (settings ->> 'rrf_k')::integer) f limit depth);
        end if;
        found_chunks := retrieval._leg_candidates(owner, leg, among, condition, depth, request);
        weight := retrieval._leg_weight(owner, request, leg.leg, leg.target);
        legs := legs || array_fill(leg.leg, array[cardinality(found_chunks.chunk_ids)]);
        chunk_ids := chunk_ids || found_chunks.chunk_ids;
        scores := scores || found_chunks.scores;
        weights := weights || jsonb_build_object(leg.leg, weight -> 'weight');
        is_full := is_full or among is null and request.leg_candidates -> leg.leg is null and cardinality(found_chunks.chunk_ids) >= depth;
        report := report || (weight || retrieval._leg_constants(owner, request, leg.leg) || jsonb_build_object(
            'leg', leg.leg, 'space', (leg.target).name, 'plan', found_chunks.plan, 'candidates', cardinality(found_chunks.chunk_ids),
            'milliseconds', round(1000 * extract(epoch from clock_timestamp() - started), 3)));
    end loop;
    if retrieval._counting_weights(weights) <> weights then
        weights := '{}';
        report := (select jsonb_agg(r.done || '{"weight": 1, "weight_from": "default"}' order by r.number)
                   from jsonb_array_elements(report) with ordinality r(done, number));
    end if;
end;
$$;

comment on function retrieval._run_legs(retrieval.collections, record, text, jsonb) is
'The candidates of all legs with their scores, the weights of the legs, and what each did. is_full: with more candidates a leg might find more; those of leg_candidates are as many as they are.';

-- Steps on a ranking that is given, and returned, best first.
create or replace function retrieval._refine(
    owner retrieval.collections, request record, chunk_ids inout bigint[], scores inout double precision[], steps out jsonb)
    language plpgsql stable
as $$
declare
    wanted constant integer := coalesce(request.result_offset + request.max_results, cardinality(chunk_ids));
    target retrieval.spaces;
    refined record;
begin
    steps := '{}';
    if cardinality(chunk_ids) = 0 then
        return;
    end if;
    if request.boosts is not null then
        select array_agg(b.chunk_id) as ids, array_agg(b.boosted_score) as scores,
               jsonb_object_agg(b.chunk_id, jsonb_build_object('fused_score', b.score, 'boosts', b.factors)) as boosts into refined
        from retrieval._boosted(owner.collection_id, chunk_ids, scores, request.boosts, cardinality(chunk_ids)) b;
        chunk_ids := refined.ids; scores := refined.scores;
        steps := steps || jsonb_build_object('boosts', refined.boosts);
    end if;
    if request.duplicate_similarity is not null then
        target := retrieval._comparing_space(owner, request.space);
        select array_agg(c.chunk_id) as ids, array_agg(c.score) as scores,
               jsonb_object_agg(c.chunk_id, c.duplicates) filter (where c.duplicates <> '{}') as duplicates into refined
        from retrieval._collapsed_chunks(
            owner, target, chunk_ids, scores, request.duplicate_similarity,
            case when num_nonnulls(request.per_document, request.mmr_lambda) = 0 then wanted end) c;
        chunk_ids := refined.ids; scores := refined.scores;
        steps := steps || jsonb_build_object('duplicates', coalesce(refined.duplicates, '{}'));
    end if;
    if request.per_document is not null then
        execute format(
            'select array_agg(p.chunk_id order by p.number) as ids, array_agg(p.score order by p.number) as scores
             from (select h.*, row_number() over (partition by c.document_id order by h.number) as place
                   from unnest($1, $2) with ordinality h(chunk_id, score, number)
                   join retrieval.chunks c on c.collection_id = %s and c.chunk_id = h.chunk_id) p
             where p.place <= $3', owner.collection_id)
            into refined using chunk_ids, scores, request.per_document;
        chunk_ids := refined.ids; scores := refined.scores;
    end if;
    if request.mmr_lambda is not null then
        target := retrieval._space(owner, request.space);
        select array_agg(d.chunk_id) as ids, array_agg(d.score) as scores, jsonb_object_agg(d.chunk_id, d.mmr_score) as mmr into refined
        from retrieval._diversified_chunks(target, chunk_ids, scores, request.mmr_lambda, wanted) d;
        chunk_ids := refined.ids; scores := refined.scores;
        steps := steps || jsonb_build_object('mmr_scores', refined.mmr);
    end if;
    chunk_ids := chunk_ids[request.result_offset + 1:wanted];
    scores := scores[request.result_offset + 1:wanted];
end;
$$;

comment on function retrieval._refine(retrieval.collections, record, bigint[], double precision[]) is
'A ranking after boosts, without near-duplicates, with so many chunks of a document, diversified, and cut to the page, in this order; what was not asked for is left out. steps says what each did, by chunk.';

create or replace function retrieval._ranking(
    owner retrieval.collections, request record, condition text,
    out chunk_ids bigint[], out scores double precision[], out contributions jsonb, out is_full boolean, out explanation jsonb)
    language plpgsql stable
as $$
declare
    started constant timestamptz := clock_timestamp();
    settings constant jsonb := retrieval._fusion_settings(owner, request);
    found_chunks record;
    fused record;
    refined record;
begin
    found_chunks := retrieval._run_legs(owner, request, condition, settings);
    select coalesce(array_agg(f.id), '{}') as ids, coalesce(array_agg(f.score), '{}') as scores, array_agg(f.contributions) as contributions into fused
    from retrieval.fuse(found_chunks.legs, found_chunks.chunk_ids, found_chunks.scores,
                        settings ->> 'fusion', found_chunks.weights, (settings ->> 'rrf_k')::integer) f;
    refined := retrieval._refine(owner, request, fused.ids, fused.scores);
    chunk_ids := refined.chunk_ids;
    scores := refined.scores;
    contributions := (select jsonb_object_agg(f.id, f.contributions) from unnest(fused.ids, fused.contributions) f(id, contributions)
                      where f.id = any (refined.chunk_ids));
    is_full := found_chunks.is_full;
    explanation := settings || jsonb_build_object(
        'candidates', request.candidates, 'mmr_lambda', request.mmr_lambda, 'legs', found_chunks.report, 'fused', cardinality(fused.ids), 'steps', refined.steps,
        'milliseconds', round(1000 * extract(epoch from clock_timestamp() - started), 3));
end;
$$;

comment on function retrieval._ranking(retrieval.collections, record, text) is
'What a request finds, best first, with the contributions of the legs by chunk. condition: the filter on a chunk c, as SQL, or null. is_full: with more candidates there might be more. explanation says how it came about.';
-- end

-- begin sql/hybrid_search.sql
-- Hybrid search: the candidates of several legs in one ranking, fused as in retrieval.fuse. A leg that did not find a chunk adds
-- nothing for it, and the filter reaches each leg before its cut.
--
-- Then, where asked for and in this order: boosts by metadata (see boost), near-duplicates fall (collapse_duplicates), so
-- many chunks of a document are kept (per_document), the rest is chosen for diversity (diversify), and the page is cut.
--
-- All pages come from the same candidates, so that no chunk is on two of them or on none: the ranking of deeper candidates is
-- another one. That is why result_offset cannot go beyond candidates. Where per_document and duplicates leave too few for the
-- first page, it is filled up from deeper candidates, and the next one is empty.
create or replace function retrieval.hybrid_search(
    collection text,
    query_text text default null,
    query_embedding halfvec default null,
    query_sparse sparsevec default null,
    metadata_filter jsonb default null,
    max_results integer default 10,
    fusion text default null,
    weights jsonb default null,
    rrf_k integer default null,
    candidates integer default null,
    space text default null,
    signature jsonb default null,
    keyword_operator text default 'or',
    search_effort integer default null,
    query_tokens halfvec[] default null,
    late_interaction text default null,
    query_embeddings jsonb default null,
    leg_candidates jsonb default '{}',
    leg_signatures jsonb default null,
    boosts jsonb default null,
    duplicate_similarity double precision default null,
    per_document integer default null,
    mmr_lambda double precision default null,
    result_offset integer default 0,
    field_weights jsonb default null,
    k1 double precision default null,
    b double precision default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, keyword_rank bigint, keyword_score double precision,
        semantic_rank bigint, semantic_score double precision, sparse_rank bigint, sparse_score double precision,
        late_interaction_rank bigint, late_interaction_score double precision, contributions jsonb)
    language plpgsql stable rows 10
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    condition constant text := retrieval._filter_condition(owner, metadata_filter);
    request record;
    -- where all that are no duplicates must be known, finding them takes the square of the candidates
    deepest integer;
    ranked record;
begin
    candidates := coalesce(candidates, retrieval._ranking_candidates(owner));
    mmr_lambda := nullif(coalesce(mmr_lambda, retrieval._ranking_mmr_lambda(owner, space)), 1);
    deepest := case when duplicate_similarity is not null and num_nonnulls(per_document, mmr_lambda) > 0 then 1600 else 10000 end;
    perform retrieval._check_count('max_results', max_results);
    if boosts is not null then
        boosts := retrieval._check_boosts(boosts, now());
    end if;
    select query_text, query_embedding, query_sparse, query_tokens, query_embeddings, space, signature, leg_signatures, max_results, fusion, weights,
           rrf_k, greatest(candidates, max_results) as candidates, leg_candidates, keyword_operator, search_effort, late_interaction, boosts,
           duplicate_similarity, per_document, mmr_lambda, result_offset, field_weights, k1, b
    into request;
    perform retrieval._check_count('candidates', candidates);
    perform retrieval._check_request(request, retrieval._given_legs(request));
    loop
        ranked := retrieval._ranking(owner, request, condition);
        exit when cardinality(ranked.chunk_ids) = max_results or not ranked.is_full or request.candidates >= deepest
               or result_offset > 0 or num_nonnulls(per_document, duplicate_similarity) = 0;
        -- documents that hold many of the candidates, and near-duplicates, have left too few
        request.candidates := least(4 * request.candidates, deepest);
    end loop;
    if current_setting('retrieval.explain', true) = 'on' then
        perform set_config('retrieval.explanation', ranked.explanation::text, true);
    end if;
    return query execute retrieval._hits_statement(
            owner.collection_id, '(select u.*, $3 -> u.chunk_id::text as legs from unnest($1, $2) with ordinality u(chunk_id, score, rank)) h',
            $columns$(h.legs #>> '{keyword,rank}')::bigint, (h.legs #>> '{keyword,score}')::double precision,
                (h.legs #>> '{semantic,rank}')::bigint, (h.legs #>> '{semantic,score}')::double precision,
                (h.legs #>> '{sparse,rank}')::bigint, (h.legs #>> '{sparse,score}')::double precision,
                (h.legs #>> '{late_interaction,rank}')::bigint, (h.legs #>> '{late_interaction,score}')::double precision, h.legs$columns$)
        using ranked.chunk_ids, ranked.scores, ranked.contributions;
end;
$$;

comment on function retrieval.hybrid_search(text, text, halfvec, sparsevec, jsonb, integer, text, jsonb, integer, integer, text, jsonb, text, integer, halfvec[], text, jsonb, jsonb, jsonb, jsonb, double precision, integer, double precision, integer, jsonb, double precision, double precision) is
'Several searches fused into one ranking, best first, ties by chunk_id. A query makes its leg: query_text keyword, query_embedding semantic, query_sparse sparse, query_tokens late_interaction, and query_embeddings, {"space": [0.1, …]}, one for each space named. fusion: rrf (with rrf_k, 60), relative or dbsf; weights: {"keyword": 1, "semantic": 2}, a leg left out counts 1. Without them those of the collection (see set_ranking and calibrate), else 0.7 for a dense space and 1 for another leg; where these are all 0, as of a useless space alone, each counts 1; without a fusion that of the collection, else relative. candidates: how many each leg contributes, without a number that of the collection, else 100; leg_candidates: {"keyword": 200} for one. late_interaction: candidates scores the best that the other legs found, collection every chunk; the second only where it is the only leg, unless asked for. boosts: as in boost. duplicate_similarity: a chunk whose cosine with a better one is at least that falls. per_document: at most so many chunks of a document. Where these two leave fewer than max_results, the first page is filled up from deeper candidates, at most 10000, or 1600 where near-duplicates fall and more is asked for. mmr_lambda: diversity, from 0 to 1 for none; without it that of the collection where it has an active dense space. field_weights, k1 and b: of the words, as in keyword_search. result_offset + max_results must not be more than candidates. score is the fused score, times the boosts. Ranks and scores of legs are null where a leg did not find the chunk; contributions says for each leg that did its rank, its score and what it added. signature: of the embedding''s model, leg_signatures: {"sparse": {…}}, those of other legs.';
-- end

-- begin sql/document_search.sql
-- Documents by what their chunks score in a hybrid search: that of its best chunk (max), the sum over its chunks among the
-- candidates (sum: much about it), or the mean of its three best, those that are missing counted as 0 (mean_of_best: between).
create or replace function retrieval.document_search(
    collection text,
    query_text text default null,
    query_embedding halfvec default null,
    query_sparse sparsevec default null,
    metadata_filter jsonb default null,
    max_results integer default 10,
    aggregation text default 'max',
    fusion text default null,
    weights jsonb default null,
    rrf_k integer default null,
    candidates integer default null,
    space text default null,
    signature jsonb default null,
    keyword_operator text default 'or',
    search_effort integer default null,
    query_tokens halfvec[] default null,
    late_interaction text default null,
    query_embeddings jsonb default null,
    leg_candidates jsonb default '{}',
    leg_signatures jsonb default null,
    boosts jsonb default null,
    field_weights jsonb default null,
    k1 double precision default null,
    b double precision default null)
    returns table (
        document_id bigint, document_key text, title text, metadata jsonb, score double precision,
        chunk_id bigint, "position" integer, content text, chunk_ids bigint[])
    language plpgsql stable rows 10
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    condition constant text := retrieval._filter_condition(owner, metadata_filter);
    request record;
    ranked record;
    best record;
begin
    candidates := coalesce(candidates, retrieval._ranking_candidates(owner));
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_choice('aggregation', aggregation, array['max', 'sum', 'mean_of_best']);
    if boosts is not null then
        boosts := retrieval._check_boosts(boosts, now());
    end if;
    select query_text, query_embedding, query_sparse, query_tokens, query_embeddings, space, signature, leg_signatures, null::integer as max_results,
           fusion, weights, rrf_k, candidates, leg_candidates, keyword_operator, search_effort, late_interaction, boosts,
           null::double precision as duplicate_similarity, null::integer as per_document, null::double precision as mmr_lambda, 0 as result_offset,
           field_weights, k1, b
    into request;
    perform retrieval._check_request(request, retrieval._given_legs(request));
    loop
        ranked := retrieval._ranking(owner, request, condition);
        execute format(
            'select array_agg(b.document_id) as ids, array_agg(b.score) as scores, coalesce(jsonb_agg(b.chunk_ids), ''[]'') as chunk_ids
             from (select a.document_id, a.chunk_ids,
                          case $4 when ''max'' then a.scores[1] when ''sum'' then a.total
                                  else (a.scores[1] + coalesce(a.scores[2], 0) + coalesce(a.scores[3], 0)) / 3 end as score
                   from (select c.document_id, array_agg(h.chunk_id order by h.place) as chunk_ids, array_agg(h.score order by h.place) as scores,
                                sum(h.score order by h.score) as total
                         from unnest($1, $2) with ordinality h(chunk_id, score, place)
                         join retrieval.chunks c on c.collection_id = %s and c.chunk_id = h.chunk_id
                         group by c.document_id) a
                   order by score desc, a.document_id limit $3) b', owner.collection_id)
            into best using ranked.chunk_ids, ranked.scores, max_results, aggregation;
        exit when cardinality(best.ids) = max_results or not ranked.is_full or request.candidates >= 10000;
        -- how many candidates hold enough documents nobody knows
        request.candidates := least(4 * request.candidates, 10000);
    end loop;
    return query execute format(
        'select d.document_id, d.document_key, d.title, d.metadata, b.score, c.chunk_id, c.position, c.content,
                array(select e.chunk_id::bigint from jsonb_array_elements_text($3 -> b.place::integer - 1) with ordinality e(chunk_id, place) order by e.place)
         from unnest($1, $2) with ordinality b(document_id, score, place)
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = b.document_id
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = ($3 -> b.place::integer - 1 ->> 0)::bigint
         order by b.place', owner.collection_id)
        using best.ids, best.scores, best.chunk_ids;
end;
$$;

comment on function retrieval.document_search(text, text, halfvec, sparsevec, jsonb, integer, text, text, jsonb, integer, integer, text, jsonb, text, integer, halfvec[], text, jsonb, jsonb, jsonb, jsonb, jsonb, double precision, double precision) is
'The best documents by a hybrid search of their chunks, best first, ties by document_id: one row each, with its best chunk, and in chunk_ids all of its chunks among the candidates, best first. aggregation: score is that of the best chunk (max), the sum of all (sum), or the mean of the three best (mean_of_best). The other arguments are those of hybrid_search, but for what chooses among chunks; nor does the mmr_lambda of the collection. Deeper candidates are taken while there are too few documents.';
-- end

-- begin sql/explain_search.sql
-- How a hybrid search came to its ranking. It is run as it is, and says what it did.
create or replace function retrieval.explain_search(
    collection text,
    query_text text default null,
    query_embedding halfvec default null,
    query_sparse sparsevec default null,
    metadata_filter jsonb default null,
    max_results integer default 10,
    fusion text default null,
    weights jsonb default null,
    rrf_k integer default null,
    candidates integer default null,
    space text default null,
    signature jsonb default null,
    keyword_operator text default 'or',
    search_effort integer default null,
    query_tokens halfvec[] default null,
    late_interaction text default null,
    query_embeddings jsonb default null,
    leg_candidates jsonb default '{}',
    leg_signatures jsonb default null,
    boosts jsonb default null,
    duplicate_similarity double precision default null,
    per_document integer default null,
    mmr_lambda double precision default null,
    result_offset integer default 0,
    field_weights jsonb default null,
    k1 double precision default null,
    b double precision default null)
    returns jsonb
    language plpgsql stable
    set search_path from current
as $$
declare
    found_hits jsonb;
    explanation jsonb;
begin
    -- in the body: only a superuser may create a function that is declared to set a parameter of that kind
    perform set_config('retrieval.explain', 'on', true);
    select coalesce(jsonb_agg(jsonb_build_object(
               'chunk_id', h.chunk_id, 'document_key', h.document_key, 'position', h.position, 'score', h.score, 'legs', h.contributions)), '[]')
    into found_hits
    from retrieval.hybrid_search(
        collection, query_text, query_embedding, query_sparse, metadata_filter, max_results, fusion, weights, rrf_k, candidates, space, signature,
        keyword_operator, search_effort, query_tokens, late_interaction, query_embeddings, leg_candidates, leg_signatures, boosts,
        duplicate_similarity, per_document, mmr_lambda, result_offset, field_weights, k1, b) h;
    perform set_config('retrieval.explain', 'off', true);
    explanation := current_setting('retrieval.explanation')::jsonb;
    return explanation - 'steps' || jsonb_build_object('hits', (
        select coalesce(jsonb_agg(
                   h.hit || jsonb_build_object('rank', result_offset + h.number) || retrieval._explained_steps(explanation -> 'steps', h.hit ->> 'chunk_id')
                   order by h.number), '[]')
        from jsonb_array_elements(found_hits) with ordinality h(hit, number)));
end;
$$;

comment on function retrieval.explain_search(text, text, halfvec, sparsevec, jsonb, integer, text, jsonb, integer, integer, text, jsonb, text, integer, halfvec[], text, jsonb, jsonb, jsonb, jsonb, double precision, integer, double precision, integer, jsonb, double precision, double precision) is
'Runs a hybrid search, with the arguments of hybrid_search, and returns how it came about: fusion, rrf_k, candidates and mmr_lambda (null: none), whether from the call or from the collection; for each leg its space, its plan (index, which PostgreSQL may replace by reading all where that is little; exact; or candidates, for late interaction among what others found), how many candidates it had, milliseconds, its weight and where that is from (call, ranking, calibration or default), and of the words k1, b and field_weights; fused, the number of different candidates; and for each hit its rank and score, of each leg that found it rank, score and contribution, and where asked for fused_score and boosts with value and factor, the duplicates that fell to it, and mmr_score. A score is the sum of the contributions times the factors. Keyword scores by word: explain_keyword_search.';

create or replace function retrieval._explained_steps(steps jsonb, chunk_id text)
    returns jsonb
    language sql immutable
    return coalesce(steps -> 'boosts' -> chunk_id, '{}')
        || case when steps ? 'duplicates' then jsonb_build_object('duplicates', coalesce(steps -> 'duplicates' -> chunk_id, '[]')) else '{}' end
        || case when steps ? 'mmr_scores' then jsonb_build_object('mmr_score', steps -> 'mmr_scores' -> chunk_id) else '{}' end;

comment on function retrieval._explained_steps(jsonb, text) is 'What the steps after fusion did to a chunk.';
-- end

-- begin sql/set_ranking.sql
-- How a collection's searches rank unless a call says otherwise.

-- For programs: SQL cannot run the model, and so does not ask whether there is one of that name.
create or replace function retrieval._check_rerank(rerank jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    option record;
begin
    if rerank is null then
        return;
    elsif jsonb_typeof(rerank) <> 'object' then
        raise exception 'rerank must be an object such as {"model": "…", "candidates": 50}, not %', rerank using errcode = 'invalid_parameter_value';
    end if;
    for option in select * from jsonb_each(rerank) loop
        perform retrieval._check_choice('rerank: option', option.key, array['model', 'candidates']);
        if option.key = 'candidates' and option.value::text !~ '^\d{1,9}$' then
            raise exception 'rerank: candidates must be a whole number from 1 to 10000, not %', option.value using errcode = 'invalid_parameter_value';
        end if;
    end loop;
    if jsonb_typeof(rerank -> 'model') is distinct from 'string' or btrim(rerank ->> 'model') = '' then
        raise exception 'rerank: model must be the name of a reranker, not %', coalesce((rerank -> 'model')::text, 'left out')
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_count('rerank: candidates', coalesce((rerank ->> 'candidates')::bigint, 1));
end;
$$;

comment on function retrieval._check_rerank(jsonb) is '22023 where it does not say which reranker orders how many hits; null is none.';

create or replace function retrieval.set_ranking(
    collection text,
    fusion text default null,
    weights jsonb default null,
    rrf_k integer default null,
    candidates integer default null,
    k1 double precision default null,
    b double precision default null,
    mmr_lambda double precision default null,
    rerank jsonb default null)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    ranking constant jsonb := jsonb_strip_nulls(jsonb_build_object(
        'fusion', fusion, 'weights', weights, 'rrf_k', rrf_k, 'candidates', candidates, 'k1', k1, 'b', b, 'mmr_lambda', mmr_lambda,
        'rerank', rerank));
begin
    perform retrieval._check_choice('fusion', coalesce(fusion, 'rrf'), array['rrf', 'relative', 'dbsf']);
    perform retrieval._check_leg_weights(coalesce(weights, '{}'));
    perform retrieval._check_count('rrf_k', coalesce(rrf_k, 1), 1000000);
    perform retrieval._check_count('candidates', coalesce(candidates, 1));
    perform retrieval._check_bm25_constants(k1, b);
    perform retrieval._check_share('mmr_lambda', coalesce(mmr_lambda, 1));
    perform retrieval._check_rerank(rerank);
    update retrieval.collections c
    set settings = case ranking when '{}' then c.settings - 'ranking' else c.settings || jsonb_build_object('ranking', ranking) end
    where c.collection_id = target;
end;
$$;

comment on function retrieval.set_ranking(text, text, jsonb, integer, integer, double precision, double precision, double precision, jsonb) is
'Sets what a collection is ranked by unless a call says otherwise. Of hybrid_search and document_search: the fusion (rrf, relative or dbsf), the weights of legs ({"semantic": 2}; a leg that is not named keeps its calibration or default), rrf_k, candidates (how many each leg contributes) and, for chunks alone, mmr_lambda (a call without it asks for 1). Of every search by words, more_like_this and calibrate with them: k1 and b, the constants of BM25. rerank, {"model": "…", "candidates": 50}, is for programs, which order so many hits by that model; no function of this schema does. All are replaced: what is null is not set, and set_ranking(collection) alone returns to the defaults. The weights of fields are for set_field_weights to set, and stay.';
-- end

-- begin sql/set_chunking.sql
-- How the documents of a collection are cut where a program cuts them.
create or replace function retrieval._check_chunking(chunking jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    strategies constant text[] := array['auto', 'fixed', 'recursive', 'sentence', 'semantic', 'markdown', 'code', 'whole'];
    part record;
    least numeric;
begin
    if jsonb_typeof(chunking) <> 'object' then
        raise exception 'chunking must be an object such as {"strategy": "sentence", "maximum_tokens": 200}' using errcode = 'invalid_parameter_value';
    end if;
    for part in select * from jsonb_each(chunking) loop
        perform retrieval._check_choice('chunking: option', part.key, array['strategy', 'maximum_tokens', 'overlap_tokens', 'breakpoint_percentile']);
        if part.key = 'strategy' then
            perform retrieval._check_choice('chunking: strategy', part.value #>> '{}', strategies);
        elsif part.key = 'breakpoint_percentile' then
            if jsonb_typeof(part.value) <> 'number' or part.value::numeric <= 0 or part.value::numeric >= 100 then
                raise exception 'chunking: breakpoint_percentile must be a number between 0 and 100, not %', part.value
                    using errcode = 'invalid_parameter_value';
            end if;
        else
            least := case part.key when 'maximum_tokens' then 1 else 0 end;
            if part.value::text !~ '^\d{1,7}$' or part.value::numeric not between least and 1000000 then
                raise exception 'chunking: % must be a whole number from % to 1000000, not %', part.key, least, part.value
                    using errcode = 'invalid_parameter_value';
            end if;
        end if;
    end loop;
    if (chunking ->> 'overlap_tokens')::numeric >= (chunking ->> 'maximum_tokens')::numeric then
        raise exception 'chunking: overlap_tokens must be less than maximum_tokens, %, not %',
            chunking ->> 'maximum_tokens', chunking ->> 'overlap_tokens' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_chunking(jsonb) is '22023 where it does not say how to cut documents.';

create or replace function retrieval.set_chunking(collection text, chunking jsonb default null)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    perform retrieval._check_chunking(chunking);
    update retrieval.collections c
    set settings = case when chunking is null then c.settings - 'chunking' else c.settings || jsonb_build_object('chunking', chunking) end
    where c.collection_id = target;
end;
$$;

comment on function retrieval.set_chunking(text, jsonb) is
'Sets how a collection''s documents are cut when they are next ingested by a program, as all of them then are, changed or not: {"strategy": "sentence", "maximum_tokens": 200, "overlap_tokens": 20}. Strategies: auto (the default, by the type of the document), fixed, recursive, sentence, semantic (breakpoint_percentile, 90), markdown, code, whole. Sizes are in tokens of the embedding model; without maximum_tokens what the model reads. set_chunking(collection) alone returns to the default. Documents that are cut in SQL (add_document, attach_table) are always cut by split_text.';
-- end

-- begin sql/recommend.sql
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
-- end

-- begin sql/recommend_documents.sql
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
-- end

-- begin sql/more_like_this.sql
-- More like this: the most telling words of a document, as a keyword query. Telling is what stands in it often and in
-- few other chunks: tf · idf, the choice that Lucene's MoreLikeThis makes, and as there each word then counts alike but
-- for its idf. What no other document holds would find nothing and is left out.
create or replace function retrieval._telling_terms(
    collection_id bigint, document_id bigint, chunk_id bigint, terms integer, field_weights double precision[],
    bm25_constants double precision[])
    returns table (lexeme text, weight double precision, bound double precision, average_length double precision, maximum_frequency integer)
    language plpgsql stable
as $$
declare
    texts constant record := retrieval._text_statistics(collection_id);
begin
    return query execute format(
        'select o.lexeme, w.idf, retrieval._score_bound(w.idf, s.maximum_frequency, s.minimum_length_ratio, $5, $6, $7), $5, s.maximum_frequency
         from (select l.lexeme, count(*) as held,
                      sum(cardinality(l.positions)) filter (where $2 is null or c.chunk_id = $2) as frequency
               from retrieval.chunks c, unnest(c.lexemes) l
               where c.collection_id = %1$s and c.document_id = $1
               group by l.lexeme) o
         cross join lateral (
             select sum(l.document_frequency) as n, max(l.maximum_frequency) as maximum_frequency,
                    min(l.minimum_length_ratio)::double precision as minimum_length_ratio
             from retrieval.lexeme_statistics l
             where l.collection_id = %1$s and l.tenant = %2$L and l.lexeme = o.lexeme) s
         cross join lateral (select retrieval._inverse_document_frequency($4, s.n) as idf) w
         where o.frequency > 0 and s.n > o.held
         order by o.frequency * w.idf desc, o.lexeme collate "C"
         limit $3', collection_id, retrieval.current_tenant())
        using document_id, chunk_id, terms, texts.chunk_count, texts.average_length,
              greatest(field_weights[1], field_weights[2], field_weights[3]), bm25_constants;
end;
$$;

comment on function retrieval._telling_terms(bigint, bigint, bigint, integer, double precision[], double precision[]) is
'The lexemes that say most about a document, or about one chunk of it, most telling first, with what is known of each in the collection.';

-- The document that the examples name, one way or the other.
create or replace function retrieval._example_document(collection retrieval.collections, example_document text, example_chunk bigint)
    returns bigint
    language plpgsql stable
as $$
declare
    found_document bigint;
begin
    if num_nonnulls(example_document, example_chunk) <> 1 then
        raise exception 'either example_document or example_chunk must be given' using errcode = 'invalid_parameter_value';
    end if;
    execute format(
        'select d.document_id from retrieval.documents d where d.collection_id = %1$s and d.document_key = $1 and d.tenant = %2$L
         union all
         select c.document_id from retrieval.chunks c where c.collection_id = %1$s and c.chunk_id = $2 and c.tenant = %2$L',
        collection.collection_id, retrieval.current_tenant())
        into found_document using example_document, example_chunk;
    if found_document is null then
        raise exception '% does not exist in collection %', coalesce('document ' || example_document, 'chunk ' || example_chunk),
                        quote_ident(collection.name) using errcode = 'undefined_object';
    end if;
    return found_document;
end;
$$;

comment on function retrieval._example_document(retrieval.collections, text, bigint) is
'The document of that key or of that chunk; 42704 where there is none.';

create or replace function retrieval.more_like_this(
    collection text,
    example_document text default null,
    metadata_filter jsonb default null,
    max_results integer default 10,
    terms integer default 25,
    example_chunk bigint default null,
    field_weights jsonb default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text,
        metadata jsonb, score double precision, keyword_rank bigint, keyword_score double precision)
    language plpgsql stable rows 10
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    example constant bigint := retrieval._example_document(target, example_document, example_chunk);
    fields constant double precision[] :=
        retrieval._field_weights(coalesce(more_like_this.field_weights, target.settings -> 'field_weights'));
    bm25_constants constant double precision[] := retrieval._bm25_constants(target);
    filter_condition constant text := retrieval._filter_condition(target, metadata_filter);
    term record;
begin
    perform retrieval._check_count('max_results', max_results);
    perform retrieval._check_count('terms', terms, 64);
    select array_agg(t.word) as words, array_agg(t.weight) as weights, array_agg(t.bound) as bounds,
           max(t.average_length) as average_length, max(t.maximum_frequency) as maximum_frequency
    into term
    from (select retrieval._counted_word(k.lexeme, fields) as word, k.*
          from retrieval._telling_terms(target.collection_id, example, example_chunk, terms, fields, bm25_constants) k
          order by k.bound desc, k.lexeme) t;
    if term.words is null then
        return;
    end if;
    return query execute retrieval._hits_statement(
            target.collection_id, 'retrieval._best_chunks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) with ordinality h(chunk_id, score, rank)')
        using target.collection_id, term.words, term.weights, term.bounds, term.average_length, term.maximum_frequency,
              fields, bm25_constants, 'c.document_id <> ' || example, filter_condition, max_results;
end;
$$;

comment on function retrieval.more_like_this(text, text, jsonb, integer, integer, bigint, jsonb) is
'The chunks of other documents that are most like a document, or like one chunk, by its words: the best by BM25 for as many of its lexemes as terms says, chosen by tf · idf; best first, ties by chunk_id; no rows where no other document shares a word. field_weights: as in set_field_weights, for this call; k1 and b are those of the collection (see set_ranking).';
-- end

-- begin sql/calibrate.sql
-- What a space should count beside the words, found without a question or a judgement. A space that understands a collection
-- finds for a chunk, among the ten nearest, chunks that its most telling words find as well: of the English collections of
-- benchmarks/quality.py all-MiniLM-L6-v2 agrees with the words in .34 to .51 of them, of the Chinese and Japanese ones, which it
-- cannot read, in .08 to .19, whatever their size. From 0.3 on both count alike; below, the share of the space in the
-- sum of both is half the cube of agreement / 0.3. Where two legs know different things the words are not the measure: a
-- model that finds translations of a text is right where they agree with nothing. Then set_ranking has the last word. The
-- words are compared as the collection's searches are: with its field weights, k1 and b.

-- The share of the ten nearest chunks of other documents that are among the ten most alike by their words; null where there
-- are not ten of these.
create or replace function retrieval._agreement(space retrieval.spaces, collection text, chunk_id bigint, embedding halfvec)
    returns double precision
    language plpgsql stable
as $$
declare
    alike constant bigint[] := array(select m.chunk_id from retrieval.more_like_this(collection, example_chunk => _agreement.chunk_id) m);
    near bigint[];
begin
    if cardinality(alike) < 10 then
        return null;
    end if;
    near := array(
        select n.chunk_id
        from retrieval._nearest_chunks(space, embedding, concat_ws(' and ', retrieval._tenant_condition(space.collection_id), format(
            'c.document_id <> %s', (select c.document_id from retrieval.chunks c
                                    where c.collection_id = space.collection_id and c.chunk_id = _agreement.chunk_id))), 10, null) n);
    return (select count(*) from unnest(near) n(id) where n.id = any (alike)) / 10.0;
end;
$$;

comment on function retrieval._agreement(retrieval.spaces, text, bigint, halfvec) is
'How far the neighbours of a chunk in a space are those by its words, from 0 to 1.';

-- What a tenant's chunks have told is for that tenant's searches.
create or replace function retrieval._store_calibration(collection_id bigint, calibration jsonb)
    returns void
    language plpgsql
as $$
begin
    if retrieval.current_tenant() = '' then
        update retrieval.collections c
        set settings = jsonb_set(c.settings, '{calibration}', coalesce(c.settings -> 'calibration', '{}') || calibration)
        where c.collection_id = _store_calibration.collection_id;
    else
        insert into retrieval.tenant_settings as s (collection_id, tenant, settings)
        values (_store_calibration.collection_id, retrieval.current_tenant(), jsonb_build_object('calibration', calibration))
        on conflict on constraint tenant_settings_pkey do update
        set settings = jsonb_set(s.settings, '{calibration}', coalesce(s.settings -> 'calibration', '{}') || calibration);
    end if;
end;
$$;

comment on function retrieval._store_calibration(bigint, jsonb) is 'Stores the weights of spaces, {"space_id": {…}}, for the searches of the current tenant.';

create or replace function retrieval.calibrate(
    collection text, space text default null, sample integer default 100, store boolean default true)
    returns table (space_name text, sampled bigint, agreement double precision, weight double precision)
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space);
    share double precision;
begin
    perform retrieval._check_count('sample', sample);
    if target.modality <> 'text' then
        raise exception 'space % embeds images: words do not tell which of them are alike, so it cannot be calibrated by them',
                        quote_ident(target.name)
            using errcode = 'invalid_parameter_value', hint = 'What it should count is for set_ranking to say.';
    end if;
    space_name := target.name;
    select count(a.agreement), avg(a.agreement order by a.agreement) into sampled, agreement
    from (select retrieval._agreement(target, collection, s.chunk_id, s.embedding) as agreement
          from retrieval._sample_embeddings(target, retrieval._tenant_condition(owner.collection_id), sample) s) a;
    if sampled >= 20 then
        share := 0.5 * least(agreement / 0.3, 1) ^ 3;
        weight := round((share / (1 - share))::numeric, 3);
        if store then
            perform retrieval._store_calibration(owner.collection_id, jsonb_build_object(target.space_id, jsonb_build_object(
                'weight', weight, 'agreement', agreement, 'chunks', retrieval._chunk_count(owner.collection_id), 'at', now())));
        end if;
    end if;
    return next;
end;
$$;

comment on function retrieval.calibrate(text, text, integer, boolean) is
'Finds what a dense space (without a name: the active one) should count in hybrid searches beside keyword 1, from how far its neighbours agree with those by words, over a sample of chunks, and stores it with the collection, for the current tenant, whose chunks it looks at. weight: 0 for a space whose neighbours never agree, 1 for one that agrees in 0.3 or more. Fewer than 20 chunks that ten chunks of other documents share words with say nothing: weight is null, and nothing is stored. Calibrate again when the collection has become another one. store false: says it only.';
-- end

-- begin sql/collection_settings.sql
-- What a collection is set to, for who asks.
create or replace function retrieval.collection_settings(collection text)
    returns jsonb
    language sql stable
    return (retrieval._collection(collection)).settings;

comment on function retrieval.collection_settings(text) is
'The settings of a collection: what set_ranking, set_chunking, set_field_weights and set_query_logging have set for all, and the calibration of the current tenant (see calibrate). 42704 where there is no such collection.';
-- end

-- begin sql/count_matches.sql
-- Which chunks a keyword search considers: those that hold one of the words it ranks by and fulfil its conditions. How
-- many hold one is expected from the words' document frequencies, as if words stood together only by chance: never less
-- than the largest of these, never more than their sum or than there are chunks, and certain where there is one word.
create or replace function retrieval._keyword_matches(
    collection retrieval.collections, query_text text, keyword_operator text,
    out words text, out condition text, out expected double precision, out certain boolean)
    language plpgsql stable
    set client_min_messages = warning
as $$
declare
    fields constant double precision[] := retrieval._field_weights(collection.settings -> 'field_weights');
    total constant double precision := retrieval._chunk_count(collection.collection_id);
begin
    select string_agg(retrieval._counted_word(k.lexeme, fields), ' | '),
           total * (1 - exp(greatest(sum(ln(greatest(1 - k.document_frequency / total, 1e-300))), -690))), count(*) = 1
    into words, expected, certain
    from retrieval._keyword_terms(collection.collection_id, query_text, fields, retrieval._bm25_constants(collection)) k;
    if words is not null then
        condition := retrieval._chunk_condition(collection.collection_id, query_text, keyword_operator);
        certain := certain and condition is null and 0 <> all (fields);
    end if;
end;
$$;

comment on function retrieval._keyword_matches(retrieval.collections, text, text) is
'What a query demands of a chunk: to match words, a tsquery as text, and to fulfil condition, SQL on a chunk c; words is null where none occurs, condition where there is none. expected: how many chunks match words; certain: that many fulfil all.';

create or replace function retrieval._matching_chunks(collection_id bigint, words text, condition text, filter_condition text)
    returns text
    language sql immutable
    return format('retrieval.chunks c where c.collection_id = %s%s%s%s', collection_id,
                  ' and c.lexemes @@ ' || quote_literal(words), ' and (' || condition || ')', ' and (' || filter_condition || ')');

comment on function retrieval._matching_chunks(bigint, text, text, text) is
'The chunks c of a collection that fulfil conditions, in SQL, as what follows "from"; null is no condition.';

create or replace function retrieval.count_matches(
    collection text,
    query_text text,
    metadata_filter jsonb default null,
    keyword_operator text default 'or',
    exact boolean default false)
    returns bigint
    language plpgsql stable
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    tenant_condition constant text := retrieval._tenant_condition(target.collection_id);
    filter_condition constant text := retrieval._filter_condition(target, metadata_filter);
    matches record;
    counted bigint;
begin
    perform retrieval._check_choice('keyword_operator', keyword_operator, array['or', 'and']);
    matches := retrieval._keyword_matches(target, query_text, keyword_operator);
    -- the planner guesses from what all tenants have, so that its guesses would tell of the others
    exact := exact or tenant_condition is not null and (metadata_filter is not null or matches.condition is not null);
    if matches.words is null then
        return 0;
    end if;
    if matches.condition is not null and not exact then
        -- what fulfils a phrase holds its words, so the two do not thin each other out
        matches.expected := least(matches.expected, retrieval._estimate_rows(
            'select from ' || retrieval._matching_chunks(target.collection_id, null, matches.condition, null)));
    end if;
    if (filter_condition is distinct from tenant_condition or row_security_active('retrieval.chunks')) and not exact then
        matches.certain := false;
        matches.expected := matches.expected * least(1, retrieval._estimate_rows(
            'select from ' || retrieval._matching_chunks(target.collection_id, null, null, filter_condition))
            / retrieval._chunk_count(target.collection_id));
    end if;
    -- few are counted quickly, and few are what a reader can see to be wrong
    if exact or matches.expected < 1000 and not matches.certain then
        execute 'select count(*) from '
                || retrieval._matching_chunks(target.collection_id, matches.words, matches.condition, filter_condition)
            into counted;
    end if;
    return coalesce(counted, round(matches.expected));
end;
$$;

comment on function retrieval.count_matches(text, text, jsonb, text, boolean) is
'How many chunks a keyword search considers, for a line such as "about 1,200 results". Below 1,000 the number is exact, and so it is for one word without filter or condition; above, words alone are estimated within some ten percent, with a filter mostly within half, with phrases, exclusions or keyword_operator ''and'' as the planner guesses, which can be ten times off. Costs a millisecond or two. Beside other tenants'' chunks a filter or condition has them counted always. exact => true counts, and costs as much as a search or more. 0 where nothing matches.';
-- end

-- begin sql/facets.sql
-- How many of the matches have which value of a key, for the filters that a page offers beside its results. A value
-- counts where a filter {key: value} would find it: a scalar, or an array's element that is one. All chunks of a document
-- have its metadata, so those are taken apart once a document, and equal ones once.
create or replace function retrieval._check_facet_keys(keys text[])
    returns void
    language plpgsql immutable
as $$
declare
    repeated text;
begin
    if keys is null or array_position(keys, null) is not null then
        raise exception 'keys must be names of metadata keys, not null' using errcode = 'invalid_parameter_value';
    end if;
    select k.key into repeated from unnest(keys) k(key) group by k.key having count(*) > 1 order by k.key limit 1;
    if found then
        raise exception 'keys: % is named more than once', quote_literal(repeated) using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_facet_keys(text[]) is '22023 where keys are null or repeated.';

create or replace function retrieval.facets(
    collection text,
    keys text[],
    query_text text default null,
    metadata_filter jsonb default null,
    keyword_operator text default 'or',
    max_values integer default 10,
    chunk_ids bigint[] default null)
    returns table (key text, value jsonb, documents bigint, chunks bigint)
    language plpgsql stable rows 30
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    filter_condition constant text := retrieval._filter_condition(target, metadata_filter);
    matches record;
begin
    perform retrieval._check_facet_keys(keys);
    perform retrieval._check_choice('keyword_operator', keyword_operator, array['or', 'and']);
    perform retrieval._check_count('max_values', max_values);
    matches := retrieval._keyword_matches(target, query_text, keyword_operator);
    if query_text is not null and matches.words is null then
        return;
    end if;
    return query execute format(
        'with matching as (
             select c.document_id, count(*) as chunks from %2$s%3$s group by c.document_id),
         held as (
             select k.number, d.metadata -> ($1)[k.number] as value, count(*) as documents, sum(m.chunks) as chunks
             from matching m
             join retrieval.documents d on d.collection_id = %1$s and d.document_id = m.document_id
             cross join generate_subscripts($1, 1) k(number)
             group by 1, 2),
         counted as (
             select h.number, e.value, sum(h.documents)::bigint as documents, sum(h.chunks)::bigint as chunks,
                    row_number() over (partition by h.number order by sum(h.documents) desc, e.value) as rank
             from held h
             cross join lateral (
                 select distinct e.value from jsonb_path_query(h.value, ''$[*]'') e(value)
                 where jsonb_typeof(e.value) not in (''object'', ''array'')) e
             group by 1, 2)
         select ($1)[c.number], c.value, c.documents, c.chunks from counted c where c.rank <= $2 order by c.number, c.rank',
        target.collection_id,
        retrieval._matching_chunks(target.collection_id, matches.words, matches.condition, filter_condition),
        case when chunk_ids is not null then ' and c.chunk_id = any ($3)' end)
        using keys, max_values, chunk_ids;
end;
$$;

comment on function retrieval.facets(text, text[], text, jsonb, text, integer, bigint[]) is
'The commonest values of metadata keys among the chunks that fulfil the filter and, where query_text is given, that keyword_search would consider, and where chunk_ids are given, that are among them: the number of documents and of chunks with each value. Keys in the order given, each with its max_values commonest by documents, ties by value. Keys are of the top level and taken as they are. Of an array each distinct element counts once; objects, and arrays in arrays, are not counted. A key that nothing has yields no rows; null or repeated keys raise 22023.';
-- end

-- begin sql/sample_chunks.sql
-- What a map of a space is drawn from: chunks with their embeddings. The sample is ordered by a hash, so it is the same again as
-- long as the chunks are the same, and one that is larger holds the smaller ones.
create or replace function retrieval.sample_chunks(
    collection text,
    space text default null,
    sample integer default 2000,
    metadata_filter jsonb default null,
    chunk_ids bigint[] default null)
    returns table (
        chunk_id bigint, document_id bigint, document_key text, title text, "position" integer, content text, metadata jsonb,
        embedding halfvec, is_sampled boolean)
    language plpgsql stable
    set search_path from current
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space);
    condition constant text := ' and (' || retrieval._filter_condition(owner, metadata_filter) || ')';
begin
    perform retrieval._check_count('sample', sample);
    return query execute format(
        'with sampled as (
             select e.chunk_id from retrieval.embeddings e%3$s
             where e.space_id = %1$s
             order by hashint8extended(e.chunk_id, 0), e.chunk_id limit $1),
         chosen as (
             select s.chunk_id, true as is_sampled from sampled s
             union all
             select n.chunk_id, false from (select distinct unnest($2) as chunk_id) n
             where n.chunk_id not in (select s.chunk_id from sampled s))
         select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata, e.embedding, h.is_sampled
         from chosen h
         join retrieval.embeddings e on e.space_id = %1$s and e.chunk_id = h.chunk_id
         join retrieval.chunks c on c.collection_id = %2$s and c.chunk_id = h.chunk_id%4$s
         join retrieval.documents d on d.collection_id = %2$s and d.document_id = c.document_id
         order by not h.is_sampled, hashint8extended(c.chunk_id, 0), c.chunk_id',
        target.space_id, owner.collection_id,
        format(' join retrieval.chunks c on c.collection_id = %s and c.chunk_id = e.chunk_id', owner.collection_id) || condition,
        condition)
        using sample, chunk_ids;
end;
$$;

comment on function retrieval.sample_chunks(text, text, integer, jsonb, bigint[]) is
'Chunks of a dense space (without a name: the active one) with their embeddings: a sample of those that fulfil the filter, the same ones at each call while the chunks are the same, and after it those of chunk_ids that fulfil it as well, have an embedding and are not in the sample (is_sampled false). At most 10,000 are sampled.';
-- end

-- begin sql/split_text.sql
-- Cuts a text into chunks, as near to the maximum as a good place allows.
--
-- The text is read in blocks and only what is not in a chunk yet is looked at: finding a character's place in UTF-8
-- takes a walk from the beginning, which would make repeated substr on the whole text quadratic.
create or replace function retrieval.split_text(document_content text, maximum_length integer default 2000)
    returns table (start_offset integer, end_offset integer, content text)
    language plpgsql immutable parallel safe
as $$
declare
    blanks constant text := E'\t\n\u000b\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';
    -- where to cut, best first: after a paragraph, a line, a sentence, a word; closing marks belong to their sentence
    places constant text[] := array[
        '^.*\n[ \t\r]*\n',
        '^.*\n',
        '^.*(?:[.!?…]["''”’»)\]]*[' || blanks || ']|[。！？][」』）”’]*(?=.))',
        '^.*[' || blanks || ']'];
    half constant integer := maximum_length / 2;
    -- the collation only matters to classes of characters, of which there are none
    rest text collate "C" := '';
    later_half text collate "C";
    block text collate "C";
    cut integer;
begin
    perform retrieval._check_count('maximum_length', maximum_length, 100000);
    if char_length(document_content) <= maximum_length then  -- the common case, quickly
        content := ltrim(document_content, blanks);
        start_offset := char_length(document_content) - char_length(content);
        content := rtrim(content, blanks);
        end_offset := start_offset + char_length(content);
        if content <> '' then
            return next;
        end if;
        return;
    end if;
    end_offset := 0;  -- of what was read and is behind
    for block in
        select m[1] from regexp_matches(document_content collate "C", '.{1,250}', 'g') m union all select null
    loop
        rest := rest || coalesce(block, '');
        -- one character more tells whether a word or a sentence ends exactly there
        while char_length(rest) > maximum_length or block is null loop
            start_offset := end_offset + char_length(rest);
            rest := ltrim(rest, blanks);
            start_offset := start_offset - char_length(rest);
            cut := char_length(rest);
            end_offset := start_offset;
            exit when cut = 0 or cut <= maximum_length and block is not null;
            if cut > maximum_length then
                -- in the later half, so that a small paragraph before a long one is not left alone
                later_half := substr(rest, half + 1, maximum_length + 1 - half);
                for place in 1 .. cardinality(places) loop
                    cut := half + char_length(substring(later_half from places[place]));
                    exit when cut is not null;
                end loop;
                cut := coalesce(cut, char_length(substring(left(rest, half) from places[4])), maximum_length);
            end if;
            content := rtrim(left(rest, cut), blanks);
            end_offset := start_offset + char_length(content);
            return next;
            rest := substr(rest, char_length(content) + 1);
        end loop;
    end loop;
end;
$$;

comment on function retrieval.split_text(text, integer) is
'Cuts a text into chunks of at most maximum_length characters: after a paragraph, else a line, else a sentence (also of Chinese and Japanese), else a word, and only in the middle of a word that is longer than a chunk. A chunk is the text from start_offset to end_offset (in characters, from 0, the end excluded), without blanks around it; every other character is in exactly one chunk. A text of blanks has none.';
-- end

-- begin sql/enqueue_chunks.sql
-- The queue of what is to be embedded. A job is some chunks of one space; it is written by the transaction that writes the
-- chunks, so that none is forgotten and none is embedded that was rolled back. What a job says is only where to look: a chunk
-- that is gone, or has its embedding, is passed over. run_after says when a job is due: a failed one never, a
-- running one when its worker has not been heard of for too long.

create or replace function retrieval._enqueue_chunks(space_id bigint, chunk_ids bigint[])
    returns void
    language plpgsql
as $$
begin
    if coalesce(cardinality(chunk_ids), 0) = 0 then
        return;
    end if;
    -- Where jobs are due a worker is at it, or will look again soon. A notification makes its transaction commit alone: no
    -- matter for one document now and then, but not for every insert of a busy table.
    if not exists (select from retrieval.jobs j where j.space_id = _enqueue_chunks.space_id and j.run_after <= now()) then
        perform pg_notify('retrieval_jobs', space_id::text);
    end if;
    -- small enough that one bad call costs little, large enough to fill a batch from a few
    insert into retrieval.jobs (space_id, chunk_ids)
    select _enqueue_chunks.space_id, _enqueue_chunks.chunk_ids[first:first + 63]
    from generate_series(1, cardinality(_enqueue_chunks.chunk_ids), 64) first;
end;
$$;

comment on function retrieval._enqueue_chunks(bigint, bigint[]) is
'Writes jobs for chunks of a space, 64 in each, and wakes a worker on channel retrieval_jobs unless there is work already.';

-- Who embeds in the transaction that writes the chunks says for which spaces: set_config('retrieval.embedded_spaces', '3,7', true).
create or replace function retrieval._enqueue_inserted()
    returns trigger
    language plpgsql
as $$
declare
    embedded constant bigint[] := coalesce(string_to_array(current_setting('retrieval.embedded_spaces', true), ','), '{}')::bigint[];
    target retrieval.spaces;
    chunk_ids bigint[];
begin
    for target in
        select s.*
        from retrieval.spaces s
        where s.collection_id in (select n.collection_id from new_chunks n) and s.state <> 'retired' and s.space_id <> all (embedded)
        order by s.space_id
        for key share  -- one that is being dropped is waited for, and then is none
    loop
        execute format(
            'select array_agg(c.chunk_id order by c.chunk_id) from %s where c.collection_id = %s and %s',
            -- what a new chunk is may have been corrected: see retrieval._copy_document()
            case target.modality when 'image' then 'new_chunks n join retrieval.chunks c using (chunk_id, collection_id)' else 'new_chunks c' end,
            target.collection_id, retrieval._embeds(target)) into chunk_ids;
        perform retrieval._enqueue_chunks(target.space_id, chunk_ids);
    end loop;
    return null;
end;
$$;

comment on function retrieval._enqueue_inserted() is
'Trigger on chunks: new ones are to be embedded in every space that is not retired, nor named by the setting retrieval.embedded_spaces.';

create or replace trigger enqueue_inserted
    after insert on retrieval.chunks referencing new table as new_chunks
    for each statement execute function retrieval._enqueue_inserted();
-- end

-- begin sql/enqueue_missing.sql
-- Brings the queue and what is really missing together.
create or replace function retrieval._enqueue_missing(space retrieval.spaces, among text default 'true')
    returns bigint
    language plpgsql
as $$
declare
    missing bigint[];
begin
    execute format(
        'with missing as materialized (
             select c.chunk_id, %3$s as kept from retrieval.chunks c
             where %2$s),
         queued as materialized (
             select j.job_id, u.chunk_id from retrieval.jobs j, unnest(j.chunk_ids) u(chunk_id) where j.space_id = %1$s),
         done as (
             delete from retrieval.jobs j
             where j.space_id = %1$s and j.state <> ''running''
               and j.job_id not in (select q.job_id from queued q join missing m using (chunk_id)))
         select coalesce(array_agg(m.chunk_id order by m.chunk_id), ''{}'')
         from missing m where m.kept and not exists (select from queued q where q.chunk_id = m.chunk_id)',
        space.space_id, retrieval._lacks(space), among) into missing;
    perform retrieval._enqueue_chunks(space.space_id, missing);
    return cardinality(missing);
end;
$$;

comment on function retrieval._enqueue_missing(retrieval.spaces, text) is
'Enqueues the chunks c that fulfil a condition, lack an embedding in a space and are in no job of it, and removes jobs with nothing to do; returns how many chunks.';

create or replace function retrieval.enqueue_missing(collection text, space text default null)
    returns bigint
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
    enqueued bigint := 0;
begin
    if space is not null then
        perform retrieval._space(owner, space, null);
    end if;
    for target in
        select * from retrieval.spaces s
        where s.collection_id = owner.collection_id and s.state <> 'retired'
          and (enqueue_missing.space is null or s.name = enqueue_missing.space)
        order by s.space_id
    loop
        enqueued := enqueued + retrieval._enqueue_missing(target, retrieval._kept_chunks());
    end loop;
    return enqueued;
end;
$$;

comment on function retrieval.enqueue_missing(text, text) is
'Brings the queue of a space (null: of each space of the collection) and what is missing in it together: chunks without an embedding that no job names (the current tenant''s; for the owner of the schema who is in no tenant, of all) are enqueued, and returned as a number; jobs with nothing left to do are removed. Failed jobs stay; a retired space has no queue. Workers call it when they start; worth a call after embeddings were removed by hand, or stored for chunks that had been enqueued. Reads the ids of the whole collection.';
-- end

-- begin sql/has_jobs.sql
-- Whether there is something for a worker to do, without counting how much.
create or replace function retrieval.has_jobs(collection text, space text default null)
    returns boolean
    language sql stable
begin atomic
    select exists (
        select from retrieval.collections n
        join retrieval.spaces s on s.collection_id = n.collection_id
        join retrieval.jobs j on j.space_id = s.space_id
        where n.name = has_jobs.collection and (has_jobs.space is null or s.name = has_jobs.space) and j.run_after <= now());
end;

comment on function retrieval.has_jobs(text, text) is
'Whether chunks wait to be embedded, in a space or (null) in any of the collection, that no worker has begun with; what failed does not wait. False where there is no such space.';
-- end

-- begin sql/split_documents.sql
-- Chunks follow the content of their document where no program cuts it: retrieval.add_document, attached tables and a plain
-- `update retrieval.documents set content = …` all come here.

-- What decides how a document is cut and what the model sees of it; the same hash means the same chunks.
create or replace function retrieval._text_hash(title text, content text, maximum_length integer)
    returns text
    language sql immutable parallel safe
    return encode(sha256(convert_to(
        'split_text 1 ' || maximum_length::text || ' ' || coalesce(octet_length(title), 0)::text || ' ' || coalesce(title, '') || coalesce(content, ''),
        'UTF8')), 'hex');

comment on function retrieval._text_hash(text, text, integer) is
'The content_hash of a document that is cut by retrieval.split_text: over its title, content and the length of its chunks.';

create or replace function retrieval._split_documents(collection_id bigint, document_ids bigint[], maximum_length integer, have_chunks boolean)
    returns void
    language plpgsql
as $$
begin
    if have_chunks then
        execute format('delete from retrieval.chunks where collection_id = %s and document_id = any($1)', collection_id) using document_ids;
    end if;
    execute format(
        'insert into retrieval.chunks (collection_id, document_id, tenant, position, start_offset, end_offset, content, title, metadata, text_config,
                                       modality)
         select %1$s, d.document_id, d.tenant, coalesce(s.number - 1, 0)::integer, coalesce(s.start_offset, 0), coalesce(s.end_offset, 0),
                coalesce(s.content, ''''), d.title, d.metadata, coalesce(d.text_config, n.text_config), d.modality
         from retrieval.documents d
         join retrieval.collections n on n.collection_id = %1$s
         left join lateral (
             select * from retrieval.split_text(d.content, %2$s) with ordinality t(start_offset, end_offset, content, number)
             where d.modality = ''text''
             union all
             select 0, char_length(d.content), d.content, 1 where d.modality = ''image'') s on true
         where d.collection_id = %1$s and d.document_id = any($1)
           -- without text a title is still to be found
           and (s.number is not null or btrim(d.title) <> '''')', collection_id, maximum_length)
        using document_ids;
end;
$$;

comment on function retrieval._split_documents(bigint, bigint[], integer, boolean) is
'Cuts documents into new chunks; have_chunks says whether there can be old ones to remove. An image is one chunk, with its caption. Any other document without text is one empty chunk if it has a title, and none otherwise.';

-- Writers that bring chunks along set retrieval.chunks_given while they write the documents: in their bodies, because only
-- a superuser may create a function that is declared to set a parameter of that kind.
create or replace function retrieval._follow_content()
    returns trigger
    language plpgsql
as $$
declare
    rewritten record;
begin
    if current_setting('retrieval.chunks_given', true) = 'on' then
        return null;
    end if;
    -- planned each time: a plan for few rows compares each of many with each
    for rewritten in execute
        'select n.collection_id, array_agg(n.document_id) as document_ids
         from new_documents n join old_documents o using (document_id, collection_id)
         where n.content <> o.content
            or n.title <> '''' and btrim(n.content) = ''''
               and not exists (select from retrieval.chunks c where c.collection_id = n.collection_id and c.document_id = n.document_id)
         group by n.collection_id'
    loop
        perform retrieval._split_documents(rewritten.collection_id, rewritten.document_ids, 2000, true);
    end loop;
    return null;
end;
$$;

comment on function retrieval._follow_content() is
'Trigger on documents: content that was updated in place is cut anew, into chunks of up to 2000 characters.';

create or replace trigger follow_content
    after update on retrieval.documents referencing old table as old_documents new table as new_documents
    for each statement execute function retrieval._follow_content();

-- A hash that says "unchanged" to the next ingestion must not outlive the text that it was taken of.
create or replace function retrieval._forget_hash()
    returns trigger
    language plpgsql
as $$
begin
    new.content_hash := null;
    return new;
end;
$$;

comment on function retrieval._forget_hash() is
'Trigger on documents: a title or content that was updated in place has no content_hash.';

create or replace trigger forget_hash
    before update of title, content on retrieval.documents
    for each row when (new.content_hash = old.content_hash and (new.content <> old.content or new.title is distinct from old.title))
    execute function retrieval._forget_hash();

-- What the model saw of a chunk is no longer what the chunk says: the embedding goes, and the chunk is to be embedded again.
-- One that had none is in the queue already, unless its old text was what failed.
create or replace function retrieval._forget_embeddings()
    returns trigger
    language plpgsql
as $$
declare
    rewritten record;
    space retrieval.spaces;
    forgotten bigint[];
begin
    if not exists (select from new_chunks) then  -- as after every insert: see retrieval._copy_document()
        return null;
    end if;
    -- planned each time, as in retrieval._follow_content()
    for rewritten in execute
        'select n.collection_id, array_agg(n.chunk_id) as chunk_ids
         from new_chunks n join old_chunks o using (chunk_id, collection_id)
         where (n.content, n.context, n.modality) <> (o.content, o.context, o.modality) or n.title is distinct from o.title
         group by n.collection_id'
    loop
        for space in
            select s.* from retrieval.spaces s where s.collection_id = rewritten.collection_id
            order by s.space_id for key share  -- before the partitions, as every writer does
        loop
            execute format(
                'with forgotten as (delete from retrieval.%I where space_id = %s and chunk_id = any($1) returning chunk_id)
                 select array_agg(f.chunk_id order by f.chunk_id) from forgotten f',
                retrieval._embedding_table(space.kind), space.space_id) into forgotten using rewritten.chunk_ids;
            if space.state <> 'retired' then
                perform retrieval._enqueue_chunks(space.space_id, forgotten);
                update retrieval.jobs j set state = 'pending', attempts = 0, run_after = now(), error = null
                where j.space_id = space.space_id and j.run_after = 'infinity' and j.chunk_ids && rewritten.chunk_ids;
            end if;
        end loop;
    end loop;
    return null;
end;
$$;

comment on function retrieval._forget_embeddings() is
'Trigger on chunks: a chunk whose title, context, content or modality was updated in place loses its embeddings and is to be embedded again.';

create or replace trigger forget_embeddings
    after update on retrieval.chunks referencing old table as old_chunks new table as new_chunks
    for each statement execute function retrieval._forget_embeddings();
-- end

-- begin sql/put_documents.sql
-- Stores documents with their chunks, each replacing whatever its key held before: all of them or none.
--
-- A document is locked (by its upsert, in the order of the keys, so that two writers cannot deadlock) before its old
-- chunks are removed; a second writer of the same key therefore sees and replaces what the first one stored.
create or replace function retrieval.put_documents(collection text, documents jsonb)
    returns table (document_key text, document_id bigint, "position" integer, chunk_id bigint)
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    tenant constant text := retrieval.current_tenant();
    repeated record;
    stored_ids bigint[];
begin
    if jsonb_typeof(documents) is distinct from 'array' then
        raise exception 'documents must be a JSON array of objects' using errcode = 'invalid_parameter_value';
    end if;
    select d ->> 'document_key' as key into repeated from jsonb_array_elements(documents) d
    group by 1 having count(*) > 1 or d ->> 'document_key' is null limit 1;
    if found then
        raise exception '%', case when repeated.key is null then 'a document has no document_key'
                                  else format('document_key %L is given twice', repeated.key) end
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_choice('modality', m.modality, array['text', 'image'])
    from (select distinct coalesce(d ->> 'modality', 'text') as modality from jsonb_array_elements(documents) d) m;
    perform set_config('retrieval.chunks_given', 'on', true);  -- see retrieval._follow_content()
    execute format($query$
        with stored as (
            insert into retrieval.documents
                (collection_id, document_key, tenant, title, source, content, metadata, text_config, modality, content_hash)
            select %s, g.document_key, %L, g.title, g.source, coalesce(g.content, ''), coalesce(g.metadata, '{}'), g.text_config,
                   coalesce(g.modality, 'text'), g.content_hash
            from jsonb_to_recordset($1) g(document_key text, title text, source text, content text, metadata jsonb,
                                          text_config text, modality text, content_hash text)
            order by g.document_key
            on conflict (document_key, tenant, collection_id) do update
            set title = excluded.title, source = excluded.source, content = excluded.content, metadata = excluded.metadata,
                text_config = excluded.text_config, modality = excluded.modality, content_hash = excluded.content_hash, updated_at = now()
            returning document_id)
        select array_agg(document_id) from stored$query$, owner, tenant) into stored_ids using documents;
    perform set_config('retrieval.chunks_given', '', true);
    execute format('delete from retrieval.chunks where collection_id = %s and document_id = any($1)', owner) using stored_ids;
    return query execute format($query$
        with inserted as (
            insert into retrieval.chunks (collection_id, document_id, tenant, position, start_offset, end_offset, content, context,
                                          title, metadata, text_config, modality)
            select %1$s, d.document_id, d.tenant, (c.number - 1)::integer, (c.chunk ->> 'start_offset')::integer,
                   (c.chunk ->> 'end_offset')::integer, coalesce(c.chunk ->> 'content', ''), coalesce(c.chunk ->> 'context', ''),
                   d.title, d.metadata, coalesce(d.text_config, n.text_config), d.modality
            from jsonb_to_recordset($1) g(document_key text, chunks jsonb)
            join retrieval.documents d on d.collection_id = %1$s and d.document_key = g.document_key and d.tenant = %2$L
            join retrieval.collections n on n.collection_id = %1$s
            cross join lateral jsonb_array_elements(
                coalesce(g.chunks, jsonb_build_array(jsonb_build_object(
                    'content', d.content, 'start_offset', 0, 'end_offset', char_length(d.content)))))
                with ordinality c(chunk, number)
            returning document_id, position, chunk_id)
        select d.document_key, i.document_id, i.position, i.chunk_id
        from inserted i
        join retrieval.documents d on d.collection_id = %1$s and d.document_id = i.document_id
        order by d.document_key, i.position$query$, owner, tenant) using documents;
end;
$$;

comment on function retrieval.put_documents(text, jsonb) is
'Stores documents of the current tenant, each replacing what its key held, and returns their chunks. An element: {"document_key", "content", "title", "source", "metadata", "text_config", "modality", "content_hash", "chunks": [{"content", "context", "start_offset", "end_offset"}, …]}; only the key is required, and without chunks the content is one chunk. Modality is text, or image for a document that is the image file which source names, with its caption as content. Embeddings follow with retrieval.put_embeddings.';
-- end

-- begin sql/delete_documents.sql
-- Deletes documents; their chunks and embeddings go with them.
create or replace function retrieval.delete_documents(collection text, document_keys text[])
    returns integer
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    tenant constant text := retrieval.current_tenant();
    deleted integer;
begin
    -- locked in the order that every writer of documents follows
    execute format('select from retrieval.documents where collection_id = %s and tenant = %L and document_key = any($1) order by document_key for update',
                   owner, tenant)
        using document_keys;
    -- the chunks first and all at once: cascading would count them once per document
    execute format(
        'delete from retrieval.chunks c using retrieval.documents d
         where c.collection_id = %1$s and d.collection_id = %1$s and d.tenant = %2$L and d.document_key = any($1)
           and c.document_id = d.document_id', owner, tenant)
        using document_keys;
    execute format('delete from retrieval.documents where collection_id = %s and tenant = %L and document_key = any($1)', owner, tenant)
        using document_keys;
    get diagnostics deleted = row_count;
    return deleted;
end;
$$;

comment on function retrieval.delete_documents(text, text[]) is
'Deletes the current tenant''s documents of these keys with their chunks and embeddings; returns how many there were.';
-- end

-- begin sql/add_document.sql
-- Stores one document, cut in SQL. New text means new chunks: an embedding that is being made of an old chunk meanwhile
-- finds no chunk to be stored for.
create or replace function retrieval.add_document(
    collection text, document_key text, content text, title text default null, metadata jsonb default '{}',
    source text default null, text_config text default null, maximum_chunk_length integer default 2000,
    modality text default 'text')
    returns bigint
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    tenant constant text := retrieval.current_tenant();
    text_hash constant text := retrieval._text_hash(title, content, maximum_chunk_length);
    hash_before text;
    stored bigint;
begin
    perform retrieval._check_choice('modality', modality, array['text', 'image']);
    perform retrieval._check_count('maximum_chunk_length', maximum_chunk_length, 100000);
    if document_key is null then
        raise exception 'document_key must not be null' using errcode = 'invalid_parameter_value';
    end if;
    -- locked, so that the hash is still the one that is replaced
    execute format('select d.content_hash from retrieval.documents d where d.collection_id = %s and d.tenant = %L and d.document_key = $1 for update',
                   owner, tenant)
        into hash_before using document_key;
    perform set_config('retrieval.chunks_given', 'on', true);  -- see retrieval._follow_content()
    execute format(
        'insert into retrieval.documents as d (collection_id, document_key, tenant, title, source, content, metadata, text_config, content_hash,
                                          modality)
         values (%s, $1, %L, $2, $3, coalesce($4, ''''), coalesce($5, ''{}''), $6, $7, $8)
         on conflict (document_key, tenant, collection_id) do update
         set title = excluded.title, source = excluded.source, content = excluded.content, metadata = excluded.metadata,
             text_config = excluded.text_config, content_hash = excluded.content_hash, modality = excluded.modality, updated_at = now()
         returning document_id', owner, tenant)
        into stored using document_key, title, source, content, metadata, text_config, text_hash, modality;
    perform set_config('retrieval.chunks_given', '', true);
    if hash_before is distinct from text_hash then
        perform retrieval._split_documents(owner, array[stored], maximum_chunk_length, true);
    end if;
    return stored;
end;
$$;

comment on function retrieval.add_document(text, text, text, text, jsonb, text, text, integer, text) is
'Stores a document of the current tenant, replacing what its key held, and returns its id. It is cut into chunks of up to maximum_chunk_length characters (see retrieval.split_text; about four times the tokens that the model reads suits English) which keyword search finds at once; retrieval.missing_embeddings lists them until they are embedded. The same title and content again keep chunks and embeddings, whatever else changes; a new title is new text, since the model reads it with every chunk. Null content is empty. With modality image the document is the image file that source names, its content the caption, and it is one chunk.';
-- end

-- begin sql/delete_document.sql
-- Deletes one document; its chunks and embeddings go with it.
create or replace function retrieval.delete_document(collection text, document_key text)
    returns boolean
    language sql
    return retrieval.delete_documents(collection, array[document_key]) > 0;

comment on function retrieval.delete_document(text, text) is
'Deletes the document of this key with its chunks and embeddings; returns whether there was one.';
-- end

-- begin sql/table_rows.sql
-- How the rows of an attached table read as documents. The SQL is made when it is needed, from the columns' names: a table
-- may get another name, schema or column type at any time, and only what an attachment names must stay.

-- Types that users made are read through their output functions alone. A cast may be a function of anybody's, and the
-- trigger would run it with the rights of this schema's owner.
create or replace function retrieval._column_expression(relation oid, column_name text, as_text boolean)
    returns text
    language plpgsql stable
as $$
declare
    base_type oid;
begin
    with recursive types as (
        select a.atttypid as type from pg_catalog.pg_attribute a
        where a.attrelid = relation and a.attname = column_name and a.attnum > 0 and not a.attisdropped
        union all
        select y.typbasetype from types join pg_catalog.pg_type y on y.oid = types.type where y.typtype = 'd')
    select t.type into base_type from types t join pg_catalog.pg_type y on y.oid = t.type where y.typtype <> 'd';
    if not found then
        raise exception 'column % of table % does not exist', quote_ident(column_name), relation::regclass
            using errcode = 'undefined_column';
    end if;
    return case when base_type >= 16384 then format('case when t.%1$I is not null then format(''%%s'', t.%1$I) end', column_name)
                when as_text then format('t.%I::text', column_name)
                else format('t.%I', column_name) end;
end;
$$;

comment on function retrieval._column_expression(oid, text, boolean) is
'The SQL that reads a column of a row t: as it is, or as text; always as text where users made its type. 42703 where there is no such column.';

create or replace function retrieval._key_expression(attached retrieval.attached_tables, relation oid)
    returns text
    language sql stable
    return case cardinality(attached.key_columns)
        when 1 then retrieval._column_expression(relation, attached.key_columns[1], true)
        else (select 'jsonb_build_array(' || string_agg(retrieval._column_expression(relation, c.name, false), ', ' order by c.number) || ')::text'
              from unnest(attached.key_columns) with ordinality c(name, number)) end;

comment on function retrieval._key_expression(retrieval.attached_tables, oid) is
'The SQL of a row''s document_key: the text of its key column, or the text of a JSON array of several.';

create or replace function retrieval._table_rows(attached retrieval.attached_tables, relation oid, source text)
    returns text
    language sql stable
    return format(
        'select r.*, retrieval._text_hash(r.title, r.content, %s) as content_hash
         from (select %s as document_key, %s as title, %s as content, %s as metadata from %s t) r',
        attached.maximum_chunk_length,
        retrieval._key_expression(attached, relation),
        case when attached.title_column is null then 'null::text' else retrieval._column_expression(relation, attached.title_column, true) end,
        (select coalesce('concat_ws(E''\n\n'', ' || string_agg(
             format('nullif(%s, '''')', retrieval._column_expression(relation, c.name, true)), ', ' order by c.number) || ')', '''''::text')
         from unnest(attached.content_columns) with ordinality c(name, number)),
        (select coalesce('(select to_jsonb(m.*) from (select ' || string_agg(
             format('%s as %I', retrieval._column_expression(relation, c.name, false), c.name), ', ' order by c.number) || ') m)', '''{}''::jsonb')
         from unnest(attached.metadata_columns) with ordinality c(name, number)),
        source);

comment on function retrieval._table_rows(retrieval.attached_tables, oid, text) is
'The SQL that reads the rows of a table, or of a transition table with its columns, as document_key, title, content, metadata and content_hash.';

-- Only what differs is written. `known_only` is for a reader of the table: a document that appeared since it looked was
-- written by a transaction that knew the row better.
create or replace function retrieval._store_rows(attached retrieval.attached_tables, table_rows text, known_only boolean)
    returns text
    language sql immutable
    return format($query$
        with given as materialized (%2$s),
        known as materialized (
            select d.document_key, d.content_hash, d.source from retrieval.documents d
            where d.collection_id = %1$s and d.tenant = %5$L and d.document_key in (select g.document_key from given g)),
        stored as (
            insert into retrieval.documents as d (collection_id, document_key, tenant, title, source, content, metadata, content_hash)
            select %1$s, g.document_key, %5$L, g.title, %3$L, g.content, g.metadata, g.content_hash
            from given g
            order by g.document_key  -- the order of every writer
            on conflict (document_key, tenant, collection_id) do update
            set title = excluded.title, content = excluded.content, metadata = excluded.metadata,
                content_hash = excluded.content_hash, updated_at = now()
            where d.source = excluded.source and %4$s
              and (d.title, d.content_hash, d.metadata) is distinct from (excluded.title, excluded.content_hash, excluded.metadata)
            returning d.document_id, d.document_key)
        select count(*) as stored,
               array_agg(s.document_id) filter (where k.content_hash is distinct from g.content_hash) as rewritten,
               count(k.document_key) > 0 as known,
               (select min(k.document_key) from known k where k.source is distinct from %3$L) as taken
        from stored s join given g using (document_key) left join known k using (document_key)$query$,
        attached.collection_id, table_rows, attached.table_name,
        case when known_only then 'exists (select from known k where k.document_key = d.document_key)' else 'true' end,
        attached.tenant);

comment on function retrieval._store_rows(retrieval.attached_tables, text, boolean) is
'The SQL that stores rows as documents: how many were written, the ids of those to be cut, whether some had been there, and a key that another document has.';

create or replace function retrieval._cut_rows(attached retrieval.attached_tables, rewritten bigint[], known boolean, taken text)
    returns void
    language plpgsql
as $$
begin
    if taken is not null then
        raise exception 'document % of the collection is not of table %', quote_literal(taken), attached.table_name
            using errcode = 'unique_violation', hint = 'Keys are unique in a collection: attach the table to another one, or delete that document.';
    elsif rewritten is not null then
        perform retrieval._split_documents(attached.collection_id, rewritten, attached.maximum_chunk_length, known);
    end if;
end;
$$;

comment on function retrieval._cut_rows(retrieval.attached_tables, bigint[], boolean, text) is
'What is to be done after retrieval._store_rows: cuts the documents, or 23505 where a key is taken.';

create or replace function retrieval._delete_rows(attached retrieval.attached_tables, document_keys text[])
    returns integer
    language plpgsql
as $$
declare
    condition constant text := format('d.collection_id = %s and d.tenant = %L and d.source = %L%s', attached.collection_id, attached.tenant, attached.table_name,
                                      case when document_keys is not null then ' and d.document_key = any($1)' end);
    ids bigint[];
    deleted integer;
begin
    execute format('select array_agg(l.document_id) from (
                        select d.document_id from retrieval.documents d where %s order by d.document_key for update) l', condition)
        into ids using document_keys;
    execute format('delete from retrieval.chunks where collection_id = %s and document_id = any($1)', attached.collection_id) using ids;
    execute format('delete from retrieval.documents where collection_id = %s and document_id = any($1)', attached.collection_id) using ids;
    get diagnostics deleted = row_count;
    return deleted;
end;
$$;

comment on function retrieval._delete_rows(retrieval.attached_tables, text[]) is
'Deletes the documents of an attached table with these keys, or with null all of them; returns how many there were.';
-- end

-- begin sql/follow_table.sql
-- Keeps a collection in step with an attached table: one call for each statement, however many rows it writes.
--
-- Whoever may write the table need not know of this schema, so the trigger has its owner's rights, reads nothing but the
-- rows that it is given, and writes nothing but the table's own documents. It cannot make the statement fail: an error undoes
-- what the trigger did and is noted, and nothing here is waited for longer than lock_timeout. The other settings make
-- texts of dates the same in every session.
create or replace function retrieval._follow_table()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '1s'
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'postgres'
    set timezone = 'UTC'
as $$
declare
    attached retrieval.attached_tables;
    changed record;
    stored record;
    state text;
    message text;
begin
    select * into attached from retrieval.attached_tables a where a.attached_table_id = tg_argv[0]::bigint;
    if not found then  -- its collection was dropped
        return null;
    elsif tg_op = 'TRUNCATE' then
        perform retrieval._delete_rows(attached, null);
        return null;
    elsif tg_op = 'INSERT' then
        execute retrieval._store_rows(attached, retrieval._table_rows(attached, tg_relid, 'new_rows'), false) into stored;
        perform retrieval._cut_rows(attached, stored.rewritten, stored.known, stored.taken);
        return null;
    elsif tg_op = 'DELETE' then
        execute format('select array_agg(%s) as gone from old_rows t', retrieval._key_expression(attached, tg_relid)) into changed;
        if changed.gone is not null then
            perform retrieval._delete_rows(attached, changed.gone);
        end if;
        return null;
    end if;
    execute retrieval._changed_rows(attached, tg_relid) into changed;
    if changed.gone <> '{}' then
        execute retrieval._move_documents(attached, tg_relid) using changed.gone, changed.come;
        perform retrieval._delete_rows(attached, changed.gone);
    end if;
    if changed.come <> '{}' then
        execute retrieval._store_rows(
            attached, 'select * from (' || retrieval._table_rows(attached, tg_relid, 'new_rows') || ') n where n.document_key = any($1)', false)
            into stored using changed.come;
        perform retrieval._cut_rows(attached, stored.rewritten, stored.known, stored.taken);
    end if;
    return null;
exception when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text;
    perform retrieval._note_failure(tg_argv[0]::bigint, null, lower(tg_op), state, message);
    return null;
end;
$$;

comment on function retrieval._follow_table() is
'Trigger on attached tables: the collection follows each statement, in its transaction.';

-- a trigger on a table of one's own would write to the collection of another's
revoke execute on function retrieval._follow_table() from public;

-- Rows are compared as they are stored, which any type can be.
create or replace function retrieval._changed_rows(attached retrieval.attached_tables, relation oid)
    returns text
    language sql stable
    return format(
        'with before as materialized (select %1$s as document_key, row(%2$s)::record as stored from old_rows t),
              after as materialized (select %1$s as document_key, row(%2$s)::record as stored from new_rows t)
         select array(select b.document_key from before b where not exists (
                    select from after a where a.document_key = b.document_key)) as gone,
                array(select a.document_key from after a where not exists (
                    select from before b where b.document_key = a.document_key and b.stored operator(pg_catalog.*=) a.stored)) as come',
        retrieval._key_expression(attached, relation),
        (select string_agg(format('t.%I', c.name), ', ')
         from unnest(attached.title_column || attached.content_columns || attached.metadata_columns) c(name) where c.name is not null));

comment on function retrieval._changed_rows(retrieval.attached_tables, oid) is
'The SQL that compares the transition tables of an update: the keys that are gone, and those that have come or read differently.';

-- A row that got another key keeps its chunks and embeddings.
create or replace function retrieval._move_documents(attached retrieval.attached_tables, relation oid)
    returns text
    language sql stable
    return format(
        'with before as (
             select r.document_key, r.content_hash, row_number() over (partition by r.content_hash order by r.document_key) as number
             from (%3$s) r where r.document_key = any($1)),
         after as (
             select r.document_key, r.content_hash, row_number() over (partition by r.content_hash order by r.document_key) as number
             from (%4$s) r where r.document_key = any($2)
               and not exists (select from retrieval.documents d where d.collection_id = %1$s and d.tenant = %5$L and d.document_key = r.document_key))
         update retrieval.documents d set document_key = a.document_key, updated_at = now()
         from before b join after a using (content_hash, number)
         where d.collection_id = %1$s and d.tenant = %5$L and d.source = %2$L and d.document_key = b.document_key',
        attached.collection_id, attached.table_name,
        retrieval._table_rows(attached, relation, 'old_rows'), retrieval._table_rows(attached, relation, 'new_rows'), attached.tenant);

comment on function retrieval._move_documents(retrieval.attached_tables, oid) is
'The SQL that gives the documents of gone keys ($1) the new ones ($2) that come with the same text.';

-- One row for each failure: updating a shared one would make failing transactions wait for each other.
create or replace function retrieval._note_failure(attached_table_id bigint, document_key text, operation text, state text, message text)
    returns void
    language plpgsql
as $$
begin
    insert into retrieval.attached_table_failures (attached_table_id, document_key, operation, sqlstate, message)
    select a.attached_table_id, left(_note_failure.document_key, 2000), operation, state, message
    from retrieval.attached_tables a where a.attached_table_id = _note_failure.attached_table_id;
    if found then
        raise warning 'search does not follow this %: %', operation, message
            using errcode = state, hint = 'retrieval.refresh_table repairs; see retrieval.attached_table_failures.';
    end if;
exception when others then
    raise warning 'search does not follow this %: %', operation, message
        using errcode = state, hint = 'This could not be noted: ' || sqlerrm || '. retrieval.refresh_table repairs.';
end;
$$;

comment on function retrieval._note_failure(bigint, text, text, text, text) is
'Notes that an attached table and its collection differ, with a warning; nothing where the table is not attached any more.';
-- end

-- begin sql/attach_table.sql
-- Attaching a table: from then on its collection is written by the table's own transactions.

-- A trigger knows its table under any name and after a restore, which a stored name or oid would not.
create or replace function retrieval._attachments(table_name regclass, collection text)
    returns setof retrieval.attached_tables
    language sql stable
begin atomic
    select a.*
    from retrieval.attached_tables a
    join retrieval.collections n using (collection_id)
    join pg_catalog.pg_trigger t on t.tgname = format('retrieval_%s_insert', a.attached_table_id)
    where t.tgrelid = _attachments.table_name and t.tgfoid = to_regproc('retrieval._follow_table')
      and n.name = coalesce(collection, n.name) and a.tenant = retrieval.current_tenant()
    order by a.attached_table_id;
end;

comment on function retrieval._attachments(regclass, text) is
'How a table is attached for the current tenant: to this collection, or with null to any.';

create or replace function retrieval._column_names(names text)
    returns text[]
    language sql immutable
    return case when names is null then '{}' when starts_with(names, '{') then names::text[] else array[names] end;

comment on function retrieval._column_names(text) is
'One column''s name, or several written as an array, {like,this}.';

create or replace function retrieval._check_attached_table(attached retrieval.attached_tables, relation regclass)
    returns void
    language plpgsql stable
as $$
declare
    found_table record;
    named constant text[] := attached.key_columns || attached.title_column || attached.content_columns || attached.metadata_columns;
    wrong text;
begin
    select c.relkind, c.relpersistence, c.relnamespace into found_table from pg_catalog.pg_class c where c.oid = relation;
    if found_table.relkind not in ('r', 'p') or found_table.relpersistence = 't' or found_table.relnamespace = 'retrieval'::regnamespace then
        raise exception '% cannot be attached: it is not an ordinary table', relation using errcode = 'wrong_object_type';
    end if;
    -- raises for a column that does not exist
    perform retrieval._column_expression(relation, n.name, false) from unnest(named) n(name) where n.name is not null;
    select a.attname into wrong from pg_catalog.pg_attribute a
    where a.attrelid = relation and a.attname = any(named) and a.attgenerated = 'v' limit 1;
    if found then
        raise exception 'column % cannot be attached: it is generated when it is read', quote_ident(wrong) using errcode = 'feature_not_supported';
    elsif cardinality(attached.key_columns) = 0 then
        raise exception 'key must name a column' using errcode = 'invalid_parameter_value';
    elsif attached.title_column is null and cardinality(attached.content_columns) = 0 then
        raise exception 'title or content must name a column' using errcode = 'invalid_parameter_value';
    end if;
    select a.attname into wrong from pg_catalog.pg_attribute a
    where a.attrelid = relation and a.attname = any(attached.key_columns) and not a.attnotnull limit 1;
    if found then
        raise exception 'key column % of table % can be null', quote_ident(wrong), relation
            using errcode = 'invalid_parameter_value', hint = 'Declare it not null, or name other columns.';
    elsif not exists (
        select from pg_catalog.pg_index i
        where i.indrelid = relation and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
          and not exists (
              select from unnest(i.indkey::smallint[]) with ordinality k(attnum, number)
              join pg_catalog.pg_attribute a on a.attrelid = relation and a.attnum = k.attnum
              where k.number <= i.indnkeyatts and a.attname <> all(attached.key_columns))) then
        raise exception 'key % of table % is not unique', attached.key_columns, relation
            using errcode = 'invalid_parameter_value', hint = 'A primary key or a unique constraint on these columns or some of them is needed.';
    end if;
end;
$$;

comment on function retrieval._check_attached_table(retrieval.attached_tables, regclass) is
'42703 where a column does not exist, 42809 where it is no ordinary table, 22023 where the key can be null or is not unique.';

create or replace function retrieval.attach_table(
    table_name regclass, collection text, key text, title text default null, content text default null,
    metadata text[] default '{}', maximum_chunk_length integer default 2000, back_fill boolean default true)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    attached retrieval.attached_tables;
    event record;
begin
    if table_name is null then
        raise exception 'table_name must not be null' using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_count('maximum_chunk_length', maximum_chunk_length, 100000);
    -- writers wait here until this transaction is over: afterwards every row is either back-filled or followed
    execute format('lock table %s in share row exclusive mode', table_name);
    if exists (select from retrieval._attachments(table_name, collection)) then
        raise exception 'table % is attached to collection % already', table_name, quote_ident(collection)
            using errcode = 'duplicate_object', hint = 'retrieval.refresh_table compares the two; retrieval.detach_table detaches.';
    end if;
    -- what a dropped table of that name left
    delete from retrieval.attached_tables a where a.collection_id = target and a.table_name = attach_table.table_name::text
      and a.tenant = retrieval.current_tenant();
    insert into retrieval.attached_tables
        (collection_id, table_name, key_columns, title_column, content_columns, metadata_columns, maximum_chunk_length)
    values (target, table_name::text, retrieval._column_names(key), title, retrieval._column_names(content),
            coalesce(metadata, '{}'), maximum_chunk_length)
    returning * into attached;
    perform retrieval._check_attached_table(attached, table_name);
    for event in
        select * from (values
            ('insert', 'referencing new table as new_rows'), ('update', 'referencing old table as old_rows new table as new_rows'),
            ('delete', 'referencing old table as old_rows'), ('truncate', '')) e(name, transition_tables)
    loop
        execute format('create trigger %I after %s on %s %s for each statement execute function retrieval._follow_table(%L)',
                       format('retrieval_%s_%s', attached.attached_table_id, event.name), event.name, table_name,
                       event.transition_tables, attached.attached_table_id);
    end loop;
    return case when back_fill then retrieval.refresh_table(table_name, collection) else 0 end;
end;
$$;

comment on function retrieval.attach_table(regclass, text, text, text, text, text[], integer, boolean) is
'Makes the rows of a table the documents of a collection, as the current tenant''s whoever writes the table, and keeps them in step, in the table''s own transactions; returns how many were stored. key names one column, whose text is the document_key, or several, {like,this}, for the text of a JSON array; they must be unique and not null. content may name several columns, which are joined by blank lines; metadata takes columns under their names. With back_fill false, retrieval.refresh_table stores the rows later and writers do not wait for it. Nothing here makes a write of the table fail; see retrieval.attached_table_failures. 42710 where it is attached to that collection already.';
-- end

-- begin sql/detach_table.sql
-- Detaching a table: its collection is what it is at that moment, and no longer follows.

create or replace function retrieval._attached(table_name regclass, collection text)
    returns setof retrieval.attached_tables
    language plpgsql stable
as $$
begin
    return query select * from retrieval._attachments(table_name, collection);
    if not found then
        raise exception 'table % is not attached%', coalesce(table_name::text, 'null'),
                        coalesce(' to collection ' || quote_ident(collection), '') using errcode = 'undefined_object';
    end if;
end;
$$;

comment on function retrieval._attached(regclass, text) is
'How a table is attached, as retrieval._attachments says it; 42704 where it is not.';

create or replace function retrieval.detach_table(table_name regclass, collection text default null, delete_documents boolean default false)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    attached retrieval.attached_tables;
    detached integer := 0;
begin
    for attached in select * from retrieval._attached(table_name, collection) loop
        -- before its triggers go, as its writers do
        execute format('lock table %s in access exclusive mode', table_name);
        if delete_documents then
            perform retrieval._delete_rows(attached, null);
        end if;
        delete from retrieval.attached_tables a where a.attached_table_id = attached.attached_table_id;
        detached := detached + 1;
    end loop;
    return detached;
end;
$$;

comment on function retrieval.detach_table(regclass, text, boolean) is
'Detaches a table from a collection (null: from each that it is attached to) and returns from how many. Its documents stay, unless delete_documents is true; attaching it again finds them and stores only what differs. 42704 where it is not attached.';

-- Also when a collection is dropped, which must not wait for the application: triggers that stay find no attachment and do
-- nothing.
create or replace function retrieval._drop_table_triggers()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    lock_timeout constant text := current_setting('lock_timeout');
    dropped record;
begin
    perform set_config('lock_timeout', '100ms', true);
    for dropped in
        select t.tgname, t.tgrelid::regclass as relation from pg_catalog.pg_trigger t
        where t.tgfoid = to_regproc('retrieval._follow_table') and starts_with(t.tgname, format('retrieval_%s_', old.attached_table_id))
          and t.tgparentid = 0
    loop
        execute format('drop trigger %I on %s', dropped.tgname, dropped.relation);
    end loop;
    perform set_config('lock_timeout', lock_timeout, true);
    return null;
exception when lock_not_available or object_in_use or insufficient_privilege then
    return null;
end;
$$;

comment on function retrieval._drop_table_triggers() is
'Trigger: what is not attached any more loses its triggers, if that can be had at once.';

create or replace trigger drop_table_triggers
    after delete on retrieval.attached_tables
    for each row execute function retrieval._drop_table_triggers();
-- end

-- begin sql/refresh_table.sql
-- Compares an attached table with its collection and writes what differs: the back-fill, and the repair.

-- Documents that differ are locked before their rows are read again: who changes such a row meanwhile comes after us.
create or replace function retrieval._refresh_rows(attached retrieval.attached_tables, relation regclass, document_keys text[])
    returns integer
    language plpgsql
as $$
declare
    table_rows constant text := 'select * from (' || retrieval._table_rows(attached, relation, relation::text) || ') n where n.document_key = any($1)';
    gone text[];
    stored record;
begin
    execute format('select from retrieval.documents where collection_id = %s and tenant = %L and document_key = any($1) order by document_key for update',
                   attached.collection_id, attached.tenant) using document_keys;
    execute retrieval._store_rows(attached, table_rows, true) into stored using document_keys;
    perform retrieval._cut_rows(attached, stored.rewritten, stored.known, stored.taken);
    execute 'select array(select k from unnest($1) k except select n.document_key from (' || table_rows || ') n)' into gone using document_keys;
    return stored.stored + case when gone = '{}' then 0 else retrieval._delete_rows(attached, gone) end;
end;
$$;

comment on function retrieval._refresh_rows(retrieval.attached_tables, regclass, text[]) is
'Makes the documents of these keys what the table says; returns how many were written.';

-- Where some rows cannot be stored, halving finds them and the others are stored.
create or replace function retrieval._refresh_table(attached retrieval.attached_tables, relation regclass, maximum_rows integer)
    returns integer
    language plpgsql
as $$
declare
    differing text[];
    ranges int8range[];
    middle bigint;
    failures integer := 0;
    refreshed integer := 0;
begin
    delete from retrieval.attached_table_failures f where f.attached_table_id = attached.attached_table_id;
    execute format(
        'select array(
             select document_key
             from (%s) r
             full join (select d.document_key, d.title, d.content_hash, d.metadata from retrieval.documents d
                        where d.collection_id = %s and d.tenant = %L and d.source = %L) d using (document_key)
             where (d.title, d.content_hash, d.metadata) is distinct from (r.title, r.content_hash, r.metadata)
             order by document_key
             limit $1)', retrieval._table_rows(attached, relation, relation::text), attached.collection_id, attached.tenant, attached.table_name)
        into differing using maximum_rows;
    ranges := array[int8range(1, cardinality(differing) + 1)];
    while cardinality(ranges) > 0 and not isempty(ranges[1]) loop
        begin
            refreshed := refreshed + retrieval._refresh_rows(attached, relation, differing[lower(ranges[1]):upper(ranges[1]) - 1]);
            ranges := ranges[2:];
        exception when others then
            middle := (lower(ranges[1]) + upper(ranges[1])) / 2;
            if middle > lower(ranges[1]) then
                ranges := array[int8range(lower(ranges[1]), middle), int8range(middle, upper(ranges[1]))] || ranges[2:];
            elsif failures < 100 then
                failures := failures + 1;
                perform retrieval._note_failure(attached.attached_table_id, differing[lower(ranges[1])], 'refresh', sqlstate, sqlerrm);
                ranges := ranges[2:];
            else
                raise;  -- not the rows' fault
            end if;
        end;
    end loop;
    return refreshed;
end;
$$;

comment on function retrieval._refresh_table(retrieval.attached_tables, regclass, integer) is
'Compares one attachment; returns how many documents were written. Rows that cannot be stored are noted, up to 100 of them.';

create or replace function retrieval.refresh_table(table_name regclass, collection text default null, maximum_rows integer default null)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set row_security = off
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'postgres'
    set timezone = 'UTC'
as $$
declare
    attached retrieval.attached_tables;
    refreshed integer := 0;
begin
    for attached in select * from retrieval._attached(table_name, collection) loop
        refreshed := refreshed + retrieval._refresh_table(attached, table_name, maximum_rows);
    end loop;
    return refreshed;
end;
$$;

comment on function retrieval.refresh_table(regclass, text, integer) is
'Compares an attached table with its collection (null: each that it is attached to) and writes what differs; returns how many documents were written or deleted, 0 where nothing differed. Writers of the table do not wait, unless for a row that is just being written; maximum_rows in calls of their own transactions keeps that short for a large table. Rows that cannot be stored are noted in retrieval.attached_table_failures, and others'' failures are forgotten. 42704 where it is not attached.';
-- end

-- begin sql/tidy_collection.sql
-- After a bulk load: what autovacuum would do in its own time, done now.
create or replace function retrieval.tidy_collection(collection text)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    tidied record;
begin
    perform retrieval._fold_statistics(target, 1);  -- of all tenants
    for tidied in
        select i.indexrelid
        from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        join pg_catalog.pg_am a on a.oid = c.relam
        where i.indrelid = to_regclass(format('retrieval.%I', 'chunks_' || target)) and a.amname = 'gin'
    loop
        perform gin_clean_pending_list(tidied.indexrelid);
    end loop;
    for tidied in
        select format('%I', p.name || '_' || target) as name from unnest(array['documents', 'chunks', 'chunk_statistics', 'lexeme_statistics']) p(name)
        union all
        select format('%I', retrieval._embedding_partition(s)) from retrieval.spaces s where s.collection_id = target
    loop
        execute 'analyze retrieval.' || tidied.name;
    end loop;
end;
$$;

comment on function retrieval.tidy_collection(text) is
'Folds the statistics, empties the pending lists of the text and metadata indexes and analyzes a collection''s tables. Worth calling after a bulk load; otherwise autovacuum does as much in its own time.';
-- end

-- begin sql/put_embeddings.sql
-- Stores the embeddings of chunks in a space, replacing those that are there: one function for each kind of space,
-- because each has its own type.

-- $1 are the ids of chunks, $2 their embeddings. A tenant's ingestion stores for its own chunks, a worker for those of all.
create or replace function retrieval._put_statement(space retrieval.spaces)
    returns text
    language sql stable
    return format(
        'insert into retrieval.%1$I (space_id, collection_id, chunk_id, %2$I)
         select %3$s, %4$s, e.chunk_id, e.embedding
         from (%5$s) e
         join retrieval.chunks c on c.collection_id = %4$s and c.chunk_id = e.chunk_id and %6$s
         order by e.chunk_id  -- one order for all, so that two writers cannot deadlock
         for key share of c
         on conflict (chunk_id, space_id) do update set %2$I = excluded.%2$I',
        retrieval._embedding_table(space.kind), case space.kind when 'multivector' then 'embeddings' else 'embedding' end,
        space.space_id, space.collection_id,
        case space.kind
        when 'multivector' then
            'select n.chunk_id, $2[n.last - n.count + 1:n.last] as embedding
             from (select u.chunk_id, u.count, sum(u.count) over (order by u.ordinality) as last
                   from unnest($1, $3) with ordinality u(chunk_id, count, ordinality)) n'
        else 'select u.chunk_id, u.embedding from unnest($1, $2) u(chunk_id, embedding)' end, retrieval._kept_chunks());

comment on function retrieval._put_statement(retrieval.spaces) is
'The SQL that stores embeddings: $1 are ids of chunks, $2 their embeddings, for a multivector space one after the other with $3 the number of each chunk.';

create or replace function retrieval._check_same_number(chunk_ids bigint[], parameter text, number bigint)
    returns void
    language plpgsql immutable
as $$
declare
    repeated bigint;
begin
    if cardinality(chunk_ids) is distinct from number then
        raise exception 'there are % chunk_ids and % %', coalesce(cardinality(chunk_ids), 0), coalesce(number, 0), parameter
            using errcode = 'invalid_parameter_value';
    elsif array_position(chunk_ids, null) is not null then
        raise exception 'chunk_ids must not contain null' using errcode = 'null_value_not_allowed';
    end if;
    select u.chunk_id into repeated from unnest(chunk_ids) u(chunk_id) group by 1 having count(*) > 1 limit 1;
    if found then
        raise exception 'chunk % is given twice', repeated using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_same_number(bigint[], text, bigint) is
'22023 where there is not one embedding for each chunk.';

create or replace function retrieval.put_embeddings(
    collection text, space text, chunk_ids bigint[], embeddings halfvec[], signature jsonb default null)
    returns integer
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
    stored integer;
begin
    perform retrieval._check_signature(target, signature);
    perform retrieval._check_same_number(chunk_ids, 'embeddings', cardinality(embeddings));
    perform retrieval._check_embeddings(target, embeddings);
    execute retrieval._put_statement(target) using chunk_ids, embeddings;
    get diagnostics stored = row_count;
    return stored;
end;
$$;

comment on function retrieval.put_embeddings(text, text, bigint[], halfvec[], jsonb) is
'Stores embeddings of chunks in a space (null: the active one), replacing those that are there; returns how many. A chunk that does not exist (any more), or is another tenant''s, is passed over; the owner of the schema who is in no tenant stores for the chunks of all. Where a signature is given it must equal the space''s.';
-- end

-- begin sql/put_sparse_embeddings.sql
-- Stores the learned sparse vectors of chunks.
create or replace function retrieval.put_sparse_embeddings(
    collection text, space text, chunk_ids bigint[], embeddings sparsevec[], signature jsonb default null)
    returns integer
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, 'sparse');
    pruned integer := 0;
    stored integer;
begin
    perform retrieval._check_signature(target, signature);
    perform retrieval._check_same_number(chunk_ids, 'embeddings', cardinality(embeddings));
    perform retrieval._check_sparse_embeddings(target, embeddings);
    if target.index_method = 'hnsw' then
        select count(*) into pruned from unnest(embeddings) e where retrieval._count_nonzeros(e) > 1000;
    end if;
    if pruned > 0 then
        raise warning '% of the embeddings have more than the 1000 elements that an index holds; the largest 1000 of each were kept', pruned
            using hint = 'A space with index_method none keeps them all.';
        select array_agg(retrieval.keep_largest(e, 1000) order by n) into embeddings from unnest(embeddings) with ordinality u(e, n);
    end if;
    execute retrieval._put_statement(target) using chunk_ids, embeddings;
    get diagnostics stored = row_count;
    return stored;
end;
$$;

comment on function retrieval.put_sparse_embeddings(text, text, bigint[], sparsevec[], jsonb) is
'Stores embeddings of chunks in a sparse space (null: the active one), as put_embeddings does. An HNSW index holds 1,000 elements that are not zero: of more, the largest are kept, with a warning.';
-- end

-- begin sql/put_token_embeddings.sql
-- Stores the vectors that a late-interaction model makes of each token of a chunk.
create or replace function retrieval.put_token_embeddings(
    collection text, space text, chunk_ids bigint[], token_counts integer[], embeddings halfvec[], signature jsonb default null)
    returns integer
    language plpgsql
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, 'multivector');
    stored integer;
begin
    perform retrieval._check_signature(target, signature);
    perform retrieval._check_same_number(chunk_ids, 'token_counts', cardinality(token_counts));
    perform retrieval._check_token_counts(token_counts, cardinality(embeddings));
    perform retrieval._check_embeddings(target, embeddings);
    execute retrieval._put_statement(target) using chunk_ids, embeddings, token_counts;
    get diagnostics stored = row_count;
    return stored;
end;
$$;

comment on function retrieval.put_token_embeddings(text, text, bigint[], integer[], halfvec[], jsonb) is
'Stores embeddings of chunks in a multivector space (null: the active one), as put_embeddings does. embeddings holds the tokens of all chunks one after the other, token_counts how many belong to each chunk.';
-- end

-- begin sql/missing_embeddings.sql
-- What is still to be embedded.
create or replace function retrieval.missing_embeddings(collection text, space text, max_results integer default 1000)
    returns table (chunk_id bigint, title text, context text, content text, modality text, document_key text, source text)
    language plpgsql stable
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, case when space is null then 'dense' end);
begin
    return query execute format(
        'select m.chunk_id, m.title, m.context, m.content, m.modality, d.document_key, d.source
         from (select c.*
               from retrieval.chunks c
               where %2$s and %3$s
               order by c.chunk_id
               limit $1) m
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = m.document_id
         order by m.chunk_id',
        target.collection_id, retrieval._lacks(target), retrieval._kept_chunks())
        using max_results;
end;
$$;

comment on function retrieval.missing_embeddings(text, text, integer) is
'The current tenant''s chunks, for the owner of the schema who is in no tenant those of all, that belong into a space (null: the active dense one) and have no embedding in it yet, in order of chunk_id, with what is to be embedded: for a space of texts title, context and content; for one of images the image file that source names. Into a space of images belong all images, into one of texts all chunks but images without a caption.';
-- end

-- begin sql/claim_jobs.sql
-- Takes work from the queue, which is that of all tenants: `claim_jobs`, then `job_chunks`, the model, and in one transaction `unchanged_chunks`,
-- `put_embeddings` and `finish_jobs`. Several workers do not wait for each other and never hold the same job.

create or replace function retrieval._maximum_attempts()
    returns integer
    language sql immutable parallel safe
    return 3;

comment on function retrieval._maximum_attempts() is 'How often a job is tried as it is.';

-- Halving finds the one chunk at fault, and the others are embedded. A half is tried once before it is halved again.
create or replace function retrieval._set_aside(job retrieval.jobs, error text, run_after timestamptz)
    returns text
    language plpgsql
as $$
declare
    middle constant integer := cardinality(job.chunk_ids) / 2;
    tried constant integer := retrieval._maximum_attempts() - 1;
begin
    if middle = 0 then
        update retrieval.jobs j set state = 'failed', run_after = 'infinity', worker = null, error = left(_set_aside.error, 1000)
        where j.job_id = job.job_id;
        return 'failed';
    end if;
    update retrieval.jobs j
    set state = 'pending', run_after = _set_aside.run_after, worker = null, attempts = tried, chunk_ids = j.chunk_ids[:middle]
    where j.job_id = job.job_id;
    insert into retrieval.jobs (space_id, chunk_ids, attempts, run_after, created_at)
    values (job.space_id, job.chunk_ids[middle + 1:], tried, _set_aside.run_after, job.created_at);
    return 'halved';
end;
$$;

comment on function retrieval._set_aside(retrieval.jobs, text, timestamptz) is
'Ends a job of one chunk as failed and makes two of any other; says which.';

create or replace function retrieval._claim_jobs(space retrieval.spaces, maximum_chunks integer, moment timestamptz)
    returns bigint[]
    language plpgsql
as $$
declare
    job retrieval.jobs;
    claimed bigint[] := '{}';
    chunks integer := 0;
    halved boolean := false;
begin
    -- who fills a new space by himself begins with its first chunks: met in the middle, no chunk is embedded twice
    for job in execute format(
        'select j.* from retrieval.jobs j where j.space_id = $1 and j.run_after <= $2
         order by j.run_after %1$s, j.job_id %1$s for update skip locked', case space.state when 'building' then 'desc' else 'asc' end)
        using space.space_id, moment
    loop
        if job.state = 'running' and job.attempts >= retrieval._maximum_attempts() then
            halved := retrieval._set_aside(job, 'the worker stopped while embedding it', moment) = 'halved' or halved;
        elsif job.attempts > 0 and claimed = '{}' then
            return array[job.job_id];  -- alone, so that what stopped its worker does not fall back on others
        elsif job.attempts = 0 then
            claimed := claimed || job.job_id;
            chunks := chunks + cardinality(job.chunk_ids);
            exit when chunks >= maximum_chunks;
        end if;
    end loop;
    return case when halved and claimed = '{}' then retrieval._claim_jobs(space, maximum_chunks, moment) else claimed end;
end;
$$;

comment on function retrieval._claim_jobs(retrieval.spaces, integer, timestamptz) is
'The ids of due jobs of a space, locked: as many as have so many chunks, or one that was tried before.';

create or replace function retrieval.claim_jobs(
    worker text, collection text default null, space text default null, maximum_chunks integer default 512, lease interval default '1 minute')
    returns table (job_id bigint, space_id bigint, collection_name text, space_name text, chunk_ids bigint[], attempts integer)
    language plpgsql
as $$
declare
    moment constant timestamptz := clock_timestamp();
    target retrieval.spaces;
    claimed bigint[] := '{}';
begin
    perform retrieval._check_keeps_every_tenant();
    perform retrieval._check_count('maximum_chunks', maximum_chunks, 1000000);
    if coalesce(worker, '') = '' or lease is null then
        raise exception '% must not be empty', case when lease is null then 'lease' else 'worker' end using errcode = 'invalid_parameter_value';
    elsif space is not null then
        perform retrieval._space(retrieval._collection(collection), space, null);
    elsif collection is not null then
        perform retrieval._collection(collection);
    end if;
    for target in
        select s.*
        from retrieval.spaces s
        join retrieval.collections n on n.collection_id = s.collection_id
        where s.state <> 'retired'
          and (claim_jobs.collection is null or n.name = claim_jobs.collection) and (claim_jobs.space is null or s.name = claim_jobs.space)
          and exists (select from retrieval.jobs j where j.space_id = s.space_id and j.run_after <= moment)
        order by s.state <> 'active', random()
    loop
        claimed := retrieval._claim_jobs(target, maximum_chunks, moment);
        exit when claimed <> '{}';
    end loop;
    return query
        with running as (
            update retrieval.jobs j
            set state = 'running', attempts = j.attempts + 1, worker = claim_jobs.worker, run_after = clock_timestamp() + lease
            where j.job_id = any (claimed)
            returning j.*)
        select r.job_id, r.space_id, n.name, target.name, r.chunk_ids, r.attempts
        from running r
        join retrieval.collections n on n.collection_id = target.collection_id
        order by r.job_id;
end;
$$;

comment on function retrieval.claim_jobs(text, text, text, integer, interval) is
'Gives a worker (any name of its own) due jobs of one space, of the collection or space named, otherwise of an active space before others: as many as it takes to have maximum_chunks chunks, no rows where nothing is due. They are the worker''s for the length of the lease, which retrieval.extend_jobs renews; then they are due again. A job whose lease ran out three times is halved until the chunk at fault is alone, which is failed.';
-- end

-- begin sql/extend_jobs.sql
-- The sign of life of a worker.
create or replace function retrieval.extend_jobs(worker text, lease interval default '1 minute')
    returns integer
    language plpgsql
as $$
declare
    extended integer;
begin
    perform retrieval._check_keeps_every_tenant();
    update retrieval.jobs j set run_after = clock_timestamp() + lease
    where j.job_id in (select o.job_id from retrieval.jobs o where o.worker = extend_jobs.worker and o.state = 'running'
                       for update skip locked);  -- what it is finishing just now needs no more time
    get diagnostics extended = row_count;
    return extended;
end;
$$;

comment on function retrieval.extend_jobs(text, interval) is
'Renews the lease of everything that a worker has claimed; returns how many jobs.';
-- end

-- begin sql/release_jobs.sql
-- What a worker gives back: it stops, or cannot go on for reasons that are not the jobs'.
create or replace function retrieval.release_jobs(worker text, retry_after interval default '0')
    returns integer
    language plpgsql
as $$
declare
    released integer;
begin
    perform retrieval._check_keeps_every_tenant();
    update retrieval.jobs j
    set state = 'pending', worker = null, attempts = greatest(j.attempts - 1, 0), run_after = clock_timestamp() + retry_after
    where j.worker = release_jobs.worker and j.state = 'running';
    get diagnostics released = row_count;
    if released > 0 and retry_after <= '0' then
        perform pg_notify('retrieval_jobs', '');
    end if;
    return released;
end;
$$;

comment on function retrieval.release_jobs(text, interval) is
'Gives back everything that a worker has claimed, as if it had not, to be done by whoever comes when retry_after has passed; returns how many jobs.';
-- end

-- begin sql/job_chunks.sql
-- What is to be embedded for jobs that were claimed.

-- What the model sees of a chunk: title, context and content, on lines of their own.
create or replace function retrieval._embedded_text_hash(title text, context text, content text)
    returns bytea
    language sql stable parallel safe
    return sha256(convert_to(concat_ws(E'\n', nullif(title, ''), nullif(context, ''), nullif(content, '')), 'UTF8'));

comment on function retrieval._embedded_text_hash(text, text, text) is
'What stands for the text of a chunk in the embedding cache and in exports: the SHA-256 of its UTF-8.';

create or replace function retrieval.job_chunks(job_ids bigint[])
    returns table (chunk_id bigint, title text, context text, content text, text_hash bytea, modality text, document_key text, source text)
    language plpgsql stable
as $$
declare
    queued record;
    target retrieval.spaces;
begin
    perform retrieval._check_keeps_every_tenant();
    for queued in
        select s as space, array_agg(distinct u.chunk_id) as chunk_ids
        from retrieval.jobs j
        join retrieval.spaces s on s.space_id = j.space_id
        cross join unnest(j.chunk_ids) u(chunk_id)
        where j.job_id = any (job_ids)
        group by s.space_id, s
    loop
        target := queued.space;
        return query execute format(
            'select c.chunk_id, c.title, c.context, c.content, retrieval._embedded_text_hash(c.title, c.context, c.content),
                    c.modality, d.document_key, d.source
             from retrieval.chunks c
             join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
             where c.chunk_id = any ($1) and %2$s
             order by c.chunk_id', target.collection_id, retrieval._lacks(target)) using queued.chunk_ids;
    end loop;
end;
$$;

comment on function retrieval.job_chunks(bigint[]) is
'The chunks of jobs that have no embedding in the space of their job yet, in order of chunk_id, with what is to be embedded (as in retrieval.missing_embeddings) and a hash of it for retrieval.unchanged_chunks. No rows: there is nothing left to do, or the space is gone.';
-- end

-- begin sql/unchanged_chunks.sql
-- A text may change while a model works on it; what it makes then is of a text that nobody has.
create or replace function retrieval.unchanged_chunks(collection text, chunk_ids bigint[], text_hashes bytea[])
    returns setof bigint
    language plpgsql
as $$
begin
    return query execute format(
        'with locked as (
             select c.chunk_id, c.title, c.context, c.content from retrieval.chunks c
             where c.collection_id = %s and c.chunk_id = any ($1) and %s
             order by c.chunk_id
             for share of c)
         select l.chunk_id
         from locked l join unnest($1, $2) g(chunk_id, text_hash) using (chunk_id)
         where retrieval._embedded_text_hash(l.title, l.context, l.content) = g.text_hash
         order by l.chunk_id', (retrieval._collection(collection)).collection_id, retrieval._kept_chunks()) using chunk_ids, text_hashes;
end;
$$;

comment on function retrieval.unchanged_chunks(text, bigint[], bytea[]) is
'Those of the chunks that still read as they did when retrieval.job_chunks gave their hashes; they stay so until the transaction ends, and who changes one afterwards removes the embedding that was stored meanwhile.';
-- end

-- begin sql/finish_jobs.sql
-- The end of jobs, in the transaction that stores their embeddings.
create or replace function retrieval.finish_jobs(job_ids bigint[])
    returns integer
    language plpgsql
as $$
declare
    queued record;
    target retrieval.spaces;
    missing bigint[];
    left_over integer := 0;
begin
    perform retrieval._check_keeps_every_tenant();
    for queued in
        select s as space, array_agg(distinct u.chunk_id) as chunk_ids
        from retrieval.jobs j
        join retrieval.spaces s on s.space_id = j.space_id
        cross join unnest(j.chunk_ids) u(chunk_id)
        where j.job_id = any (job_ids)
        group by s.space_id, s
    loop
        target := queued.space;
        execute format(
            'select coalesce(array_agg(c.chunk_id order by c.chunk_id), ''{}'')
             from retrieval.chunks c
             where c.chunk_id = any ($1) and %s', retrieval._lacks(target)) into missing using queued.chunk_ids;
        -- after the embeddings, as whoever drops the space does
        delete from retrieval.jobs j where j.job_id = any (job_ids) and j.space_id = target.space_id;
        perform retrieval._enqueue_chunks(target.space_id, missing);
        insert into retrieval.finished_jobs (space_id, chunks) values (target.space_id, cardinality(queued.chunk_ids) - cardinality(missing));
        -- kept to tell the rate by, and by one session at a time
        delete from retrieval.finished_jobs f
        where f.ctid in (select o.ctid from retrieval.finished_jobs o
                         where o.space_id = target.space_id and o.finished_at < now() - interval '1 hour' for update skip locked);
        left_over := left_over + cardinality(missing);
    end loop;
    return left_over;
end;
$$;

comment on function retrieval.finish_jobs(bigint[]) is
'Removes jobs that are done. A chunk of theirs that still lacks its embedding, because its text has changed or none was stored, becomes a job again; returns how many.';
-- end

-- begin sql/fail_job.sql
-- A job that could not be done.
create or replace function retrieval.fail_job(job_id bigint, error text, retry_after interval default null)
    returns text
    language plpgsql
as $$
declare
    job retrieval.jobs;
begin
    perform retrieval._check_keeps_every_tenant();
    select * into job from retrieval.jobs j where j.job_id = fail_job.job_id and j.state <> 'failed' for update;
    if not found then
        return null;
    elsif retry_after is null or job.attempts >= retrieval._maximum_attempts() then
        return retrieval._set_aside(job, error, clock_timestamp() + coalesce(retry_after, '0'));
    end if;
    update retrieval.jobs j set state = 'pending', worker = null, run_after = clock_timestamp() + retry_after
    where j.job_id = job.job_id;
    return 'pending';
end;
$$;

comment on function retrieval.fail_job(bigint, text, interval) is
'Says that a claimed job could not be done, and why. Of several chunks it becomes two jobs (halved), so that the one at fault will be alone; of one chunk it is set aside with the error (failed). With retry_after it is due again then as it is (pending) until it was tried three times. Null where there is no such job.';
-- end

-- begin sql/retry_jobs.sql
-- Another chance for what has failed.
create or replace function retrieval.retry_jobs(collection text default null, space text default null)
    returns integer
    language plpgsql
as $$
declare
    every_tenant constant boolean := retrieval._keeps_every_tenant();
    retried integer;
begin
    if space is not null then
        perform retrieval._space(retrieval._collection(collection), space, null);
    elsif collection is not null then
        perform retrieval._collection(collection);
    end if;
    update retrieval.jobs j set state = 'pending', attempts = 0, run_after = now(), error = null
    from retrieval.spaces s
    join retrieval.collections n on n.collection_id = s.collection_id
    where j.space_id = s.space_id and j.state = 'failed'
      and (every_tenant or exists (select from retrieval.chunks c where c.collection_id = s.collection_id and c.chunk_id = any (j.chunk_ids)
                                     and c.tenant = retrieval.current_tenant()))
      and (retry_jobs.collection is null or n.name = retry_jobs.collection) and (retry_jobs.space is null or s.name = retry_jobs.space);
    get diagnostics retried = row_count;
    if retried > 0 then
        perform pg_notify('retrieval_jobs', '');
    end if;
    return retried;
end;
$$;

comment on function retrieval.retry_jobs(text, text) is
'Makes failed jobs of the current tenant''s chunks (for the owner of the schema who is in no tenant, of all), of the collection or space named or all, due again; returns how many.';
-- end

-- begin sql/failed_jobs.sql
-- What was set aside, and why.
create or replace function retrieval.failed_jobs(collection text default null, max_results integer default 100)
    returns table (
        job_id bigint, collection_name text, space_name text, document_key text, chunk_id bigint, "position" integer, error text, created_at timestamptz)
    language plpgsql stable
as $$
declare
    every_tenant constant boolean := retrieval._keeps_every_tenant();
begin
    if collection is not null then
        perform retrieval._collection(collection);
    end if;
    return query
        select j.job_id, n.name, s.name, d.document_key, c.chunk_id, c.position, j.error, j.created_at
        from retrieval.jobs j
        join retrieval.spaces s on s.space_id = j.space_id
        join retrieval.collections n on n.collection_id = s.collection_id
        join retrieval.chunks c on c.collection_id = s.collection_id and c.chunk_id = any (j.chunk_ids)
            and (every_tenant or c.tenant = retrieval.current_tenant())
        join retrieval.documents d on d.collection_id = s.collection_id and d.document_id = c.document_id
        where j.run_after = 'infinity' and j.state = 'failed' and (failed_jobs.collection is null or n.name = failed_jobs.collection)
        order by j.job_id, c.chunk_id
        limit max_results;
end;
$$;

comment on function retrieval.failed_jobs(text, integer) is
'Chunks of the current tenant (for the owner of the schema who is in no tenant, of all) that could not be embedded, oldest job first, with the error; retrieval.retry_jobs tries again, and so does new text. Chunks that were deleted meanwhile are not among them.';
-- end

-- begin sql/count_jobs.sql
-- How far the workers are.
create or replace function retrieval.count_jobs(collection text default null)
    returns table (
        collection_name text, space_name text, space_state text, pending bigint, running bigint, failed bigint,
        oldest timestamptz, per_minute double precision)
    language plpgsql stable
as $$
declare
    every_tenant constant boolean := retrieval._keeps_every_tenant();
    own_tenant constant text := retrieval.current_tenant();
begin
    if collection is not null then
        perform retrieval._collection(collection);
    end if;
    return query
        select n.name, s.name, s.state, coalesce(q.pending, 0), coalesce(q.running, 0), coalesce(q.failed, 0), q.oldest,
               case when every_tenant then coalesce(f.chunks, 0) / 5::double precision end
        from retrieval.spaces s
        join retrieval.collections n on n.collection_id = s.collection_id
        left join (
            select j.space_id, min(j.created_at) filter (where j.state <> 'failed') as oldest,
                   sum(k.chunks) filter (where j.state = 'pending')::bigint as pending,
                   sum(k.chunks) filter (where j.state = 'running')::bigint as running,
                   sum(k.chunks) filter (where j.state = 'failed')::bigint as failed
            from retrieval.jobs j
            join retrieval.spaces o on o.space_id = j.space_id
            cross join lateral (
                -- a failed one is of a single chunk, which may be gone
                select case when every_tenant and j.state <> 'failed' then cardinality(j.chunk_ids) else (
                    select count(*) from retrieval.chunks c
                    where c.collection_id = o.collection_id and c.chunk_id = any (j.chunk_ids)
                      and (every_tenant or c.tenant = own_tenant)) end as chunks) k
            where every_tenant or k.chunks > 0
            group by j.space_id) q on q.space_id = s.space_id
        left join (
            select d.space_id, sum(d.chunks) as chunks
            from retrieval.finished_jobs d where every_tenant and d.finished_at > now() - interval '5 minutes'
            group by d.space_id) f on f.space_id = s.space_id
        where (q.space_id is not null or f.space_id is not null) and (count_jobs.collection is null or n.name = count_jobs.collection)
        order by n.name, s.space_id;
end;
$$;

comment on function retrieval.count_jobs(text) is
'The spaces for which chunks of the current tenant (for the owner of the schema who is in no tenant, of all) wait or were embedded of late: how many chunks are pending, running (claimed by a worker) and failed, since when the oldest of the former two waits, and, for that owner, how many were embedded per minute in the last five by way of the queue. A chunk that was deleted or embedded meanwhile counts as pending until a worker has passed over it. No rows: nothing waits.';
-- end

-- begin sql/cached_embeddings.sql
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
-- end

-- begin sql/cached_contexts.sql
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
-- end

-- begin sql/imported_rows.sql
-- How the rows of a table or view read as embeddings of a collection's chunks, and what can be wrong with them.

create or replace function retrieval._column_type(table_name regclass, parameter text, column_name text)
    returns text
    language plpgsql stable
    set search_path from current
as $$
declare
    base_type oid;
begin
    with recursive types as (
        select a.atttypid as type from pg_catalog.pg_attribute a
        where a.attrelid = table_name and a.attname = column_name and a.attnum > 0 and not a.attisdropped
        union all
        select y.typbasetype from types join pg_catalog.pg_type y on y.oid = types.type where y.typtype = 'd')
    select t.type into base_type from types t join pg_catalog.pg_type y on y.oid = t.type where y.typtype <> 'd';
    if not found then
        raise exception '%: % has no column %', parameter, table_name, coalesce(quote_ident(column_name), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = (select 'It has ' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || '.' from pg_catalog.pg_attribute a
                          where a.attrelid = table_name and a.attnum > 0 and not a.attisdropped);
    end if;
    return format_type(base_type, null);
end;
$$;

comment on function retrieval._column_type(regclass, text, text) is
'The type of a column, of a domain the one beneath; 22023 where there is no such column.';

create or replace function retrieval._imported_rows(
    target retrieval.spaces, table_name regclass, key text, embedding text, chunk_position text, text_hash text)
    returns text
    language plpgsql stable
as $$
declare
    attached retrieval.attached_tables;
begin
    attached.key_columns := coalesce(nullif(retrieval._column_names(key), '{}'), '{null}');
    perform retrieval._column_type(table_name, 'key', k.name) from unnest(attached.key_columns) k(name);
    if chunk_position is not null then
        perform retrieval._column_type(table_name, 'chunk_position', chunk_position);
    end if;
    if text_hash is not null and retrieval._column_type(table_name, 'text_hash', text_hash) <> 'bytea' then
        raise exception 'text_hash: column % of % is not of type bytea', quote_ident(text_hash), table_name using errcode = 'invalid_parameter_value';
    end if;
    return format(
        'select r.document_key, r.position, r.embedding, d.document_id, c.chunk_id, %1$s as is_stale
         from (select %2$s as document_key, %3$s as position, %4$s as text_hash, t.%5$I as embedding from %6$s t) r
         left join retrieval.documents d on d.collection_id = %7$s and d.tenant = %8$L and d.document_key = r.document_key
         left join retrieval.chunks c on c.collection_id = %7$s and c.document_id = d.document_id and c.position = coalesce(r.position, 0)',
        case when text_hash is null then 'false'
             else 'coalesce(c.chunk_id is not null and r.text_hash <> retrieval._embedded_text_hash(c.title, c.context, c.content), false)' end,
        retrieval._key_expression(attached, table_name),
        case when chunk_position is null then 'null::integer' else format('t.%I::integer', chunk_position) end,
        case when text_hash is null then 'null::bytea' else format('t.%I', text_hash) end,
        embedding, table_name, target.collection_id, retrieval.current_tenant());
end;
$$;

comment on function retrieval._imported_rows(retrieval.spaces, regclass, text, text, text, text) is
'The SQL that reads the rows of a table with the chunks they are for: document_key, position, embedding, document_id, chunk_id and is_stale, where the chunk has another text.';

create or replace function retrieval._row_name()
    returns text
    language sql immutable
    return $name$'document ' || coalesce(quote_literal(m.document_key), 'null') || coalesce(', position ' || m.position, '')$name$;

comment on function retrieval._row_name() is 'The SQL that names such a row m.';

create or replace function retrieval._check_imported_keys(target retrieval.spaces, imported_rows text)
    returns void
    language plpgsql stable
as $$
declare
    wrong text;
begin
    execute format(
        'select %s from (%s) m join retrieval.chunks o on o.collection_id = %s and o.document_id = m.document_id and o.position > 0
         where m.position is null and m.embedding is not null limit 1', retrieval._row_name(), imported_rows, target.collection_id) into wrong;
    if wrong is not null then
        raise exception '% has several chunks, and its row does not say which of them is meant', wrong
            using errcode = 'invalid_parameter_value', hint = 'Name a column of positions, which count from 0, as chunk_position.';
    end if;
    execute format(
        'select %s from (%s) m where m.embedding is not null and m.chunk_id is not null
         group by m.chunk_id, m.document_key, m.position having count(*) > 1 limit 1', retrieval._row_name(), imported_rows) into wrong;
    if wrong is not null then
        raise exception '% is given twice', wrong using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_imported_keys(retrieval.spaces, text) is
'22023 where such rows do not say which chunk they are for, or two say the same.';

-- The order matters: the later questions cannot be asked of every embedding.
create or replace function retrieval._unfitness(target retrieval.spaces, embedding_type text)
    returns text
    language plpgsql immutable
as $$
declare
    dimensions constant text := case when embedding_type = 'sparsevec' then 'split_part(m.embedding::text, ''/'', 2)::integer'
        when embedding_type like '%[]' then 'cardinality(m.embedding)' else 'vector_dims(m.embedding)' end;
    elements constant text := format('unnest(m.embedding%s) x', case when embedding_type in ('vector', 'halfvec') then '::real[]' end);
    questions text[];
begin
    if target.kind = 'multivector' then
        return format('case when not coalesce(retrieval._are_token_embeddings(m.embedding::halfvec[], %s, %L), false) then %L end',
                      target.dimensions, target.metric, 'is not a list of vectors of space ' || quote_ident(target.name) || ', which have '
                      || target.dimensions || ' dimensions' || case target.metric when 'cosine' then ' and are not all zeros' else '' end);
    end if;
    questions := array[format('when %1$s <> %2$s then ''has '' || %1$s || %3$L', dimensions, target.dimensions,
                              format(' dimensions, space %I has %s', target.name, target.dimensions))];
    if embedding_type like '%[]' then
        questions := questions || array[
            'when array_ndims(m.embedding) > 1 then ''is an array of arrays''',
            format('when exists (select from %s where x is null) then ''holds null''', elements),
            format('when exists (select from %s where x = ''NaN'') then ''holds NaN''', elements)];
    end if;
    if target.kind = 'dense' then
        questions := questions || format('when exists (select from %s where abs(x) >= 65520) then ''holds a number beyond 65504, the last in half precision''', elements);
    end if;
    if target.metric = 'cosine' then
        questions := questions || format('when l2_norm(m.embedding::%s) = 0 then ''is all zeros, which has no cosine with anything''',
                                         case target.kind when 'dense' then 'halfvec' else 'sparsevec' end);
    end if;
    return format('case %s end', array_to_string(questions, ' '));
end;
$$;

comment on function retrieval._unfitness(retrieval.spaces, text) is
'The SQL that says of such a row m what keeps its embedding out of a space; null where nothing does.';
-- end

-- begin sql/import_embeddings.sql
-- Embeddings that exist already go from a column of a table or view into a space.

create or replace function retrieval._check_embedding_type(target retrieval.spaces, table_name regclass, embedding text)
    returns text
    language plpgsql stable
as $$
declare
    found_type constant text := retrieval._column_type(table_name, 'embedding', embedding);
    types constant text[] := case target.kind when 'dense' then array['vector', 'halfvec', 'real[]', 'double precision[]']
                                  when 'sparse' then array['sparsevec'] else array['halfvec[]', 'vector[]'] end;
begin
    if found_type <> all (types) then
        raise exception 'embedding: column % of % is of type %, not % as the % space needs',
                        quote_ident(embedding), table_name, found_type, array_to_string(types, ' or '), target.kind
            using errcode = 'invalid_parameter_value', hint = 'A view of the table can cast it.';
    end if;
    return found_type;
end;
$$;

comment on function retrieval._check_embedding_type(retrieval.spaces, regclass, text) is
'The type of a column that holds embeddings; 22023 where a space cannot take them.';

-- The partition's checks refuse what does not fit; only then is the row looked for that is to be named.
create or replace function retrieval._store_imported(target retrieval.spaces, imported_rows text, embedding_type text)
    returns bigint
    language plpgsql
    set search_path from current
as $$
declare
    stored bigint;
    wrong text;
begin
    execute format(
        'insert into retrieval.%1$I (space_id, collection_id, chunk_id, %2$I)
         select %3$s, %4$s, c.chunk_id, %5$s
         from (%6$s) m
         join retrieval.chunks c on c.collection_id = %4$s and c.chunk_id = m.chunk_id
         where m.embedding is not null and not m.is_stale
         order by c.chunk_id  -- one order for all, so that two writers cannot deadlock
         for key share of c
         on conflict (chunk_id, space_id) do update set %2$I = excluded.%2$I',
        retrieval._embedding_table(target.kind), case target.kind when 'multivector' then 'embeddings' else 'embedding' end,
        target.space_id, target.collection_id,
        case when target.kind = 'multivector' then 'm.embedding::halfvec[]' when target.kind = 'dense' then 'm.embedding::halfvec'
             when target.index_method <> 'hnsw' then 'm.embedding'
             else 'case when retrieval._count_nonzeros(m.embedding) > 1000 then retrieval.keep_largest(m.embedding, 1000) else m.embedding end' end,
        imported_rows);
    get diagnostics stored = row_count;
    return stored;
exception when data_exception or integrity_constraint_violation then
    execute format(
        'select u.name || '': the embedding '' || u.reason
         from (select %s as name, %s as reason from (%s) m where m.embedding is not null and m.chunk_id is not null and not m.is_stale) u
         where u.reason is not null order by u.name limit 1',
        retrieval._row_name(), retrieval._unfitness(target, embedding_type), imported_rows) into wrong;
    if wrong is null then
        raise;
    end if;
    raise exception '%', wrong using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._store_imported(retrieval.spaces, text, text) is
'Stores the embeddings that rows hold and returns how many; 22023 names the first row whose embedding the space cannot hold.';

create or replace function retrieval.import_embeddings(
    collection text, space text, table_name regclass, key text, embedding text,
    chunk_position text default null, text_hash text default null, signature jsonb default null)
    returns table (imported bigint, unknown_keys bigint, stale bigint, nulls bigint, missing bigint, unknown_examples text[])
    language plpgsql
    set search_path from current
    set datestyle = 'ISO, YMD'  -- the keys of attached tables are written so
    set intervalstyle = 'postgres'
    set timezone = 'UTC'
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space, case when space is null then 'dense' end);
    embedding_type text;
    imported_rows text;
begin
    perform retrieval._check_signature(target, signature);
    if table_name is null then
        raise exception 'table_name must not be null' using errcode = 'invalid_parameter_value';
    end if;
    embedding_type := retrieval._check_embedding_type(target, table_name, embedding);
    imported_rows := retrieval._imported_rows(target, table_name, key, embedding, chunk_position, text_hash);
    perform retrieval._check_imported_keys(target, imported_rows);
    execute format(
        'select count(*) filter (where m.chunk_id is null and m.embedding is not null), count(*) filter (where m.is_stale and m.embedding is not null),
                count(*) filter (where m.embedding is null)
         from (%s) m', imported_rows) into unknown_keys, stale, nulls;
    if unknown_keys > 0 then
        execute format(
            'select array(select coalesce(m.document_key, ''null'') || coalesce('', position '' || m.position, '''')
                          from (%s) m where m.chunk_id is null and m.embedding is not null order by m.document_key, m.position limit 5)',
            imported_rows) into unknown_examples;
    end if;
    imported := retrieval._store_imported(target, imported_rows, embedding_type);
    missing := retrieval._count_missing(target, retrieval._kept_chunks());
    perform retrieval._enqueue_missing(target);  -- what is there now needs no worker
    return next;
end;
$$;

comment on function retrieval.import_embeddings(text, text, regclass, text, text, text, text, jsonb) is
'Stores the embeddings that a table or view holds in a space (null: the active dense one), replacing those that are there. key names the column of document keys, cast to text, or several as attach_table does; embedding a column of type vector, halfvec, real[] or double precision[], for a sparse space sparsevec, for a multivector space halfvec[] or vector[] (of more than the 1,000 elements that a sparse HNSW index holds the largest are kept); chunk_position the column of positions, from 0, without which a document must have one chunk; text_hash a bytea column with the SHA-256 of the embedded text, as export_embeddings gives it. Where a signature is given it must equal the space''s. One row: how many were imported; passed over because there is no such chunk (unknown_keys; the first five are unknown_examples), because the chunk has another text now (stale), because the embedding is null (nulls); and how many chunks have no embedding yet (missing). Nothing is stored where a row is given twice or its embedding does not fit: 22023 names it. In a space that has its index every row is added to it, so import into a new space before build_index.';
-- end

-- begin sql/export_embeddings.sql
-- The embeddings of a space with what finds their chunks again, here or in another database: one function for each kind,
-- because each has its own type.

create or replace function retrieval._export_statement(target retrieval.spaces)
    returns text
    language sql stable
    return format(
        'select d.document_key, c.position, retrieval._embedded_text_hash(c.title, c.context, c.content), e.%1$I
         from retrieval.%2$I e
         join retrieval.chunks c on c.collection_id = %3$s and c.chunk_id = e.chunk_id
         join retrieval.documents d on d.collection_id = %3$s and d.document_id = c.document_id and d.tenant = %5$L
         where e.space_id = %4$s
         order by e.chunk_id',
        case target.kind when 'multivector' then 'embeddings' else 'embedding' end, retrieval._embedding_table(target.kind),
        target.collection_id, target.space_id, retrieval.current_tenant());

comment on function retrieval._export_statement(retrieval.spaces) is 'The SQL that reads a space''s embeddings for an export.';

create or replace function retrieval.export_embeddings(collection text, space text default null)
    returns table (document_key text, "position" integer, text_hash bytea, embedding halfvec)
    language plpgsql stable rows 100000
    set search_path from current
as $$
begin
    return query execute retrieval._export_statement(retrieval._space(retrieval._collection(collection), space));
end;
$$;

comment on function retrieval.export_embeddings(text, text) is
'The embeddings that the current tenant has in a dense space (null: the active one), with the key of their document, the position of their chunk and the SHA-256 of the text that was embedded (title, context and content of the chunk, without the empty ones, joined by line breaks, in UTF-8), in the order in which the chunks were stored. What import_embeddings reads back, also in another database.';

create or replace function retrieval.export_sparse_embeddings(collection text, space text default null)
    returns table (document_key text, "position" integer, text_hash bytea, embedding sparsevec)
    language plpgsql stable rows 100000
    set search_path from current
as $$
begin
    return query execute retrieval._export_statement(retrieval._space(retrieval._collection(collection), space, 'sparse'));
end;
$$;

comment on function retrieval.export_sparse_embeddings(text, text) is
'The embeddings of a sparse space (null: the active one), as export_embeddings gives those of a dense one.';

create or replace function retrieval.export_token_embeddings(collection text, space text default null)
    returns table (document_key text, "position" integer, text_hash bytea, embeddings halfvec[])
    language plpgsql stable rows 100000
    set search_path from current
as $$
begin
    return query execute retrieval._export_statement(retrieval._space(retrieval._collection(collection), space, 'multivector'));
end;
$$;

comment on function retrieval.export_token_embeddings(text, text) is
'The embeddings of a multivector space (null: the active one), as export_embeddings gives those of a dense one.';
-- end

-- begin sql/neighbouring_chunks.sql
-- The chunks around one, for reading on from a hit.

create or replace function retrieval._check_neighbours(before integer, after integer)
    returns void
    language plpgsql immutable
as $$
begin
    if before is null or before < 0 or after is null or after < 0 then
        raise exception '% must be 0 or more, not %', case when before >= 0 then 'after' else 'before' end,
                        coalesce(case when before >= 0 then after else before end::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_neighbours(integer, integer) is '22023 where a number of chunks around another is null or below 0.';

create or replace function retrieval.neighbouring_chunks(chunk_id bigint, before integer default 1, after integer default 1)
    returns setof retrieval.chunks
    language plpgsql stable
as $$
declare
    anchor record;
begin
    perform retrieval._check_neighbours(before, after);
    select c.collection_id, c.document_id, c.position into anchor
    from retrieval.chunks c where c.chunk_id = neighbouring_chunks.chunk_id and c.tenant = retrieval.current_tenant();
    if not found then
        return;
    end if;
    return query execute format(
        'select c.* from retrieval.chunks c
         where c.collection_id = %s and c.document_id = $1 and c.position between $2 and $3
         order by c.position', anchor.collection_id)
        using anchor.document_id, anchor.position::bigint - before, anchor.position::bigint + after;
end;
$$;

comment on function retrieval.neighbouring_chunks(bigint, integer, integer) is
'A chunk, up to `before` chunks before it and up to `after` after it in its document, as rows of retrieval.chunks in order of position. No rows where the chunk does not exist, or is another tenant''s.';
-- end

-- begin sql/passages.sql
-- Passages: hits that are neighbours in their document, as the stretches of text that they are part of.
--
-- A chunk hit at position p covers p − before … p + after. Covers that overlap or touch are one passage. Its content is cut
-- out of the document by the chunks' offsets, so that what chunks share is there once and what is between them is not
-- lost. Where a chunk has no offsets, or the document's text does not reach that far, the chunks are put together line by
-- line, and the passage has no offsets.
--
-- To read the best three, a chunk further on either side:
--
--     select p.document_key, p.context, p.content
--     from (select array_agg(h.chunk_id) as chunk_ids, array_agg(h.score) as scores
--           from retrieval.hybrid_search('shop', 'warm jacket', $1, max_results => 20) h) a
--     cross join retrieval.passages('shop', a.chunk_ids, a.scores, 1, 1) p
--     limit 3;

-- Lists are compared heading by heading, so what the first and the last in order share, all between them share.
create or replace function retrieval._shared_context(contexts text[])
    returns text
    language sql immutable
    return (select coalesce(string_agg(h.heading, ' > ' order by h.level), '')
            from (select h.heading, h.level, bool_and(h.heading is not distinct from h.other) over (order by h.level) as shared
                  from (select min(c.path) as first, max(c.path) as last
                        from (select string_to_array(split_part(u.context, E'\n', 1), ' > ') from unnest(contexts) u(context)) c(path)) p
                  cross join unnest(p.first, p.last) with ordinality h(heading, other, level)) h
            where h.shared);

comment on function retrieval._shared_context(text[]) is
'The leading headings that all contexts share, as a context, or an empty text. What follows the first line of a context is no heading.';

create or replace function retrieval._passages(
    collection retrieval.collections, chunk_ids bigint[], scores double precision[], before integer, after integer)
    returns table (
        document_id bigint, document_key text, title text, context text, metadata jsonb, first_position integer, last_position integer,
        start_offset integer, end_offset integer, content text, score double precision, hit_ids bigint[])
    language plpgsql stable rows 10
as $$
begin
    return query execute format(
        'with hits as (
             select h.*, c.document_id, c.position::bigint as position,
                    c.position - lag(c.position) over (partition by c.document_id order by c.position) <= $3 + $4 + 1 as continues
             from unnest($1, $2) with ordinality h(chunk_id, score, number)
             join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id),
         counted as (
             select h.*, count(*) filter (where h.continues is not true) over (partition by h.document_id order by h.position) as passage
             from hits h),
         covers as (
             select h.document_id, min(h.position) - $3 as first, max(h.position) + $4 as last, max(h.score) as score,
                    min(h.number) as number, min(h.chunk_id) as chunk_id, array_agg(h.chunk_id order by h.position) as hit_ids
             from counted h
             group by h.document_id, h.passage)
         select v.document_id, d.document_key, d.title, s.context, d.metadata, s.first_position, s.last_position,
                t.start_offset, t.end_offset,
                case when t.start_offset is not null then t.content
                     else (select string_agg(c.content, E''\n'' order by c.position) from retrieval.chunks c
                           where c.collection_id = %1$s and c.document_id = v.document_id and c.position between v.first and v.last) end,
                v.score, v.hit_ids
         from covers v
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = v.document_id
         cross join lateral (
             select min(c.position) as first_position, max(c.position) as last_position,
                    case when min(c.context) = max(c.context) then split_part(min(c.context), E''\n'', 1) else retrieval._shared_context(array_agg(c.context)) end as context,
                    case when count(*) = count(c.end_offset - c.start_offset) then min(c.start_offset) end as start_offset,
                    max(c.end_offset) as end_offset
             from retrieval.chunks c
             where c.collection_id = %1$s and c.document_id = v.document_id and c.position between v.first and v.last) s
         left join lateral (
             select p.content, s.start_offset, s.end_offset
             from substring(d.content from s.start_offset + 1 for s.end_offset - s.start_offset) p(content)
             where char_length(p.content) = s.end_offset - s.start_offset) t on true
         order by v.score desc, case when $2 is null then v.number end, v.chunk_id', collection.collection_id)
        using chunk_ids, scores, before::bigint, after::bigint;
end;
$$;

comment on function retrieval._passages(retrieval.collections, bigint[], double precision[], integer, integer) is
'The passages that hits are part of, best first.';

create or replace function retrieval.passages(
    collection text,
    chunk_ids bigint[],
    scores double precision[] default null,
    before integer default 0,
    after integer default 0)
    returns table (
        document_id bigint, document_key text, title text, context text, metadata jsonb, first_position integer, last_position integer,
        start_offset integer, end_offset integer, content text, score double precision, hit_ids bigint[])
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
begin
    perform retrieval._check_neighbours(before, after);
    perform retrieval._check_ranking(owner, chunk_ids, scores);
    return query select p.* from retrieval._passages(owner, chunk_ids, scores, before, after) p;
end;
$$;

comment on function retrieval.passages(text, bigint[], double precision[], integer, integer) is
'The passages that chunks are part of: each widened by `before` chunks before it and `after` after it, those that then overlap or touch in their document as one. content is the document''s text from start_offset to end_offset (characters, the end excluded); where its chunks have no offsets these are null and content is the chunks'' contents, line by line. context is the path of headings that all of its chunks share, or empty. hit_ids are the given chunks in it, in order of position, score is the best of theirs. Best first, ties by the smallest id of the hits; without scores (null) in the order of chunk_ids. No rows for an empty ranking.';
-- end

-- begin sql/highlight.sql
-- Marks the words of a query in a text and cuts out the fragments that hold most of them.
--
-- Words are compared as lexemes, so a query for "run" marks "running". Scripts without blanks are compared as the
-- bigrams that search uses; neighbouring marks grow together. Marks are set as control characters first, so that
-- escaping and cutting cannot confuse them with text.

-- A regular expression that matches exactly this text.
create or replace function retrieval._quote_regexp(literal text)
    returns text
    language sql immutable strict parallel safe
    return regexp_replace(literal, '([][\\^$.|?*+(){}])', '\\\1', 'g');

comment on function retrieval._quote_regexp(text) is 'The regular expression that matches exactly this text.';

-- The content with \x01 and \x02 around every word that the query ranks by.
create or replace function retrieval._mark_words(text_config text, content text, lexemes text[])
    returns text
    language plpgsql stable
as $$
declare
    words text;
    bigrams text;
begin
    select string_agg(retrieval._quote_regexp(w.word), '|' order by char_length(w.word) desc, w.word) into words
    from (select distinct m[1] as word from regexp_matches(content, '[^\s[:punct:]]+', 'g') m) w
    where octet_length(w.word) <= 400
      and w.word !~ ('[' || retrieval._script_characters() || ']')  -- these are marked by the bigram below
      and tsvector_to_array(to_tsvector(text_config::regconfig, w.word)) && lexemes;
    -- each half of a bigram where the other half stands beside it
    select string_agg(case char_length(l.lexeme)
                          when 1 then l.lexeme
                          else format('%1$s(?=%2$s)|(?<=%1$s)%2$s', left(l.lexeme, 1), right(l.lexeme, 1)) end, '|')
    into bigrams
    from unnest(lexemes) l(lexeme)
    where l.lexeme ~ ('^[' || retrieval._script_characters() || ']{1,2}$');
    if words is not null then
        content := regexp_replace(content, '(^|[\s[:punct:]])(' || words || ')(?=[\s[:punct:]]|$)', E'\\1\x01\\2\x02', 'g');
    end if;
    if bigrams is not null then
        content := regexp_replace(content, '(' || bigrams || ')', E'\x01\\1\x02', 'g');
    end if;
    return content;
end;
$$;

comment on function retrieval._mark_words(text, text, text[]) is
'A text with control characters 1 and 2 around the words whose lexemes are given.';

create or replace function retrieval.highlight(
    collection text,
    content text,
    query_text text,
    start_mark text default '<mark>',
    stop_mark text default '</mark>',
    max_fragments integer default 2,
    fragment_length integer default 240,
    escape_html boolean default false)
    returns text
    language plpgsql stable
    set client_min_messages = warning
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    lexemes text[];
    marked text;
begin
    perform retrieval._check_count('max_fragments', max_fragments, 100);
    perform retrieval._check_count('fragment_length', fragment_length, 100000);
    lexemes := array(select t.lexeme from retrieval._query_terms(owner.collection_id, array[owner.text_config], query_text) t);
    -- a bounded cost per hit: what lies beyond is not looked at
    marked := retrieval._mark_words(owner.text_config, translate(left(content, 20000), E'\x01\x02', ''), lexemes);
    marked := retrieval._best_fragments(marked, max_fragments, fragment_length);
    marked := replace(marked, E'\x02\x01', '');
    if escape_html then
        marked := replace(replace(replace(replace(replace(marked, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
    end if;
    return replace(replace(marked, E'\x01', start_mark), E'\x02', stop_mark);
end;
$$;

comment on function retrieval.highlight(text, text, text, text, text, integer, integer, boolean) is
'Fragments of a content with the words of a query between marks, joined by "… "; its beginning where no word occurs. With escape_html everything but the marks is escaped. Only the first 20,000 characters are looked at.';

-- The fragments with the most marks, in the order of the text. A text is cut between atoms: a marked run, a word with
-- the blanks after it, a single character of a script without blanks. Fragments that follow each other stay joined.
create or replace function retrieval._best_fragments(marked text, most integer, size integer)
    returns text
    language sql immutable
    begin atomic
        with atoms as (
            select a.number, a.atom[1] as atom, char_length(translate(a.atom[1], E'\x01\x02', '')) as length,
                   starts_with(a.atom[1], E'\x01')::integer as marks
            from regexp_matches(marked, E'(\x01[^\x02]*\x02\\s{0,200}|[' || retrieval._script_characters() || E']\\s{0,200}|[^\\s\x01' || retrieval._script_characters() || ']{1,200}\s{0,200}|\s{1,200})', 'g')
                 with ordinality a(atom, number)),
        placed as (
            select number, atom, marks, (sum(length) over (order by number) - 1) / size as page from atoms),
        fragments as (
            select row_number() over (order by page) as fragment, string_agg(atom, '' order by number) as piece, sum(marks) as marks
            from placed group by page),
        chosen as (
            select fragment, piece from fragments
            where marks > 0 or fragment = 1 and not exists (select from fragments where marks > 0)
            order by marks desc, fragment limit most),
        joined as (
            select fragment, piece, lag(fragment) over (order by fragment) as before from chosen)
        select coalesce(
            case when min(fragment) > 1 then '… ' else '' end
            || rtrim(string_agg(case when before is null or before = fragment - 1 then '' else '… ' end || piece, '' order by fragment))
            || case when max(fragment) < (select max(fragment) from fragments) then ' …' else '' end, '')
        from joined;
    end;

comment on function retrieval._best_fragments(text, integer, integer) is 'The fragments of a marked text that hold the most marks.';
-- end

-- begin sql/estimate_space.sql
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
-- end

-- begin sql/describe_space.sql
-- What the vectors of a dense space look like, from a sample: enough to see that two models share a space, that
-- vectors are not normalised, or that a model gives everything the same vector. retrieval doctor judges the figures.
--
-- Small spaces are sampled by the least hashes of chunk_id, larger ones from pages drawn first (tablesample system,
-- always the same ones; four times as many rows as wanted, so that neighbours on a page do not fill the sample): equal
-- tables give equal figures. However large the space, no more than `sample` vectors and their neighbours are compared;
-- only count(*) goes over all rows, by the primary key.

-- Connects vectors whose cosine is beyond chance (of unrelated vectors its deviation is 1 / sqrt(dimensions)) and
-- returns how large the second largest connected group is. Vectors of one model hang together by some chain even
-- where they are about different things; those of two models hardly ever.
create or replace function retrieval._separate_share(vectors halfvec[], dimensions integer)
    returns double precision
    language plpgsql immutable strict
    set search_path from current
as $$
declare
    farthest constant double precision := 1 - 5 / sqrt(dimensions);
    unreached halfvec[] := vectors;
    reached halfvec[];
    sizes integer[];
    before integer;
begin
    while cardinality(unreached) > 0 loop
        before := cardinality(unreached);
        reached := unreached[1:1];
        unreached := unreached[2:];
        while cardinality(reached) > 0 loop
            select array_agg(u.vector) filter (where u.near), array_agg(u.vector) filter (where not u.near) into reached, unreached
            from (select v.vector, exists (select from unnest(reached) r(vector) where r.vector <=> v.vector < farthest) as near
                  from unnest(unreached) v(vector)) u;
        end loop;
        sizes := sizes || before - coalesce(cardinality(unreached), 0);
    end loop;
    return (select s.size from unnest(sizes) s(size) order by s.size desc offset 1 limit 1)::double precision / cardinality(vectors);
end;
$$;

comment on function retrieval._separate_share(halfvec[], integer) is
'The share of the second largest group of vectors that no cosine above 5 / sqrt(dimensions) connects with the rest; null where all are connected.';

create or replace function retrieval.describe_space(collection text, space text default null, sample integer default 1000)
    returns table (
        embeddings bigint, sampled bigint, mean_cosine double precision,
        neighbour_pairs bigint, neighbour_cosine double precision, negative_neighbours double precision,
        norm_minimum double precision, norm_mean double precision, norm_maximum double precision, norm_deviation double precision,
        duplicate_vectors double precision, zero_vectors double precision, separate_vectors double precision)
    language plpgsql stable rows 1
    set search_path from current
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), space);
    kept constant text := retrieval._kept_chunks();
    stored bigint;
begin
    perform retrieval._check_count('sample', sample);
    stored := retrieval._count_embeddings(target, kept);
    return query execute format(
        'with vectors as materialized (
             select e.chunk_id, e.embedding, l2_norm(e.embedding) as norm, row_number() over (order by hashint8extended(e.chunk_id, 0), e.chunk_id) as number
             from retrieval.%1$I e tablesample system (%2$s) repeatable (0)
             where %7$s
             order by number limit %3$s),
         -- one after the other in the order of their hashes: random pairs
         random_pairs as (
             select 1 - (v.embedding <=> lead(v.embedding) over (order by v.number)) as cosine from vectors v where v.norm > 0),
         neighbours as (
             select 1 - (v.embedding <=> e.embedding) as cosine
             from vectors v
             join retrieval.chunks c on c.collection_id = %4$s and c.chunk_id = v.chunk_id
             join retrieval.chunks n on n.collection_id = %4$s and n.document_id = c.document_id and n.position = c.position + 1
             join retrieval.%1$I e on e.chunk_id = n.chunk_id
             where v.norm > 0 and l2_norm(e.embedding) > 0),
         equal as (
             select count(*) as vectors, count(distinct %6$s) as inputs
             from vectors v join retrieval.chunks c on c.collection_id = %4$s and c.chunk_id = v.chunk_id
             group by v.embedding),
         -- fewer vectors, or of fewer dimensions, fall apart by themselves
         distinct_vectors as (
             select d.embedding from (select v.embedding, min(v.number) as number from vectors v where v.norm > 0 group by v.embedding) d
             where %5$s >= 384 order by d.number limit 400)
         select $1, count(*), (select avg(cosine) from random_pairs),
                (select count(*) from neighbours), (select avg(cosine) from neighbours),
                (select count(*) filter (where cosine < 0)::double precision / nullif(count(*), 0) from neighbours),
                min(norm), avg(norm), max(norm), stddev_pop(norm),
                (select coalesce(sum(e.vectors) filter (where e.inputs > 1), 0) from equal e)::double precision / nullif(count(*), 0),
                count(*) filter (where norm = 0)::double precision / nullif(count(*), 0),
                (select case when count(*) = 400 then coalesce(retrieval._separate_share(array_agg(embedding), %5$s), 0) end from distinct_vectors)
         from vectors',
        retrieval._embedding_partition(target),
        -- which pages a tenant's are on nobody knows
        case kept when 'true' then least(100, 400.0 * sample / greatest(stored, 1)) else 100 end, sample, target.collection_id, target.dimensions,
        -- what the model was given: of an image that is not what its chunk says
        case target.modality when 'image' then 'c.metadata ->> ''sha256''' else '(coalesce(c.title, ''''), c.context, c.content)' end,
        case kept when 'true' then kept else format(
            'e.chunk_id in (select c.chunk_id from retrieval.chunks c where c.collection_id = %s and %s)', target.collection_id, kept) end)
        using stored;
end;
$$;

comment on function retrieval.describe_space(text, text, integer) is
'What the vectors that the current tenant (the owner of the schema who is in no tenant: all of them) has in a dense space (without a name: the active one) look like, from a sample of that many at most. mean_cosine: of random pairs; neighbour_cosine and negative_neighbours: mean and share below 0 of the cosines of neighbour_pairs, which are sampled chunks and the next ones of their documents; norm_…: length of the vectors; duplicate_vectors: share of the sampled vectors that are equal to that of a chunk in the sample with another title, context or content (in a space of images: with another sha256 in its metadata); zero_vectors: share without a direction; separate_vectors: share of a second group of vectors that nothing connects with the largest one, as two models would leave it (null for fewer than 400 different vectors or 384 dimensions). Null where there is nothing to measure.';
-- end


-- begin sql/create_golden_set.sql
-- Golden sets: queries, and graded judgements of which documents answer them. Nothing in one is changed in place: a query or a
-- judgement holds from its first version to its last one, so that what was measured with a version can be measured again.
create or replace function retrieval._golden_set(collection text, golden_set text)
    returns retrieval.golden_sets
    language plpgsql stable
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    found_set retrieval.golden_sets;
begin
    select * into found_set
    from retrieval.golden_sets s
    where s.collection_id = owner and s.tenant = retrieval.current_tenant() and s.name = golden_set;
    if not found then
        raise exception 'golden set % does not exist in collection %', coalesce(golden_set, 'null'), quote_ident(collection)
            using errcode = 'undefined_object',
                  hint = format('Existing golden sets: select name from retrieval.list_golden_sets(%L);', collection);
    end if;
    return found_set;
end;
$$;

comment on function retrieval._golden_set(text, text) is 'The current tenant''s golden set of that name; 42704 where there is none.';

-- Who changes a set holds it until the transaction ends, and works on the version that the one before left.
create or replace function retrieval._lock_golden_set(collection text, golden_set text)
    returns retrieval.golden_sets
    language plpgsql
as $$
declare
    locked retrieval.golden_sets := retrieval._golden_set(collection, golden_set);
begin
    select * into locked from retrieval.golden_sets s where s.golden_set_id = locked.golden_set_id for update;
    if not found then
        raise exception 'golden set % was just dropped from collection %', golden_set, quote_ident(collection)
            using errcode = 'undefined_object';
    end if;
    return locked;
end;
$$;

comment on function retrieval._lock_golden_set(text, text) is 'The golden set as its last writer left it, locked; 42704 where there is none.';

create or replace function retrieval._raise_golden_version(golden_set retrieval.golden_sets, changed boolean)
    returns integer
    language plpgsql
as $$
begin
    if changed then
        update retrieval.golden_sets s set version = s.version + 1, changed_at = now()
        where s.golden_set_id = golden_set.golden_set_id;
    end if;
    return golden_set.version + changed::integer;
end;
$$;

comment on function retrieval._raise_golden_version(retrieval.golden_sets, boolean) is
'The version of a locked golden set, one higher and stored where something has changed.';

create or replace function retrieval._some_of(found text[])
    returns text
    language sql immutable
begin atomic
    select string_agg(format('%L', f.name), ', ' order by f.number)
           || case when cardinality(found) > 3 then format(' and %s more', cardinality(found) - 3) else '' end
    from unnest(found[:3]) with ordinality f(name, number);
end;

comment on function retrieval._some_of(text[]) is 'The first three of some names, quoted, and how many more there are.';

create or replace function retrieval.create_golden_set(
    collection text, name text, origin text default 'human', description text default null, if_not_exists boolean default false)
    returns void
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    existing text;
begin
    perform retrieval._check_name('golden set', name);
    perform retrieval._check_choice('origin', origin, array['human', 'synthetic', 'clicks']);
    insert into retrieval.golden_sets (collection_id, tenant, name, origin, description)
    values (owner, retrieval.current_tenant(), name, origin, description)
    on conflict on constraint golden_sets_name_key do nothing;
    if found then
        return;
    elsif if_not_exists is not true then
        raise exception 'golden set % already exists in collection %', name, quote_ident(collection) using errcode = 'duplicate_object';
    end if;
    existing := (retrieval._golden_set(collection, name)).origin;
    if existing <> origin then
        raise exception 'golden set % is %, not %: give another name', name, existing, origin using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval.create_golden_set(text, text, text, text, boolean) is
'Creates an empty golden set of a collection for the current tenant, in version 0. origin says who judges: human, synthetic (made from the documents) or clicks. 42710 where the name is taken; with if_not_exists an existing set is kept as it is, and only one of another origin is an error.';
-- end

-- begin sql/drop_golden_set.sql
create or replace function retrieval.drop_golden_set(collection text, golden_set text)
    returns void
    language plpgsql
as $$
declare
    target constant retrieval.golden_sets := retrieval._lock_golden_set(collection, golden_set);
begin
    delete from retrieval.golden_sets s where s.golden_set_id = target.golden_set_id;
end;
$$;

comment on function retrieval.drop_golden_set(text, text) is 'Removes a golden set with every version of it. 42704 where there is none.';
-- end

-- begin sql/list_golden_sets.sql
create or replace function retrieval.list_golden_sets(collection text)
    returns table (
        name text, origin text, description text, version integer, queries bigint, judgements bigint,
        created_at timestamptz, changed_at timestamptz)
    language plpgsql stable
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
begin
    return query
        select s.name, s.origin, s.description, s.version,
               (select count(*) from retrieval.golden_queries q where q.golden_set_id = s.golden_set_id and q.last_version is null),
               (select count(*) from retrieval.judgements j where j.golden_set_id = s.golden_set_id and j.last_version is null),
               s.created_at, s.changed_at
        from retrieval.golden_sets s
        where s.collection_id = owner and s.tenant = retrieval.current_tenant()
        order by s.name;
end;
$$;

comment on function retrieval.list_golden_sets(text) is
'The current tenant''s golden sets of a collection by name, with the queries and judgements that they hold now.';
-- end

-- begin sql/golden_queries.sql
-- A version is null for the current one.
create or replace function retrieval._golden_version(golden_set retrieval.golden_sets, version integer)
    returns integer
    language plpgsql immutable
as $$
begin
    if version not between 0 and golden_set.version then
        raise exception 'golden set % has no version %; the newest is %', golden_set.name, version, golden_set.version
            using errcode = 'undefined_object';
    end if;
    return coalesce(version, golden_set.version);
end;
$$;

comment on function retrieval._golden_version(retrieval.golden_sets, integer) is 'The version, or of null the newest one; 42704 where the golden set has no such version.';

create or replace function retrieval.golden_queries(collection text, golden_set text, version integer default null)
    returns table (query_key text, query_text text)
    language plpgsql stable
as $$
declare
    target constant retrieval.golden_sets := retrieval._golden_set(collection, golden_set);
    wanted constant integer := retrieval._golden_version(target, version);
begin
    return query
        select q.query_key, q.query_text
        from retrieval.golden_queries q
        where q.golden_set_id = target.golden_set_id and q.first_version <= wanted and coalesce(q.last_version >= wanted, true)
        order by q.query_key;
end;
$$;

comment on function retrieval.golden_queries(text, text, integer) is
'The queries of a golden set by key, as they are or as they were in a version. 42704 for a set or a version that there is not.';
-- end

-- begin sql/put_golden_queries.sql
create or replace function retrieval._check_golden_queries(queries jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    repeated text[];
begin
    if jsonb_typeof(queries) is distinct from 'array' or queries = '[]' then
        raise exception 'queries must be a JSON array of at least one object' using errcode = 'invalid_parameter_value';
    elsif exists (select from jsonb_array_elements(queries) q
                  where jsonb_typeof(q -> 'query_key') is distinct from 'string' or jsonb_typeof(q -> 'query_text') is distinct from 'string') then
        raise exception 'a query must be an object with the texts "query_key" and "query_text"' using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_golden_query(q ->> 'query_key', q ->> 'query_text') from jsonb_array_elements(queries) q;
    repeated := array(select q ->> 'query_key' from jsonb_array_elements(queries) q group by 1 having count(*) > 1 order by 1);
    if cardinality(repeated) > 0 then
        raise exception 'query_key is given twice: %', retrieval._some_of(repeated) using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_golden_queries(jsonb) is '22023 where queries are not an array of objects with a key and a text each, or a key is there twice.';

create or replace function retrieval._check_golden_query(query_key text, query_text text)
    returns void
    language plpgsql immutable
as $$
begin
    if query_key ~ '[[:cntrl:]]' or query_key !~ '\S' or octet_length(query_key) > 1000 then
        raise exception 'query_key % is not usable: up to 1000 bytes, no control character, not only blanks', quote_literal(left(query_key, 200))
            using errcode = 'invalid_parameter_value';
    elsif query_text is null or query_text !~ '\S' then
        raise exception 'query % has no text', coalesce(quote_literal(query_key), 'null') using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_golden_query(text, text) is '22023 where a golden set cannot hold a query of this key and text.';

create or replace function retrieval._check_golden_duplicates(golden_set_id bigint)
    returns void
    language plpgsql stable
as $$
declare
    duplicate record;
begin
    select q.query_text, array_agg(q.query_key order by q.query_key) as query_keys into duplicate
    from retrieval.golden_queries q
    where q.golden_set_id = _check_golden_duplicates.golden_set_id and q.last_version is null
    group by q.query_text having count(*) > 1
    order by 2 limit 1;
    if found then
        raise exception 'queries % have the same text: %', retrieval._some_of(duplicate.query_keys), left(duplicate.query_text, 200)
            using errcode = 'invalid_parameter_value', hint = 'An import with merge_duplicates makes one query of them.';
    end if;
end;
$$;

comment on function retrieval._check_golden_duplicates(bigint) is '22023 where two queries of a golden set have the same text.';

create or replace function retrieval.put_golden_queries(collection text, golden_set text, queries jsonb)
    returns integer
    language plpgsql
as $$
declare
    target retrieval.golden_sets;
    added bigint;
begin
    perform retrieval._check_golden_queries(queries);
    target := retrieval._lock_golden_set(collection, golden_set);
    update retrieval.golden_queries q set last_version = target.version
    from jsonb_to_recordset(queries) g(query_key text, query_text text)
    where q.golden_set_id = target.golden_set_id and q.last_version is null
      and q.query_key = g.query_key and q.query_text <> g.query_text;
    insert into retrieval.golden_queries (golden_set_id, query_key, query_text, first_version)
    select target.golden_set_id, g.query_key, g.query_text, target.version + 1
    from jsonb_to_recordset(queries) g(query_key text, query_text text)
    where not exists (
        select from retrieval.golden_queries q
        where q.golden_set_id = target.golden_set_id and q.last_version is null and q.query_key = g.query_key);
    get diagnostics added = row_count;
    perform retrieval._check_golden_duplicates(target.golden_set_id);
    return retrieval._raise_golden_version(target, added > 0);
end;
$$;

comment on function retrieval.put_golden_queries(text, text, jsonb) is
'Adds queries to a golden set, or gives those of the same key another text: all of them or none. queries is an array of {"query_key", "query_text"}. Returns the version of the set, which is a new one where something has changed. 22023 for an empty array, an empty text, a key that is given twice, and two queries of the same text.';
-- end

-- begin sql/add_golden_query.sql
-- For who judges while searching: the query gets a key, once.
create or replace function retrieval.add_golden_query(collection text, golden_set text, query_text text)
    returns text
    language plpgsql
as $$
declare
    target constant retrieval.golden_sets := retrieval._lock_golden_set(collection, golden_set);
    key text;
begin
    select q.query_key into key
    from retrieval.golden_queries q
    where q.golden_set_id = target.golden_set_id and q.last_version is null and q.query_text = add_golden_query.query_text;
    if found then
        return key;
    end if;
    -- one that no version has had
    select (1 + coalesce(max(q.query_key::bigint), 0))::text into key
    from retrieval.golden_queries q
    where q.golden_set_id = target.golden_set_id and q.query_key ~ '^[1-9][0-9]{0,15}$';
    perform retrieval.put_golden_queries(collection, golden_set, jsonb_build_array(jsonb_build_object('query_key', key, 'query_text', query_text)));
    return key;
end;
$$;

comment on function retrieval.add_golden_query(text, text, text) is
'The key of the query of this text in a golden set; where there is none it is added, under the next number that no query of the set has ever had. 22023 for an empty text.';
-- end

-- begin sql/judgements.sql
create or replace function retrieval.judgements(collection text, golden_set text, version integer default null)
    returns table (query_key text, document_key text, grade smallint, judge text, judged_at timestamptz)
    language plpgsql stable
as $$
declare
    target constant retrieval.golden_sets := retrieval._golden_set(collection, golden_set);
    wanted constant integer := retrieval._golden_version(target, version);
begin
    return query
        select j.query_key, j.document_key, j.grade, j.judge, j.judged_at
        from retrieval.judgements j
        where j.golden_set_id = target.golden_set_id and j.first_version <= wanted and coalesce(j.last_version >= wanted, true)
        order by j.query_key, j.grade desc, j.document_key;
end;
$$;

comment on function retrieval.judgements(text, text, integer) is
'The judgements of a golden set by query, best grade first, as they are or as they were in a version, with who judged and when. 42704 for a set or a version that there is not.';
-- end

-- begin sql/delete_golden_queries.sql
create or replace function retrieval._check_golden_keys(golden_set retrieval.golden_sets, query_keys text[])
    returns void
    language plpgsql stable
as $$
declare
    unknown constant text[] := array(
        select distinct g.query_key
        from unnest(query_keys) g(query_key)
        where not exists (
            select from retrieval.golden_queries q
            where q.golden_set_id = golden_set.golden_set_id and q.last_version is null and q.query_key = g.query_key)
        order by 1);
begin
    if cardinality(unknown) > 0 then
        raise exception 'golden set % has no query %', golden_set.name, retrieval._some_of(unknown)
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_golden_keys(retrieval.golden_sets, text[]) is '22023 where a golden set lacks a query of one of these keys.';

create or replace function retrieval.delete_golden_queries(collection text, golden_set text, query_keys text[])
    returns integer
    language plpgsql
as $$
declare
    target constant retrieval.golden_sets := retrieval._lock_golden_set(collection, golden_set);
begin
    if coalesce(cardinality(query_keys), 0) = 0 then
        raise exception 'query_keys must name at least one query' using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_golden_keys(target, query_keys);
    update retrieval.golden_queries q set last_version = target.version
    where q.golden_set_id = target.golden_set_id and q.last_version is null and q.query_key = any (query_keys);
    update retrieval.judgements j set last_version = target.version
    where j.golden_set_id = target.golden_set_id and j.last_version is null and j.query_key = any (query_keys);
    return retrieval._raise_golden_version(target, true);
end;
$$;

comment on function retrieval.delete_golden_queries(text, text, text[]) is
'Takes queries out of a golden set with their judgements, from a new version on, and returns that version; earlier ones keep them. 22023 for an empty array and for a key that the set has not.';
-- end

-- begin sql/put_judgements.sql
create or replace function retrieval._check_judgements(judgements jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    wrong record;
begin
    if jsonb_typeof(judgements) is distinct from 'array' or judgements = '[]' then
        raise exception 'judgements must be a JSON array of at least one object' using errcode = 'invalid_parameter_value';
    elsif exists (select from jsonb_array_elements(judgements) j
                  where jsonb_typeof(j -> 'query_key') is distinct from 'string' or jsonb_typeof(j -> 'document_key') is distinct from 'string'
                     or j -> 'grade' is null) then
        raise exception 'a judgement must be an object with "query_key", "document_key" and "grade"' using errcode = 'invalid_parameter_value';
    end if;
    select j.query_key, j.document_key, j.grade into wrong
    from jsonb_to_recordset(judgements) j(query_key text, document_key text, grade jsonb)
    where j.grade <> 'null'
      and case when j.grade::text ~ '^-?\d{1,4}$' then j.grade::text::integer not between -10 and 100 else true end
    limit 1;
    if found then
        raise exception 'the grade of document % for query % must be a whole number between -10 and 100, or null, not %',
                        quote_literal(wrong.document_key), quote_literal(wrong.query_key), left(wrong.grade::text, 100)
            using errcode = 'invalid_parameter_value';
    end if;
    select j.query_key, j.document_key into wrong
    from jsonb_to_recordset(judgements) j(query_key text, document_key text)
    group by j.query_key, j.document_key having count(*) > 1 limit 1;
    if found then
        raise exception 'document % is judged twice for query %', quote_literal(wrong.document_key), quote_literal(wrong.query_key)
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_judgements(jsonb) is
'22023 where judgements are not an array of objects with a query, a document and a grade each, or a pair is there twice.';

create or replace function retrieval._check_judged_documents(collection text, document_keys text[])
    returns void
    language plpgsql stable
as $$
declare
    missing text[];
begin
    -- with literals, for the partition
    execute format(
        'select array_agg(distinct g.document_key order by g.document_key) from unnest($1) g(document_key)
         where not exists (
             select from retrieval.documents d
             where d.collection_id = %s and d.tenant = %L and d.document_key = g.document_key)',
        (retrieval._collection(collection)).collection_id, retrieval.current_tenant())
        into missing using document_keys;
    if cardinality(missing) > 0 then
        raise exception 'judged, but not in collection %: % %', quote_ident(collection),
                        case cardinality(missing) when 1 then 'document' else 'documents' end, retrieval._some_of(missing)
            using errcode = 'invalid_parameter_value', hint = 'An import with skip_missing leaves such judgements out.';
    end if;
end;
$$;

comment on function retrieval._check_judged_documents(text, text[]) is '22023 where a document is not in the collection, for the current tenant.';

create or replace function retrieval.put_judgements(collection text, golden_set text, judgements jsonb, judge text default null)
    returns integer
    language plpgsql
as $$
declare
    target retrieval.golden_sets;
    query_keys text[];
    document_keys text[];
    grades smallint[];
    removed bigint;
    added bigint;
begin
    perform retrieval._check_judgements(judgements);
    target := retrieval._lock_golden_set(collection, golden_set);
    select array_agg(g.query_key), array_agg(g.document_key), array_agg(g.grade) into query_keys, document_keys, grades
    from jsonb_to_recordset(judgements) g(query_key text, document_key text, grade smallint);
    perform retrieval._check_golden_keys(target, query_keys);
    perform retrieval._check_judged_documents(collection, array(
        select g.document_key from unnest(document_keys, grades) g(document_key, grade) where g.grade is not null));
    update retrieval.judgements j set last_version = target.version
    from unnest(query_keys, document_keys, grades) g(query_key, document_key, grade)
    where j.golden_set_id = target.golden_set_id and j.last_version is null
      and j.query_key = g.query_key and j.document_key = g.document_key
      and (j.grade, j.judge) is distinct from (g.grade, coalesce(put_judgements.judge, j.judge));
    get diagnostics removed = row_count;
    insert into retrieval.judgements (golden_set_id, query_key, document_key, grade, judge, first_version)
    select target.golden_set_id, g.query_key, g.document_key, g.grade, put_judgements.judge, target.version + 1
    from unnest(query_keys, document_keys, grades) g(query_key, document_key, grade)
    where g.grade is not null and not exists (
        select from retrieval.judgements j
        where j.golden_set_id = target.golden_set_id and j.last_version is null
          and j.query_key = g.query_key and j.document_key = g.document_key);
    get diagnostics added = row_count;
    return retrieval._raise_golden_version(target, removed + added > 0);
end;
$$;

comment on function retrieval.put_judgements(text, text, jsonb, text) is
'Stores judgements in a golden set, each in the place of the one that its query and document had: all of them or none. judgements is an array of {"query_key", "document_key", "grade"}. A grade is a whole number between -10 and 100, and a document is relevant where it is above 0; null takes a judgement back. judge says who judged. Returns the version of the set, which is a new one where something has changed. 22023 for an empty array, an unknown query, a document that is not in the collection, and a pair that is given twice.';
-- end

-- begin sql/record_evaluation.sql
-- Evaluations: what one way of searching reached on the queries of a golden set, with everything that it takes to do it again.
-- A run names its golden set and the version of it; it outlives both.

create or replace function retrieval._check_evaluation(name text, settings jsonb, context jsonb, measures jsonb, queries jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    wrong text;
begin
    if coalesce(name, '') !~ '^[^[:cntrl:]]+$' or length(name) > 500 then
        raise exception 'name must be 1 to 500 characters without a control character, not %', coalesce(quote_literal(name), 'null')
            using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(settings) is distinct from 'object' or jsonb_typeof(context) is distinct from 'object' then
        raise exception 'settings and context must be objects' using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(measures) is distinct from 'object' or measures = '{}' then
        raise exception 'measures must be an object such as {"nDCG@10": {"mean": 0.5}}' using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(queries) is distinct from 'array' or queries = '[]' then
        raise exception 'queries must be an array that is not empty' using errcode = 'invalid_parameter_value';
    end if;
    select m.key into wrong from jsonb_each(measures) m where jsonb_typeof(m.value -> 'mean') is distinct from 'number' limit 1;
    if found then
        raise exception 'measures: % has no number under mean', quote_literal(wrong) using errcode = 'invalid_parameter_value';
    end if;
    select q.number::text into wrong
    from jsonb_array_elements(queries) with ordinality q(query, number)
    where jsonb_typeof(q.query -> 'query_key') is distinct from 'string' or jsonb_typeof(q.query -> 'query_text') is distinct from 'string'
       or jsonb_typeof(q.query -> 'measures') is distinct from 'object'
       or coalesce(jsonb_typeof(q.query -> 'milliseconds'), 'null') not in ('null', 'number')
       or coalesce(jsonb_typeof(q.query -> 'document_keys'), 'array') <> 'array'
    order by q.number limit 1;
    if found then
        raise exception 'queries: number % has no query_key, query_text or measures, or others that are unusable', wrong
            using errcode = 'invalid_parameter_value';
    end if;
    select q.query ->> 'query_key' into wrong
    from jsonb_array_elements(queries) q(query) group by q.query ->> 'query_key' having count(*) > 1 limit 1;
    if found then
        raise exception 'queries: % is there twice', quote_literal(wrong) using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_evaluation(text, jsonb, jsonb, jsonb, jsonb) is '22023 where a part of an evaluation is unusable.';

create or replace function retrieval.record_evaluation(
    collection text, golden_set text, golden_set_version integer, name text, settings jsonb, context jsonb, measures jsonb, queries jsonb)
    returns bigint
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    recorded bigint;
begin
    perform retrieval._check_evaluation(name, settings, context, measures, queries);
    insert into retrieval.evaluations (collection_id, golden_set, golden_set_version, name, settings, context, measures)
    values (owner.collection_id, golden_set, golden_set_version, name, settings, context, measures)
    returning evaluation_id into recorded;
    insert into retrieval.evaluation_queries (evaluation_id, query_key, query_text, measures, milliseconds, document_keys)
    select recorded, q.query_key, q.query_text, q.measures, q.milliseconds, coalesce(q.document_keys, '{}')
    from jsonb_to_recordset(queries) q(query_key text, query_text text, measures jsonb, milliseconds double precision, document_keys text[]);
    return recorded;
end;
$$;

comment on function retrieval.record_evaluation(text, text, integer, text, jsonb, jsonb, jsonb, jsonb) is
'Stores what a way of searching reached on a golden set, for the current tenant, and returns its evaluation_id. name and settings: of the way of searching; context: what else it takes to repeat it; measures: {"nDCG@10": {"mean": 0.5, "low": 0.4, "high": 0.6}}; queries: [{"query_key": "q1", "query_text": "…", "measures": {"nDCG@10": 0.5}, "milliseconds": 4.2, "document_keys": ["a", "b"]}], of which the last two may be left out. golden_set and golden_set_version are null where the judgements are not stored; neither need exist. 42704 where there is no such collection, 22023 where a part is unusable; then nothing is stored.';
-- end

-- begin sql/list_evaluations.sql
create or replace function retrieval.list_evaluations(
    collection text, golden_set text default null, max_results integer default 50, evaluation_ids bigint[] default null)
    returns table (
        evaluation_id bigint, golden_set_name text, golden_set_version integer, name text, settings jsonb, context jsonb, measures jsonb,
        queries bigint, created_at timestamptz)
    language plpgsql stable
as $$
#variable_conflict use_column
declare
    owner constant retrieval.collections := retrieval._collection(collection);
begin
    perform retrieval._check_count('max_results', max_results);
    return query
        select e.evaluation_id, e.golden_set, e.golden_set_version, e.name, e.settings, e.context, e.measures,
               (select count(*) from retrieval.evaluation_queries q where q.evaluation_id = e.evaluation_id), e.created_at
        from retrieval.evaluations e
        where e.collection_id = owner.collection_id and e.tenant = retrieval.current_tenant()
          and (list_evaluations.golden_set is null or e.golden_set = list_evaluations.golden_set)
          and (evaluation_ids is null or e.evaluation_id = any (evaluation_ids))
        order by e.evaluation_id desc
        limit max_results;
end;
$$;

comment on function retrieval.list_evaluations(text, text, integer, bigint[]) is
'The evaluations of a collection that the current tenant has recorded, newest first: those on one golden set where that is named, those with some ids where these are given. queries is how many were measured. No row where there are none; 42704 where there is no such collection.';
-- end

-- begin sql/evaluation_queries.sql
create or replace function retrieval._evaluation(owner retrieval.collections, evaluation_id bigint)
    returns retrieval.evaluations
    language plpgsql stable
as $$
declare
    recorded retrieval.evaluations;
begin
    select * into recorded
    from retrieval.evaluations e
    where e.evaluation_id = _evaluation.evaluation_id and e.collection_id = owner.collection_id and e.tenant = retrieval.current_tenant();
    if not found then
        raise exception 'evaluation % does not exist in collection %', coalesce(evaluation_id::text, 'null'), quote_ident(owner.name)
            using errcode = 'undefined_object',
                  hint = format('Existing evaluations: select evaluation_id, name from retrieval.list_evaluations(%L);', owner.name);
    end if;
    return recorded;
end;
$$;

comment on function retrieval._evaluation(retrieval.collections, bigint) is
'The evaluation of that id in a collection, of the current tenant; 42704 where there is none.';

create or replace function retrieval.evaluation_queries(collection text, evaluation_id bigint)
    returns table (query_key text, query_text text, measures jsonb, milliseconds double precision, document_keys text[])
    language plpgsql stable
as $$
#variable_conflict use_column
declare
    recorded constant retrieval.evaluations := retrieval._evaluation(retrieval._collection(collection), evaluation_id);
begin
    return query
        select q.query_key, q.query_text, q.measures, q.milliseconds, q.document_keys
        from retrieval.evaluation_queries q
        where q.evaluation_id = recorded.evaluation_id
        order by q.query_key;
end;
$$;

comment on function retrieval.evaluation_queries(text, bigint) is
'What an evaluation measured of each query, by query_key: the measures, how long the search took, and the first documents that it found. 42704 where the current tenant has recorded no such evaluation in the collection.';
-- end

-- begin sql/delete_evaluation.sql
create or replace function retrieval.delete_evaluation(collection text, evaluation_id bigint)
    returns void
    language plpgsql
as $$
declare
    recorded constant retrieval.evaluations := retrieval._evaluation(retrieval._collection(collection), evaluation_id);
begin
    delete from retrieval.evaluations e where e.evaluation_id = recorded.evaluation_id;
end;
$$;

comment on function retrieval.delete_evaluation(text, bigint) is
'Removes an evaluation with what it measured of each query. 42704 where the current tenant has recorded no such evaluation in the collection.';
-- end

-- begin sql/trim_evaluations.sql
create or replace function retrieval.trim_evaluations(collection text, older_than interval)
    returns bigint
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    removed bigint;
begin
    if older_than is null or older_than < interval '0' then
        raise exception 'older_than must be 0 or more, not %', coalesce(older_than::text, 'null') using errcode = 'invalid_parameter_value';
    end if;
    delete from retrieval.evaluations e
    where e.collection_id = owner.collection_id and e.tenant = retrieval.current_tenant() and e.created_at <= now() - older_than;
    get diagnostics removed = row_count;
    return removed;
end;
$$;

comment on function retrieval.trim_evaluations(text, interval) is
'Removes the evaluations of a collection that the current tenant recorded so long ago, and returns how many. 42704 where there is no such collection.';
-- end

-- begin sql/create_api_key.sql
-- Keys to the HTTP service. The secret never gets here: the service's own program makes it, shows it once and gives its hash.
--
-- Which collections a key may use stands in a table of its own, by id: a grant ends with its collection, whatever is
-- called like it later, and a key whose last grant has ended may use none. That it may use all is said, never inferred.
create or replace function retrieval.create_api_key(
    api_key_id text,
    key_hash text,
    name text,
    scopes text[] default array['read'],
    collections text[] default null,
    tenant text default '',
    requests_per_minute integer default null,
    expires_at timestamptz default null)
    returns void
    language plpgsql
as $$
declare
    known_scopes constant text[] := array['read', 'write', 'admin'];
    scope text;
begin
    if api_key_id is null or api_key_id !~ '^[a-z2-7]{12}$' then
        raise exception 'api_key_id must be 12 lower-case letters or digits from 2 to 7' using errcode = 'invalid_parameter_value';
    elsif key_hash is null or key_hash !~ '^\$argon2id\$' then
        -- not quoted: it might be the secret
        raise exception 'key_hash must be an argon2id hash, never the secret itself' using errcode = 'invalid_parameter_value';
    elsif coalesce(cardinality(scopes), 0) = 0 then
        raise exception 'scopes must name at least one of %', array_to_string(known_scopes, ', ') using errcode = 'invalid_parameter_value';
    elsif cardinality(collections) = 0 then
        raise exception 'collections must name at least one; null are all, also later ones' using errcode = 'invalid_parameter_value';
    elsif tenant is null or octet_length(tenant) > 200 or tenant ~ '[[:cntrl:]]' then
        raise exception 'tenant % is not usable: up to 200 bytes, no control character', coalesce(quote_literal(tenant), 'null')
            using errcode = 'invalid_parameter_value';
    elsif expires_at <= now() then
        raise exception 'expires_at must be in the future, not %', expires_at using errcode = 'invalid_parameter_value';
    end if;
    foreach scope in array scopes loop
        perform retrieval._check_choice('scopes', scope, known_scopes);
    end loop;
    if 'admin' = any (scopes) and (collections is not null or tenant <> '') then
        raise exception 'a key with the scope admin is for all collections and no tenant: it creates and drops what everybody uses'
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_name('key', name);
    perform retrieval._check_count('requests_per_minute', coalesce(requests_per_minute, 1), 1000000);

    insert into retrieval.api_keys (api_key_id, key_hash, name, scopes, all_collections, tenant, requests_per_minute, expires_at)
    values (create_api_key.api_key_id, create_api_key.key_hash, create_api_key.name,
            array(select k from unnest(known_scopes) k where k = any (create_api_key.scopes)),
            create_api_key.collections is null, create_api_key.tenant,
            create_api_key.requests_per_minute, create_api_key.expires_at);
    insert into retrieval.api_key_collections (api_key_id, collection_id)
    select distinct create_api_key.api_key_id, (retrieval._collection(c)).collection_id
    from unnest(create_api_key.collections) c;
end;
$$;

comment on function retrieval.create_api_key(text, text, text, text[], text[], text, integer, timestamptz) is
'Stores a key to the HTTP service under a public id: the argon2id hash of its secret, a name for people, scopes (read, write, admin; none includes another), the collections it may use (null: all, also later ones), the tenant that it reads and writes for ('''': what belongs to none), requests a minute (null: no limit) and when it expires (null: never). The command retrieval keys create makes the secret. 22023 for arguments that do not fit, 42704 for a collection that does not exist.';
-- end

-- begin sql/list_api_keys.sql
create or replace function retrieval._api_key_collections(api_key retrieval.api_keys)
    returns text[]
    language sql stable
begin atomic
    select case when not (api_key).all_collections then array(
        select c.name
        from retrieval.api_key_collections g
        join retrieval.collections c on c.collection_id = g.collection_id
        where g.api_key_id = (api_key).api_key_id
        order by c.name)
    end;
end;

comment on function retrieval._api_key_collections(retrieval.api_keys) is
'The names of the collections that a key may use, empty where those have been dropped; null where it may use all.';

create or replace function retrieval.list_api_keys()
    returns table (
        api_key_id text, name text, scopes text[], collections text[], tenant text, requests_per_minute integer,
        created_at timestamptz, expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz)
    language sql stable
begin atomic
    select k.api_key_id, k.name, k.scopes, retrieval._api_key_collections(k), k.tenant, k.requests_per_minute,
           k.created_at, k.expires_at, k.revoked_at, k.last_used_at
    from retrieval.api_keys k
    order by k.created_at, k.api_key_id;
end;

comment on function retrieval.list_api_keys() is
'The keys of the HTTP service without their hashes, oldest first, revoked and expired ones too; collections are names, null where a key is for all. last_used_at is right to a minute and a half.';
-- end

-- begin sql/find_api_key.sql
-- What the service checks a request against. Revoked and expired keys are found as well: who asks decides, after the secret.
create or replace function retrieval.find_api_key(api_key_id text)
    returns table (
        key_hash text, name text, scopes text[], collections text[], tenant text, requests_per_minute integer,
        expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz)
    language sql stable
begin atomic
    select k.key_hash, k.name, k.scopes, retrieval._api_key_collections(k), k.tenant, k.requests_per_minute,
           k.expires_at, k.revoked_at, k.last_used_at
    from retrieval.api_keys k
    where k.api_key_id = find_api_key.api_key_id;
end;

comment on function retrieval.find_api_key(text) is
'A key of the HTTP service by its public id, with its hash; collections are names, null where the key is for all. No row where there is none.';
-- end

-- begin sql/revoke_api_key.sql
create or replace function retrieval.revoke_api_key(api_key_id text)
    returns timestamptz
    language plpgsql
as $$
declare
    since timestamptz;
begin
    update retrieval.api_keys k
    set revoked_at = coalesce(k.revoked_at, now())
    where k.api_key_id = revoke_api_key.api_key_id
    returning k.revoked_at into since;
    if not found then
        -- not quoted: somebody may have given the whole key
        raise exception 'no API key has this id'
            using errcode = 'undefined_object', hint = 'Existing keys: select api_key_id, name from retrieval.list_api_keys();';
    end if;
    return since;
end;
$$;

comment on function retrieval.revoke_api_key(text) is
'Ends a key of the HTTP service for good and returns since when it has been revoked, for one revoked before the first time. Running services learn of it within 30 seconds. 42704 where no key has the id.';
-- end

-- begin sql/record_api_key_use.sql
create or replace function retrieval.record_api_key_use(api_key_id text)
    returns void
    language sql
begin atomic
    update retrieval.api_keys k
    set last_used_at = now()
    where k.api_key_id = record_api_key_use.api_key_id
      and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
end;

comment on function retrieval.record_api_key_use(text) is
'Notes that a key of the HTTP service was used just now; writes once a minute at most. Nothing happens where no key has the id.';
-- end


-- begin sql/set_query_logging.sql
-- Whether what is asked of a collection is kept, and for how long. Nothing is until somebody who may set it has said so: what people
-- search for is about them.
--
-- Logging that is off still has its retention, so that what was logged goes when it was said to go.

create or replace function retrieval._query_retention(collection retrieval.collections)
    returns interval
    language sql stable
    return (collection.settings #>> '{query_logging,retention}')::interval;

comment on function retrieval._query_retention(retrieval.collections) is
'How long logged queries of a collection are kept; null where none were ever to be logged.';

create or replace function retrieval._logs_queries(collection retrieval.collections)
    returns boolean
    language sql stable
    return coalesce((collection.settings #>> '{query_logging,enabled}')::boolean, false);

comment on function retrieval._logs_queries(retrieval.collections) is 'Whether queries of a collection are logged.';

create or replace function retrieval.set_query_logging(collection text, retention interval default '90 days')
    returns void
    language plpgsql
    set intervalstyle = 'postgres'
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
begin
    if retention <= '0' or retention > '10 years' then
        raise exception 'retention must be more than 0 and at most 10 years, not %', retention using errcode = 'invalid_parameter_value';
    end if;
    update retrieval.collections c
    set settings = case when retention is not null
                            then c.settings || jsonb_build_object('query_logging', jsonb_build_object('enabled', true, 'retention', retention::text))
                        when c.settings ? 'query_logging' then jsonb_set(c.settings, '{query_logging,enabled}', 'false')
                        else c.settings end
    where c.collection_id = target.collection_id;
end;
$$;

comment on function retrieval.set_query_logging(text, interval) is
'Lets log_query and log_click keep what is asked of a collection and opened from it, for so long; each tenant has a log of its own. A shorter retention holds for what is there already. A retention of null turns it off: nothing more is kept, and what was logged stays until its retention has passed, unless forget_queries removes it.';
-- end

-- begin sql/log_query.sql
-- One query as it was answered. Readers call it: it is they who search. It writes nothing but a row of the caller's own tenant,
-- and only where the collection's owner has turned that on, so it needs no right of a writer.

create or replace function retrieval._check_query_details(details jsonb)
    returns void
    language plpgsql immutable
as $$
begin
    if details is null or jsonb_typeof(details) <> 'object' then
        raise exception 'details must be an object such as {"milliseconds": 12, "settings": {"fusion": "rrf"}}' using errcode = 'invalid_parameter_value';
    elsif octet_length(details::text) > 20000 then
        raise exception 'details must have at most 20000 bytes as text, not %', octet_length(details::text) using errcode = 'invalid_parameter_value';
    elsif details ? 'milliseconds' and (jsonb_typeof(details -> 'milliseconds') <> 'number' or (details -> 'milliseconds')::numeric not between 0 and 1e9) then
        raise exception 'details: milliseconds must be a number from 0 to 1000000000, not %', details -> 'milliseconds' using errcode = 'invalid_parameter_value';
    elsif details ? 'result_offset' and (details ->> 'result_offset') !~ '^\d{1,5}$' then
        raise exception 'details: result_offset must be a whole number from 0 to 99999, not %', details -> 'result_offset' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_query_details(jsonb) is '22023 where what is told of a query cannot be kept.';

create or replace function retrieval._check_shown(document_keys text[], scores double precision[])
    returns void
    language plpgsql immutable
as $$
begin
    if document_keys is null or array_position(document_keys, null) is not null then
        raise exception 'document_keys must name the documents that were shown, and be {} where none were' using errcode = 'invalid_parameter_value';
    elsif cardinality(scores) <> cardinality(document_keys) then
        raise exception 'scores: % for % document_keys', cardinality(scores), cardinality(document_keys) using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_shown(text[], double precision[]) is '22023 where documents that were shown lack a key, or scores do not belong to them.';

create or replace function retrieval.log_query(
    collection text,
    query_text text,
    document_keys text[],
    scores double precision[] default null,
    details jsonb default '{}',
    query_id uuid default null)
    returns uuid
    language plpgsql
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    logged_id constant uuid := coalesce(query_id, gen_random_uuid());
begin
    if query_text is null then
        raise exception 'query_text must not be null' using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_shown(document_keys, scores);
    perform retrieval._check_query_details(details);
    if not retrieval._logs_queries(target) then
        return null;
    end if;
    insert into retrieval.logged_queries (query_id, collection_id, query_text, document_keys, result_count, top_score, details)
    values (logged_id, target.collection_id, left(query_text, 2000), document_keys[:1000], cardinality(document_keys),
            -- without what is no number, which would be above all others
            (select max(s) from unnest(scores) s where s between -1e300 and 1e300), details);
    return logged_id;
end;
$$;

comment on function retrieval.log_query(text, text, text[], double precision[], jsonb, uuid) is
'Keeps a query with the keys of the documents that were shown, best first (a document as often as chunks of it were), and returns the id that log_click takes; query_id where one is given, which must be new. Where the collection''s queries are not logged (see set_query_logging) nothing is kept and null is returned, so a program may always call it. scores belong to the keys, null for none; the highest is kept. details are the caller''s own, but for milliseconds (how long the search took), result_offset (how many hits are on the pages before) and settings (anything: scores are compared where it is the same). Of a query the first 2000 characters are kept, of the keys the first 1000. Not in a read-only transaction. 42704 where there is no such collection, 22023 for what cannot be kept.';
-- end

-- begin sql/log_click.sql
-- A document that somebody opened from the answer to a query; for readers, as log_query is.
create or replace function retrieval.log_click(query_id uuid, document_key text, collection text default null)
    returns boolean
    language plpgsql
as $$
declare
    asked record;
    place integer;
begin
    select q.document_keys, coalesce((q.details ->> 'result_offset')::integer, 0) as before, retrieval._logs_queries(c) as is_on into asked
    from retrieval.logged_queries q
    join retrieval.collections c on c.collection_id = q.collection_id
    where q.query_id = log_click.query_id and q.tenant = retrieval.current_tenant()
      and q.logged_at > now() - retrieval._query_retention(c)
      and c.name = coalesce(log_click.collection, c.name);
    if not found then
        raise exception 'no logged query has this id, or its retention has passed' using errcode = 'undefined_object';
    end if;
    place := array_position(asked.document_keys, document_key);
    if place is null then
        raise exception 'document % was not shown for this query', coalesce(quote_literal(document_key), 'null') using errcode = 'invalid_parameter_value';
    elsif not asked.is_on then
        return false;
    end if;
    insert into retrieval.logged_clicks (query_id, document_key, rank)
    values (log_click.query_id, log_click.document_key, asked.before + place)
    on conflict on constraint logged_clicks_pkey do nothing;
    return found;
end;
$$;

comment on function retrieval.log_click(uuid, text, text) is
'Keeps that a document was opened from the answer to a logged query, with its rank there, the first one where several of its chunks were shown. true where that is new; false where it was known, or where the collection''s queries are not logged any more. With a collection, the query must be one of it. 42704 where the current tenant has no such query or its retention has passed, 22023 where the document was not shown.';
-- end

-- begin sql/trim_query_log.sql
-- A batch at a time, so that no transaction is long and nobody waits; two at once take different rows.
create or replace function retrieval.trim_query_log(maximum_rows integer default 10000)
    returns bigint
    language plpgsql
as $$
declare
    removed bigint;
begin
    perform retrieval._check_count('maximum_rows', maximum_rows, 1000000);
    with expired as (
        select e.query_id
        from retrieval.collections c
        cross join lateral (
            select q.query_id from retrieval.logged_queries q
            where q.collection_id = c.collection_id and q.logged_at <= now() - retrieval._query_retention(c)
            order by q.logged_at limit maximum_rows
            for update skip locked) e
        where c.settings ? 'query_logging'
        limit maximum_rows)
    delete from retrieval.logged_queries q using expired e where q.query_id = e.query_id;
    get diagnostics removed = row_count;
    return removed;
end;
$$;

comment on function retrieval.trim_query_log(integer) is
'Removes logged queries whose retention has passed, with their clicks, of every collection and tenant, the oldest first, and returns how many; fewer than maximum_rows means that none are left. Workers call it every hour. Reports and log_click pass such queries over, removed or not.';
-- end

-- begin sql/query_report.sql
-- What the log of queries says; for writers, and of the current tenant alone: what people asked is not for everybody who may search.

create or replace function retrieval._normalised_query(query_text text)
    returns text
    language sql immutable parallel safe
    return btrim(regexp_replace(lower(normalize(query_text, nfkc)), '\s+', ' ', 'g'));

comment on function retrieval._normalised_query(text) is 'What queries have in common that differ in case, width and blanks only.';

-- Inlined into its callers.
create or replace function retrieval._logged(collection text, since timestamptz, until timestamptz)
    returns setof retrieval.logged_queries
    language sql stable
begin atomic
    select q.*
    from retrieval.logged_queries q
    where q.collection_id = (select (retrieval._collection(_logged.collection)).collection_id)
      and q.tenant = (select retrieval.current_tenant())
      and q.logged_at > (select now() - retrieval._query_retention(retrieval._collection(_logged.collection)))
      and q.logged_at >= coalesce(since, '-infinity') and q.logged_at < coalesce(until, 'infinity');
end;

comment on function retrieval._logged(text, timestamptz, timestamptz) is
'The current tenant''s logged queries of a time, without those whose retention has passed; 42704 where there is no such collection.';

-- Of the clicks after a query the first tells whether what people wanted stood on top.
create or replace function retrieval.query_report(collection text, since timestamptz default null, until timestamptz default null)
    returns table (
        queries bigint, distinct_queries bigint, zero_results bigint, zero_result_share double precision, clicked_queries bigint,
        click_through_rate double precision, mean_reciprocal_rank double precision, milliseconds_p50 double precision,
        milliseconds_p95 double precision)
    language sql stable
begin atomic
    with logged as (
        select q.query_id, q.query_text, q.result_count = 0 as is_empty, q.details ? 'result_offset' and q.details ->> 'result_offset' <> '0' as is_later_page,
               (q.details ->> 'milliseconds')::double precision as milliseconds
        from retrieval._logged(query_report.collection, since, until) q),
    clicked as (
        select c.query_id, (array_agg(c.rank order by c.clicked_at, c.rank))[1] as first_rank
        from logged l join retrieval.logged_clicks c using (query_id)
        group by c.query_id)
    select count(*), count(distinct retrieval._normalised_query(l.query_text) collate "C"),
           count(*) filter (where l.is_empty and not l.is_later_page),
           count(*) filter (where l.is_empty and not l.is_later_page) / nullif(count(*), 0)::double precision,
           count(c.query_id),
           count(c.query_id) / nullif(count(*) filter (where not l.is_empty), 0)::double precision,
           avg(1 / c.first_rank::double precision),
           percentile_cont(0.5) within group (order by l.milliseconds),
           percentile_cont(0.95) within group (order by l.milliseconds)
    from logged l left join clicked c using (query_id);
end;

comment on function retrieval.query_report(text, timestamptz, timestamptz) is
'One row of what the current tenant asked of a collection, since (inclusive) and until (exclusive), without them as far as the log goes back: how many queries, how many different ones but for case and blanks, how many found nothing and the share of these, how many were followed by a click, the share of these among the queries that found something, the mean of 1 / rank of the first click over the queries that have one, and how long half and 95 % of the searches took at most, where that was logged. A later page is a query of its own, but none without results. Shares and means of nothing are null. 42704 where there is no such collection.';
-- end

-- begin sql/zero_result_queries.sql
create or replace function retrieval.zero_result_queries(
    collection text, since timestamptz default null, until timestamptz default null, max_results integer default 100)
    returns table (query_text text, queries bigint, last_at timestamptz)
    language plpgsql stable
as $$
begin
    perform retrieval._check_count('max_results', max_results);
    return query
        select retrieval._normalised_query(q.query_text), count(*), max(q.logged_at)
        from retrieval._logged(zero_result_queries.collection, since, until) q
        where q.result_count = 0 and coalesce(q.details ->> 'result_offset', '0') = '0'
        group by 1
        order by 2 desc, 3 desc, 1
        limit max_results;
end;
$$;

comment on function retrieval.zero_result_queries(text, timestamptz, timestamptz, integer) is
'What the current tenant asked a collection for and did not find at all: the query in small letters, how often that happened and when last; the most frequent first, then the latest. What is only empty behind the last page is not among them. 42704 where there is no such collection.';
-- end

-- begin sql/low_score_queries.sql
-- Scores are compared with those of other queries that were asked under the same settings, by their place among them: fused scores,
-- BM25 and similarities have scales of their own, and what is low on one is a matter of what the others have. Each query counts once,
-- however often it was asked. Fewer than ten of them are no distribution.
create or replace function retrieval.low_score_queries(
    collection text, share double precision default 0.1, since timestamptz default null, until timestamptz default null,
    max_results integer default 100)
    returns table (query_text text, queries bigint, top_score double precision, percentile double precision, settings jsonb, last_at timestamptz)
    language plpgsql stable
as $$
begin
    if share is null or share <= 0 or share > 1 then
        raise exception 'share must be more than 0 and at most 1, not %', coalesce(share::text, 'null') using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_count('max_results', max_results);
    return query
        with asked as (
            select retrieval._normalised_query(q.query_text) as query_text, q.details -> 'settings' as settings,
                   count(*) as queries, avg(q.top_score) as top_score, max(q.logged_at) as last_at
            from retrieval._logged(low_score_queries.collection, since, until) q
            where q.top_score is not null and coalesce(q.details ->> 'result_offset', '0') = '0'
            group by 1, 2),
        ranked as (
            select a.*, cume_dist() over (partition by a.settings order by a.top_score) as percentile,
                   count(*) over (partition by a.settings) as compared
            from asked a)
        select r.query_text, r.queries, r.top_score, r.percentile, r.settings, r.last_at
        from ranked r
        where r.percentile <= share and r.compared >= 10
        order by r.percentile, r.queries desc, r.query_text
        limit max_results;
end;
$$;

comment on function retrieval.low_score_queries(text, double precision, timestamptz, timestamptz, integer) is
'What the current tenant asked a collection for and found badly, by scores: queries whose best score, the mean over the times that they were asked, is among the lowest share of all queries under the same settings (the settings in the details of log_query). percentile is the share of those queries whose score is no higher; the lowest first, then the more frequent. Settings with fewer than ten different queries are left out: there is nothing to compare with. 42704 where there is no such collection, 22023 for a share outside of 0 to 1.';
-- end

-- begin sql/query_clicks.sql
create or replace function retrieval.query_clicks(
    collection text, since timestamptz default null, until timestamptz default null, max_results integer default 100)
    returns table (
        query_text text, queries bigint, clicked_queries bigint, clicks bigint, click_through_rate double precision,
        mean_reciprocal_rank double precision, last_at timestamptz)
    language plpgsql stable
as $$
begin
    perform retrieval._check_count('max_results', max_results);
    return query
        with logged as (
            select q.query_id, q.query_text, q.logged_at
            from retrieval._logged(query_clicks.collection, since, until) q
            where q.result_count > 0),
        clicked as (
            select c.query_id, count(*) as clicks, (array_agg(c.rank order by c.clicked_at, c.rank))[1] as first_rank
            from logged l join retrieval.logged_clicks c using (query_id)
            group by c.query_id)
        select retrieval._normalised_query(l.query_text), count(*), count(c.query_id), coalesce(sum(c.clicks), 0)::bigint,
               count(c.query_id) / count(*)::double precision, avg(1 / c.first_rank::double precision), max(l.logged_at)
        from logged l left join clicked c using (query_id)
        group by 1
        order by 2 desc, 1
        limit max_results;
end;
$$;

comment on function retrieval.query_clicks(text, timestamptz, timestamptz, integer) is
'What became of the current tenant''s queries that found something, one row for each query in small letters: how often it was asked, how often a click followed, how many documents were opened, the share of times with a click, the mean of 1 / rank of the first click (null without any) and when it was asked last; the most frequent first. 42704 where there is no such collection.';
-- end

-- begin sql/click_judgements.sql
-- What clicks say of relevance. People click on what they look at, and look at the top: a click far down says more than one on the
-- first place. Under the position-based model a click has the probability examination(rank) · attraction(query, document); the
-- examination is taken as 1 / rank, the propensity of Joachims, Swaminathan and Schnabel, "Unbiased Learning-to-Rank with Biased
-- Feedback" (WSDM 2017), with η = 1. Clicks divided by the examinations that were to be expected over all times that the document was
-- shown estimate the attraction: the ratio of sums (clicks over expected clicks) varies less than the mean of single weighted clicks.
create or replace function retrieval.click_judgements(
    collection text, minimum_clicks integer default 5, since timestamptz default null, until timestamptz default null)
    returns table (query_text text, document_key text, grade integer, clicks bigint, examinations double precision, attraction double precision)
    language plpgsql stable
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    perform retrieval._check_count('minimum_clicks', minimum_clicks, 1000000);
    return query
        with logged as (
            select q.query_id, retrieval._normalised_query(q.query_text) as query_text, q.document_keys,
                   coalesce((q.details ->> 'result_offset')::integer, 0) as before
            from retrieval._logged(click_judgements.collection, since, until) q
            where q.result_count > 0),
        clicked as (
            select l.query_text, c.document_key, count(*) as clicks
            from logged l join retrieval.logged_clicks c using (query_id)
            group by l.query_text, c.document_key
            having count(*) >= minimum_clicks),
        examined as (
            select l.query_text, s.document_key, sum(1 / (l.before + s.place)::double precision) as examinations
            from logged l
            cross join lateral (
                select k.document_key, min(k.place) as place
                from unnest(l.document_keys) with ordinality k(document_key, place)
                group by k.document_key) s
            where l.query_text in (select c.query_text from clicked c)
            group by l.query_text, s.document_key)
        select g.query_text, g.document_key, case when g.attraction >= 0.5 then 2 else 1 end, g.clicks, g.examinations, g.attraction
        from (select c.query_text, c.document_key, c.clicks, e.examinations, c.clicks / e.examinations as attraction
              from clicked c join examined e using (query_text, document_key)) g
        where g.attraction >= 0.1 and exists (
            select from retrieval.documents d
            where d.collection_id = target and d.document_key = g.document_key and d.tenant = retrieval.current_tenant())
        order by g.query_text, g.attraction desc, g.document_key;
end;
$$;

comment on function retrieval.click_judgements(text, integer, timestamptz, timestamptz) is
'Weak judgements from the current tenant''s clicks, best first for each query in small letters: documents that are still there and were opened from it at least minimum_clicks times, each time after another search. attraction is the clicks divided by the expected examinations, a document on rank r being looked at by one in r (so it may be above 1); grade is 2 from 0.5 on and 1 from 0.1 on, and what is below is no judgement. What nobody clicked on is not judged at all. 42704 where there is no such collection.';
-- end

-- begin sql/forget_queries.sql
create or replace function retrieval.forget_queries(collection text, before timestamptz default null, query_text text default null)
    returns bigint
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    removed bigint;
begin
    delete from retrieval.logged_queries q
    where q.collection_id = target and q.tenant = retrieval.current_tenant()
      and q.logged_at < coalesce(forget_queries.before, 'infinity')
      and (forget_queries.query_text is null
           or retrieval._normalised_query(q.query_text) = retrieval._normalised_query(left(forget_queries.query_text, 2000)));
    get diagnostics removed = row_count;
    return removed;
end;
$$;

comment on function retrieval.forget_queries(text, timestamptz, text) is
'Removes logged queries of the current tenant with their clicks and returns how many: those before a time, those with a text but for case and blanks, or without both all of them. Whether queries are logged from now on does not change. 42704 where there is no such collection.';
-- end

-- begin sql/tenant_policies.sql
-- Row-level security, for whoever reads and writes the tables with SQL of his own: a role sees and writes what belongs to its
-- tenant. The tables' owner passes, and with it the functions, which keep to the tenant themselves (see
-- retrieval._tenant_condition). Partitions need no policies: nobody has rights on them.

alter table retrieval.documents enable row level security;
alter table retrieval.chunks enable row level security;
alter table retrieval.chunk_statistics enable row level security;
alter table retrieval.lexeme_statistics enable row level security;
alter table retrieval.tenant_settings enable row level security;
alter table retrieval.embeddings enable row level security;
alter table retrieval.sparse_embeddings enable row level security;
alter table retrieval.token_embeddings enable row level security;
-- without a policy: read and written by functions alone
alter table retrieval.role_tenants enable row level security;
alter table retrieval.jobs enable row level security;
alter table retrieval.finished_jobs enable row level security;
alter table retrieval.attached_tables enable row level security;
alter table retrieval.attached_table_failures enable row level security;
alter table retrieval.embedding_cache enable row level security;
alter table retrieval.context_cache enable row level security;
alter table retrieval.golden_sets enable row level security;
alter table retrieval.golden_queries enable row level security;
alter table retrieval.judgements enable row level security;
alter table retrieval.evaluations enable row level security;
alter table retrieval.evaluation_queries enable row level security;
alter table retrieval.api_keys enable row level security;
alter table retrieval.api_key_collections enable row level security;
alter table retrieval.logged_queries enable row level security;
alter table retrieval.logged_clicks enable row level security;

drop policy if exists tenant on retrieval.documents;
create policy tenant on retrieval.documents
    using (tenant = (select retrieval.current_tenant()));

-- also no chunk of another's document: what is refused here is refused before a key or an index can say anything of it
drop policy if exists tenant on retrieval.chunks;
create policy tenant on retrieval.chunks
    using (tenant = (select retrieval.current_tenant()))
    with check (tenant = (select retrieval.current_tenant()) and exists (
        select from retrieval.documents d
        where d.collection_id = chunks.collection_id and d.document_id = chunks.document_id and d.tenant = chunks.tenant));

drop policy if exists tenant on retrieval.chunk_statistics;
create policy tenant on retrieval.chunk_statistics
    using (tenant = (select retrieval.current_tenant()));

drop policy if exists tenant on retrieval.lexeme_statistics;
create policy tenant on retrieval.lexeme_statistics
    using (tenant = (select retrieval.current_tenant()));

drop policy if exists tenant on retrieval.tenant_settings;
create policy tenant on retrieval.tenant_settings
    using (tenant = (select retrieval.current_tenant()));

drop policy if exists tenant on retrieval.embeddings;
create policy tenant on retrieval.embeddings
    using (exists (
        select from retrieval.chunks c
        where c.collection_id = embeddings.collection_id and c.chunk_id = embeddings.chunk_id
          and c.tenant = (select retrieval.current_tenant())));

drop policy if exists tenant on retrieval.sparse_embeddings;
create policy tenant on retrieval.sparse_embeddings
    using (exists (
        select from retrieval.chunks c
        where c.collection_id = sparse_embeddings.collection_id and c.chunk_id = sparse_embeddings.chunk_id
          and c.tenant = (select retrieval.current_tenant())));

drop policy if exists tenant on retrieval.token_embeddings;
create policy tenant on retrieval.token_embeddings
    using (exists (
        select from retrieval.chunks c
        where c.collection_id = token_embeddings.collection_id and c.chunk_id = token_embeddings.chunk_id
          and c.tenant = (select retrieval.current_tenant())));
-- end

-- begin sql/permissions.sql
-- Who may do what. Three roles without a login, which other roles are made members of:
--
-- - retrieval_reader    searches
-- - retrieval_writer    searches, and writes documents and their embeddings
-- - retrieval_owner     owns the schema, and does the rest: collections, spaces, the queue, attached tables
--
-- A function that touches the tables runs with its owner's rights, whoever calls it, and under a search_path of its own. So a
-- reader needs no right on what a search reads (statistics, caches), and its indexes are used under row-level security, where an
-- operator that is not leakproof, such as @@, is otherwise asked only after the policies. That the owner is
-- retrieval_owner keeps it from having more rights than this schema needs. Nothing that a caller gives such a function
-- becomes SQL; the functions that take the name of the caller's table keep the caller's rights.

-- Every public function is here, and the triggers that have the owner's rights. Of the private functions only immutable ones are
-- granted, which compute and touch nothing: the constraints of a table and the functions with the caller's rights use them.
create or replace function retrieval._permissions()
    returns table (granted_to text, of_owner boolean, functions text[])
    language sql immutable
begin atomic
    select p.granted_to, p.of_owner, string_to_array(p.functions, ' ')
    from (values
        ('retrieval_reader', true,
         'adapt_query boost cached_embeddings chunk_count collapse_duplicates collection_settings count_jobs count_matches '
         'current_tenant diversify document_search estimate_space evaluation_queries explain_keyword_search explain_search '
         'facets failed_jobs golden_queries highlight hybrid_search judgements keyword_search late_interaction_search '
         'list_collections list_evaluations list_golden_sets list_spaces log_click log_query more_like_this neighbouring_chunks '
         'packed_tokens passages recommend recommend_documents sample_chunks semantic_search sparse_search'),
        ('retrieval_reader', false,
         'compile_filter fuse keep_largest lexeme_length max_sim segment split_text to_lexemes truncate_embedding'),
        -- with what an ingestion leaves to be done at its end (gaps, indexes, statistics, calibration), and what was asked
        ('retrieval_writer', true,
         'add_document add_golden_query build_index cache_contexts cache_embeddings cache_sparse_embeddings '
         'cache_token_embeddings cached_contexts calibrate click_judgements create_golden_set delete_document delete_documents '
         'delete_evaluation delete_golden_queries drop_golden_set enqueue_missing forget_queries has_jobs low_score_queries '
         'missing_embeddings put_documents put_embeddings put_golden_queries put_judgements put_sparse_embeddings '
         'put_token_embeddings query_clicks query_report record_evaluation tidy_collection trim_embedding_cache trim_evaluations '
         'unchanged_chunks written_spaces zero_result_queries'),
        ('retrieval_owner', true,
         'activate_space bind_role claim_jobs create_api_key create_collection create_space describe_space drop_metadata_index '
         'drop_orphans drop_query_adapter drop_space export_embeddings export_sparse_embeddings export_token_embeddings '
         'extend_jobs fail_job find_api_key finish_jobs index_metadata index_statements job_chunks list_api_keys measure_recall '
         'record_api_key_use refresh_statistics release_jobs resume_space retire_space retry_jobs revoke_api_key rollback_space '
         'sample_embeddings set_chunking set_field_weights set_query_adapter set_query_logging set_ranking set_search_options '
         'statistics_drift trim_context_cache trim_query_log unbind_role'),
        -- those of the caller's table, or of the caller's sessions
        ('retrieval_owner', false,
         'attach_table detach_table drop_collection grant_roles import_embeddings index_progress refresh_table'),
        (null, true,
         '_check_text_config _copy_document _copy_text_config _count_chunks _enqueue_inserted _follow_content _follow_table '
         '_forget_chunks _forget_embeddings _keeps_every_tenant')) p(granted_to, of_owner, functions);
end;

comment on function retrieval._permissions() is
'To which role each function is granted, and whether it has its owner''s rights; triggers are granted to nobody.';
-- end

-- begin sql/grant_roles.sql
-- The roles, what they own and what they are granted; which function goes to which role is in permissions.sql. Roles belong to the
-- whole cluster, and who runs this may be no superuser: what is not permitted is left out, with a notice that says what.

create or replace function retrieval._create_role(name text)
    returns boolean
    language plpgsql
as $$
begin
    if to_regrole(name) is null then
        execute format('create role %I nologin', name);
    end if;
    return true;
exception
    when duplicate_object or unique_violation then  -- by another database of the cluster, just now
        return true;
    when insufficient_privilege then
        raise notice 'role % is not created: % has no CREATEROLE', name, current_user;
        return false;
end;
$$;

comment on function retrieval._create_role(text) is 'Creates a role unless there is one; false, with a notice, where that is not permitted.';

-- Creating a role makes no member of it that could hand something over to it. PostgreSQL 15 knows neither option.
create or replace function retrieval._join_role(name text, member text)
    returns boolean
    language plpgsql
as $$
declare
    with_options constant boolean := current_setting('server_version_num')::integer >= 160000;
begin
    if not pg_has_role(member, name, 'usage') or with_options and not pg_has_role(member, name, 'set') then
        execute format('grant %I to %I', name, member) || case when with_options then ' with inherit true, set true' else '' end;
    end if;
    return true;
exception
    when unique_violation then  -- by another database of the cluster, just now
        return true;
    when insufficient_privilege then
        raise notice '% is not made a member of %: % may not grant it', member, name, current_user;
        return false;
end;
$$;

comment on function retrieval._join_role(text, text) is 'Makes a role a member of another unless it is one; false, with a notice, where that is not permitted.';

create or replace function retrieval._grant_functions()
    returns void
    language plpgsql
as $$
declare
    function record;
begin
    for function in
        select p.oid::regprocedure as signature, l.of_owner, to_regrole(case when l.name is not null then l.granted_to
                                                                             when p.provolatile = 'i' then 'retrieval_reader' end) as granted_to,
               l.of_owner and not exists (select from unnest(p.proconfig) c where c ~ '^search_path=') as needs_path
        from pg_catalog.pg_proc p
        left join (select * from retrieval._permissions() m, unnest(m.functions) f(name)) l on l.name = p.proname
        where p.pronamespace = 'retrieval'::regnamespace
    loop
        execute format('revoke execute on function %s from public', function.signature);
        if function.granted_to is not null then
            execute format('grant execute on function %s to %s', function.signature, function.granted_to);
        end if;
        if function.of_owner then
            execute format('alter function %s security definer', function.signature);
        end if;
        if function.needs_path then
            execute format('alter function %s set search_path = pg_catalog, %I, pg_temp', function.signature, retrieval._vector_schema());
        end if;
    end loop;
end;
$$;

comment on function retrieval._grant_functions() is 'Gives functions the rights of their owner, and grants each to its role alone.';

create or replace function retrieval._vector_schema()
    returns text
    language sql stable
    return (select n.nspname from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector');

comment on function retrieval._vector_schema() is 'The schema that pgvector is installed in.';

-- For who writes SQL of their own; the searches do without.
create or replace function retrieval._grant_tables(reader text, writer text)
    returns void
    language plpgsql
as $$
begin
    execute 'grant usage on schema retrieval to ' || concat_ws(', ', reader, writer);
    if reader is not null then
        execute 'grant select on retrieval.collections, retrieval.documents, retrieval.chunks, retrieval.metadata_indexes, retrieval.spaces,
                     retrieval.embeddings, retrieval.sparse_embeddings, retrieval.token_embeddings to ' || reader;
        if to_regclass('retrieval.alembic_version') is not null then
            execute 'grant select on retrieval.alembic_version to ' || reader;
        end if;
    end if;
    if writer is not null then
        execute 'grant insert, update, delete on retrieval.documents, retrieval.chunks,
                     retrieval.embeddings, retrieval.sparse_embeddings, retrieval.token_embeddings to ' || writer;
    end if;
end;
$$;

comment on function retrieval._grant_tables(text, text) is 'Grants what is read and written without a function; null is a role that there is not.';

-- Its operators are everybody's where the schema is, as public.
create or replace function retrieval._grant_vector(role_name text)
    returns boolean
    language plpgsql
as $$
begin
    if not has_schema_privilege(role_name, retrieval._vector_schema(), 'usage') then
        execute format('grant usage on schema %I to %I', retrieval._vector_schema(), role_name);
    end if;
    return true;
exception when insufficient_privilege then
    raise notice '% may not use schema %, where pgvector is: % may not grant it', role_name, retrieval._vector_schema(), current_user;
    return false;
end;
$$;

comment on function retrieval._grant_vector(text) is 'Lets a role use pgvector''s schema; false, with a notice, where that is not permitted.';

create or replace function retrieval._hand_over(owner text)
    returns void
    language plpgsql
as $$
declare
    owned record;
begin
    for owned in
        select 'schema retrieval' as object from pg_catalog.pg_namespace n
        where n.nspname = 'retrieval' and n.nspowner <> to_regrole(owner)
        union all
        select format('table %s', c.oid::regclass) from pg_catalog.pg_class c
        where c.relnamespace = 'retrieval'::regnamespace and c.relkind in ('r', 'p') and c.relowner <> to_regrole(owner)
        union all
        select format('function %s', p.oid::regprocedure) from pg_catalog.pg_proc p
        where p.pronamespace = 'retrieval'::regnamespace and p.proowner <> to_regrole(owner)
    loop
        execute format('alter %s owner to %I', owned.object, owner);
    end loop;
end;
$$;

comment on function retrieval._hand_over(text) is 'Makes a role the owner of the schema and of everything in it.';

create or replace function retrieval.grant_roles()
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    has_reader constant boolean := retrieval._create_role('retrieval_reader');
    has_writer constant boolean := retrieval._create_role('retrieval_writer');
    has_owner constant boolean := retrieval._create_role('retrieval_owner');
begin
    if has_reader and has_writer then
        perform retrieval._join_role('retrieval_reader', 'retrieval_writer');
    end if;
    perform retrieval._grant_functions();
    if has_reader or has_writer then
        perform retrieval._grant_tables(case when has_reader then 'retrieval_reader' end, case when has_writer then 'retrieval_writer' end);
    end if;
    perform retrieval._grant_vector(r.name)
    from (values ('retrieval_reader', has_reader), ('retrieval_writer', has_writer)) r(name, exists) where r.exists;
    if has_owner and retrieval._join_role('retrieval_owner', current_user) and retrieval._grant_vector('retrieval_owner') then
        perform retrieval._hand_over('retrieval_owner');
    end if;
end;
$$;

comment on function retrieval.grant_roles() is
'Creates retrieval_reader, retrieval_writer and retrieval_owner where they are missing, grants each what it may do, and makes the last the owner of this schema. The migrations call it. Worth another call, by the one who ran them or a superuser, where a notice said that something was left out, or after a restore without owners and privileges. Called again it changes nothing that is as it should be.';

select retrieval.grant_roles();
-- end
