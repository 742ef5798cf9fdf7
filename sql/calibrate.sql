-- What a space should count beside the words, found without a question or a judgement. A space that understands a collection
-- finds for a chunk, among the ten nearest, chunks that its most telling words find as well: of the English collections of
-- benchmarks/quality.py all-MiniLM-L6-v2 agrees with the words in .34 to .51 of them, of the Chinese and Japanese ones, which it
-- cannot read, in .08 to .19, whatever their size. From 0.3 on both count alike; below, the share of the space in the
-- sum of both is half the cube of agreement / 0.3. Where two legs know different things the words are not the measure: a
-- model that finds translations of a text is right where they agree with nothing. Then set_ranking has the last word. The
-- words are compared as the collection's searches are: with its field weights, k1 and b.

-- The share of the ten nearest chunks of other documents that are among the ten most alike by their words; null where there
-- are not ten of these.
create or replace function retrieval._agreement(space retrieval.spaces, collection text, chunk_id bigint, embedding halfvec)
    returns double precision
    language plpgsql stable
as $$
declare
    alike constant bigint[] := array(select m.chunk_id from retrieval.more_like_this(collection, example_chunk => _agreement.chunk_id) m);
    near bigint[];
begin
    if cardinality(alike) < 10 then
        return null;
    end if;
    near := array(
        select n.chunk_id
        from retrieval._nearest_chunks(space, embedding, concat_ws(' and ', retrieval._tenant_condition(space.collection_id), format(
            'c.document_id <> %s', (select c.document_id from retrieval.chunks c
                                    where c.collection_id = space.collection_id and c.chunk_id = _agreement.chunk_id))), 10, null) n);
    return (select count(*) from unnest(near) n(id) where n.id = any (alike)) / 10.0;
end;
$$;

comment on function retrieval._agreement(retrieval.spaces, text, bigint, halfvec) is
'How far the neighbours of a chunk in a space are those by its words, from 0 to 1.';

-- What a tenant's chunks have told is for that tenant's searches.
create or replace function retrieval._store_calibration(collection_id bigint, calibration jsonb)
    returns void
    language plpgsql
as $$
begin
    if retrieval.current_tenant() = '' then
        update retrieval.collections c
        set settings = jsonb_set(c.settings, '{calibration}', coalesce(c.settings -> 'calibration', '{}') || calibration)
        where c.collection_id = _store_calibration.collection_id;
    else
        insert into retrieval.tenant_settings as s (collection_id, tenant, settings)
        values (_store_calibration.collection_id, retrieval.current_tenant(), jsonb_build_object('calibration', calibration))
        on conflict on constraint tenant_settings_pkey do update
        set settings = jsonb_set(s.settings, '{calibration}', coalesce(s.settings -> 'calibration', '{}') || calibration);
    end if;
end;
$$;

comment on function retrieval._store_calibration(bigint, jsonb) is 'Stores the weights of spaces, {"space_id": {…}}, for the searches of the current tenant.';

create or replace function retrieval.calibrate(
    collection text, space text default null, sample integer default 100, store boolean default true)
    returns table (space_name text, sampled bigint, agreement double precision, weight double precision)
    language plpgsql
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
    target constant retrieval.spaces := retrieval._space(owner, space);
    share double precision;
begin
    perform retrieval._check_count('sample', sample);
    if target.modality <> 'text' then
        raise exception 'space % embeds images: words do not tell which of them are alike, so it cannot be calibrated by them',
                        quote_ident(target.name)
            using errcode = 'invalid_parameter_value', hint = 'What it should count is for set_ranking to say.';
    end if;
    space_name := target.name;
    select count(a.agreement), avg(a.agreement order by a.agreement) into sampled, agreement
    from (select retrieval._agreement(target, collection, s.chunk_id, s.embedding) as agreement
          from retrieval._sample_embeddings(target, retrieval._tenant_condition(owner.collection_id), sample) s) a;
    if sampled >= 20 then
        share := 0.5 * least(agreement / 0.3, 1) ^ 3;
        weight := round((share / (1 - share))::numeric, 3);
        if store then
            perform retrieval._store_calibration(owner.collection_id, jsonb_build_object(target.space_id, jsonb_build_object(
                'weight', weight, 'agreement', agreement, 'chunks', retrieval._chunk_count(owner.collection_id), 'at', now())));
        end if;
    end if;
    return next;
end;
$$;

comment on function retrieval.calibrate(text, text, integer, boolean) is
'Finds what a dense space (without a name: the active one) should count in hybrid searches beside keyword 1, from how far its neighbours agree with those by words, over a sample of chunks, and stores it with the collection, for the current tenant, whose chunks it looks at. weight: 0 for a space whose neighbours never agree, 1 for one that agrees in 0.3 or more. Fewer than 20 chunks that ten chunks of other documents share words with say nothing: weight is null, and nothing is stored. Calibrate again when the collection has become another one. store false: says it only.';
