"""What silver sets are made of: some documents of a collection, and what their words tell."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Connection, Text, any_, func, literal, null, select
from sqlalchemy.orm import Session

from retrieval import orm
from retrieval.chunking import CONTEXT_SEPARATOR
from retrieval.chunking.document_type import MARKDOWN_TYPES, document_type
from retrieval.chunking.sentences import language_of
from retrieval.document import Document
from retrieval.errors import NotFound
from retrieval.search import Retriever

WORD = re.compile(r"\w+")
# of words looked up in one statement
WORDS_AT_ONCE = 10_000

Caller = Connection | Session | None


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk; `words` is its content as it is indexed: runs of Chinese are bigrams there."""

    context: str
    content: str
    words: str
    text_config: str

    @property
    def headings(self) -> list[str]:
        """The path of what stands above, without what a language model wrote below it."""
        path = self.context.partition("\n")[0]
        return path.split(CONTEXT_SEPARATOR) if path else []


@dataclass(frozen=True, slots=True)
class SampledDocument:
    """A document with its chunks, in their order."""

    document_key: str
    title: str
    content: str
    metadata: Mapping[str, Any]
    passages: list[Passage]

    @property
    def language(self) -> str:
        """The language that loading noted."""
        return language_of(self._document)

    @property
    def is_markdown(self) -> bool:
        """Whether lines with # are headings."""
        return document_type(self._document) in MARKDOWN_TYPES

    @property
    def _document(self) -> Document:
        return Document(self.document_key, self.content, metadata=self.metadata)


@dataclass(frozen=True, slots=True)
class SilverSource:
    """Sampled documents, and what is known of the whole collection about them.

    `weights` are the inverse document frequencies of words that stand in at least two chunks: one
    that stands in a single chunk gives its document away. `lexemes` are what the index makes of
    them. `titles` are those that several documents have.
    """

    documents: Sequence[SampledDocument]
    weights: Mapping[str, float]
    lexemes: Mapping[str, str]
    titles: frozenset[str]

    def telling(self, text: str) -> list[str]:
        """The words of a text that have a weight, in their order.

        What the index knows in pairs of characters only is taken in such pairs.
        """
        found: list[str] = []
        for run in WORD.findall(text):
            if run in self.weights:
                found.append(run)
            elif not run.isascii():
                pairs = (run[start : start + 2] for start in range(len(run) - 1))
                found += [pair for pair in pairs if pair in self.weights]
        return found


def read_source(
    retriever: Retriever, collection: str, *, documents: int, seed: int, connection: Caller = None
) -> SilverSource:
    """Sample documents of texts; the same seed gives the same ones while they are there."""

    def read(statement: Any) -> list[Any]:
        return retriever.read(statement, connection=connection)

    found = read(select(orm.Collection.collection_id).where(orm.Collection.name == collection))
    if not found:
        raise NotFound(f"collection {collection} does not exist")
    collection_id = found[0].collection_id
    sampled = _documents(read, collection_id, documents, seed)
    size = read(select(orm.call("chunk_count", collection=collection)))[0][0]
    passages = [each for document in sampled for each in document.passages]
    weights, lexemes = _weights(read, collection_id, passages, size)
    titles = _shared_titles(read, collection_id, {each.title for each in sampled})
    return SilverSource(sampled, weights, lexemes, titles)


def _documents(read: Any, collection_id: int, most: int, seed: int) -> list[SampledDocument]:
    document = orm.Document
    rows = read(
        select(
            document.document_id,
            document.document_key,
            func.coalesce(document.title, "").label("title"),
            document.content,
            document.document_metadata,
        )
        .where(
            document.collection_id == collection_id,
            orm.of_current_tenant(document),
            document.modality == "text",
        )
        .order_by(func.hashtextextended(document.document_key, seed), document.document_key)
        .limit(most)
    )
    passages = _passages(read, collection_id, [row.document_id for row in rows])
    return [
        SampledDocument(
            row.document_key,
            " ".join(row.title.split()),
            row.content,
            row.metadata,
            passages[row.document_id],
        )
        for row in rows
    ]


def _passages(
    read: Any, collection_id: int, document_ids: Sequence[int]
) -> dict[int, list[Passage]]:
    chunk = orm.Chunk
    rows = read(
        select(
            chunk.document_id,
            chunk.context,
            chunk.content,
            func.retrieval.segment(chunk.content).label("words"),
            chunk.text_config,
        )
        .where(chunk.collection_id == collection_id, orm.of_current_tenant(chunk))
        .where(
            chunk.document_id == any_(literal(list(document_ids), ARRAY(chunk.document_id.type)))
        )
        .order_by(chunk.document_id, chunk.position)
    )
    passages: defaultdict[int, list[Passage]] = defaultdict(list)
    for row in rows:
        passage = Passage(row.context, row.content, row.words, row.text_config)
        passages[row.document_id].append(passage)
    return passages


def _weights(
    read: Any, collection_id: int, passages: Iterable[Passage], size: int
) -> tuple[dict[str, float], dict[str, str]]:
    """What BM25 weighs a word with, and its lexeme, as far as the index makes one of it."""
    words: defaultdict[str, set[str]] = defaultdict(set)
    for each in passages:
        words[each.text_config].update(WORD.findall(each.words))
    weights, lexemes = {}, {}
    for text_config, some in words.items():
        known = sorted(some)
        for start in range(0, len(known), WORDS_AT_ONCE):
            part = known[start : start + WORDS_AT_ONCE]
            for row in read(_frequencies(collection_id, text_config, part)):
                held = int(row.frequency)
                if held > 1:
                    weights[row.word] = math.log(1 + max(0, size - held + 0.5) / (held + 0.5))
                    lexemes[row.word] = row.lexeme
    return weights, lexemes


def _frequencies(collection_id: int, text_config: str, words: Sequence[str]) -> Any:
    """In how many chunks the lexeme of each word is, and which it is."""
    word = func.unnest(literal(list(words), ARRAY(Text))).column_valued("word")
    indexed = func.retrieval.to_lexemes(text_config, null(), null(), word)
    lexemes = func.tsvector_to_array(indexed, type_=ARRAY(Text))
    one = select(word.label("word"), lexemes.label("lexemes")).subquery()
    statistics = orm.LexemeStatistics
    return (
        select(
            one.c.word,
            statistics.lexeme,
            func.sum(statistics.document_frequency).label("frequency"),
        )
        .join(statistics, statistics.lexeme == one.c.lexemes[1])
        .where(
            func.cardinality(one.c.lexemes) == 1,
            statistics.collection_id == collection_id,
            orm.of_current_tenant(statistics),
        )
        .group_by(one.c.word, statistics.lexeme)
    )


def _shared_titles(read: Any, collection_id: int, titles: Iterable[str]) -> frozenset[str]:
    document = orm.Document
    title = func.btrim(func.regexp_replace(document.title, r"\s+", " ", "g"))
    rows = read(
        select(title.label("title"))
        .where(
            document.collection_id == collection_id,
            orm.of_current_tenant(document),
            title == any_(literal(sorted(titles), ARRAY(Text))),
        )
        .group_by(title)
        .having(func.count() > 1)
    )
    return frozenset(row.title for row in rows)
