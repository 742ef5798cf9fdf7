"""Stores many documents, and says of each what became of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from retrieval.document import Document
from retrieval.errors import RetrievalError
from retrieval.ingestion import Outcome
from retrieval.search import AsyncRetriever
from retrieval.service.document_schemas import KeyedDocument
from retrieval.service.ndjson import Line, line_groups
from retrieval.service.problems import described, shown_detail
from retrieval.service.strict_route import parse_json

logger = logging.getLogger("retrieval.service")


class UnusableLine(Exception):
    """A line that is no document; the message says why."""


async def put_in_turn(
    retriever: AsyncRetriever, collection: str, documents: Sequence[Document]
) -> list[Outcome]:
    """Store documents in their order: of a key that is there twice the last one stays."""
    outcomes: list[Outcome] = []
    for group in _without_repetition(documents):
        outcomes += await retriever.put_documents(collection, group)
    return outcomes


def given_document(body: KeyedDocument) -> Document:
    """The document of a body."""
    return Document(**body.model_dump())


def _without_repetition(documents: Sequence[Document]) -> Iterator[list[Document]]:
    group: dict[str, Document] = {}
    for each in documents:
        if each.key in group:
            yield list(group.values())
            group = {}
        group[each.key] = each
    if group:
        yield list(group.values())


async def put_lines(
    retriever: AsyncRetriever, collection: str, blocks: AsyncIterator[bytes], limit: int
) -> AsyncIterator[dict[str, Any]]:
    """Store a document for each line, and say of each line what became of it.

    What goes wrong with some lines, even a database that is away for a while, is said of these
    lines, and the others go on.
    """
    async for lines in line_groups(blocks, limit):
        read = await asyncio.to_thread(_read_lines, lines, limit)
        documents = [each for each in read if isinstance(each, Document)]
        outcomes = iter(await _outcomes(retriever, collection, documents))
        for line, given in zip(lines, read, strict=True):
            if isinstance(given, Document):
                outcome = next(outcomes)
                reason, chunks = outcome.reason, outcome.chunks
                yield _result(line, given.key, outcome.status, chunks, reason)
            else:
                yield _result(line, None, "failed", 0, given)


async def _outcomes(
    retriever: AsyncRetriever, collection: str, documents: Sequence[Document]
) -> list[Outcome]:
    try:
        return await put_in_turn(retriever, collection, documents)
    except RetrievalError as error:
        logger.error("storing %d lines in %s: %s", len(documents), collection, error)
        reason = shown_detail(error)
    except Exception:
        # the answer has begun: there is no status left to say it with
        logger.exception("storing %d lines in %s", len(documents), collection)
        reason = "the reason is in the log of the service"
    return [Outcome(each.key, "failed", reason=reason) for each in documents]


def _result(
    line: Line, key: str | None, status: str, chunks: int, reason: str | None
) -> dict[str, Any]:
    return {
        "line": line.number,
        "document_key": key,
        "status": status,
        "chunks": chunks,
        "reason": reason,
    }


def _read_lines(lines: Sequence[Line], limit: int) -> list[Document | str]:
    """A document for each line, or the reason why there is none."""
    read: list[Document | str] = []
    for line in lines:
        try:
            read.append(_read(line, limit))
        except UnusableLine as error:
            read.append(str(error))
    return read


def _read(line: Line, limit: int) -> Document:
    if line.text is None:
        raise UnusableLine(f"the line is longer than {limit} bytes")
    try:
        value = parse_json(line.text, "line")
        return given_document(KeyedDocument.model_validate(value))
    except ValidationError as error:
        raise UnusableLine(described(error.errors(), whole="line")) from error
    except RetrievalError as error:
        raise UnusableLine(shown_detail(error)) from error
    except ValueError as error:
        raise UnusableLine(f"the line is not JSON: {error}") from error
