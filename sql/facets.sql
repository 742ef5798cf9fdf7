-- How many of the matches have which value of a key, for the filters that a page offers beside its results. A value
-- counts where a filter {key: value} would find it: a scalar, or an array's element that is one. All chunks of a document
-- have its metadata, so those are taken apart once a document, and equal ones once.
create or replace function retrieval._check_facet_keys(keys text[])
    returns void
    language plpgsql immutable
as $$
declare
    repeated text;
begin
    if keys is null or array_position(keys, null) is not null then
        raise exception 'keys must be names of metadata keys, not null' using errcode = 'invalid_parameter_value';
    end if;
    select k.key into repeated from unnest(keys) k(key) group by k.key having count(*) > 1 order by k.key limit 1;
    if found then
        raise exception 'keys: % is named more than once', quote_literal(repeated) using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_facet_keys(text[]) is '22023 where keys are null or repeated.';

create or replace function retrieval.facets(
    collection text,
    keys text[],
    query_text text default null,
    metadata_filter jsonb default null,
    keyword_operator text default 'or',
    max_values integer default 10,
    chunk_ids bigint[] default null)
    returns table (key text, value jsonb, documents bigint, chunks bigint)
    language plpgsql stable rows 30
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
    filter_condition constant text := retrieval._filter_condition(target, metadata_filter);
    matches record;
begin
    perform retrieval._check_facet_keys(keys);
    perform retrieval._check_choice('keyword_operator', keyword_operator, array['or', 'and']);
    perform retrieval._check_count('max_values', max_values);
    matches := retrieval._keyword_matches(target, query_text, keyword_operator);
    if query_text is not null and matches.words is null then
        return;
    end if;
    return query execute format(
        'with matching as (
             select c.document_id, count(*) as chunks from %2$s%3$s group by c.document_id),
         held as (
             select k.number, d.metadata -> ($1)[k.number] as value, count(*) as documents, sum(m.chunks) as chunks
             from matching m
             join retrieval.documents d on d.collection_id = %1$s and d.document_id = m.document_id
             cross join generate_subscripts($1, 1) k(number)
             group by 1, 2),
         counted as (
             select h.number, e.value, sum(h.documents)::bigint as documents, sum(h.chunks)::bigint as chunks,
                    row_number() over (partition by h.number order by sum(h.documents) desc, e.value) as rank
             from held h
             cross join lateral (
                 select distinct e.value from jsonb_path_query(h.value, ''$[*]'') e(value)
                 where jsonb_typeof(e.value) not in (''object'', ''array'')) e
             group by 1, 2)
         select ($1)[c.number], c.value, c.documents, c.chunks from counted c where c.rank <= $2 order by c.number, c.rank',
        target.collection_id,
        retrieval._matching_chunks(target.collection_id, matches.words, matches.condition, filter_condition),
        case when chunk_ids is not null then ' and c.chunk_id = any ($3)' end)
        using keys, max_values, chunk_ids;
end;
$$;

comment on function retrieval.facets(text, text[], text, jsonb, text, integer, bigint[]) is
'The commonest values of metadata keys among the chunks that fulfil the filter and, where query_text is given, that keyword_search would consider, and where chunk_ids are given, that are among them: the number of documents and of chunks with each value. Keys in the order given, each with its max_values commonest by documents, ties by value. Keys are of the top level and taken as they are. Of an array each distinct element counts once; objects, and arrays in arrays, are not counted. A key that nothing has yields no rows; null or repeated keys raise 22023.';
