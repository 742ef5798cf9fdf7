-- Removes a space with its embeddings. The active one only when forced: searches would lose their semantic half.
create or replace function retrieval.drop_space(collection text, space text, force boolean default false)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
    partition text;
begin
    -- before the partition, as writers do
    perform retrieval._lock_spaces(owner.collection_id);
    target := retrieval._space(owner, coalesce(space, ''), null);
    if target.state = 'active' and force is not true then
        raise exception 'space % is the active one of collection %', quote_ident(space), quote_ident(collection)
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Activate another space first, or pass force => true.';
    end if;
    -- and for those who have enqueued chunks for it
    perform from retrieval.spaces s where s.space_id = target.space_id for update;
    partition := format('retrieval.%I', retrieval._embedding_partition(target));
    execute 'truncate ' || partition;
    delete from retrieval.spaces s where s.space_id = target.space_id;
    perform retrieval._drop_tables(array[partition]);
    perform retrieval.drop_orphans();
end;
$$;

comment on function retrieval.drop_space(text, text, boolean) is
'Removes a space with its embeddings. 55000 for the active one unless force is true.';
