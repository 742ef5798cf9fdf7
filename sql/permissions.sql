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
