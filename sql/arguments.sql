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
    if retrieval.current_tenant() <> '' then
        found_collection.settings := found_collection.settings - 'calibration' || coalesce(
            (select s.settings from retrieval.tenant_settings s
             where s.collection_id = found_collection.collection_id and s.tenant = retrieval.current_tenant()), '{}');
    end if;
    return found_collection;
end;
$$;

comment on function retrieval._collection(text) is 'The collection of that name, with the settings that it has for the current tenant; 42704 where there is none.';

-- Without a name: the collection's active space of the kind, the one of texts before that of images.
create or replace function retrieval._space(collection retrieval.collections, space text, kind text default 'dense')
    returns retrieval.spaces
    language plpgsql stable
as $$
declare
    found_space retrieval.spaces;
begin
    select * into found_space
    from retrieval.spaces s
    where s.collection_id = collection.collection_id
      and case when space is null then s.state = 'active' and s.kind = _space.kind else s.name = space end
    order by s.modality <> 'text'
    limit 1;
    if not found and space is null then
        raise exception 'collection % has no active% space', quote_ident(collection.name), case kind when 'dense' then '' else ' ' || kind end
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Create one with retrieval.create_space and make it the active one with retrieval.activate_space.';
    elsif not found then
        raise exception 'space % does not exist in collection %', quote_ident(space), quote_ident(collection.name)
            using errcode = 'undefined_object',
                  hint = 'Existing spaces: select name, state from retrieval.spaces;';
    elsif found_space.kind <> kind then  -- a kind of null takes any
        raise exception 'space % is %, not %', quote_ident(space), found_space.kind, kind using errcode = 'invalid_parameter_value';
    end if;
    return found_space;
end;
$$;

comment on function retrieval._space(retrieval.collections, text, text) is
'The space of that name, or the active one of the kind where the name is null, the one of texts before that of images; 42704 or 55000 where there is none, 22023 where it is of another kind. With kind null the name may be of any.';

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

create or replace function retrieval._check_options(parameter text, options jsonb, choices text[])
    returns void
    language plpgsql immutable
as $$
declare
    option record;
begin
    if options is null or jsonb_typeof(options) <> 'object' then
        raise exception '% must be an object', parameter using errcode = 'invalid_parameter_value';
    elsif cardinality(choices) = 0 and options <> '{}' then
        raise exception '% must be {}: without an index there is nothing to set, not %', parameter, options using errcode = 'invalid_parameter_value';
    end if;
    for option in select * from jsonb_each_text(options) loop
        perform retrieval._check_choice(parameter || ': option', option.key, choices);
        if option.value is null or option.value !~ '^\d{1,5}$' then
            raise exception '%: % must be a whole number, not %', parameter, option.key, coalesce(option.value, 'null')
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
end;
$$;

comment on function retrieval._check_options(text, jsonb, text[]) is
'22023 where options are not an object of whole numbers under some of these names.';

create or replace function retrieval._check_index_options(index_method text, index_options jsonb)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_options('index_options', index_options,
        case index_method when 'hnsw' then array['m', 'ef_construction'] when 'ivfflat' then array['lists'] else '{}' end);
    -- the limits of pgvector
    perform retrieval._check_count('index_options: lists', coalesce((index_options ->> 'lists')::bigint, 1), 32768);
    perform retrieval._check_count('index_options: m', coalesce((index_options ->> 'm')::bigint, 16), 100);
    perform retrieval._check_count('index_options: ef_construction', coalesce((index_options ->> 'ef_construction')::bigint, 64), 1000);
    if coalesce((index_options ->> 'm')::bigint, 16) < 2
       or coalesce((index_options ->> 'ef_construction')::bigint, 1000) < 2 * coalesce((index_options ->> 'm')::bigint, 16) then
        raise exception 'index_options: m must be at least 2 and ef_construction at least twice m' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_index_options(text, jsonb) is '22023 where the options of a vector index are unusable.';

create or replace function retrieval._check_search_options(space retrieval.spaces)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_options('search_options', space.search_options,
        case when space.index_method = 'none' then '{}'
             when space.quantization = 'bit' then array['search_effort', 'oversampling'] else array['search_effort'] end);
    perform retrieval._check_search_effort(space, coalesce((space.search_options ->> 'search_effort')::integer, 1));
    perform retrieval._check_count('search_options: oversampling', coalesce((space.search_options ->> 'oversampling')::bigint, 1), 100);
end;
$$;

comment on function retrieval._check_search_options(retrieval.spaces) is '22023 where what a space searches with is unusable.';

create or replace function retrieval._check_search_effort(space retrieval.spaces, search_effort integer)
    returns void
    language plpgsql immutable
as $$
begin
    perform retrieval._check_count('search_effort', search_effort, case space.index_method when 'ivfflat' then 32768 else 1000 end);
end;
$$;

comment on function retrieval._check_search_effort(retrieval.spaces, integer) is '22023 where an index cannot be searched with that effort.';

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
