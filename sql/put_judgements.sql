create or replace function retrieval._check_judgements(judgements jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    wrong record;
begin
    if jsonb_typeof(judgements) is distinct from 'array' or judgements = '[]' then
        raise exception 'judgements must be a JSON array of at least one object' using errcode = 'invalid_parameter_value';
    elsif exists (select from jsonb_array_elements(judgements) j
                  where jsonb_typeof(j -> 'query_key') is distinct from 'string' or jsonb_typeof(j -> 'document_key') is distinct from 'string'
                     or j -> 'grade' is null) then
        raise exception 'a judgement must be an object with "query_key", "document_key" and "grade"' using errcode = 'invalid_parameter_value';
    end if;
    select j.query_key, j.document_key, j.grade into wrong
    from jsonb_to_recordset(judgements) j(query_key text, document_key text, grade jsonb)
    where j.grade <> 'null'
      and case when j.grade::text ~ '^-?\d{1,4}$' then j.grade::text::integer not between -10 and 100 else true end
    limit 1;
    if found then
        raise exception 'the grade of document % for query % must be a whole number between -10 and 100, or null, not %',
                        quote_literal(wrong.document_key), quote_literal(wrong.query_key), left(wrong.grade::text, 100)
            using errcode = 'invalid_parameter_value';
    end if;
    select j.query_key, j.document_key into wrong
    from jsonb_to_recordset(judgements) j(query_key text, document_key text)
    group by j.query_key, j.document_key having count(*) > 1 limit 1;
    if found then
        raise exception 'document % is judged twice for query %', quote_literal(wrong.document_key), quote_literal(wrong.query_key)
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_judgements(jsonb) is
'22023 where judgements are not an array of objects with a query, a document and a grade each, or a pair is there twice.';

create or replace function retrieval._check_judged_documents(collection text, document_keys text[])
    returns void
    language plpgsql stable
as $$
declare
    missing text[];
begin
    -- with literals, for the partition
    execute format(
        'select array_agg(distinct g.document_key order by g.document_key) from unnest($1) g(document_key)
         where not exists (
             select from retrieval.documents d
             where d.collection_id = %s and d.tenant = %L and d.document_key = g.document_key)',
        (retrieval._collection(collection)).collection_id, retrieval.current_tenant())
        into missing using document_keys;
    if cardinality(missing) > 0 then
        raise exception 'judged, but not in collection %: % %', quote_ident(collection),
                        case cardinality(missing) when 1 then 'document' else 'documents' end, retrieval._some_of(missing)
            using errcode = 'invalid_parameter_value', hint = 'An import with skip_missing leaves such judgements out.';
    end if;
end;
$$;

comment on function retrieval._check_judged_documents(text, text[]) is '22023 where a document is not in the collection, for the current tenant.';

create or replace function retrieval.put_judgements(collection text, golden_set text, judgements jsonb, judge text default null)
    returns integer
    language plpgsql
as $$
declare
    target retrieval.golden_sets;
    query_keys text[];
    document_keys text[];
    grades smallint[];
    removed bigint;
    added bigint;
begin
    perform retrieval._check_judgements(judgements);
    target := retrieval._lock_golden_set(collection, golden_set);
    select array_agg(g.query_key), array_agg(g.document_key), array_agg(g.grade) into query_keys, document_keys, grades
    from jsonb_to_recordset(judgements) g(query_key text, document_key text, grade smallint);
    perform retrieval._check_golden_keys(target, query_keys);
    perform retrieval._check_judged_documents(collection, array(
        select g.document_key from unnest(document_keys, grades) g(document_key, grade) where g.grade is not null));
    update retrieval.judgements j set last_version = target.version
    from unnest(query_keys, document_keys, grades) g(query_key, document_key, grade)
    where j.golden_set_id = target.golden_set_id and j.last_version is null
      and j.query_key = g.query_key and j.document_key = g.document_key
      and (j.grade, j.judge) is distinct from (g.grade, coalesce(put_judgements.judge, j.judge));
    get diagnostics removed = row_count;
    insert into retrieval.judgements (golden_set_id, query_key, document_key, grade, judge, first_version)
    select target.golden_set_id, g.query_key, g.document_key, g.grade, put_judgements.judge, target.version + 1
    from unnest(query_keys, document_keys, grades) g(query_key, document_key, grade)
    where g.grade is not null and not exists (
        select from retrieval.judgements j
        where j.golden_set_id = target.golden_set_id and j.last_version is null
          and j.query_key = g.query_key and j.document_key = g.document_key);
    get diagnostics added = row_count;
    return retrieval._raise_golden_version(target, removed + added > 0);
end;
$$;

comment on function retrieval.put_judgements(text, text, jsonb, text) is
'Stores judgements in a golden set, each in the place of the one that its query and document had: all of them or none. judgements is an array of {"query_key", "document_key", "grade"}. A grade is a whole number between -10 and 100, and a document is relevant where it is above 0; null takes a judgement back. judge says who judged. Returns the version of the set, which is a new one where something has changed. 22023 for an empty array, an unknown query, a document that is not in the collection, and a pair that is given twice.';
