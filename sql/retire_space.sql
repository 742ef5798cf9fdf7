-- Ends the upkeep of a space that is no longer searched.
create or replace function retrieval.retire_space(collection text, space text)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
begin
    perform retrieval._lock_spaces(owner.collection_id);
    target := retrieval._space(owner, coalesce(space, ''), null);
    if target.state = 'active' then
        raise exception 'space % is the active one of collection %', quote_ident(space), quote_ident(collection)
            using errcode = 'object_not_in_prerequisite_state', hint = 'Activate another space first.';
    end if;
    update retrieval.spaces s set state = 'retired' where s.space_id = target.space_id;
    delete from retrieval.jobs j where j.space_id = target.space_id;
end;
$$;

comment on function retrieval.retire_space(text, text) is
'Keeps a space as it is: new chunks are no longer embedded for it. 55000 for the active one.';
