-- Which chunks a keyword search considers: those that hold one of the words it ranks by and fulfil its conditions. How
-- many hold one is expected from the words' document frequencies, as if words stood together only by chance: never less
-- than the largest of these, never more than their sum or than there are chunks, and certain where there is one word.
create or replace function retrieval._keyword_matches(
    collection retrieval.collections, query_text text, keyword_operator text,
    out words text, out condition text, out expected double precision, out certain boolean)
    language plpgsql stable
    set client_min_messages = warning
as $$
declare
    fields constant double precision[] := retrieval._field_weights(collection.settings -> 'field_weights');
    total constant double precision := retrieval._chunk_count(collection.collection_id);
begin
    select string_agg(retrieval._counted_word(k.lexeme, fields), ' | '),
           total * (1 - exp(greatest(sum(ln(greatest(1 - k.document_frequency / total, 1e-300))), -690))), count(*) = 1
    into words, expected, certain
    from retrieval._keyword_terms(collection.collection_id, query_text, fields, retrieval._bm25_constants(collection)) k;
    if words is not null then
        condition := retrieval._chunk_condition(collection.collection_id, query_text, keyword_operator);
        certain := certain and condition is null and 0 <> all (fields);
    end if;
end;
$$;

comment on function retrieval._keyword_matches(retrieval.collections, text, text) is
'What a query demands of a chunk: to match words, a tsquery as text, and to fulfil condition, SQL on a chunk c; words is null where none occurs, condition where there is none. expected: how many chunks match words; certain: that many fulfil all.';

create or replace function retrieval._matching_chunks(collection_id bigint, words text, condition text, filter_condition text)
    returns text
    language sql immutable
    return format('retrieval.chunks c where c.collection_id = %s%s%s%s', collection_id,
                  ' and c.lexemes @@ ' || quote_literal(words), ' and (' || condition || ')', ' and (' || filter_condition || ')');

comment on function retrieval._matching_chunks(bigint, text, text, text) is
'The chunks c of a collection that fulfil conditions, in SQL, as what follows "from"; null is no condition.';

create or replace function retrieval.count_matches(
    collection text,
    query_text text,
    metadata_filter jsonb default null,
    keyword_operator text default 'or',
    exact boolean default false)
    returns bigint
    language plpgsql stable
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    tenant_condition constant text := retrieval._tenant_condition(target.collection_id);
    filter_condition constant text := retrieval._filter_condition(target, metadata_filter);
    matches record;
    counted bigint;
begin
    perform retrieval._check_choice('keyword_operator', keyword_operator, array['or', 'and']);
    matches := retrieval._keyword_matches(target, query_text, keyword_operator);
    -- the planner guesses from what all tenants have, so that its guesses would tell of the others
    exact := exact or tenant_condition is not null and (metadata_filter is not null or matches.condition is not null);
    if matches.words is null then
        return 0;
    end if;
    if matches.condition is not null and not exact then
        -- what fulfils a phrase holds its words, so the two do not thin each other out
        matches.expected := least(matches.expected, retrieval._estimate_rows(
            'select from ' || retrieval._matching_chunks(target.collection_id, null, matches.condition, null)));
    end if;
    if (filter_condition is distinct from tenant_condition or row_security_active('retrieval.chunks')) and not exact then
        matches.certain := false;
        matches.expected := matches.expected * least(1, retrieval._estimate_rows(
            'select from ' || retrieval._matching_chunks(target.collection_id, null, null, filter_condition))
            / retrieval._chunk_count(target.collection_id));
    end if;
    -- few are counted quickly, and few are what a reader can see to be wrong
    if exact or matches.expected < 1000 and not matches.certain then
        execute 'select count(*) from '
                || retrieval._matching_chunks(target.collection_id, matches.words, matches.condition, filter_condition)
            into counted;
    end if;
    return coalesce(counted, round(matches.expected));
end;
$$;

comment on function retrieval.count_matches(text, text, jsonb, text, boolean) is
'How many chunks a keyword search considers, for a line such as "about 1,200 results". Below 1,000 the number is exact, and so it is for one word without filter or condition; above, words alone are estimated within some ten percent, with a filter mostly within half, with phrases, exclusions or keyword_operator ''and'' as the planner guesses, which can be ten times off. Costs a millisecond or two. Beside other tenants'' chunks a filter or condition has them counted always. exact => true counts, and costs as much as a search or more. 0 where nothing matches.';
