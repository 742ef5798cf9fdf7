-- Binds logins to tenants: whoever can write SQL can also write `set retrieval.tenant`.
create or replace function retrieval.bind_role(role_name text, tenant text)
    returns void
    language plpgsql
as $$
begin
    if not exists (select from pg_catalog.pg_roles r where r.rolname = bind_role.role_name) then
        raise exception 'role % does not exist', coalesce(quote_ident(role_name), 'null') using errcode = 'undefined_object';
    elsif tenant is null or octet_length(tenant) > 200 or tenant ~ '[[:cntrl:]]' then
        raise exception 'tenant % is not usable: up to 200 bytes, no control character', coalesce(quote_literal(tenant), 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    insert into retrieval.role_tenants (role_name, tenant) values (bind_role.role_name, bind_role.tenant)
    on conflict on constraint role_tenants_pkey do update set tenant = excluded.tenant;
end;
$$;

comment on function retrieval.bind_role(text, text) is
'Binds a login role to a tenant: its transactions are in that tenant, whatever it sets retrieval.tenant to, from the next statement on; the empty text binds it to what belongs to no tenant. Replaces an earlier binding. Only the role that logs in counts, not those that it is a member of. 42704 where there is no such role.';
