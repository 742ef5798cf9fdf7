-- How a collection's hybrid searches rank unless a call says otherwise.
create or replace function retrieval.set_ranking(collection text, fusion text default null, weights jsonb default null, rrf_k integer default null)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    ranking constant jsonb := jsonb_strip_nulls(jsonb_build_object('fusion', fusion, 'weights', weights, 'rrf_k', rrf_k));
begin
    perform retrieval._check_choice('fusion', coalesce(fusion, 'rrf'), array['rrf', 'relative', 'dbsf']);
    perform retrieval._check_leg_weights(coalesce(weights, '{}'));
    perform retrieval._check_count('rrf_k', coalesce(rrf_k, 1), 1000000);
    update retrieval.collections c
    set settings = case ranking when '{}' then c.settings - 'ranking' else c.settings || jsonb_build_object('ranking', ranking) end
    where c.collection_id = target;
end;
$$;

comment on function retrieval.set_ranking(text, text, jsonb, integer) is
'Sets what hybrid_search and document_search rank a collection by unless a call says otherwise: the fusion (rrf, relative or dbsf), the weights of legs ({"semantic": 2}; a leg that is not named keeps its calibration or default), and rrf_k. What is null is not set; set_ranking(collection) alone returns to the defaults.';
