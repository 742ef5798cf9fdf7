-- Whether what is asked of a collection is kept, and for how long. Nothing is until somebody who may set it has said so: what people
-- search for is about them.
--
-- Logging that is off still has its retention, so that what was logged goes when it was said to go.

create or replace function retrieval._query_retention(collection retrieval.collections)
    returns interval
    language sql stable
    return (collection.settings #>> '{query_logging,retention}')::interval;

comment on function retrieval._query_retention(retrieval.collections) is
'How long logged queries of a collection are kept; null where none were ever to be logged.';

create or replace function retrieval._logs_queries(collection retrieval.collections)
    returns boolean
    language sql stable
    return coalesce((collection.settings #>> '{query_logging,enabled}')::boolean, false);

comment on function retrieval._logs_queries(retrieval.collections) is 'Whether queries of a collection are logged.';

create or replace function retrieval.set_query_logging(collection text, retention interval default '90 days')
    returns void
    language plpgsql
    set intervalstyle = 'postgres'
as $$
declare
    target constant retrieval.collections := retrieval._collection(collection);
begin
    if retention <= '0' or retention > '10 years' then
        raise exception 'retention must be more than 0 and at most 10 years, not %', retention using errcode = 'invalid_parameter_value';
    end if;
    update retrieval.collections c
    set settings = case when retention is not null
                            then c.settings || jsonb_build_object('query_logging', jsonb_build_object('enabled', true, 'retention', retention::text))
                        when c.settings ? 'query_logging' then jsonb_set(c.settings, '{query_logging,enabled}', 'false')
                        else c.settings end
    where c.collection_id = target.collection_id;
end;
$$;

comment on function retrieval.set_query_logging(text, interval) is
'Lets log_query and log_click keep what is asked of a collection and opened from it, for so long; each tenant has a log of its own. A shorter retention holds for what is there already. A retention of null turns it off: nothing more is kept, and what was logged stays until its retention has passed, unless forget_queries removes it.';
