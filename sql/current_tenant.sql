-- Whose rows a transaction is about. A tenant is a text; what belongs to none has the empty one, which is like any other here.
--
-- A program that serves many says it for each transaction: set_config('retrieval.tenant', 'acme', true). Whoever logs in with
-- SQL could say anything there, so a role that retrieval.bind_role has bound has its tenant from there and nowhere else; what
-- counts is the role that logged in, whichever it has set since.
--
-- With the rights of the owner, since readers need none on the table of bound roles. Its body is read when it runs: the tables
-- have it as a default.
create or replace function retrieval.current_tenant()
    returns text
    language plpgsql stable parallel safe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce((select r.tenant from retrieval.role_tenants r where r.role_name = session_user),
                    current_setting('retrieval.tenant', true), '');
end;
$$;

comment on function retrieval.current_tenant() is
'The tenant that the transaction is in, whose rows alone it sees, counts and writes: the one that the login role is bound to (see bind_role), else the setting retrieval.tenant, else the empty text, for what belongs to no tenant.';
