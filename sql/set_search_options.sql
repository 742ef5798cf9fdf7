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
