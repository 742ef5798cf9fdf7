-- Passages: hits that are neighbours in their document, as the stretches of text that they are part of.
--
-- A chunk hit at position p covers p − before … p + after. Covers that overlap or touch are one passage. Its content is cut
-- out of the document by the chunks' offsets, so that what chunks share is there once and what is between them is not
-- lost. Where a chunk has no offsets, or the document's text does not reach that far, the chunks are put together line by
-- line, and the passage has no offsets.
--
-- To read the best three, a chunk further on either side:
--
--     select p.document_key, p.context, p.content
--     from (select array_agg(h.chunk_id) as chunk_ids, array_agg(h.score) as scores
--           from retrieval.hybrid_search('shop', 'warm jacket', $1, max_results => 20) h) a
--     cross join retrieval.passages('shop', a.chunk_ids, a.scores, 1, 1) p
--     limit 3;

-- Lists are compared heading by heading, so what the first and the last in order share, all between them share.
create or replace function retrieval._shared_context(contexts text[])
    returns text
    language sql immutable
    return (select coalesce(string_agg(h.heading, ' > ' order by h.level), '')
            from (select h.heading, h.level, bool_and(h.heading is not distinct from h.other) over (order by h.level) as shared
                  from (select min(c.path) as first, max(c.path) as last
                        from (select string_to_array(split_part(u.context, E'\n', 1), ' > ') from unnest(contexts) u(context)) c(path)) p
                  cross join unnest(p.first, p.last) with ordinality h(heading, other, level)) h
            where h.shared);

comment on function retrieval._shared_context(text[]) is
'The leading headings that all contexts share, as a context, or an empty text. What follows the first line of a context is no heading.';

create or replace function retrieval._passages(
    collection retrieval.collections, chunk_ids bigint[], scores double precision[], before integer, after integer)
    returns table (
        document_id bigint, document_key text, title text, context text, metadata jsonb, first_position integer, last_position integer,
        start_offset integer, end_offset integer, content text, score double precision, hit_ids bigint[])
    language plpgsql stable rows 10
as $$
begin
    return query execute format(
        'with hits as (
             select h.*, c.document_id, c.position::bigint as position,
                    c.position - lag(c.position) over (partition by c.document_id order by c.position) <= $3 + $4 + 1 as continues
             from unnest($1, $2) with ordinality h(chunk_id, score, number)
             join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id),
         counted as (
             select h.*, count(*) filter (where h.continues is not true) over (partition by h.document_id order by h.position) as passage
             from hits h),
         covers as (
             select h.document_id, min(h.position) - $3 as first, max(h.position) + $4 as last, max(h.score) as score,
                    min(h.number) as number, min(h.chunk_id) as chunk_id, array_agg(h.chunk_id order by h.position) as hit_ids
             from counted h
             group by h.document_id, h.passage)
         select v.document_id, d.document_key, d.title, s.context, d.metadata, s.first_position, s.last_position,
                t.start_offset, t.end_offset,
                case when t.start_offset is not null then t.content
                     else (select string_agg(c.content, E''\n'' order by c.position) from retrieval.chunks c
                           where c.collection_id = %1$s and c.document_id = v.document_id and c.position between v.first and v.last) end,
                v.score, v.hit_ids
         from covers v
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = v.document_id
         cross join lateral (
             select min(c.position) as first_position, max(c.position) as last_position,
                    case when min(c.context) = max(c.context) then split_part(min(c.context), E''\n'', 1) else retrieval._shared_context(array_agg(c.context)) end as context,
                    case when count(*) = count(c.end_offset - c.start_offset) then min(c.start_offset) end as start_offset,
                    max(c.end_offset) as end_offset
             from retrieval.chunks c
             where c.collection_id = %1$s and c.document_id = v.document_id and c.position between v.first and v.last) s
         left join lateral (
             select p.content, s.start_offset, s.end_offset
             from substring(d.content from s.start_offset + 1 for s.end_offset - s.start_offset) p(content)
             where char_length(p.content) = s.end_offset - s.start_offset) t on true
         order by v.score desc, case when $2 is null then v.number end, v.chunk_id', collection.collection_id)
        using chunk_ids, scores, before::bigint, after::bigint;
end;
$$;

comment on function retrieval._passages(retrieval.collections, bigint[], double precision[], integer, integer) is
'The passages that hits are part of, best first.';

create or replace function retrieval.passages(
    collection text,
    chunk_ids bigint[],
    scores double precision[] default null,
    before integer default 0,
    after integer default 0)
    returns table (
        document_id bigint, document_key text, title text, context text, metadata jsonb, first_position integer, last_position integer,
        start_offset integer, end_offset integer, content text, score double precision, hit_ids bigint[])
    language plpgsql stable rows 10
as $$
declare
    owner constant retrieval.collections := retrieval._collection(collection);
begin
    perform retrieval._check_neighbours(before, after);
    perform retrieval._check_ranking(owner, chunk_ids, scores);
    return query select p.* from retrieval._passages(owner, chunk_ids, scores, before, after) p;
end;
$$;

comment on function retrieval.passages(text, bigint[], double precision[], integer, integer) is
'The passages that chunks are part of: each widened by `before` chunks before it and `after` after it, those that then overlap or touch in their document as one. content is the document''s text from start_offset to end_offset (characters, the end excluded); where its chunks have no offsets these are null and content is the chunks'' contents, line by line. context is the path of headings that all of its chunks share, or empty. hit_ids are the given chunks in it, in order of position, score is the best of theirs. Best first, ties by the smallest id of the hits; without scores (null) in the order of chunk_ids. No rows for an empty ranking.';
