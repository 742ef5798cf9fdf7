-- How the documents of a collection are cut where a program cuts them.
create or replace function retrieval._check_chunking(chunking jsonb)
    returns void
    language plpgsql immutable
as $$
declare
    strategies constant text[] := array['auto', 'fixed', 'recursive', 'sentence', 'semantic', 'markdown', 'code', 'whole'];
    part record;
    least numeric;
begin
    if jsonb_typeof(chunking) <> 'object' then
        raise exception 'chunking must be an object such as {"strategy": "sentence", "maximum_tokens": 200}' using errcode = 'invalid_parameter_value';
    end if;
    for part in select * from jsonb_each(chunking) loop
        perform retrieval._check_choice('chunking: option', part.key, array['strategy', 'maximum_tokens', 'overlap_tokens', 'breakpoint_percentile']);
        if part.key = 'strategy' then
            perform retrieval._check_choice('chunking: strategy', part.value #>> '{}', strategies);
        elsif part.key = 'breakpoint_percentile' then
            if jsonb_typeof(part.value) <> 'number' or part.value::numeric <= 0 or part.value::numeric >= 100 then
                raise exception 'chunking: breakpoint_percentile must be a number between 0 and 100, not %', part.value
                    using errcode = 'invalid_parameter_value';
            end if;
        else
            least := case part.key when 'maximum_tokens' then 1 else 0 end;
            if part.value::text !~ '^\d{1,7}$' or part.value::numeric not between least and 1000000 then
                raise exception 'chunking: % must be a whole number from % to 1000000, not %', part.key, least, part.value
                    using errcode = 'invalid_parameter_value';
            end if;
        end if;
    end loop;
    if (chunking ->> 'overlap_tokens')::numeric >= (chunking ->> 'maximum_tokens')::numeric then
        raise exception 'chunking: overlap_tokens must be less than maximum_tokens, %, not %',
            chunking ->> 'maximum_tokens', chunking ->> 'overlap_tokens' using errcode = 'invalid_parameter_value';
    end if;
end;
$$;

comment on function retrieval._check_chunking(jsonb) is '22023 where it does not say how to cut documents.';

create or replace function retrieval.set_chunking(collection text, chunking jsonb default null)
    returns void
    language plpgsql
as $$
declare
    target constant bigint := (retrieval._collection(collection)).collection_id;
begin
    perform retrieval._check_chunking(chunking);
    update retrieval.collections c
    set settings = case when chunking is null then c.settings - 'chunking' else c.settings || jsonb_build_object('chunking', chunking) end
    where c.collection_id = target;
end;
$$;

comment on function retrieval.set_chunking(text, jsonb) is
'Sets how a collection''s documents are cut when they are next ingested by a program, as all of them then are, changed or not: {"strategy": "sentence", "maximum_tokens": 200, "overlap_tokens": 20}. Strategies: auto (the default, by the type of the document), fixed, recursive, sentence, semantic (breakpoint_percentile, 90), markdown, code, whole. Sizes are in tokens of the embedding model; without maximum_tokens what the model reads. set_chunking(collection) alone returns to the default. Documents that are cut in SQL (add_document, attach_table) are always cut by split_text.';
