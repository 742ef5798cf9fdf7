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
