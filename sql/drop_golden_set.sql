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
