-- Every function and trigger of the schema, in the order in which they can be created, for psql:
--     psql -f sql/install.sql
-- The tables come from the migrations. Files above the line are needed by the tables, those below need them.

-- pgvector's types and operators resolve wherever the extension was installed.
select set_config('search_path', 'pg_catalog, ' || quote_ident(n.nspname), false)
from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname = 'vector';

\ir segment.sql
\ir to_lexemes.sql
-- tables
\ir text_config.sql
\ir arguments.sql
\ir compile_filter.sql
\ir copy_document.sql
\ir count_chunks.sql
\ir refresh_statistics.sql
\ir create_collection.sql
\ir drop_collection.sql
\ir metric.sql
\ir check_embedding.sql
\ir create_space.sql
\ir build_index.sql
\ir activate_space.sql
\ir drop_space.sql
\ir parse_query.sql
\ir field_weights.sql
\ir threshold_query.sql
\ir keyword_search.sql
\ir explain_keyword_search.sql
\ir semantic_search.sql
\ir hybrid_search.sql
\ir put_documents.sql
\ir delete_documents.sql
\ir tidy_collection.sql
\ir put_embeddings.sql
\ir neighbouring_chunks.sql
\ir highlight.sql
