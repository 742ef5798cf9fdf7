create or replace function retrieval.revoke_api_key(api_key_id text)
    returns timestamptz
    language plpgsql
as $$
declare
    since timestamptz;
begin
    update retrieval.api_keys k
    set revoked_at = coalesce(k.revoked_at, now())
    where k.api_key_id = revoke_api_key.api_key_id
    returning k.revoked_at into since;
    if not found then
        -- not quoted: somebody may have given the whole key
        raise exception 'no API key has this id'
            using errcode = 'undefined_object', hint = 'Existing keys: select api_key_id, name from retrieval.list_api_keys();';
    end if;
    return since;
end;
$$;

comment on function retrieval.revoke_api_key(text) is
'Ends a key of the HTTP service for good and returns since when it has been revoked, for one revoked before the first time. Running services learn of it within 30 seconds. 42704 where no key has the id.';
