-- Which space searches use. `active`: searched; `building` and `shadow`: not searched, but kept complete by whoever
-- writes; `retired`: neither. Writers hold a share lock on the spaces that they write (written_spaces) until they
-- commit, and a change of state takes the rows for itself first: so every chunk that was committed before the change is
-- seen by its check, and every later writer sees the new states.

create or replace function retrieval._lock_spaces(collection_id bigint)
    returns void
    language sql
begin atomic
    select from retrieval.spaces s where s.collection_id = _lock_spaces.collection_id order by s.space_id for no key update;
end;

comment on function retrieval._lock_spaces(bigint) is 'Waits for the writers of a collection''s spaces and keeps new ones waiting until the transaction ends.';

-- Which chunks belong into a space, as a condition on a chunk c. An image without a caption says nothing in words but the
-- name of its file, which keyword search finds.
create or replace function retrieval._embeds(space retrieval.spaces)
    returns text
    language sql immutable
    return case space.modality
        when 'image' then 'c.modality = ''image'''
        -- asked of the images, which have an index and are few or none, so that counting chunks need not read them
        else format('not exists (select from retrieval.chunks i
                                 where i.collection_id = %s and i.chunk_id = c.chunk_id and i.modality = ''image'' and i.content = '''')',
                    space.collection_id) end;

comment on function retrieval._embeds(retrieval.spaces) is
'The SQL condition that a chunk c belongs into a space: into one of images every image, into one of texts everything but images without a caption.';

create or replace function retrieval._lacks(space retrieval.spaces)
    returns text
    language sql immutable
    return format('c.collection_id = %s and %s
                   and not exists (select from retrieval.%I e where e.space_id = %s and e.chunk_id = c.chunk_id)',
                  space.collection_id, retrieval._embeds(space), retrieval._embedding_table(space.kind), space.space_id);

comment on function retrieval._lacks(retrieval.spaces) is
'The SQL condition that a chunk c belongs into a space and has no embedding in it.';

create or replace function retrieval._count_missing(space retrieval.spaces, among text default 'true')
    returns bigint
    language plpgsql
as $$
declare
    missing bigint;
begin
    execute format('select count(*) from retrieval.chunks c where %s and %s', retrieval._lacks(space), among) into missing;
    return missing;
end;
$$;

comment on function retrieval._count_missing(retrieval.spaces, text) is
'How many chunks c that fulfil a condition and belong into a space have no embedding in it.';

create or replace function retrieval._count_embeddings(space retrieval.spaces, among text default 'true')
    returns bigint
    language plpgsql
as $$
declare
    embeddings bigint;
begin
    execute format('select count(*) from retrieval.%I e where e.space_id = %s', retrieval._embedding_table(space.kind), space.space_id)
            || case when among <> 'true' then format(
                   ' and exists (select from retrieval.chunks c where c.collection_id = %s and c.chunk_id = e.chunk_id and %s)', space.collection_id, among)
               else '' end
        into embeddings;
    return embeddings;
end;
$$;

comment on function retrieval._count_embeddings(retrieval.spaces, text) is 'How many chunks c that fulfil a condition have an embedding in a space.';

create or replace function retrieval.activate_space(collection text, space text)
    returns void
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target retrieval.spaces;
    missing bigint;
begin
    perform retrieval._lock_spaces(owner.collection_id);
    target := retrieval._space(owner, coalesce(space, ''), null);
    missing := retrieval._count_missing(target);
    if missing > 0 then
        raise exception 'space % of collection % is not complete: % of the chunks have no embedding in it',
                        quote_ident(space), quote_ident(collection), missing
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    update retrieval.spaces s set state = 'shadow'
    where s.collection_id = owner.collection_id and s.kind = target.kind and s.modality = target.modality and s.state = 'active'
      and s.space_id <> target.space_id;
    update retrieval.spaces s set state = 'active', activated_at = clock_timestamp()
    where s.space_id = target.space_id and s.state <> 'active';
end;
$$;

comment on function retrieval.activate_space(text, text) is
'Makes a space the collection''s active one of its kind and modality, which searches use; the former one becomes a shadow, to which rollback_space returns. 55000 while chunks lack an embedding in it.';
