"""The queries of each kind that documents themselves are the answers to."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from random import Random
from typing import NamedTuple, TypeVar

from retrieval.chunking.sentences import sentence_ends
from retrieval.evaluation.silver_documents import Passage, SampledDocument, SilverSource
from retrieval.loading.headings import find_headings

Part = TypeVar("Part")
SHORTEST_QUERY = 8
SENTENCE_WORDS = (5, 40)
KNOWN_ITEM_WORDS = (3, 6)
# of which these are drawn
TELLING_WORDS = 15
PAGE = re.compile(r"page \d+")


class Known(NamedTuple):
    """A query, the key of the document that it was made from, and what no other one may hold."""

    query: str
    document_key: str
    phrase: str | None = None


def titles(source: SilverSource, random: Random) -> Iterator[Known]:
    """A title that no other document has, and that its own text does not repeat."""
    for document in _shuffled(source, random):
        title = document.title
        if (
            len(title) >= SHORTEST_QUERY
            and document.content.strip()
            and title not in source.titles
            and title.casefold() not in " ".join(document.content.split()).casefold()
        ):
            yield Known(title, document.document_key)


def headings(source: SilverSource, random: Random) -> Iterator[Known]:
    """The headings above a chunk, and that which it begins with; the last one is telling."""
    for document, passage in passages_in_turn(source, random):
        path = passage.headings
        found = find_headings(passage.content) if document.is_markdown else []
        if found and found[0].start == 0:
            path = [*path, found[0].text]
        query = " ".join(path)
        if (
            len(query) >= SHORTEST_QUERY
            and not PAGE.fullmatch(path[-1])
            and query.casefold() != document.title.casefold()
        ):
            yield Known(query, document.document_key, path[-1])


def sentences(source: SilverSource, random: Random) -> Iterator[Known]:
    """The most telling sentence of a chunk, by the mean weight of its words."""
    for document, passage in passages_in_turn(source, random):
        sentence = telling_sentence(source, passage, document.language)
        if sentence is not None:
            yield Known(sentence, document.document_key, sentence)


def telling_sentence(source: SilverSource, passage: Passage, language: str) -> str | None:
    """The sentence whose words weigh most on average; none too short or too long to be one."""
    best: dict[str, float] = {}
    start = 0
    for end in sentence_ends(passage.content, language):
        sentence = " ".join(passage.content[start:end].split())
        words = set(source.telling(sentence))
        start = end
        if SENTENCE_WORDS[0] <= len(words) <= SENTENCE_WORDS[1]:
            best[sentence] = sum(map(source.weights.__getitem__, sorted(words))) / len(words)
    return max(best, key=lambda sentence: best[sentence], default=None)


def known_items(source: SilverSource, random: Random) -> Iterator[Known]:
    """Three to six of a document's most telling words: what somebody remembers who has read it.

    After Azzopardi, de Rijke and Balog, "Building Simulated Queries for Known-Item Topics", SIGIR
    2007.
    """
    for document in _shuffled(source, random):
        text = "\n".join(passage.content for passage in document.passages)
        words = drawn_words(source, text, random)
        if words:
            yield Known(" ".join(words), document.document_key)


def drawn_words(source: SilverSource, text: str, random: Random) -> list[str]:
    """Three to six words of those with the largest tf · idf, in the order of the text.

    None of a text that has too few. Of several forms of a word it is the first one; a number is
    no word.
    """
    words = [word for word in source.telling(text) if not word.isdigit() and len(word) > 1]
    counts = Counter(source.lexemes[word] for word in words)
    spelled: dict[str, str] = {}
    for word in words:
        spelled.setdefault(source.lexemes[word], word)
    if len(spelled) < KNOWN_ITEM_WORDS[0]:
        return []
    scores = {lexeme: counts[lexeme] * source.weights[word] for lexeme, word in spelled.items()}
    telling = sorted(scores, key=lambda lexeme: (-scores[lexeme], lexeme))[:TELLING_WORDS]
    chosen = set(random.sample(telling, min(len(telling), random.randint(*KNOWN_ITEM_WORDS))))
    return [word for lexeme, word in spelled.items() if lexeme in chosen]


def passages_in_turn(
    source: SilverSource, random: Random
) -> Iterator[tuple[SampledDocument, Passage]]:
    """A chunk of each document, then another one of each."""
    return in_turn(source, random, lambda document: document.passages)


def in_turn(
    source: SilverSource, random: Random, parts: Callable[[SampledDocument], Sequence[Part]]
) -> Iterator[tuple[SampledDocument, Part]]:
    """A part of each document, then another one of each, so that long ones do not come first."""
    shuffled = []
    for document in _shuffled(source, random):
        pairs = [(document, part) for part in parts(document)]
        random.shuffle(pairs)
        shuffled.append(pairs)
    for row in zip_longest(*shuffled):
        yield from (pair for pair in row if pair is not None)


def _shuffled(source: SilverSource, random: Random) -> list[SampledDocument]:
    documents = list(source.documents)
    random.shuffle(documents)
    return documents


BUILDERS: dict[str, Callable[[SilverSource, Random], Iterator[Known]]] = {
    "title": titles,
    "heading": headings,
    "sentence": sentences,
    "known_item": known_items,
}
