-- What a collection is set to, for who asks.
create or replace function retrieval.collection_settings(collection text)
    returns jsonb
    language sql stable
    return (retrieval._collection(collection)).settings;

comment on function retrieval.collection_settings(text) is
'The settings of a collection: what set_ranking, set_chunking, set_field_weights and set_query_logging have set for all, and the calibration of the current tenant (see calibrate). 42704 where there is no such collection.';
