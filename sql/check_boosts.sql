-- Boosts as they are given become what retrieval._boosted computes by: checked, with every default, and dates and intervals
-- as seconds. A month of an interval counts 30 days and a year 365.25, as where PostgreSQL itself counts seconds.

create or replace function retrieval._refuse_boost(number bigint, key text, expected text, value jsonb)
    returns void
    language plpgsql immutable
as $$
begin
    raise exception 'boost %: % must be %, not %', number, key, expected, coalesce(left(value::text, 60), 'null')
        using errcode = 'invalid_parameter_value';
end;
$$;

comment on function retrieval._refuse_boost(bigint, text, text, jsonb) is 'Raises 22023 for what a boost has under a key.';

create or replace function retrieval._boost_number(
    number bigint, key text, value jsonb, range text, minimum double precision, maximum double precision)
    returns double precision
    language plpgsql immutable
as $$
declare
    given constant double precision := retrieval._json_number(value);
begin
    if given is null or given not between minimum and maximum then
        perform retrieval._refuse_boost(number, key, 'a number' || range, value);
    end if;
    return given;
end;
$$;

comment on function retrieval._boost_number(bigint, text, jsonb, text, double precision, double precision) is
'The number that a boost has under a key; 22023 where there is none in this range, which range puts into words.';

create or replace function retrieval._boost_seconds(number bigint, key text, value jsonb, range text, minimum double precision)
    returns double precision
    language plpgsql immutable
as $$
declare
    given double precision;
begin
    -- a mere number would be seconds to PostgreSQL, which nobody means
    if jsonb_typeof(value) = 'string' and value #>> '{}' ~ '[[:alpha:]:]' then
        begin
            given := extract(epoch from (value #>> '{}')::interval);
        exception when data_exception then
            given := null;
        end;
    end if;
    if given is null or given not between minimum and 1e100 then
        perform retrieval._refuse_boost(number, key, format('an interval%s such as "30 days"', range), value);
    end if;
    return given;
end;
$$;

comment on function retrieval._boost_seconds(bigint, text, jsonb, text, double precision) is
'The seconds of the interval that a boost has under a key; 22023 where there is none in this range.';

create or replace function retrieval._check_decay(number bigint, boost jsonb, reference_time timestamptz)
    returns jsonb
    language plpgsql stable
as $$
declare
    dates constant boolean := (jsonb_typeof(boost -> 'origin') = 'string' or jsonb_typeof(boost -> 'scale') = 'string') is true;
    origin double precision;
    scale double precision;
    "offset" double precision;
begin
    if boost -> 'decay' not in ('"gaussian"', '"exponential"', '"linear"') then
        perform retrieval._refuse_boost(number, 'decay', 'one of gaussian, exponential, linear', boost -> 'decay');
    elsif dates then
        origin := case when coalesce(boost -> 'origin', '"now"') = '"now"' then extract(epoch from reference_time)
                  when jsonb_typeof(boost -> 'origin') = 'string' then retrieval._epoch(boost ->> 'origin') end;
        if origin is null then
            perform retrieval._refuse_boost(number, 'origin', '"now" or a date or timestamp of ISO 8601', boost -> 'origin');
        end if;
        scale := retrieval._boost_seconds(number, 'scale', boost -> 'scale', ' above 0', 1e-6);
        "offset" := retrieval._boost_seconds(number, 'offset', coalesce(boost -> 'offset', '"0 days"'), ' from 0', 0);
    else
        origin := retrieval._boost_number(number, 'origin', boost -> 'origin', '', -1e100, 1e100);
        scale := retrieval._boost_number(number, 'scale', boost -> 'scale', ' above 0', 1e-100, 1e100);
        "offset" := retrieval._boost_number(number, 'offset', coalesce(boost -> 'offset', '0'), ' from 0', 0, 1e100);
    end if;
    return jsonb_build_object(
        'kind', boost -> 'decay', 'dates', dates, 'origin', origin, 'scale', scale, 'offset', "offset",
        'decay_to', retrieval._boost_number(number, 'decay_to', coalesce(boost -> 'decay_to', '0.5'), ' above 0 and below 1',
                                            1e-100, 0.9999999999999999),
        'weight', retrieval._boost_number(number, 'weight', coalesce(boost -> 'weight', '1'), ' from 0 to 1', 0, 1));
end;
$$;

comment on function retrieval._check_decay(bigint, jsonb, timestamptz) is 'A decay as _boosted takes it; 22023 where it is unusable.';

create or replace function retrieval._check_values(number bigint, boost jsonb)
    returns jsonb
    language plpgsql immutable
as $$
begin
    if jsonb_typeof(boost -> 'values') <> 'object' then
        perform retrieval._refuse_boost(number, 'values', 'an object such as {"BMW": 1.5}', boost -> 'values');
    end if;
    return jsonb_build_object(
        'kind', 'values',
        'values', (select coalesce(jsonb_object_agg(v.key, retrieval._boost_number(
                       number, 'the weight of ' || to_json(v.key), v.value, ' from 0 to 1000', 0, 1000)), '{}')
                   from jsonb_each(boost -> 'values') v),
        'default', retrieval._boost_number(number, 'default', coalesce(boost -> 'default', '1'), ' from 0 to 1000', 0, 1000));
end;
$$;

comment on function retrieval._check_values(bigint, jsonb) is 'Weights of values as _boosted takes them; 22023 where they are unusable.';

create or replace function retrieval._check_modifier(number bigint, boost jsonb)
    returns jsonb
    language plpgsql immutable
as $$
begin
    if boost -> 'modifier' not in ('"none"', '"log1p"', '"sqrt"') then
        perform retrieval._refuse_boost(number, 'modifier', 'one of none, log1p, sqrt', boost -> 'modifier');
    end if;
    return jsonb_build_object(
        'kind', boost -> 'modifier',
        'weight', retrieval._boost_number(number, 'weight', coalesce(boost -> 'weight', '1'), ' from 0 to 1000', 0, 1000));
end;
$$;

comment on function retrieval._check_modifier(bigint, jsonb) is 'A modifier as _boosted takes it; 22023 where it is unusable.';

create or replace function retrieval._check_boost(number bigint, boost jsonb, reference_time timestamptz)
    returns jsonb
    language plpgsql stable
as $$
declare
    kinds text[];
    keys text[];
    unknown text;
    path jsonb;
begin
    if jsonb_typeof(boost) <> 'object' then
        raise exception 'boost % must be an object, not %', number, left(boost::text, 60) using errcode = 'invalid_parameter_value';
    end if;
    path := case when jsonb_typeof(boost -> 'field') = 'array' then boost -> 'field' else jsonb_build_array(boost -> 'field') end;
    if path = '[]' or exists (select from jsonb_array_elements(path) k where jsonb_typeof(k) <> 'string') then
        perform retrieval._refuse_boost(number, 'field', 'a key or an array of keys', boost -> 'field');
    end if;
    kinds := array(select k from unnest(array['decay', 'values', 'modifier']) k where boost ? k);
    keys := array['field', 'missing'] || case kinds[1]
        when 'decay' then array['decay', 'origin', 'scale', 'offset', 'decay_to', 'weight']
        when 'values' then array['values', 'default'] else array['modifier', 'weight'] end;
    select min(k collate "C") into unknown from jsonb_object_keys(boost) k where k <> all (keys);
    if cardinality(kinds) <> 1 then
        raise exception 'boost %: exactly one of decay, values and modifier must be given, not %',
                        number, coalesce(nullif(array_to_string(kinds, ' and '), ''), 'none')
            using errcode = 'invalid_parameter_value';
    elsif unknown is not null then
        raise exception 'boost %: unknown key %, beside % there may be %',
                        number, to_json(unknown), kinds[1], array_to_string(array_remove(keys, kinds[1]), ', ')
            using errcode = 'invalid_parameter_value';
    end if;
    return jsonb_build_object(
               'field', boost -> 'field', 'path', path,
               'missing', retrieval._boost_number(number, 'missing', coalesce(boost -> 'missing', '1'), ' from 0 to 1000', 0, 1000))
           || case kinds[1] when 'decay' then retrieval._check_decay(number, boost, reference_time)
                            when 'values' then retrieval._check_values(number, boost) else retrieval._check_modifier(number, boost) end;
end;
$$;

comment on function retrieval._check_boost(bigint, jsonb, timestamptz) is 'One boost as _boosted takes it; 22023 where it is unusable.';

create or replace function retrieval._check_boosts(boosts jsonb, reference_time timestamptz default now())
    returns jsonb
    language plpgsql stable
    set extra_float_digits = 1  -- numbers are written into JSON
as $$
declare
    listed constant jsonb := case jsonb_typeof(boosts) when 'object' then jsonb_build_array(boosts) when 'array' then boosts end;
begin
    if listed is null then
        raise exception 'boosts must be an array of objects such as [{"field": "brand", "values": {"BMW": 1.5}}]'
            using errcode = 'invalid_parameter_value';
    elsif jsonb_array_length(listed) > 32 then
        raise exception 'there may be 32 boosts, not %', jsonb_array_length(listed) using errcode = 'invalid_parameter_value';
    elsif reference_time is null or not isfinite(reference_time) then
        raise exception 'reference_time must be a time, not %', coalesce(reference_time::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return (select coalesce(jsonb_agg(retrieval._check_boost(b.number, b.boost, reference_time) order by b.number), '[]')
            from jsonb_array_elements(listed) with ordinality b(boost, number));
end;
$$;

comment on function retrieval._check_boosts(jsonb, timestamptz) is
'Boosts as _boosted takes them; 22023 for one that is unusable, by its number and key. reference_time is what "now" stands for.';
