-- What every function checks first: names become rows, counts and choices are in range, each with one message.

create or replace function retrieval._collection(collection text)
    returns retrieval.collections
    language plpgsql stable
as $$
declare
    found_collection retrieval.collections;
begin
    select * into found_collection from retrieval.collections c where c.name = collection;
    if not found then
        raise exception 'collection % does not exist', coalesce(quote_ident(collection), 'null')
            using errcode = 'undefined_object',
                  hint = 'Existing collections: select name from retrieval.collections;';
    end if;
    return found_collection;
end;
$$;

comment on function retrieval._collection(text) is 'The collection of that name; 42704 where there is none.';

-- Without a name: the collection's active space.
create or replace function retrieval._space(collection retrieval.collections, space text)
    returns retrieval.spaces
    language plpgsql stable
as $$
declare
    found_space retrieval.spaces;
begin
    select * into found_space
    from retrieval.spaces s
    where s.collection_id = collection.collection_id
      and case when space is null then s.state = 'active' and s.kind = 'dense' else s.name = space end;
    if found then
        return found_space;
    end if;
    if space is null then
        raise exception 'collection % has no active space', quote_ident(collection.name)
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Create one with retrieval.create_space and make it the active one with retrieval.activate_space.';
    end if;
    raise exception 'space % does not exist in collection %', quote_ident(space), quote_ident(collection.name)
        using errcode = 'undefined_object',
              hint = 'Existing spaces: select name, state from retrieval.spaces;';
end;
$$;

comment on function retrieval._space(retrieval.collections, text) is
'The space of that name, or the active one where the name is null; 42704 or 55000 where there is none.';

-- What every search and its candidates check first.
create or replace function retrieval._check_count(parameter text, value bigint, maximum bigint default 10000)
    returns void
    language plpgsql immutable
as $$
begin
    if value is null or value < 1 or value > maximum then
        raise exception '% must be between 1 and %, not %', parameter, maximum, coalesce(value::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_count(text, bigint, bigint) is '22023 where a count is null, below 1 or above the maximum.';

create or replace function retrieval._check_choice(parameter text, value text, choices text[])
    returns void
    language plpgsql immutable
as $$
begin
    if value is null or value <> all (choices) then
        raise exception '% must be one of %, not %', parameter, array_to_string(choices, ', '), coalesce(quote_literal(value), 'null')
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_choice(text, text, text[]) is '22023 where a value is not one of the choices.';

create or replace function retrieval._check_index_options(index_options jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    option record;
begin
    if index_options is null or jsonb_typeof(index_options) <> 'object' then
        raise exception 'index_options must be an object such as {"m": 16, "ef_construction": 64}' using errcode = 'invalid_parameter_value';
    end if;
    for option in select * from jsonb_each_text(index_options) loop
        perform retrieval._check_choice('index_options: option', option.key, array['m', 'ef_construction']);
        if option.value !~ '^\d{1,4}$' then
            raise exception 'index_options: % must be a whole number, not %', option.key, option.value using errcode = 'invalid_parameter_value';
        end if;
    end loop;
end;
$$;

comment on function retrieval._check_index_options(jsonb) is '22023 where the options of a vector index are unusable.';

create or replace function retrieval._check_name(kind text, name text)
    returns void
    language plpgsql immutable
as $$
begin
    if name is null or name !~ '^[^[:cntrl:]/\s]([^[:cntrl:]/]{0,198}[^[:cntrl:]/\s])?$' then
        raise exception '% name % is not usable: 1 to 200 characters, no slash or control character, no blank at either end',
                        kind, coalesce(quote_literal(name), 'null') using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_name(text, text) is '22023 where a collection or space cannot be called that.';
