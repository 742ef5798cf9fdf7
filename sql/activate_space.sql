-- Makes a space the one that searches use; the one before it stays as a shadow. Refused while chunks lack an
-- embedding in it.
create or replace function retrieval.activate_space(collection text, space text)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, coalesce(space, ''));
    missing bigint;
begin
    execute format(
        'select count(*) from retrieval.chunks c
         where c.collection_id = %s
           and not exists (select from retrieval.embeddings e where e.space_id = %s and e.chunk_id = c.chunk_id)',
        owner.collection_id, target.space_id) into missing;
    if missing > 0 then
        raise exception 'space % of collection % is not complete: % of the chunks have no embedding in it',
                        quote_ident(space), quote_ident(collection), missing
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    update retrieval.spaces s set state = 'shadow'
    where s.collection_id = owner.collection_id and s.kind = target.kind and s.state = 'active'
      and s.space_id <> target.space_id;
    update retrieval.spaces s set state = 'active', activated_at = now()
    where s.space_id = target.space_id and s.state <> 'active';
end;
$$;

comment on function retrieval.activate_space(text, text) is
'Makes a space the collection''s active one, which searches use; the former one becomes a shadow. 55000 while chunks lack an embedding in it.';
