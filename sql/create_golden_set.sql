-- Golden sets: queries, and graded judgements of which documents answer them. Nothing in one is changed in place: a query or a
-- judgement holds from its first version to its last one, so that what was measured with a version can be measured again.
create or replace function retrieval._golden_set(collection text, golden_set text)
    returns retrieval.golden_sets
    language plpgsql stable
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    found_set retrieval.golden_sets;
begin
    select * into found_set
    from retrieval.golden_sets s
    where s.collection_id = owner and s.tenant = retrieval.current_tenant() and s.name = golden_set;
    if not found then
        raise exception 'golden set % does not exist in collection %', coalesce(golden_set, 'null'), quote_ident(collection)
            using errcode = 'undefined_object',
                  hint = format('Existing golden sets: select name from retrieval.list_golden_sets(%L);', collection);
    end if;
    return found_set;
end;
$$;

comment on function retrieval._golden_set(text, text) is 'The current tenant''s golden set of that name; 42704 where there is none.';

-- Who changes a set holds it until the transaction ends, and works on the version that the one before left.
create or replace function retrieval._lock_golden_set(collection text, golden_set text)
    returns retrieval.golden_sets
    language plpgsql
as $$
declare
    locked retrieval.golden_sets := retrieval._golden_set(collection, golden_set);
begin
    select * into locked from retrieval.golden_sets s where s.golden_set_id = locked.golden_set_id for update;
    if not found then
        raise exception 'golden set % was just dropped from collection %', golden_set, quote_ident(collection)
            using errcode = 'undefined_object';
    end if;
    return locked;
end;
$$;

comment on function retrieval._lock_golden_set(text, text) is 'The golden set as its last writer left it, locked; 42704 where there is none.';

create or replace function retrieval._raise_golden_version(golden_set retrieval.golden_sets, changed boolean)
    returns integer
    language plpgsql
as $$
begin
    if changed then
        update retrieval.golden_sets s set version = s.version + 1, changed_at = now()
        where s.golden_set_id = golden_set.golden_set_id;
    end if;
    return golden_set.version + changed::integer;
end;
$$;

comment on function retrieval._raise_golden_version(retrieval.golden_sets, boolean) is
'The version of a locked golden set, one higher and stored where something has changed.';

create or replace function retrieval._some_of(found text[])
    returns text
    language sql immutable
begin atomic
    select string_agg(format('%L', f.name), ', ' order by f.number)
           || case when cardinality(found) > 3 then format(' and %s more', cardinality(found) - 3) else '' end
    from unnest(found[:3]) with ordinality f(name, number);
end;

comment on function retrieval._some_of(text[]) is 'The first three of some names, quoted, and how many more there are.';

create or replace function retrieval.create_golden_set(
    collection text, name text, origin text default 'human', description text default null, if_not_exists boolean default false)
    returns void
    language plpgsql
as $$
declare
    owner constant bigint := (retrieval._collection(collection)).collection_id;
    existing text;
begin
    perform retrieval._check_name('golden set', name);
    perform retrieval._check_choice('origin', origin, array['human', 'synthetic', 'clicks']);
    insert into retrieval.golden_sets (collection_id, tenant, name, origin, description)
    values (owner, retrieval.current_tenant(), name, origin, description)
    on conflict on constraint golden_sets_name_key do nothing;
    if found then
        return;
    elsif if_not_exists is not true then
        raise exception 'golden set % already exists in collection %', name, quote_ident(collection) using errcode = 'duplicate_object';
    end if;
    existing := (retrieval._golden_set(collection, name)).origin;
    if existing <> origin then
        raise exception 'golden set % is %, not %: give another name', name, existing, origin using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval.create_golden_set(text, text, text, text, boolean) is
'Creates an empty golden set of a collection for the current tenant, in version 0. origin says who judges: human, synthetic (made from the documents) or clicks. 42710 where the name is taken; with if_not_exists an existing set is kept as it is, and only one of another origin is an error.';
