"""What strategies make of a document, in numbers."""

import re
from dataclasses import dataclass, replace

import numpy as np

from retrieval.chunking.chunk import chunk_document
from retrieval.chunking.chunking import STRATEGIES, Chunking
from retrieval.document import Document
from retrieval.embedding import Embedder
from retrieval.errors import RetrievalError

# A mark that ends a sentence, and what may close after it.
_SENTENCE_END = re.compile(r"[.!?…。！？｡]['\"”’»)\]」』*_`]*\Z")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class ChunkSizes:
    """How many chunks a strategy makes, of how many tokens, and how many end with a sentence.

    `ends_with_sentence` is a share. Where there are no chunks `failure` may say why.
    """

    strategy: str
    chunks: int = 0
    tokens_p50: int = 0
    tokens_p95: int = 0
    tokens_max: int = 0
    ends_with_sentence: float = 0.0
    failure: str | None = None


def compare_strategies(
    document: Document, embedder: Embedder, chunking: Chunking
) -> list[ChunkSizes]:
    """Cut a document by every strategy, with the sizes of a chunking."""
    return [
        _sizes(document, embedder, replace(chunking, strategy=strategy)) for strategy in STRATEGIES
    ]


def _sizes(document: Document, embedder: Embedder, chunking: Chunking) -> ChunkSizes:
    try:
        chunks = chunk_document(document, embedder, chunking)
    except RetrievalError as error:
        return ChunkSizes(chunking.strategy, failure=str(error))
    if not chunks:
        return ChunkSizes(chunking.strategy)
    tokens = [embedder.count_tokens(each.content) for each in chunks]
    median, high, most = np.percentile(tokens, [50, 95, 100], method="nearest")
    ending = sum(1 for each in chunks if _SENTENCE_END.search(each.content))
    return ChunkSizes(
        chunking.strategy, len(chunks), int(median), int(high), int(most), ending / len(chunks)
    )
