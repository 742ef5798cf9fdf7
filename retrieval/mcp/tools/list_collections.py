"""The tool list_collections."""

from pydantic import Field

from retrieval.mcp.access import Access
from retrieval.mcp.tool import Arguments, Result, Tool


class NoArguments(Arguments):
    """None are needed."""


class ListedCollection(Result):
    """A collection with its size."""

    name: str = Field(description="Its name, for the other tools.")
    documents: int = Field(description="How many documents it has.")
    chunks: int = Field(description="Into how many pieces they are cut.")
    text_config: str = Field(description="The language of its texts, as PostgreSQL names it.")
    model: str | None = Field(description="The model of semantic search; null: words only.")


class ListedCollections(Result):
    """Every collection that can be searched."""

    collections: list[ListedCollection]


async def _run(access: Access, arguments: NoArguments) -> ListedCollections:
    found = await access.collections()
    return ListedCollections(collections=[ListedCollection.model_validate(each) for each in found])


def _text(result: ListedCollections) -> str:
    lines = [
        f"{each.name}: {each.documents} documents, {each.chunks} chunks, {each.text_config}, "
        f"{'semantic search by ' + each.model if each.model else 'keyword search only'}"
        for each in result.collections
    ]
    return "\n".join(lines) or "There is no collection."


list_collections = Tool(
    name="list_collections",
    title="List collections",
    description="Lists the collections of documents that can be searched, with their sizes and "
    "languages. Call it first, to know the names that the other tools take.",
    arguments=NoArguments,
    result=ListedCollections,
    run=_run,
    text=_text,
)
