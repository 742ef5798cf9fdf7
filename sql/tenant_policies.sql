-- Row-level security, for whoever reads and writes the tables with SQL of his own: a role sees and writes what belongs to its
-- tenant. The tables' owner passes, and with it the functions, which keep to the tenant themselves (see
-- retrieval._tenant_condition). Partitions need no policies: nobody has rights on them.

alter table retrieval.documents enable row level security;
alter table retrieval.chunks enable row level security;
alter table retrieval.chunk_statistics enable row level security;
alter table retrieval.lexeme_statistics enable row level security;
alter table retrieval.tenant_settings enable row level security;
alter table retrieval.embeddings enable row level security;
alter table retrieval.sparse_embeddings enable row level security;
alter table retrieval.token_embeddings enable row level security;
-- without a policy: read and written by functions alone
alter table retrieval.role_tenants enable row level security;
alter table retrieval.jobs enable row level security;
alter table retrieval.finished_jobs enable row level security;
alter table retrieval.attached_tables enable row level security;
alter table retrieval.attached_table_failures enable row level security;
alter table retrieval.embedding_cache enable row level security;
alter table retrieval.context_cache enable row level security;
alter table retrieval.golden_sets enable row level security;
alter table retrieval.golden_queries enable row level security;
alter table retrieval.judgements enable row level security;
alter table retrieval.evaluations enable row level security;
alter table retrieval.evaluation_queries enable row level security;
alter table retrieval.api_keys enable row level security;
alter table retrieval.api_key_collections enable row level security;
alter table retrieval.logged_queries enable row level security;
alter table retrieval.logged_clicks enable row level security;

drop policy if exists tenant on retrieval.documents;
create policy tenant on retrieval.documents
    using (tenant = (select retrieval.current_tenant()));

-- also no chunk of another's document: what is refused here is refused before a key or an index can say anything of it
drop policy if exists tenant on retrieval.chunks;
create policy tenant on retrieval.chunks
    using (tenant = (select retrieval.current_tenant()))
    with check (tenant = (select retrieval.current_tenant()) and exists (
        select from retrieval.documents d
        where d.collection_id = chunks.collection_id and d.document_id = chunks.document_id and d.tenant = chunks.tenant));

drop policy if exists tenant on retrieval.chunk_statistics;
create policy tenant on retrieval.chunk_statistics
    using (tenant = (select retrieval.current_tenant()));

drop policy if exists tenant on retrieval.lexeme_statistics;
create policy tenant on retrieval.lexeme_statistics
    using (tenant = (select retrieval.current_tenant()));

drop policy if exists tenant on retrieval.tenant_settings;
create policy tenant on retrieval.tenant_settings
    using (tenant = (select retrieval.current_tenant()));

drop policy if exists tenant on retrieval.embeddings;
create policy tenant on retrieval.embeddings
    using (exists (
        select from retrieval.chunks c
        where c.collection_id = embeddings.collection_id and c.chunk_id = embeddings.chunk_id
          and c.tenant = (select retrieval.current_tenant())));

drop policy if exists tenant on retrieval.sparse_embeddings;
create policy tenant on retrieval.sparse_embeddings
    using (exists (
        select from retrieval.chunks c
        where c.collection_id = sparse_embeddings.collection_id and c.chunk_id = sparse_embeddings.chunk_id
          and c.tenant = (select retrieval.current_tenant())));

drop policy if exists tenant on retrieval.token_embeddings;
create policy tenant on retrieval.token_embeddings
    using (exists (
        select from retrieval.chunks c
        where c.collection_id = token_embeddings.collection_id and c.chunk_id = token_embeddings.chunk_id
          and c.tenant = (select retrieval.current_tenant())));
