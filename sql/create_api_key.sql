-- Keys to the HTTP service. The secret never gets here: the service's own program makes it, shows it once and gives its hash.
--
-- Which collections a key may use stands in a table of its own, by id: a grant ends with its collection, whatever is
-- called like it later, and a key whose last grant has ended may use none. That it may use all is said, never inferred.
create or replace function retrieval.create_api_key(
    api_key_id text,
    key_hash text,
    name text,
    scopes text[] default array['read'],
    collections text[] default null,
    tenant text default '',
    requests_per_minute integer default null,
    expires_at timestamptz default null)
    returns void
    language plpgsql
as $$
declare
    known_scopes constant text[] := array['read', 'write', 'admin'];
    scope text;
begin
    if api_key_id is null or api_key_id !~ '^[a-z2-7]{12}$' then
        raise exception 'api_key_id must be 12 lower-case letters or digits from 2 to 7' using errcode = 'invalid_parameter_value';
    elsif key_hash is null or key_hash !~ '^\$argon2id\$' then
        -- not quoted: it might be the secret
        raise exception 'key_hash must be an argon2id hash, never the secret itself' using errcode = 'invalid_parameter_value';
    elsif coalesce(cardinality(scopes), 0) = 0 then
        raise exception 'scopes must name at least one of %', array_to_string(known_scopes, ', ') using errcode = 'invalid_parameter_value';
    elsif cardinality(collections) = 0 then
        raise exception 'collections must name at least one; null are all, also later ones' using errcode = 'invalid_parameter_value';
    elsif tenant is null or octet_length(tenant) > 200 or tenant ~ '[[:cntrl:]]' then
        raise exception 'tenant % is not usable: up to 200 bytes, no control character', coalesce(quote_literal(tenant), 'null')
            using errcode = 'invalid_parameter_value';
    elsif expires_at <= now() then
        raise exception 'expires_at must be in the future, not %', expires_at using errcode = 'invalid_parameter_value';
    end if;
    foreach scope in array scopes loop
        perform retrieval._check_choice('scopes', scope, known_scopes);
    end loop;
    if 'admin' = any (scopes) and (collections is not null or tenant <> '') then
        raise exception 'a key with the scope admin is for all collections and no tenant: it creates and drops what everybody uses'
            using errcode = 'invalid_parameter_value';
    end if;
    perform retrieval._check_name('key', name);
    perform retrieval._check_count('requests_per_minute', coalesce(requests_per_minute, 1), 1000000);

    insert into retrieval.api_keys (api_key_id, key_hash, name, scopes, all_collections, tenant, requests_per_minute, expires_at)
    values (create_api_key.api_key_id, create_api_key.key_hash, create_api_key.name,
            array(select k from unnest(known_scopes) k where k = any (create_api_key.scopes)),
            create_api_key.collections is null, create_api_key.tenant,
            create_api_key.requests_per_minute, create_api_key.expires_at);
    insert into retrieval.api_key_collections (api_key_id, collection_id)
    select distinct create_api_key.api_key_id, (retrieval._collection(c)).collection_id
    from unnest(create_api_key.collections) c;
end;
$$;

comment on function retrieval.create_api_key(text, text, text, text[], text[], text, integer, timestamptz) is
'Stores a key to the HTTP service under a public id: the argon2id hash of its secret, a name for people, scopes (read, write, admin; none includes another), the collections it may use (null: all, also later ones), the tenant that it reads and writes for ('''': what belongs to none), requests a minute (null: no limit) and when it expires (null: never). The command retrieval keys create makes the secret. 22023 for arguments that do not fit, 42704 for a collection that does not exist.';
