"""The bodies of documents, files and chunks."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from retrieval.service.schemas import RequestBody, ResponseBody, Vector


class NewDocument(RequestBody):
    """A document's content; its key is in the path."""

    content: str = Field(
        description="The whole text.", examples=["To rotate a key, first issue a new one."]
    )
    title: str | None = Field(default=None, description="Its title.", examples=["Rotating keys"])
    source: str | None = Field(
        default=None, description="Where it comes from.", examples=["https://example.com/keys"]
    )
    metadata: dict[str, Any] = Field(
        default_factory=dict,
        description="Any JSON object; searches filter on it.",
        examples=[{"year": 2026, "tags": ["security"]}],
    )
    text_config: str | None = Field(
        default=None,
        description="Text-search configuration, where it is not the collection's.",
        examples=["german"],
    )
    embedding: Vector | None = Field(
        default=None,
        description="Its embedding by the model of the space that is searched, made elsewhere; the "
        "document is then one chunk.",
        examples=[None],
    )


class KeyedDocument(NewDocument):
    """A document among others, with its key."""

    key: str = Field(
        min_length=1,
        max_length=2000,
        description="Its key: any text of up to 2,000 bytes.",
        examples=["guides/keys.md"],
    )


class DocumentBatch(RequestBody):
    """Documents to be stored, each by itself."""

    documents: list[KeyedDocument] = Field(
        max_length=10_000,
        description="The documents, stored in their order; of a key that is there twice the last "
        "one stays.",
    )


class PutDocument(ResponseBody):
    """What became of a document that was sent."""

    document_key: str = Field(description="Its key.", examples=["guides/keys.md"])
    status: Literal["added", "updated", "unchanged"] = Field(
        description="unchanged: what is stored is equal already.", examples=["added"]
    )
    chunks: int = Field(description="How many chunks were written.", examples=[3])


class Document(ResponseBody):
    """A document as it is stored."""

    document_key: str = Field(description="Its key.", examples=["guides/keys.md"])
    title: str | None = Field(description="Its title.", examples=["Rotating keys"])
    source: str | None = Field(
        description="Where it comes from.", examples=["https://example.com/keys"]
    )
    content: str = Field(
        description="The whole text, in Unicode NFC with \\n as line end.",
        examples=["To rotate a key, first issue a new one."],
    )
    metadata: dict[str, Any] = Field(
        description="Its metadata.",
        examples=[{"year": 2026, "tags": ["security"]}],
    )
    text_config: str | None = Field(
        description="Its text-search configuration; null: the collection's.", examples=[None]
    )
    created_at: datetime = Field(description="When the key was stored first.")
    updated_at: datetime = Field(description="When it was last changed.")


class DocumentOutcome(ResponseBody):
    """What became of one document of many."""

    document_key: str = Field(description="Its key.", examples=["guides/keys.md"])
    status: Literal["added", "updated", "unchanged", "failed"] = Field(
        description="failed: what was stored under the key before, if anything, still is.",
        examples=["added"],
    )
    chunks: int = Field(description="How many chunks were written.", examples=[3])
    reason: str | None = Field(description="Why it failed.", examples=[None])


class BatchResult(ResponseBody):
    """What became of each document, in their order."""

    results: list[DocumentOutcome] = Field(description="One for each document.")


class LineOutcome(ResponseBody):
    """What became of one line."""

    line: int = Field(description="Its number, from 1.", examples=[1])
    document_key: str | None = Field(
        description="The key; null: the line could not be read.", examples=["guides/keys.md"]
    )
    status: Literal["added", "updated", "unchanged", "failed"] = Field(
        description="failed: the line was passed over.", examples=["added"]
    )
    chunks: int = Field(description="How many chunks were written.", examples=[3])
    reason: str | None = Field(description="Why it failed.", examples=[None])


class FileOutcome(ResponseBody):
    """What became of a file, or of one of the documents in it."""

    file: str = Field(description="The name that it was sent with.", examples=["guide.pdf"])
    document_key: str | None = Field(
        description="The document's key; null: there is none to be had from the file.",
        examples=["guide.pdf"],
    )
    status: Literal["added", "updated", "unchanged", "failed"] = Field(
        description="failed: the reason says why.", examples=["added"]
    )
    chunks: int = Field(description="How many chunks were written.", examples=[12])
    reason: str | None = Field(description="Why it failed.", examples=[None])


class UploadResult(ResponseBody):
    """What became of each file, in their order; a file may hold several documents."""

    results: list[FileOutcome] = Field(description="One for each document.")


class DocumentSummary(ResponseBody):
    """A document as a list names it."""

    document_key: str = Field(description="Its key.", examples=["guides/keys.md"])
    title: str | None = Field(description="Its title.", examples=["Rotating keys"])
    source: str | None = Field(
        description="Where it comes from.", examples=["https://example.com/keys"]
    )
    metadata: dict[str, Any] = Field(description="Its metadata.", examples=[{"year": 2026}])
    chunks: int = Field(description="How many chunks it is cut into.", examples=[3])
    updated_at: datetime = Field(description="When it was last changed.")


class DocumentPage(ResponseBody):
    """A page of documents, by their keys."""

    documents: list[DocumentSummary] = Field(description="The documents of the page.")
    next: str | None = Field(
        description="What to give as `after` for the next page; null: this is the last one.",
        examples=["WyJkb2N1bWVudHMiLCJndWlkZXMva2V5cy5tZCJd"],
    )


class Chunk(ResponseBody):
    """A chunk as it is stored."""

    chunk_id: int = Field(description="The chunk.", examples=[1041])
    document_key: str = Field(description="Its document's key.", examples=["guides/keys.md"])
    title: str | None = Field(description="The document's title.", examples=["Rotating keys"])
    position: int = Field(description="Where in its document, from 0.", examples=[2])
    content: str = Field(
        description="Its text.", examples=["To rotate a key, first issue a new one."]
    )
    context: str = Field(
        description="What it stands under, such as headings.", examples=["Keys > Rotation"]
    )
    metadata: dict[str, Any] = Field(description="Its metadata.", examples=[{"year": 2026}])
    start_offset: int | None = Field(
        description="Where it begins in the document, in characters.", examples=[0]
    )
    end_offset: int | None = Field(
        description="Where it ends; the character there is not its own.", examples=[39]
    )


class ChunkPage(ResponseBody):
    """A page of chunks, by document and position."""

    chunks: list[Chunk] = Field(description="The chunks of the page.")
    next: str | None = Field(
        description="What to give as `after` for the next page; null: this is the last one.",
        examples=[None],
    )
