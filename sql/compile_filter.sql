-- A metadata filter is JSON and becomes a jsonpath predicate for `metadata @@ …`. Keys and values are written as
-- quoted JSON strings, so a filter is always data. Names of operators start with `$`; every other name is a key,
-- and a key inside a key is a path: {"address": {"city": "Bonn"}}.
--
-- A predicate is true or false, never unknown: `$ne`, `$nin` and `$not` keep a document that lacks the key or holds
-- another type. Negation is therefore pushed down to the single comparisons, and each is negated as
-- "false or unknown"; the positive ones need no such care because an unknown is as good as false to and/or.

create or replace function retrieval._filter_error(message text)
    returns text
    language plpgsql immutable
as $$
begin
    raise exception 'metadata filter: %', message using errcode = 'invalid_parameter_value';
end;
$$;

-- One comparison, negated or not.
create or replace function retrieval._filter_term(predicate text, negated boolean)
    returns text
    language sql immutable
    return case when negated then format('(!(%1$s) || (%1$s) is unknown)', predicate)
                else format('(%s)', predicate) end;

-- jsonpath has no constant predicate.
create or replace function retrieval._filter_constant(value boolean)
    returns text
    language sql immutable
    return case when value then '(1 == 1)' else '(1 == 0)' end;

-- A balanced tree of ands or ors: a list of ten thousand values must not become ten thousand levels of recursion.
create or replace function retrieval._filter_join(predicates text[], operator text)
    returns text
    language plpgsql immutable
as $$
declare
    pairs text[];
begin
    while cardinality(predicates) > 1 loop
        select array_agg(case when p.second is null then p.first
                              else format('(%s %s %s)', p.first, operator, p.second) end order by p.number)
        into pairs
        from (select i as number, predicates[2 * i - 1] as first, predicates[2 * i] as second
              from generate_series(1, (cardinality(predicates) + 1) / 2) i) p;
        predicates := pairs;
    end loop;
    return predicates[1];
end;
$$;

-- A number, string, boolean or null as a jsonpath literal.
create or replace function retrieval._filter_value(operator text, key text, value jsonb)
    returns text
    language sql immutable
    return case when jsonb_typeof(value) in ('object', 'array')
                then retrieval._filter_error(format('%s on key %s takes a string, number, boolean or null, not %s',
                                                    operator, to_json(key), jsonb_typeof(value)))
                else value::text end;

create or replace function retrieval._filter_operator(path text, key text, operator text, operand jsonb,
                                                      negated boolean, depth integer)
    returns text
    language plpgsql immutable
as $$
declare
    kind constant text := jsonb_typeof(operand);
    values_list jsonb := operand;
    term_negated boolean;
    all_of boolean;
begin
    case
    when operator = '$eq' then
        return retrieval._filter_term(format('%s == %s', path, retrieval._filter_value(operator, key, operand)), negated);
    when operator = '$ne' then
        return retrieval._filter_term(format('%s == %s', path, retrieval._filter_value(operator, key, operand)), not negated);
    when operator in ('$gt', '$gte', '$lt', '$lte') then
        if kind not in ('number', 'string') then
            perform retrieval._filter_error(format('%s on key %s takes a number or a string, not %s', operator, to_json(key), kind));
        end if;
        return retrieval._filter_term(
            format('%s %s %s', path,
                   case operator when '$gt' then '>' when '$gte' then '>=' when '$lt' then '<' else '<=' end,
                   operand::text), negated);
    when operator in ('$in', '$nin', '$contains') then
        if kind <> 'array' then
            if operator <> '$contains' then
                perform retrieval._filter_error(format('%s on key %s takes an array, not %s', operator, to_json(key), kind));
            end if;
            values_list := jsonb_build_array(operand);
        end if;
        -- $in is any of, $contains all of; negation turns each into the other and an empty list follows suit
        term_negated := negated <> (operator = '$nin');
        all_of := (operator = '$contains') <> term_negated;
        return (
            select coalesce(retrieval._filter_join(
                       array_agg(retrieval._filter_term(
                           format('%s == %s', path || case operator when '$contains' then '[*]' else '' end,
                                  retrieval._filter_value(operator, key, v.value)),
                           term_negated) order by v.ordinality),
                       case when all_of then '&&' else '||' end), retrieval._filter_constant(all_of))
            from jsonb_array_elements(values_list) with ordinality v);
    when operator = '$prefix' then
        if kind <> 'string' then
            perform retrieval._filter_error(format('$prefix on key %s takes a string, not %s', to_json(key), kind));
        end if;
        return retrieval._filter_term(format('%s starts with %s', path, operand::text), negated);
    when operator = '$exists' then
        if kind <> 'boolean' then
            perform retrieval._filter_error(format('$exists on key %s takes true or false, not %s', to_json(key), kind));
        end if;
        return case when operand::boolean <> negated then format('exists(%s)', path) else format('!exists(%s)', path) end;
    when operator = '$not' then
        if kind <> 'object' then
            perform retrieval._filter_error(format('$not on key %s takes an object of operators, not %s', to_json(key), kind));
        end if;
        return retrieval._filter_key(path, key, operand, not negated, depth + 1);
    else
        return retrieval._filter_error(format('unknown operator %s on key %s', to_json(operator), to_json(key)));
    end case;
end;
$$;

-- What stands behind a key: a bare value, an object of operators, or an object of keys (a nested path).
create or replace function retrieval._filter_key(path text, key text, condition jsonb, negated boolean, depth integer)
    returns text
    language plpgsql immutable
as $$
declare
    operators integer;
    members integer;
begin
    if depth > 100 then
        perform retrieval._filter_error('nested more than 100 levels deep');
    end if;
    if jsonb_typeof(condition) <> 'object' then
        return retrieval._filter_operator(path, key, '$eq', condition, negated, depth);
    end if;
    select count(*), count(*) filter (where starts_with(name, '$'))
    into members, operators
    from jsonb_object_keys(condition) name;
    if members = 0 then
        perform retrieval._filter_error(format('key %s has no condition', to_json(key)));
    elsif operators not in (0, members) then
        perform retrieval._filter_error(format('key %s mixes operators and keys', to_json(key)));
    end if;
    return (
        select retrieval._filter_join(
                   array_agg(case when operators > 0
                                  then retrieval._filter_operator(path, key, m.name, m.operand, negated, depth)
                                  else retrieval._filter_key(path || '.' || to_json(m.name), m.name, m.operand, negated, depth + 1)
                             end order by m.name),
                   case when negated then '||' else '&&' end)
        from jsonb_each(condition) m(name, operand));
end;
$$;

-- A whole filter, or a member of $and, $or and $not.
create or replace function retrieval._filter_node(filter jsonb, negated boolean, depth integer)
    returns text
    language plpgsql immutable
as $$
declare
    member record;
    predicates text[] := '{}';
begin
    if depth > 100 then
        perform retrieval._filter_error('nested more than 100 levels deep');
    elsif jsonb_typeof(filter) <> 'object' then
        perform retrieval._filter_error(format('expected an object, found %s: %s', jsonb_typeof(filter), left(filter::text, 60)));
    elsif filter = '{}' then
        return retrieval._filter_constant(not negated);
    end if;
    for member in select * from jsonb_each(filter) loop
        if member.key in ('$and', '$or') then
            if jsonb_typeof(member.value) <> 'array' or member.value = '[]' then
                perform retrieval._filter_error(format('%s takes a non-empty array of filters', member.key));
            end if;
            predicates := predicates || (
                select retrieval._filter_join(array_agg(retrieval._filter_node(f.value, negated, depth + 1) order by f.ordinality),
                                              case when (member.key = '$and') <> negated then '&&' else '||' end)
                from jsonb_array_elements(member.value) with ordinality f);
        elsif member.key = '$not' then
            predicates := predicates || retrieval._filter_node(member.value, not negated, depth + 1);
        elsif starts_with(member.key, '$') then
            perform retrieval._filter_error(format('unknown operator %s', to_json(member.key)));
        else
            predicates := predicates
                || retrieval._filter_key('$.' || to_json(member.key), member.key, member.value, negated, depth + 1);
        end if;
    end loop;
    return retrieval._filter_join(predicates, case when negated then '||' else '&&' end);
end;
$$;

create or replace function retrieval.compile_filter(metadata_filter jsonb)
    returns jsonpath
    language sql immutable
    return case when metadata_filter is null or metadata_filter = '{}' then null
                else retrieval._filter_node(metadata_filter, false, 0)::jsonpath end;

comment on function retrieval.compile_filter(jsonb) is
'The jsonpath predicate of a metadata filter, for `metadata @@ …`; null for no filter. Operators: $eq $ne $gt $gte $lt $lte $in $nin $exists $contains $prefix $and $or $not. A malformed filter raises 22023 and names the operator or key.';
