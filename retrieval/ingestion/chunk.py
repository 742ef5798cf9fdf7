"""Cuts documents into the pieces that are indexed and returned."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from retrieval.document import Document
from retrieval.embedding import Embedder
from retrieval.ingestion.headings import Heading, find_headings, path_above
from retrieval.loading.text import MARKDOWN_SUFFIXES

Splitter = TextSplitter | MarkdownSplitter

CONTEXT_SEPARATOR = " > "

# Of the model's tokens: a context may take a quarter, and content gets a quarter at the least.
LARGEST_SHARE_OF_CONTEXT = 4
LEAST_SHARE_OF_CONTENT = 4

# Some tokenizers make one token of a word of any length, or none of spaces. No chunk may grow
# without end by that, so a token stands for at most this many characters.
CHARACTERS_PER_TOKEN = 16

# The splitter analyses the rest of a run without spaces or punctuation once per chunk, which
# takes minutes for a megabyte of ideographs; a text with a longer run is given to it in windows.
LONGEST_RUN = 5_000
CHUNKS_PER_WINDOW = 32

# White space, the common marks, and those of Chinese and Japanese.
_RUN = re.compile(r"[^\s.,;:!?\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]+")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document: `content` is the document's content from `start` to `end`.

    `position` counts from 0, the offsets are in characters, and `context` is the path of the
    Markdown headings above the chunk, such as "Install > Linux".
    """

    position: int
    content: str
    start: int
    end: int
    context: str


def chunk_document(document: Document, embedder: Embedder) -> list[Chunk]:
    """Cut a document with normalised text into chunks that the model reads in full.

    Paragraphs are packed as long as title, context and content together fit into the model's
    tokens; in Markdown, headings are the first places to cut. A document without text is one
    empty chunk if it has a title, so that the title can be found, and none otherwise. An image is
    one chunk, with its caption.
    """
    if document.modality == "image":
        return [Chunk(0, document.content, 0, len(document.content), "")]
    is_markdown = _is_markdown(document)
    headings = find_headings(document.content) if is_markdown else []
    contexts = _contexts(headings, embedder)
    capacity = _capacity(document.title, contexts.values(), embedder)
    kind = MarkdownSplitter if is_markdown else TextSplitter
    splitter = kind.from_callback(partial(_size, embedder), capacity)
    pieces = list(_split(document.content, splitter, CHUNKS_PER_WINDOW * capacity))
    if not pieces and (document.title or "").strip():
        pieces = [(0, "")]
    return [
        Chunk(position, content, start, start + len(content), contexts[path_above(headings, start)])
        for position, (start, content) in enumerate(pieces)
    ]


def embedding_text(title: str | None, context: str, content: str) -> str:
    """Return the text that the model sees of a chunk."""
    return "\n".join(part for part in (title, context, content) if part)


def _is_markdown(document: Document) -> bool:
    """Go by the type that loading a file notes, else by the ending of the key."""
    noted = document.metadata.get("type")
    if noted in ("markdown", "text"):
        return bool(noted == "markdown")
    return PurePosixPath(document.key).suffix.lower() in MARKDOWN_SUFFIXES


def _contexts(headings: Sequence[Heading], embedder: Embedder) -> dict[tuple[str, ...], str]:
    """Return the context of each heading path that can be above a chunk."""
    paths = {path for heading in headings for path in (heading.path, heading.path[:-1])}
    return {path: _context(path, embedder) for path in {(), *paths}}


def _context(path: tuple[str, ...], embedder: Embedder) -> str:
    """Join a path; one that takes too much of the model's tokens loses its outer headings."""
    most = embedder.max_tokens // LARGEST_SHARE_OF_CONTEXT
    for first in range(len(path)):
        context = CONTEXT_SEPARATOR.join(path[first:])
        if embedder.count_tokens(context) <= most:
            return context
    return ""


def _capacity(title: str | None, contexts: Iterable[str], embedder: Embedder) -> int:
    """Return the tokens that content may use beside the title and the longest context.

    A title that leaves less than the least share keeps its place, and the model then cuts the
    end of the content.
    """
    context = max(contexts, key=embedder.count_tokens)
    above = "".join(f"{part}\n" for part in (title, context) if part)
    least = embedder.max_tokens // LEAST_SHARE_OF_CONTENT
    return max(1, least, embedder.max_tokens - embedder.count_tokens(above))


def _size(embedder: Embedder, text: str) -> int:
    return max(embedder.count_tokens(text), len(text) // CHARACTERS_PER_TOKEN)


def _split(text: str, splitter: Splitter, window: int) -> Iterator[tuple[int, str]]:
    """Yield offset and content of each piece that holds more than white space.

    Only the last piece of a window can differ from what the whole text would give, so the next
    window begins with it.
    """
    longest_run = max((run.end() - run.start() for run in _RUN.finditer(text)), default=0)
    window = window if longest_run > LONGEST_RUN else len(text)
    start = 0
    while start < len(text):
        pieces = splitter.chunk_indices(text[start : start + window])
        following = start + window
        if following < len(text) and len(pieces) > 1:
            following = start + pieces.pop()[0]
        yield from ((start + offset, piece) for offset, piece in pieces if piece.strip())
        start = following
