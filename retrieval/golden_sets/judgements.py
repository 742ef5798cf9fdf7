"""Questions to measure spaces with; with the documents that answer them, in the format of BEIR."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import InvalidInput

GRADE = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Judgements:
    """`queries` by their id; `relevance` by query id and document_key, higher is better."""

    queries: Mapping[str, str]
    relevance: Mapping[str, Mapping[str, int]]


def read_queries(path: Path) -> list[str]:
    """Read a query from each line of a file that is not empty; InvalidInput where there is none."""
    with _readable(path):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    queries = [line.strip() for line in lines if line.strip()]
    if not queries:
        raise InvalidInput(f"{path} holds no query")
    return queries


def read_judgements(folder: Path) -> Judgements:
    """Read queries.jsonl and qrels.tsv, or qrels/test.tsv, of a folder.

    A line of the first is {"_id": …, "text": …}; of the second query id, document key and grade,
    separated by tabs, under a heading or none. Queries without a judgement are left out.
    """
    judged = next(
        (path for path in (folder / "qrels.tsv", folder / "qrels" / "test.tsv") if path.is_file()),
        None,
    )
    if judged is None or not (folder / "queries.jsonl").is_file():
        raise InvalidInput(f"{folder} must hold queries.jsonl and qrels.tsv")
    relevance = _relevance(judged)
    texts = _texts(folder / "queries.jsonl")
    queries = {query: texts[query] for query in relevance if query in texts}
    if not queries:
        raise InvalidInput(f"{folder} has no query with a judgement")
    return Judgements(queries, {query: relevance[query] for query in queries})


def _relevance(path: Path) -> dict[str, dict[str, int]]:
    relevance: dict[str, dict[str, int]] = {}
    with _readable(path), path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        for number, row in enumerate(rows, 1):
            if len(row) == 3 and GRADE.fullmatch(row[2]):
                relevance.setdefault(row[0], {})[row[1]] = int(row[2])
            elif row and (len(row) != 3 or number > 1):
                raise InvalidInput(
                    f"{path}, line {number}: not query id, document key and grade between tabs"
                )
    return relevance


def _texts(path: Path) -> dict[str, str]:
    texts = {}
    with _readable(path), path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                query = json.loads(line)
                texts[str(query["_id"])] = str(query["text"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise InvalidInput(
                    f'{path}, line {number}: not an object with "_id" and "text"'
                ) from error
    return texts


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror})") from error
    except csv.Error as error:
        raise InvalidInput(f"{path} cannot be read ({error})") from error
