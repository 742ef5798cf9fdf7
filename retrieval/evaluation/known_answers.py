"""Queries of which it is known what a chunk must hold to answer them."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from retrieval.chunking.sentences import sentence_ends
from retrieval.errors import InvalidInput
from retrieval.evaluation.silver_documents import SampledDocument, SilverSource
from retrieval.evaluation.silver_kinds import (
    SENTENCE_WORDS,
    drawn_words,
    in_turn,
)
from retrieval.golden_sets.judgements import Judgements

ENDS = tuple(".!?。！？…")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """A query that a chunk answers which holds `text` and is of one of the documents.

    Of any document where none is named; without a text each chunk of the documents does.
    """

    key: str
    query: str
    text: str | None
    document_keys: frozenset[str] = frozenset()

    def is_in(self, document_key: str, content: str) -> bool:
        """Whether a chunk answers; `content` has single blanks."""
        if self.document_keys and document_key not in self.document_keys:
            return False
        return self.text is None or self.text in content

    def end_in(self, document_key: str, content: str) -> int | None:
        """The offset at which the answer ends in a chunk, whatever its blanks; None without it."""
        if not self.is_in(document_key, single_blanks(content)):
            return None
        words = (self.text or "").split()
        found = re.search(r"\s+".join(map(re.escape, words)), content)
        return max(1, found.end()) if found else len(content)


def single_blanks(text: str) -> str:
    """A text without what distinguishes line breaks from blanks."""
    return " ".join(text.split())


def read_answers(path: Path) -> list[KnownAnswer]:
    """Read lines of {"_id": …, "text": query, "answer": …, "document_key": …}, the last optional.

    InvalidInput, with the number of the line, for anything else.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as UTF-8 text") from error
    answers: dict[str, KnownAnswer] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        answer = _answer(line, f"{path}, line {number}")
        if answer.key in answers:
            raise InvalidInput(f"{path}, line {number}: query {answer.key} is there twice")
        answers[answer.key] = answer
    if not answers:
        raise InvalidInput(f"{path} holds no query")
    return list(answers.values())


def _answer(line: str, place: str) -> KnownAnswer:
    try:
        given: Any = json.loads(line)
        key, query, text = (str(given[name]) for name in ("_id", "text", "answer"))
        document = given.get("document_key")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput(f'{place}: not an object with "_id", "text" and "answer"') from error
    if not query.strip() or not text.strip():
        raise InvalidInput(f"{place}: the query or the answer is empty")
    keys = frozenset() if document is None else frozenset([str(document)])
    return KnownAnswer(key, query, single_blanks(text), keys)


def judged_answers(judgements: Judgements) -> list[KnownAnswer]:
    """Answers of which no more is known than the documents."""
    answers = []
    for key, query in judgements.queries.items():
        relevant = (name for name, grade in judgements.relevance[key].items() if grade > 0)
        answers.append(KnownAnswer(key, query, None, frozenset(relevant)))
    return [answer for answer in answers if answer.document_keys]


def silver_answers(source: SilverSource, *, queries: int, seed: int) -> list[KnownAnswer]:
    """Sentences of the documents, each asked for by some of its own words: synthetic queries.

    The sentences are those of whole documents, however these were cut.
    """
    return list(islice(_silver(source, Random(seed)), queries))


def _silver(source: SilverSource, random: Random) -> Iterator[KnownAnswer]:
    number = 0
    for document, sentence in in_turn(source, random, _sentences):
        words = drawn_words(source, sentence, random)
        if words:
            number += 1
            keys = frozenset([document.document_key])
            yield KnownAnswer(f"sentence-{number}", " ".join(words), sentence, keys)


def _sentences(document: SampledDocument) -> Sequence[str]:
    """What reads as a sentence: one paragraph's, of a usual length, with a mark at its end."""
    found = []
    start = 0
    for end in sentence_ends(document.content, document.language):
        written = document.content[start:end].strip()
        sentence = single_blanks(written)
        start = end
        words = len(sentence.split())
        if (
            "\n\n" not in written
            and sentence.endswith(ENDS)
            and (SENTENCE_WORDS[0] <= words <= SENTENCE_WORDS[1] or not sentence.isascii())
        ):
            found.append(sentence)
    return found
