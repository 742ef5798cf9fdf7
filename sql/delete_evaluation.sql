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
