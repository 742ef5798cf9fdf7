"""What every file of queries or judgements is read with."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import InvalidInput

GRADE = re.compile(r"-?[0-9]{1,9}")
_UNSTORABLE = re.compile("[\\0\\ud800-\\udfff]")

Relevance = dict[str, dict[str, int]]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what is wrong with a file as a whole into InvalidInput."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror})") from error
    except csv.Error as error:
        raise InvalidInput(f"{path} cannot be read ({error})") from error


def judge(relevance: Relevance, query: str, document: str, grade: int, place: str) -> None:
    """Add a judgement; InvalidInput where the same pair has another grade already."""
    _check_storable(query + document, place)
    if relevance.setdefault(query, {}).setdefault(document, grade) != grade:
        raise InvalidInput(
            f"{place}: document {document} has another grade for query {query} further up"
        )


def add_query(texts: dict[str, str], query: str, text: str, place: str) -> None:
    """Add a query; InvalidInput where the same key has another text already."""
    _check_storable(query + text, place)
    if texts.setdefault(query, text) != text:
        raise InvalidInput(f"{place}: query {query} has another text further up")


def _check_storable(text: str, place: str) -> None:
    """Refuse what no text of PostgreSQL can hold: NUL, and halves of characters."""
    if _UNSTORABLE.search(text):
        raise InvalidInput(f"{place}: a character that cannot be stored")
