-- Text-search configurations are stored by name: a regconfig column would block pg_upgrade.

-- The name of a configuration as it resolves here and now, with its schema unless that is pg_catalog: the
-- tsvector is computed under other search paths later (a trigger, a restore).
create or replace function retrieval._qualify_text_config(text_config text)
    returns text
    language plpgsql stable
as $$
declare
    qualified text;
begin
    select case when n.nspname = 'pg_catalog' then quote_ident(c.cfgname) else format('%I.%I', n.nspname, c.cfgname) end
    into strict qualified
    from pg_catalog.pg_ts_config c
    join pg_catalog.pg_namespace n on n.oid = c.cfgnamespace
    where c.oid = text_config::regconfig;
    return qualified;
exception when undefined_object or invalid_name or syntax_error or invalid_schema_name or no_data_found then
    raise exception 'text search configuration % does not exist', coalesce(quote_literal(text_config), 'null')
        using errcode = 'invalid_parameter_value', hint = 'psql lists the existing ones with \dF.';
end;
$$;

comment on function retrieval._qualify_text_config(text) is
'The schema-qualified name of a text-search configuration; 22023 where there is none.';

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
