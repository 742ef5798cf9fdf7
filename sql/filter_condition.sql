-- The current tenant and a metadata filter as SQL on a chunk c. The filter's jsonpath would do, but no b-tree serves a jsonpath. So what the filter says
-- about a key that index_metadata has declared is written twice, here {"year": {"$gte": 2022}}, with P its jsonpath and
-- E the expression that is indexed:
--
--     nullif(c.metadata @@ P, false) is not null and (E >= 2022 or E = 'NaN' and c.metadata @@ P)
--
-- The first half decides, and first, since it is cheaper than E; in this shape the planner takes it for always true.
-- The second follows from it: an index finds the chunks, and E's statistics tell how many there are. Equality needs no
-- first half, for nothing that a filter names equals what stands for an array.

-- The key's value in a form that a b-tree can hold. Numbers and texts compare as in jsonpath: exactly, and by code point.
-- An array (any element of it may match) and a number too long for an index become one value that is always looked at.
-- A text is cut; that does not change how it compares with what is shorter.
create or replace function retrieval._metadata_expression(metadata text, key text, type text)
    returns text
    language sql immutable
    return format(
        case type
        when 'numeric' then
            '(case jsonb_typeof(%1$s -> %2$L)
              when ''number'' then case when octet_length(%1$s ->> %2$L) <= 1000 then (%1$s -> %2$L)::numeric else ''NaN'' end
              when ''array'' then ''NaN'' end)'
        when 'text' then
            '(case jsonb_typeof(%1$s -> %2$L)
              when ''string'' then left(%1$s ->> %2$L, 200)
              when ''array'' then ''[]'' end collate "C")'
        end, metadata, key);

comment on function retrieval._metadata_expression(text, text, text) is
'What index_metadata indexes of a key, as SQL on a column that holds metadata.';

-- One condition on an indexed key; null where the index cannot answer it, such as a text for a numeric key.
create or replace function retrieval._metadata_comparison(key text, type text, operator text, operand jsonb)
    returns text
    language plpgsql immutable strict
as $$
declare
    sql_operator constant text := case operator
        when '$eq' then '=' when '$in' then '=' when '$gt' then '>' when '$gte' then '>=' when '$lt' then '<' when '$lte' then '<='
        when '$prefix' then '^@' end;
    operands constant jsonb := case operator when '$in' then operand else jsonb_build_array(operand) end;
begin
    if sql_operator is null or operands = '[]' or exists (
           select from jsonb_array_elements(operands) v
           where case type when 'numeric' then jsonb_typeof(v) <> 'number'
                 else jsonb_typeof(v) <> 'string' or char_length(v #>> '{}') >= 200 or v = '"[]"' end) then
        return null;
    end if;
    return format(case operator when '$in' then '%s %s any (%L::%s[])' else '%s %s %L::%s' end,
                  retrieval._metadata_expression('c.metadata', key, type), sql_operator,
                  case operator when '$in' then array(select jsonb_array_elements_text(operands))::text else operands ->> 0 end, type);
end;
$$;

comment on function retrieval._metadata_comparison(text, text, text, jsonb) is
'A key, operator and operand of a filter as SQL that an index of index_metadata serves, or null.';

-- What must hold all together. $and is taken apart, and so are several operators on one key.
create or replace function retrieval._filter_conjuncts(metadata_filter jsonb)
    returns table (conjunct jsonb, key text, operator text, operand jsonb)
    language sql immutable
begin atomic
    with recursive member(name, condition) as (
        select m.key, m.value from jsonb_each(metadata_filter) m
        union all
        select i.key, i.value
        from member m
        cross join jsonb_array_elements(case m.name when '$and' then m.condition end) f
        cross join jsonb_each(f) i)
    select jsonb_build_object(m.name, case when o.key is null then m.condition else jsonb_build_object(o.key, o.value) end),
           m.name, o.key, o.value
    from member m
    left join jsonb_each(case when jsonb_typeof(m.condition) = 'object' then m.condition
                         else jsonb_build_object('$eq', m.condition) end) o
        on starts_with(o.key, '$') and not starts_with(m.name, '$')
    where m.name <> '$and';
end;

comment on function retrieval._filter_conjuncts(jsonb) is
'The conjuncts of a well-formed filter, each a filter of its own; with key, operator and operand where it is as simple as that.';

-- The conjunction of filters as a quoted jsonpath; one level up, since it may be as deep as filters get.
create or replace function retrieval._filter_conjunction(conjuncts jsonb)
    returns text
    language sql immutable strict
    return quote_literal(retrieval._filter_node(jsonb_build_object('$and', conjuncts), false, -1)::jsonpath);

comment on function retrieval._filter_conjunction(jsonb) is 'The quoted jsonpath of several filters that must all hold.';

create or replace function retrieval._filter_condition(collection retrieval.collections, metadata_filter jsonb)
    returns text
    language plpgsql stable
as $$
declare
    tenant_condition constant text := retrieval._tenant_condition(collection.collection_id);
    path constant jsonpath := retrieval.compile_filter(metadata_filter);
begin
    if path is null then
        return tenant_condition;
    elsif not exists (select from retrieval.metadata_indexes m where m.collection_id = collection.collection_id) then
        return concat_ws(' and ', tenant_condition, 'c.metadata @@ ' || quote_literal(path));
    end if;
    return (
        with conjuncts as materialized (
            select f.conjunct, m.key, m.type, f.operator not in ('$eq', '$in') as ordered,
                   retrieval._metadata_comparison(m.key, m.type, f.operator, f.operand) as comparison
            from retrieval._filter_conjuncts(metadata_filter) f
            left join retrieval.metadata_indexes m on m.collection_id = collection.collection_id and m.key = f.key),
        indexed as (
            select format(case when bool_or(c.ordered) then 'nullif(c.metadata @@ %1$s, false) is not null and ' else '' end
                              -- without the key, E is null and its equality no reason to skip the predicate
                              || '(%2$s or %3$s = %4$L and c.metadata -> %5$L is not null and c.metadata @@ %1$s)',
                          retrieval._filter_conjunction(jsonb_agg(c.conjunct)), string_agg(c.comparison, ' and '),
                          retrieval._metadata_expression('c.metadata', c.key, c.type),
                          case c.type when 'numeric' then 'NaN' else '[]' end, c.key) as condition
            from conjuncts c where c.comparison is not null
            group by c.key, c.type)
        select concat_ws(' and ', tenant_condition,
                   'c.metadata @@ ' || retrieval._filter_conjunction(jsonb_agg(c.conjunct) filter (where c.comparison is null)),
                   (select string_agg(i.condition, ' and ') from indexed i))
        from conjuncts c
        having count(*) > 0);
end;
$$;

comment on function retrieval._filter_condition(retrieval.collections, jsonb) is
'What a search may find, as SQL on a chunk c of the collection: what belongs to the current tenant (see _tenant_condition) and where compile_filter''s predicate of the metadata filter is true; null where that is every chunk. Every value in it is quoted. A malformed filter raises 22023.';
