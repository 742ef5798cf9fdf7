-- Undoes bind_role.
create or replace function retrieval.unbind_role(role_name text)
    returns boolean
    language plpgsql
as $$
begin
    delete from retrieval.role_tenants r where r.role_name = unbind_role.role_name;
    return found;
end;
$$;

comment on function retrieval.unbind_role(text) is
'Lets a login role choose its tenant by the setting retrieval.tenant again; returns whether it was bound. Works for a role that has been dropped.';
