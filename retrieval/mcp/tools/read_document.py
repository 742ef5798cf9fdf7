"""The tool read_document."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from sqlalchemy import Select, func, select

from retrieval import orm
from retrieval.errors import NotFound
from retrieval.mcp.access import Access
from retrieval.mcp.found import metadata_line, short_metadata, short_title
from retrieval.mcp.tool import Arguments, Result, Tool
from retrieval.mcp.tools.arguments import ChunkId, CollectionName

Neighbours = Annotated[int, Field(ge=0, le=20)]


class ReadArguments(Arguments):
    """A document by its key, or the surroundings of a chunk."""

    collection: CollectionName = None
    document_key: Annotated[
        str | None, Field(min_length=1, description="The document, as a hit names it.")
    ] = None
    chunk_id: Annotated[
        ChunkId | None,
        Field(description="Instead of a document: read around this chunk, as a hit names it."),
    ] = None
    before: Annotated[Neighbours, Field(description="Chunks before that one.")] = 1
    after: Annotated[Neighbours, Field(description="Chunks after that one.")] = 1
    offset: Annotated[
        int, Field(ge=0, le=2**31 - 2, description="Where in the document to begin, in characters.")
    ] = 0
    max_characters: Annotated[
        int, Field(ge=100, le=40_000, description="How much text at most.")
    ] = 8_000

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.document_key is None) == (self.chunk_id is None):
            raise ValueError("give either document_key or chunk_id")
        if self.chunk_id is not None and self.offset:
            raise ValueError("offset belongs to a document_key, not to a chunk_id")
        return self


class ReadText(Result):
    """A stretch of a document's text."""

    document_key: str = Field(description="The document; what to cite.")
    title: str | None = Field(description="Its title.")
    source: str | None = Field(description="Where it came from.")
    metadata: dict[str, Any] = Field(description="Its metadata, as far as it is short.")
    content: str = Field(description="The text.")
    offset: int | None = Field(description="Where it begins in the document, in characters.")
    next_offset: int | None = Field(description="Where to read on; null: that was the end.")
    characters: int = Field(description="How long the whole document is.")


async def _run(access: Access, arguments: ReadArguments) -> ReadText:
    collection = await access.collection(arguments.collection)
    by_key = arguments.document_key is not None
    statement = (_page if by_key else _around)(collection, arguments)
    found = await access.retriever.read(statement)
    if not found:
        await _check_exists(access, collection)
        sought = f"document {arguments.document_key}" if by_key else f"chunk {arguments.chunk_id}"
        raise NotFound(f"{sought} does not exist in collection {collection}")
    return _read_text(found[0])


async def _check_exists(access: Access, collection: str) -> None:
    if collection not in {each.name for each in await access.collections()}:
        raise NotFound(f"collection {collection} does not exist")


def _read_text(row: Any) -> ReadText:
    end = None if row.offset is None else row.offset + len(row.content)
    return ReadText(
        document_key=row.document_key,
        title=short_title(row.title),
        source=short_title(row.source),
        metadata=short_metadata(row.metadata),
        content=row.content,
        offset=row.offset,
        next_offset=end if end is not None and end < row.characters else None,
        characters=row.characters,
    )


_WHOLE = orm.Document.content
_ABOUT = (
    orm.Document.document_key,
    orm.Document.title,
    orm.Document.source,
    orm.Document.document_metadata.label("metadata"),
    func.char_length(_WHOLE).label("characters"),
)


def _owner(collection: str) -> Any:
    named = orm.Collection.name == collection
    return select(orm.Collection.collection_id).where(named).scalar_subquery()


def _page(collection: str, arguments: ReadArguments) -> Select[Any]:
    """A page of a document."""
    start = func.least(arguments.offset, func.char_length(_WHOLE))
    content = func.substr(_WHOLE, arguments.offset + 1, arguments.max_characters)
    return select(*_ABOUT, start.label("offset"), content.label("content")).where(
        orm.Document.collection_id == _owner(collection),
        orm.of_current_tenant(orm.Document),
        orm.Document.document_key == arguments.document_key,
    )


def _around(collection: str, arguments: ReadArguments) -> Select[Any]:
    """The passage that a chunk is part of, where the chunk is one of the collection."""
    assert arguments.chunk_id is not None
    passages = orm.passages(
        collection, [arguments.chunk_id], before=arguments.before, after=arguments.after
    )
    content = func.substr(passages.c.content, 1, arguments.max_characters)
    return select(*_ABOUT, passages.c.start_offset.label("offset"), content.label("content")).join(
        passages,
        (orm.Document.collection_id == _owner(collection))
        & (orm.Document.document_id == passages.c.document_id),
    )


def _text(result: ReadText) -> str:
    head = [each for each in (result.document_key, result.title, result.source) if each]
    lines = [" | ".join(dict.fromkeys(head)), metadata_line(result.metadata), _place(result)]
    return "\n".join(each for each in lines if each) + f"\n\n{result.content}"


def _place(result: ReadText) -> str:
    if result.offset is None:
        return ""
    end = result.offset + len(result.content)
    more = f"; read on with offset {result.next_offset}" if result.next_offset is not None else ""
    return f"characters {result.offset} to {end} of {result.characters}{more}"


read_document = Tool(
    name="read_document",
    title="Read a document",
    description="Reads the text of a document, by its document_key and in pages, or the "
    "surroundings of a hit, by its chunk_id with some chunks before and after. To read on, call it "
    "again with the document_key and the next_offset of the answer.",
    arguments=ReadArguments,
    result=ReadText,
    run=_run,
    text=_text,
)
