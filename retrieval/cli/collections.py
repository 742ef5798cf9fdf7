"""`retrieval collections`."""

from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import as_dictionaries, errors, print_json, print_table, table
from retrieval.search import CollectionSummary


def collections(
    database_url: DatabaseUrl = None, tenant: Tenant = None, json: Json = False
) -> None:
    """List the collections with their sizes and models."""
    with open_retriever(database_url, tenant) as retriever:
        summaries = retriever.collections()
    if json:
        print_json(as_dictionaries(summaries))
        return
    if not summaries:
        errors.print("there is no collection yet; create one with: retrieval ingest NAME PATH…")
        return
    listed = table("name", "documents", "chunks", "text_config", "space", "model", "chunking")
    for each in summaries:
        sizes = (str(each.documents), str(each.chunks))
        model = (each.space or "-", each.model or "-")
        listed.add_row(each.name, *sizes, each.text_config, *model, _chunking(each))
    print_table(listed)


def _chunking(collection: CollectionSummary) -> str:
    """What was set, as in "strategy sentence, maximum_tokens 200"."""
    chosen = collection.chunking or {"strategy": "auto"}
    return ", ".join(f"{name} {value}" for name, value in chosen.items())
