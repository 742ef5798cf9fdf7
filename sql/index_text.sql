-- The lexemes of a chunk and their number follow its text. A trigger rather than generated columns: two of these would
-- parse the text twice, which is most of the work of storing a chunk, and would parse it again with every change of metadata.
create or replace function retrieval._index_text()
    returns trigger
    language plpgsql
as $$
begin
    new.lexemes := retrieval.to_lexemes(new.text_config, new.title, new.context, new.content);
    new.length := retrieval.lexeme_length(new.lexemes);
    return new;
end;
$$;

comment on function retrieval._index_text() is
'Trigger: lexemes and length of a chunk follow its text, whatever else is written into them.';

create or replace trigger index_text_inserted
    before insert on retrieval.chunks
    for each row execute function retrieval._index_text();

-- Touching the content indexes it again, for whoever has altered a configuration.
create or replace trigger index_text_updated
    before update of content, context, lexemes, length on retrieval.chunks
    for each row execute function retrieval._index_text();

-- These are copied from the document whenever its metadata is.
create or replace trigger index_text_copied
    before update of title, text_config on retrieval.chunks
    for each row when ((new.title, new.text_config) is distinct from (old.title, old.text_config))
    execute function retrieval._index_text();
