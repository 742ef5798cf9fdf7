create or replace function retrieval._api_key_collections(api_key retrieval.api_keys)
    returns text[]
    language sql stable
begin atomic
    select case when not (api_key).all_collections then array(
        select c.name
        from retrieval.api_key_collections g
        join retrieval.collections c on c.collection_id = g.collection_id
        where g.api_key_id = (api_key).api_key_id
        order by c.name)
    end;
end;

comment on function retrieval._api_key_collections(retrieval.api_keys) is
'The names of the collections that a key may use, empty where those have been dropped; null where it may use all.';

create or replace function retrieval.list_api_keys()
    returns table (
        api_key_id text, name text, scopes text[], collections text[], tenant text, requests_per_minute integer,
        created_at timestamptz, expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz)
    language sql stable
begin atomic
    select k.api_key_id, k.name, k.scopes, retrieval._api_key_collections(k), k.tenant, k.requests_per_minute,
           k.created_at, k.expires_at, k.revoked_at, k.last_used_at
    from retrieval.api_keys k
    order by k.created_at, k.api_key_id;
end;

comment on function retrieval.list_api_keys() is
'The keys of the HTTP service without their hashes, oldest first, revoked and expired ones too; collections are names, null where a key is for all. last_used_at is right to a minute and a half.';
