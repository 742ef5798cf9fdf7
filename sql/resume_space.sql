-- Undoes retire_space.
create or replace function retrieval.resume_space(collection text, space text)
    returns void
    language plpgsql
as $$
declare
    target constant retrieval.spaces := retrieval._space(retrieval._collection(collection), coalesce(space, ''), null);
begin
    update retrieval.spaces s set state = case when s.activated_at is null then 'building' else 'shadow' end
    where s.space_id = target.space_id and s.state = 'retired';
end;
$$;

comment on function retrieval.resume_space(text, text) is
'Has new chunks embedded for a retired space again; those that came meanwhile are missing until they are embedded.';
