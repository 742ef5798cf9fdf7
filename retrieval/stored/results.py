"""Documents and chunks as they are stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as it is stored; offsets are characters of its document's content."""

    chunk_id: int
    document_id: int
    document_key: str
    position: int
    start_offset: int | None
    end_offset: int | None
    title: str | None
    context: str
    content: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """A document as a list names it: without its content, with the number of its chunks."""

    document_key: str
    title: str | None
    source: str | None
    metadata: dict[str, Any]
    chunks: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it is stored; `version` is another one after every change of it."""

    document_key: str
    title: str | None
    source: str | None
    content: str
    metadata: dict[str, Any]
    text_config: str | None
    created_at: datetime
    updated_at: datetime
    version: str
