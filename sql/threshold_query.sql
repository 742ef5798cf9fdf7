-- Which chunks can score more than a threshold, as a tsquery that the GIN index answers.
--
-- A chunk's score is at most the sum of the bounds of the words that it holds (WAND: Broder et al., "Efficient Query
-- Evaluation using a Two-Level Retrieval Process", CIKM 2003). So it can only pass the threshold if it holds a set of
-- words whose bounds add up to more. The words come in descending order of their bounds; for the first word of the
-- set that a chunk holds, the rest must come from the words after it. Beyond `depth` words of a set the condition is
-- relaxed to "any word without which the rest is too little": that lets more chunks through, never fewer.
--
-- Null means no condition: whatever the chunk holds beyond, it passes. An empty text means that nothing passes.
create or replace function retrieval._threshold_query(
    words text[], bounds double precision[], remainders double precision[], threshold double precision, depth integer,
    first integer default 1)
    returns text
    language plpgsql immutable
as $$
declare
    alternatives text[] := '{}';
    rest text;
begin
    if threshold < 0 then
        return null;
    end if;
    for i in first .. cardinality(words) loop
        exit when remainders[i] <= threshold;
        if depth = 0 then
            alternatives := alternatives || words[i];
        else
            rest := retrieval._threshold_query(words, bounds, remainders, threshold - bounds[i], depth - 1, i + 1);
            if rest is null then
                alternatives := alternatives || words[i];
            elsif rest <> '' then
                alternatives := alternatives || ('(' || words[i] || ' & ' || rest || ')');
            end if;
        end if;
    end loop;
    return case when cardinality(alternatives) < 2 then coalesce(alternatives[1], '')
                else '(' || array_to_string(alternatives, ' | ') || ')' end;
end;
$$;

comment on function retrieval._threshold_query(text[], double precision[], double precision[], double precision, integer, integer) is
'A tsquery, as text, that every chunk matches whose words'' bounds add up to more than the threshold. words: quoted for tsquery, in descending order of bounds; remainders[i]: the sum of the bounds from i on.';
