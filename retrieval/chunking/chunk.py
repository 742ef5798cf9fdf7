"""Cuts documents into the pieces that are indexed and returned."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from retrieval.chunking.chunking import Chunking, Strategy
from retrieval.chunking.definitions import outline_of_code
from retrieval.chunking.document_type import MARKDOWN_TYPES, document_type, programming_language
from retrieval.chunking.grammars import grammar
from retrieval.chunking.measured import MeasuredText, Span, visible
from retrieval.chunking.outline import (
    EMPTY,
    Outline,
    Path,
    outline_of_headings,
    outline_of_pages,
    pages,
)
from retrieval.chunking.packing import pack
from retrieval.chunking.semantic import split_semantic
from retrieval.chunking.sentences import language_of, sentence_ends
from retrieval.chunking.structure import split_code, split_markdown, split_paragraphs
from retrieval.chunking.token_counts import TokenCounts, token_counts
from retrieval.chunking.words import word_ends
from retrieval.document import Document
from retrieval.embedding import Embedder
from retrieval.errors import ConfigurationError, LoadError

CONTEXT_SEPARATOR = " > "

# Of the model's tokens: a context may take a quarter, and content gets a quarter at the least.
LARGEST_SHARE_OF_CONTEXT = 4
LEAST_SHARE_OF_CONTENT = 4

# A document is stored in one transaction, with all its embeddings in memory.
MOST_CHUNKS = 100_000

DEFAULT = Chunking()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document: `content` is the document's content from `start` to `end`.

    `position` counts from 0, the offsets are in characters, and `context` is the path of what
    stands above the chunk: headings, such as "Install > Linux", "page 12", classes and functions.
    """

    position: int
    content: str
    start: int
    end: int
    context: str


def chunk_document(
    document: Document, embedder: Embedder, chunking: Chunking = DEFAULT
) -> list[Chunk]:
    """Cut a document with normalised text into chunks that the model reads in full.

    Title, context and content together fit into the model's tokens, but for the strategy whole. A
    chunk of a PDF never goes beyond its page. A document without text is one empty chunk if it has
    a title, so that the title can be found, and none otherwise. An image is one chunk, with its
    caption. Raises LoadError for a document of too many chunks.
    """
    if document.modality == "image":
        return [Chunk(0, document.content, 0, len(document.content), "")]
    cut = _Cut(document, embedder, chunking)
    spans = list(islice(cut.spans(), MOST_CHUNKS + 1))
    if len(spans) > MOST_CHUNKS:
        raise LoadError(document.key, f"it would be cut into more than {MOST_CHUNKS:,} chunks")
    if not spans and (document.title or "").strip():
        spans = [Span(0, 0)]
    return [
        Chunk(position, document.content[start:end], start, end, cut.context(start))
        for position, (start, end) in enumerate(spans)
    ]


def embedding_text(title: str | None, context: str, content: str) -> str:
    """Return the text that the model sees of a chunk."""
    return "\n".join(part for part in (title, context, content) if part)


class _Cut:
    """A document, and all that is decided before it is cut."""

    def __init__(self, document: Document, embedder: Embedder, chunking: Chunking) -> None:
        self._document = document
        self._embedder = embedder
        self._counts = token_counts(embedder)
        self._chunking = chunking
        self._type = document_type(document)
        self._strategy = _strategy(self._type, chunking)
        self._grammar = _grammar(document, chunking) if self._is_code else None
        self._outline = self._find_outline()
        self._contexts = _contexts(self._outline.paths, self._counts)

    def context(self, offset: int) -> str:
        return self._contexts[self._outline.above(offset)]

    def spans(self) -> Iterator[Span]:
        content = self._document.content
        if self._strategy == "whole":
            yield from visible(content, [Span(0, len(content))])
            return
        capacity, overlap = self._capacity_and_overlap()
        for start, end in pages(content) if self._type == "pdf" else [Span(0, len(content))]:
            text = content[start:end]
            measured = MeasuredText(text, self._counts.sizes(text), capacity, overlap)
            for span in self._split(measured):
                yield Span(start + span.start, start + span.end)

    @property
    def _is_code(self) -> bool:
        return self._type == "code" or self._strategy == "code"

    def _find_outline(self) -> Outline:
        if self._strategy == "whole":
            return EMPTY
        if self._type == "pdf":
            return outline_of_pages(self._document.content)
        if self._grammar is not None:
            return outline_of_code(self._document.content, self._grammar)
        if self._type in MARKDOWN_TYPES or self._strategy == "markdown":
            return outline_of_headings(self._document.content)
        return EMPTY

    def _capacity_and_overlap(self) -> tuple[int, int]:
        """The most tokens of content; an overlap that leaves nothing beside it is half of them."""
        most, overlap = self._chunking.maximum_tokens, self._chunking.overlap_tokens
        fits = _capacity(self._document.title, self._contexts.values(), self._counts)
        capacity = fits if most is None else min(most, fits)
        return capacity, overlap if overlap < capacity else capacity // 2

    def _split(self, measured: MeasuredText) -> Iterable[Span]:
        text, language = measured.text, language_of(self._document)
        match self._strategy:
            case "fixed":
                return pack(measured, word_ends(text))
            case "sentence":
                return pack(measured, sentence_ends(text, language))
            case "semantic":
                percentile = self._chunking.breakpoint_percentile
                ends = sentence_ends(text, language)
                return split_semantic(measured, ends, self._embedder, percentile)
            case "markdown":
                return split_markdown(measured)
            case "code" if self._grammar is not None:
                return split_code(measured, self._grammar)
            case _:
                return split_paragraphs(measured)


def _strategy(kind: str, chunking: Chunking) -> Strategy:
    if chunking.strategy != "auto":
        return chunking.strategy
    if kind in MARKDOWN_TYPES:
        return "markdown"
    return "code" if kind == "code" else "recursive"


def _grammar(document: Document, chunking: Chunking) -> Any:
    """The grammar of the document's language, if there is one; where code is asked for it must be.

    Otherwise one that is not installed costs no more than the better places to cut.
    """
    try:
        return grammar(programming_language(document))
    except ConfigurationError:
        if chunking.strategy == "code":
            raise
        return None


def _contexts(paths: Iterable[Path], counts: TokenCounts) -> dict[Path, str]:
    """Return the context of each path that can be above a chunk."""
    return {path: _context(path, counts) for path in paths}


def _context(path: Path, counts: TokenCounts) -> str:
    """Join a path; one that takes too much of the model's tokens loses its outer parts."""
    most = counts.embedder.max_tokens // LARGEST_SHARE_OF_CONTEXT
    for first in range(len(path)):
        context = CONTEXT_SEPARATOR.join(path[first:])
        if counts.count(context) <= most:
            return context
    return ""


def _capacity(title: str | None, contexts: Iterable[str], counts: TokenCounts) -> int:
    """Return the tokens that content may use beside the title and the longest context.

    A title that leaves less than the least share keeps its place, and the model then cuts the
    end of the content.
    """
    max_tokens = counts.embedder.max_tokens
    context = max(contexts, key=counts.count)
    above = "".join(f"{part}\n" for part in (title, context) if part)
    least = max_tokens // LEAST_SHARE_OF_CONTENT
    return max(1, least, max_tokens - counts.count(above))
