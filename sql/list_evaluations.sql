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
