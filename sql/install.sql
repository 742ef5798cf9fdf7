-- Every function and trigger of the schema, in the order in which they can be created, for psql:
--     psql -f sql/install.sql
-- The tables come from the migrations. Files above the line are needed by the tables, those below need them.

-- pgvector's types and operators resolve wherever the extension was installed, and none that a caller made for the session.
select set_config('search_path', 'pg_catalog, ' || quote_ident(n.nspname) || ', pg_temp', false)
from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname = 'vector';

-- Who is no superuser may have a function set pgvector's parameters only where its library is loaded.
do $$ begin perform '[1]'::vector; end; $$;

\ir segment.sql
\ir to_lexemes.sql
-- tables
\ir text_config.sql
\ir arguments.sql
\ir compile_filter.sql
\ir filter_condition.sql
\ir index_text.sql
\ir copy_document.sql
\ir count_chunks.sql
\ir refresh_statistics.sql
\ir create_collection.sql
\ir drop_collection.sql
\ir index_metadata.sql
\ir drop_metadata_index.sql
\ir metric.sql
\ir check_embedding.sql
\ir keep_largest.sql
\ir truncate_embedding.sql
\ir create_space.sql
\ir build_index.sql
\ir index_statements.sql
\ir index_progress.sql
\ir written_spaces.sql
\ir activate_space.sql
\ir rollback_space.sql
\ir retire_space.sql
\ir resume_space.sql
\ir list_spaces.sql
\ir list_collections.sql
\ir set_search_options.sql
\ir drop_space.sql
\ir parse_query.sql
\ir field_weights.sql
\ir threshold_query.sql
\ir hits_statement.sql
\ir best_chunks.sql
\ir keyword_search.sql
\ir explain_keyword_search.sql
\ir nearest_chunks.sql
\ir chunk_count.sql
\ir set_query_adapter.sql
\ir semantic_search.sql
\ir sparse_search.sql
\ir sample_embeddings.sql
\ir measure_recall.sql
\ir fuse.sql
\ir boost.sql
\ir check_boosts.sql
\ir max_sim.sql
\ir late_interaction_search.sql
\ir packed_tokens.sql
\ir check_ranking.sql
\ir diversify.sql
\ir collapse_duplicates.sql
\ir search_legs.sql
\ir ranking.sql
\ir hybrid_search.sql
\ir document_search.sql
\ir explain_search.sql
\ir set_ranking.sql
\ir set_chunking.sql
\ir recommend.sql
\ir recommend_documents.sql
\ir more_like_this.sql
\ir calibrate.sql
\ir count_matches.sql
\ir facets.sql
\ir split_text.sql
\ir enqueue_chunks.sql
\ir enqueue_missing.sql
\ir has_jobs.sql
\ir split_documents.sql
\ir put_documents.sql
\ir delete_documents.sql
\ir add_document.sql
\ir delete_document.sql
\ir table_rows.sql
\ir follow_table.sql
\ir attach_table.sql
\ir detach_table.sql
\ir refresh_table.sql
\ir tidy_collection.sql
\ir put_embeddings.sql
\ir put_sparse_embeddings.sql
\ir put_token_embeddings.sql
\ir missing_embeddings.sql
\ir claim_jobs.sql
\ir extend_jobs.sql
\ir release_jobs.sql
\ir job_chunks.sql
\ir unchanged_chunks.sql
\ir finish_jobs.sql
\ir fail_job.sql
\ir retry_jobs.sql
\ir failed_jobs.sql
\ir count_jobs.sql
\ir cached_embeddings.sql
\ir imported_rows.sql
\ir import_embeddings.sql
\ir export_embeddings.sql
\ir cached_contexts.sql
\ir neighbouring_chunks.sql
\ir passages.sql
\ir highlight.sql
\ir estimate_space.sql
\ir describe_space.sql
\ir permissions.sql
\ir grant_roles.sql
