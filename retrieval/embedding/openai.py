"""Dense models behind any server that speaks OpenAI's embeddings interface."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from retrieval.embedding.embedder import Floats, Progress
from retrieval.embedding.openai_client import OpenAIClient, unit_vectors
from retrieval.embedding.openai_failures import TooLong
from retrieval.embedding.openai_tokens import TokenCounter, fitting_pieces, token_counter
from retrieval.embedding.signature import Signature
from retrieval.errors import InvalidInput
from retrieval.settings import Settings

OPENAI_PREFIX = "openai:"
SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class _Piece:
    """A text, or a part of one that is too long: `row` is the text's place among all."""

    row: int
    text: str
    tokens: int


class OpenAIEmbedder:
    """Asks a server for the vectors; nothing is asked, or imported, before the first need.

    `model` is the server's name for it. The server is `base_url`, else the setting, else
    OpenAI's; the key is read from OPENAI_API_KEY alone. `dimensions` asks the server for vectors
    of that length. What else is not given is in the settings, too.

    A text beyond `max_tokens` is embedded in pieces, whose vectors are averaged by their tokens.
    Errors are ModelUnavailable, or InvalidInput for a text that the server finds too long.
    """

    kind: Literal["dense"] = "dense"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        dimensions: int | None = None,
        max_tokens: int | None = None,
        batch_size: int | None = None,
        concurrency: int | None = None,
    ) -> None:
        if not model.strip():
            raise InvalidInput("a model's name follows the colon, as in openai:bge-m3")
        given = {"dimensions": dimensions, "max_tokens": max_tokens, "batch_size": batch_size}
        for name, number in (given | {"concurrency": concurrency}).items():
            if number is not None and number < 1:
                raise InvalidInput(f"{name} of model {model!r} must be at least 1, not {number}")
        settings = Settings()
        self.model = OPENAI_PREFIX + model
        self.max_tokens = max_tokens or settings.openai_max_tokens
        self._batch_size = batch_size or settings.openai_batch_size
        self._batch_tokens = settings.openai_batch_tokens
        self.queries_at_once = concurrency or settings.openai_concurrency
        self._client = OpenAIClient(model, base_url, dimensions)
        # shared by all callers, so that together they do not exceed the limit
        self._pool = ThreadPoolExecutor(concurrency or settings.openai_concurrency, "embedding")

    @property
    def dimensions(self) -> int:
        return self._client.dimensions

    @property
    def signature(self) -> Signature:
        """The name alone stands for the model: the server may move or have several addresses."""
        return Signature(
            model=self.model,
            revision=None,
            weights_sha256=None,
            dimensions=self.dimensions,
            max_tokens=self.max_tokens,
            pooling="remote",
            prompts={"query": "", "document": ""},
        )

    def embed_documents(
        self, texts: Sequence[str], *, on_progress: Progress | None = None
    ) -> Floats:
        pieces = [piece for row, text in enumerate(texts) for piece in self._pieces(row, text)]
        vectors = np.empty((len(pieces), self.dimensions), dtype=np.float32)
        missing = Counter(piece.row for piece in pieces)
        for batch, answer in self._answers(pieces):
            vectors[batch] = answer
            rows = Counter(piece.row for piece in pieces[batch])
            missing.subtract(rows)
            done = sum(missing[row] == 0 for row in rows)
            if on_progress is not None and done:
                on_progress(done)
        return self._averaged(pieces, vectors, len(texts))

    def embed_query(self, text: str) -> Floats:
        """Does not wait for the documents that other threads embed, unless it is too long."""
        pieces = self._pieces(0, text)
        rows = self.embed_documents([text]) if len(pieces) > 1 else self._embed(pieces)
        query: Floats = rows[0]
        return query

    def embed_queries(self, texts: Sequence[str]) -> Floats:
        """Does not wait for the documents that other threads embed."""
        pieces = [piece for row, text in enumerate(texts) for piece in self._pieces(row, text)]
        answers = [self._embed(pieces[batch]) for batch in self._batches(pieces)]
        return self._averaged(pieces, np.concatenate(answers), len(texts))

    def count_tokens(self, text: str) -> int:
        return self._count_tokens(text)

    @cached_property
    def _count_tokens(self) -> TokenCounter:
        return token_counter(self.model.removeprefix(OPENAI_PREFIX))

    def _pieces(self, row: int, text: str) -> list[_Piece]:
        """Servers refuse an empty text, and JSON the half of a surrogate pair."""
        sendable = text.encode("utf-8", "replace").decode() or " "
        parts = fitting_pieces(sendable, self._count_tokens, self.max_tokens)
        return [_Piece(row, part, max(1, self._count_tokens(part))) for part in parts]

    def _answers(self, pieces: list[_Piece]) -> Iterator[tuple[slice, Floats]]:
        """Yield the vectors of each batch as the server answers."""
        futures = {
            self._pool.submit(self._embed, pieces[batch]): batch for batch in self._batches(pieces)
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()

    def _batches(self, pieces: list[_Piece]) -> Iterator[slice]:
        start = tokens = 0
        for end, piece in enumerate(pieces):
            is_full = end - start == self._batch_size or tokens + piece.tokens > self._batch_tokens
            if end > start and is_full:
                yield slice(start, end)
                start, tokens = end, 0
            tokens += piece.tokens
        if pieces:
            yield slice(start, len(pieces))

    def _embed(self, pieces: list[_Piece]) -> Floats:
        """Halve what is refused as too long: the batch may be too large, or hold one such text."""
        try:
            return self._client.embed([piece.text for piece in pieces])
        except TooLong as refusal:
            middle = len(pieces) // 2
            if middle == 0:
                raise InvalidInput(f"{refusal}: {self._described(pieces[0])}") from None
        return np.concatenate([self._embed(pieces[:middle]), self._embed(pieces[middle:])])

    def _described(self, piece: _Piece) -> str:
        shown = piece.text[:SHOWN_CHARACTERS] + "…" * (len(piece.text) > SHOWN_CHARACTERS)
        return (
            f"{shown!r} has {piece.tokens} tokens by our count and the limit is {self.max_tokens}; "
            "lower RETRIEVAL_OPENAI_MAX_TOKENS"
        )

    def _averaged(self, pieces: list[_Piece], vectors: Floats, count: int) -> Floats:
        if len(pieces) == count:
            return vectors
        sums = np.zeros((count, vectors.shape[1]), dtype=np.float64)
        weights = np.array([[piece.tokens] for piece in pieces])
        np.add.at(sums, [piece.row for piece in pieces], vectors * weights)
        return unit_vectors(sums, self._client.name)
