create or replace function retrieval.record_api_key_use(api_key_id text)
    returns void
    language sql
begin atomic
    update retrieval.api_keys k
    set last_used_at = now()
    where k.api_key_id = record_api_key_use.api_key_id
      and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
end;

comment on function retrieval.record_api_key_use(text) is
'Notes that a key of the HTTP service was used just now; writes once a minute at most. Nothing happens where no key has the id.';
