-- From a ranking to what a search returns, for every search alike.

-- `ranking` is a from item as SQL, called h, with chunk_id, score, rank and what `leg_columns` names. It holds chunks of the current
-- tenant alone; should it ever not, they are dropped here.
create or replace function retrieval._hits_statement(collection_id bigint, ranking text, leg_columns text default 'h.rank, h.score')
    returns text
    language sql stable
    return format(
        'select c.chunk_id, c.document_id, d.document_key, c.title, c.position, c.content, c.metadata, h.score, %3$s
         from %2$s
         join retrieval.chunks c on c.collection_id = %1$s and c.chunk_id = h.chunk_id and c.tenant = %4$L
         join retrieval.documents d on d.collection_id = %1$s and d.document_id = c.document_id
         order by h.rank', collection_id, ranking, leg_columns, retrieval.current_tenant());

comment on function retrieval._hits_statement(bigint, text, text) is
'The SQL that returns the chunks of a ranking as hits, in order of rank: chunk, document and score, then the columns of the legs.';
