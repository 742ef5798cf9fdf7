-- Deletes one document; its chunks and embeddings go with it.
create or replace function retrieval.delete_document(collection text, document_key text)
    returns boolean
    language sql
    return retrieval.delete_documents(collection, array[document_key]) > 0;

comment on function retrieval.delete_document(text, text) is
'Deletes the document of this key with its chunks and embeddings; returns whether there was one.';
