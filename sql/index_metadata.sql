-- Indexes a metadata key for ranges and prefixes, which the index on all metadata cannot serve (it answers equality).
-- Neither booleans nor dates have a type: the first are a matter of equality, the second are texts in ISO 8601.

create or replace function retrieval._metadata_index(collection_id bigint, key text)
    returns text
    language sql immutable
    return format('chunks_%s_metadata_%s', collection_id, left(encode(sha256(convert_to(key, 'UTF8')), 'hex'), 16));

comment on function retrieval._metadata_index(bigint, text) is 'The name of a key''s index: keys are longer than names may be.';

create or replace function retrieval.index_metadata(collection text, key text, type text)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
    declared text;
begin
    if key is null or starts_with(key, '$') or char_length(key) > 200 then
        raise exception 'key % cannot be indexed: up to 200 characters, the first of them no $', coalesce(quote_literal(key), 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_choice('type', type, array['numeric', 'text']);
    insert into retrieval.metadata_indexes (collection_id, key, type) values (target, key, type)
    on conflict on constraint metadata_indexes_pkey do nothing;
    if not found then
        select m.type into declared from retrieval.metadata_indexes m
        where m.collection_id = target and m.key = index_metadata.key;
        if declared <> type then
            raise exception 'key % of collection % is indexed as %, not %', quote_literal(key), quote_ident(collection), declared, type
                using errcode = 'duplicate_object', hint = 'Drop that index first: retrieval.drop_metadata_index.';
        end if;
        return;
    end if;
    execute format('create index %I on retrieval.%I (%s)', retrieval._metadata_index(target, key), 'chunks_' || target,
                   retrieval._metadata_expression('metadata', key, type));
    -- the statistics of the expression
    execute format('analyze retrieval.%I', 'chunks_' || target);
end;
$$;

comment on function retrieval.index_metadata(text, text, text) is
'Indexes a metadata key of a collection, so that $eq $in $gt $gte $lt $lte, and $prefix for a text, are answered by a b-tree; no filter finds anything else than before. type: numeric or text (a date in ISO 8601 is one); values of other types, and conditions inside $or and $not, are found as ever. Keys inside keys cannot be indexed. Writers of the collection wait until the index is built and the transaction over; readers do not. Again with the same type does nothing, with another one raises 42710.';
