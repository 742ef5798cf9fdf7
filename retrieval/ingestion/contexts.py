"""Lets a language model write where each chunk stands in its document, as part of its context.

After Anthropic, 2024, "Introducing Contextual Retrieval". A chunk's context is then the path of its
headings, a line feed, and what the model wrote.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, cast

from sqlalchemy import Connection, LargeBinary, Text, column, select

from retrieval import orm
from retrieval.chunking import Chunk
from retrieval.embedding import Embedder
from retrieval.errors import InvalidInput, ModelUnavailable, RetrievalError
from retrieval.generation.chat import ChatModel, chat_model
from retrieval.generation.cutting import cut_to_fit
from retrieval.generation.prompt import Message
from retrieval.ingestion.batch import PreparedDocument
from retrieval.ingestion.context_prompt import PROMPT_VERSION, Excerpt, context_prompt
from retrieval.loading.normalise import normalise_text
from retrieval.settings import Settings
from retrieval.steps import Compute, Query, Steps

# Of the embedding model's tokens: 100, but a quarter at most.
MOST_TOKENS = 100
LARGEST_SHARE = 4
WORDS_PER_TOKEN = 2 / 3

# What is stored at once for each request that runs at the same time, and lost by an interruption.
ROUNDS = 4
# So many failures one after the other are no accident.
GIVE_UP = 10
LONGEST_ANSWER = 4_000


@dataclass(frozen=True, slots=True)
class _Question:
    """One chunk to ask about; the messages are made again when it is asked, as they are long."""

    digest: bytes
    excerpt: Excerpt
    chunk: Chunk


class ContextWriter:
    """Asks a language model about the chunks of one ingestion, and counts what it did not answer.

    A chunk without an answer goes without; the document's content hash says so, and the next
    ingestion asks again. Where the first requests fail all of them, the error is raised.
    """

    def __init__(self, chat: ChatModel | str | None = None) -> None:
        settings = Settings()
        self._chat = chat_model(chat)
        self._concurrency = settings.chat_concurrency
        self._document_tokens = settings.chat_document_tokens
        self._wanted = self._missing = self._answered = self._failed_in_a_row = 0
        self._reason = ""
        self._narrowed: _Narrowed | None = None  # the same one each time: it remembers counts

    def room_beside(self, embedder: Embedder) -> Embedder:
        """The embedder as it is for whoever cuts chunks that a context is yet added to."""
        if self._narrowed is None or self._narrowed.embedder is not embedder:
            self._narrowed = _Narrowed(embedder, _context_tokens(embedder))
        return cast(Embedder, self._narrowed)

    def content_hash(self, digest: str) -> str:
        """The content hash of a document whose chunks have a context by this model."""
        return hashlib.sha256(
            json.dumps([digest, self._chat.model, PROMPT_VERSION]).encode()
        ).hexdigest()

    @property
    def warning(self) -> str | None:
        """What is missing, in one line."""
        if not self._missing:
            return None
        chunks = f"{self._missing} of {self._wanted} chunks"
        return f"{chunks} have no written context; ingesting again asks for it: {self._reason}"

    def steps(
        self, prepared: Sequence[PreparedDocument], embedder: Embedder
    ) -> Steps[list[PreparedDocument]]:
        """Extend the contexts; what was asked before comes from the database.

        `embedder` is the one whose model reads the contexts, not one with less room.
        """
        words = int(_context_tokens(embedder) * WORDS_PER_TOKEN)
        asked = yield Compute(lambda: [self._questions(each, words) for each in prepared])
        questions = {question.digest: question for each in asked for question in each}
        found: dict[bytes, str] = {}
        if questions:
            found = yield Query(partial(_cached, digests=list(questions)))
        missing = (question for digest, question in questions.items() if digest not in found)
        while group := list(islice(missing, ROUNDS * self._concurrency)):
            new = yield Compute(partial(self._ask_all, group, words))
            if new:
                yield Query(partial(_cache, contexts=new))
                found.update(new)
        return [
            self._extended(each, about, found, embedder)
            for each, about in zip(prepared, asked, strict=True)
        ]

    def _questions(self, prepared: PreparedDocument, words: int) -> list[_Question]:
        """One for each chunk with text, none for a document that is one chunk."""
        if len(prepared.chunks) < 2:
            return []
        excerpt = Excerpt.of(prepared.document, self._document_tokens, self._chat.count_tokens)
        return [
            _Question(self._digest(context_prompt(excerpt, chunk, words)), excerpt, chunk)
            for chunk in prepared.chunks
            if chunk.content.strip()
        ]

    def _digest(self, messages: list[Message]) -> bytes:
        """The key in the cache: over all that the model is told."""
        text = json.dumps([self._chat.model, messages])
        return hashlib.sha256(text.encode()).digest()

    def _ask_all(self, questions: Sequence[_Question], words: int) -> dict[bytes, str]:
        """Ask some at a time; returns what was answered, by digest."""
        answers: dict[bytes, str] = {}
        if self._failed_in_a_row >= GIVE_UP:
            return answers
        self._chat.check()
        with ThreadPoolExecutor(self._concurrency, "context") as pool:
            futures = {pool.submit(self._ask, each, words): each.digest for each in questions}
            try:
                for future in as_completed(futures):
                    answer = future.result()
                    self._count(answer)
                    if isinstance(answer, str):
                        answers[futures[future]] = answer
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return answers

    def _ask(self, question: _Question, words: int) -> str | RetrievalError:
        try:
            messages = context_prompt(question.excerpt, question.chunk, words)
            text = self._chat.complete(messages).text
        except (ModelUnavailable, InvalidInput) as error:
            return error
        return " ".join(normalise_text(text).split())[:LONGEST_ANSWER]

    def _count(self, answer: str | RetrievalError) -> None:
        """Keep in mind how it goes; raise where it has never gone well."""
        if isinstance(answer, str):
            self._answered += 1
            self._failed_in_a_row = 0
            return
        self._reason = str(answer)
        if isinstance(answer, ModelUnavailable) or not self._answered:
            self._failed_in_a_row += 1
        if self._failed_in_a_row >= GIVE_UP and not self._answered:
            raise answer

    def _extended(
        self,
        prepared: PreparedDocument,
        questions: Sequence[_Question],
        found: dict[bytes, str],
        embedder: Embedder,
    ) -> PreparedDocument:
        written = {each.chunk.position: found.get(each.digest) for each in questions}
        missing = sum(text is None for text in written.values())
        self._wanted += len(written)
        self._missing += missing
        chunks = [
            replace(chunk, context=_joined(chunk.context, text, embedder))
            if (text := written.get(chunk.position))
            else chunk
            for chunk in prepared.chunks
        ]
        # unlike any that a document can have, so that the next ingestion takes it for changed
        digest = f"incomplete {prepared.content_hash}" if missing else prepared.content_hash
        return replace(prepared, chunks=chunks, content_hash=digest)


class _Narrowed:
    """An embedder with fewer tokens for content; all else is that of the embedder."""

    def __init__(self, embedder: Embedder, reserved: int) -> None:
        self.embedder = embedder
        self.max_tokens = max(1, embedder.max_tokens - reserved)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.embedder, name)


def _context_tokens(embedder: Embedder) -> int:
    return min(MOST_TOKENS, embedder.max_tokens // LARGEST_SHARE)


def _joined(path: str, written: str, embedder: Embedder) -> str:
    """The path of headings on a line of its own, and below it what fits of what was written."""
    most = _context_tokens(embedder)

    def fits(text: str) -> bool:
        return embedder.count_tokens(f"\n{text}\n") <= most

    text = written if fits(written) else cut_to_fit(written, fits)
    return f"{path}\n{text}" if text else path


def _cached(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, str]:
    called = orm.call("cached_contexts", digests=list(digests)).table_valued(
        column("digest", LargeBinary), column("context", Text)
    )
    return {row.digest: row.context for row in connection.execute(select(called))}


def _cache(connection: Connection, contexts: dict[bytes, str]) -> None:
    called = orm.call("cache_contexts", digests=list(contexts), contexts=list(contexts.values()))
    connection.execute(select(called))
