-- How much an occurrence counts, by where it stands: title, context or content. A word's frequency in the score is
-- the sum of its occurrences, each times its field's weight ("simple BM25F": Robertson, Zaragoza and Taylor, "Simple
-- BM25 Extension to Multiple Weighted Fields", CIKM 2004), with one length for the whole chunk.

-- {title, context, content}; a field that is left out counts 1.
create or replace function retrieval._field_weights(field_weights jsonb)
    returns double precision[]
    language plpgsql immutable
as $$
declare
    fields constant text[] := array['title', 'context', 'content'];
    field record;
    weights double precision[];
begin
    if field_weights is null then
        return array[1, 1, 1];
    elsif jsonb_typeof(field_weights) <> 'object' then
        raise exception 'field_weights must be an object such as {"title": 2, "context": 1.5}' using errcode = 'invalid_parameter_value';
    end if;
    for field in select * from jsonb_each(field_weights) loop
        perform retrieval._check_choice('field_weights: field', field.key, fields);
        if jsonb_typeof(field.value) <> 'number' or field.value::numeric not between 0 and 1000
           or field.value::numeric <> 0 and field.value::numeric < 1e-100 then  -- the score could not tell it from 0
            raise exception 'field_weights: % must be a number from 0 to 1000, not %', field.key, field.value
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
    weights := array(select coalesce((field_weights ->> f.name)::double precision, 1) from unnest(fields) with ordinality f(name, number) order by f.number);
    if 0 = all (weights) then
        raise exception 'field_weights must not all be 0' using errcode = 'invalid_parameter_value';
    end if;
    return weights;
end;
$$;

comment on function retrieval._field_weights(jsonb) is
'The weights of title, context and content as an array; 22023 where they are unusable.';

create or replace function retrieval.set_field_weights(collection text, field_weights jsonb)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    perform retrieval._field_weights(field_weights);
    update retrieval.collections c
    set settings = case when field_weights is null then c.settings - 'field_weights'
                        else c.settings || jsonb_build_object('field_weights', field_weights) end
    where c.collection_id = target;
end;
$$;

comment on function retrieval.set_field_weights(text, jsonb) is
'Makes occurrences in some fields count more in a collection''s keyword searches: {"title": 2, "context": 1.5}. A field left out counts 1, one with 0 is not ranked by; null restores 1 for all.';

-- The weighted frequency of a word in the chunk c, as SQL; $1 are the frequency thresholds. Title and context come
-- first in a tsvector, so ts_rank with the weights of the fields after them set to 0 is again a sum over 1/j² from
-- j = 1, and counts the occurrences up to there.
create or replace function retrieval._frequency_expression(word text, field_weights double precision[])
    returns text
    language sql immutable
    return (select string_agg(format('%s * width_bucket(ts_rank(''%s'', c.lexemes, %L)::double precision, $1)', f.weight, f.fields, word), ' + ')
            from (values (field_weights[1] - field_weights[2], '{0,0,0,1}'),
                         (field_weights[2] - field_weights[3], '{0,0,1,1}'),
                         (field_weights[3], '{1,1,1,1}')) f(weight, fields)
            where f.weight <> 0);

comment on function retrieval._frequency_expression(text, double precision[]) is
'SQL for the weighted number of occurrences of a word in a chunk.';

create or replace function retrieval._counted_word(lexeme text, field_weights double precision[])
    returns text
    language sql immutable
    return retrieval._lexeme_query(lexeme)::text
           || case when 0 = any (field_weights)
                   then ':' || case when field_weights[1] <> 0 then 'A' else '' end
                            || case when field_weights[2] <> 0 then 'B' else '' end
                            || case when field_weights[3] <> 0 then 'D' else '' end
                   else '' end;

comment on function retrieval._counted_word(text, double precision[]) is
'A lexeme as a tsquery, in text: where a field counts nothing, the word must stand in another one.';
