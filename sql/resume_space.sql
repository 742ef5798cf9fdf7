-- Undoes retire_space.
create or replace function retrieval.resume_space(collection text, space text)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces := retrieval._space(owner, coalesce(space, ''), null);
begin
    perform retrieval._lock_spaces(owner.collection_id);
    -- whoever writes chunks without knowing that they are to be embedded again
    execute format('lock table retrieval.%I in share row exclusive mode', 'chunks_' || owner.collection_id);
    update retrieval.spaces s set state = case when s.activated_at is null then 'building' else 'shadow' end
    where s.space_id = target.space_id and s.state = 'retired'
    returning * into target;
    if found then
        perform retrieval._enqueue_missing(target);
    end if;
end;
$$;

comment on function retrieval.resume_space(text, text) is
'Has new chunks embedded for a retired space again, and those that came meanwhile. Waits for the writers of the collection.';
