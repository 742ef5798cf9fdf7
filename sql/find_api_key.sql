-- What the service checks a request against. Revoked and expired keys are found as well: who asks decides, after the secret.
create or replace function retrieval.find_api_key(api_key_id text)
    returns table (
        key_hash text, name text, scopes text[], collections text[], tenant text, requests_per_minute integer,
        expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz)
    language sql stable
begin atomic
    select k.key_hash, k.name, k.scopes, retrieval._api_key_collections(k), k.tenant, k.requests_per_minute,
           k.expires_at, k.revoked_at, k.last_used_at
    from retrieval.api_keys k
    where k.api_key_id = find_api_key.api_key_id;
end;

comment on function retrieval.find_api_key(text) is
'A key of the HTTP service by its public id, with its hash; collections are names, null where the key is for all. No row where there is none.';
