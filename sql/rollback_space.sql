-- The way back from activate_space.
create or replace function retrieval.rollback_space(collection text, kind text default 'dense', modality text default 'text')
    returns text
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    former text;
begin
    perform retrieval._lock_spaces(owner.collection_id);
    select s.name into former
    from retrieval.spaces s
    where s.collection_id = owner.collection_id and s.kind = rollback_space.kind and s.modality = rollback_space.modality
      and s.state = 'shadow' and s.activated_at is not null
    order by s.activated_at desc, s.space_id desc
    limit 1;
    if not found then
        raise exception 'collection % has no former % space of modality % to go back to',
                        quote_ident(collection), coalesce(quote_literal(kind), 'null'), coalesce(quote_literal(modality), 'null')
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform retrieval.activate_space(collection, former);
    return former;
end;
$$;

comment on function retrieval.rollback_space(text, text, text) is
'Makes the space that was active before the active one again, and returns its name. 55000 where there is none or it has become incomplete.';
