"""Hits as a language model gets them: bounded, and with what is needed to cite them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from retrieval.mcp.tool import Result
from retrieval.search import Hit

MAXIMUM_RESULTS = 50
# of all hits together, and of one; a token of English has about four
MAXIMUM_CHARACTERS = 40_000
MAXIMUM_HIT_CHARACTERS = 4_000
MAXIMUM_METADATA_CHARACTERS = 1_000
MAXIMUM_TITLE_CHARACTERS = 300


class FoundChunk(Result):
    """One chunk that was found."""

    document_key: str = Field(description="Its document; what to cite.")
    title: str | None = Field(description="The document's title.")
    position: int = Field(description="Which chunk of the document it is, from 0.")
    chunk_id: int = Field(description="The chunk, for read_document and recommend.")
    score: float = Field(description="Higher is better; comparable within this answer only.")
    metadata: dict[str, Any] = Field(description="The document's metadata, as far as it is short.")
    content: str = Field(description="The chunk's text.")
    truncated: bool = Field(description="Whether the text was cut; read_document has the rest.")


class FoundChunks(Result):
    """What was found, best first."""

    collection: str = Field(description="Where it was found.")
    hits: list[FoundChunk]


def found_chunks(collection: str, hits: Iterable[Hit]) -> FoundChunks:
    """Hits, none of them longer than is good for all of them."""
    listed = list(hits)
    limit = min(MAXIMUM_HIT_CHARACTERS, MAXIMUM_CHARACTERS // max(1, len(listed)))
    return FoundChunks(
        collection=collection,
        hits=[
            FoundChunk(
                document_key=hit.document_key,
                title=short_title(hit.title),
                position=hit.position,
                chunk_id=hit.chunk_id,
                score=hit.score,
                metadata=short_metadata(hit.metadata),
                content=hit.content[:limit],
                truncated=len(hit.content) > limit,
            )
            for hit in listed
        ],
    )


def short_title(title: str | None) -> str | None:
    """A title, or a source, of a bounded length."""
    return title if title is None else title[:MAXIMUM_TITLE_CHARACTERS]


def short_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The entries in their order, without those that are too much."""
    kept: dict[str, Any] = {}
    left = MAXIMUM_METADATA_CHARACTERS
    for key, value in metadata.items():
        length = len(key) + len(json.dumps(value, ensure_ascii=False))
        if length <= left:
            kept[key] = value
            left -= length
    return kept


def found_text(found: FoundChunks) -> str:
    """The hits to be read, each under a line that cites it."""
    if not found.hits:
        return f"Nothing was found in {found.collection}."
    return "\n\n".join(
        f"[{number}] {_citation(hit)}\n{hit.content}{' …' if hit.truncated else ''}"
        for number, hit in enumerate(found.hits, 1)
    )


def _citation(hit: FoundChunk) -> str:
    parts = [hit.document_key, hit.title, f"position {hit.position}", f"chunk_id {hit.chunk_id}"]
    line = " | ".join([*(each for each in parts if each), f"score {hit.score:.4g}"])
    return f"{line}\n{metadata_line(hit.metadata)}".rstrip()


def metadata_line(metadata: Mapping[str, Any]) -> str:
    """Metadata in one line; nothing where there is none."""
    return f"metadata: {json.dumps(metadata, ensure_ascii=False)}" if metadata else ""
