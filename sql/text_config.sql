-- Text-search configurations are stored by name: a regconfig column would block pg_upgrade.

-- The name of a configuration with its schema, unless that is pg_catalog: the tsvector is computed under other search paths
-- later (a trigger, a restore). What writes documents knows nothing of its caller's search path, so a name without a schema
-- is that of pg_catalog, else of pgvector's schema, mostly public, else the only one in the database.
create or replace function retrieval._qualify_text_config(text_config text)
    returns text
    language plpgsql stable
as $$
declare
    parts text[];
    named record;
begin
    begin
        parts := parse_ident(text_config);
    exception when invalid_parameter_value then
        parts := null;
    end;
    select n.nspname as schema_name, c.cfgname as name, count(*) over (partition by pg_ts_config_is_visible(c.oid)) as alike into named
    from pg_catalog.pg_ts_config c
    join pg_catalog.pg_namespace n on n.oid = c.cfgnamespace
    where parts in (array[c.cfgname::text], array[n.nspname::text, c.cfgname::text])
    order by n.nspname <> 'pg_catalog', not pg_ts_config_is_visible(c.oid)
    limit 1;
    if not found then
        raise exception 'text search configuration % does not exist', coalesce(quote_literal(text_config), 'null')
            using errcode = 'invalid_parameter_value', hint = 'psql lists the existing ones with \dF.';
    elsif named.alike > 1 then
        raise exception 'text search configuration % is in several schemas', quote_literal(text_config)
            using errcode = 'invalid_parameter_value', hint = 'Name the schema as well: schema.name.';
    elsif not has_schema_privilege(named.schema_name, 'usage') then
        raise exception 'text search configuration % cannot be used: % may not use its schema', quote_literal(text_config), current_user
            using errcode = 'insufficient_privilege', hint = format('grant usage on schema %I to %I;', named.schema_name, current_user);
    end if;
    return case when named.schema_name = 'pg_catalog' then quote_ident(named.name) else format('%I.%I', named.schema_name, named.name) end;
end;
$$;

comment on function retrieval._qualify_text_config(text) is
'The schema-qualified name of a text-search configuration; 22023 where there is none or not one alone, 42501 where its schema may not be used.';

create or replace function retrieval._check_text_config()
    returns trigger
    language plpgsql
as $$
begin
    new.text_config := retrieval._qualify_text_config(new.text_config);
    return new;
end;
$$;

comment on function retrieval._check_text_config() is
'Trigger: a text configuration exists when it is named, and is stored with its schema.';

create or replace trigger check_text_config
    before insert or update of text_config on retrieval.collections
    for each row execute function retrieval._check_text_config();

create or replace trigger check_text_config
    before insert or update of text_config on retrieval.documents
    for each row when (new.text_config is not null) execute function retrieval._check_text_config();
