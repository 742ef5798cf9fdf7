"""Questions with the documents that answer them, in the format of the BEIR benchmark."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Judgements:
    """`queries` by their id; `relevance` by query id and document_key, higher is better."""

    queries: Mapping[str, str]
    relevance: Mapping[str, Mapping[str, int]]


def read_judgements(folder: Path) -> Judgements:
    """Read queries.jsonl and qrels.tsv, or qrels/test.tsv, of a folder.

    A line of the first is {"_id": …, "text": …}; of the second query id, document key and grade,
    separated by tabs, under a heading. Queries without a judgement are left out.
    """
    judged = next(
        (path for path in (folder / "qrels.tsv", folder / "qrels" / "test.tsv") if path.is_file()),
        None,
    )
    if judged is None or not (folder / "queries.jsonl").is_file():
        raise InvalidInput(f"{folder} must hold queries.jsonl and qrels.tsv")
    relevance: dict[str, dict[str, int]] = {}
    with judged.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.reader(lines, delimiter="\t"), 1):
            if len(row) != 3 or (number > 1 and not row[2].lstrip("-").isdigit()):
                raise InvalidInput(f"{judged}, line {number}: query id, document key and a grade")
            if row[2].lstrip("-").isdigit():
                relevance.setdefault(row[0], {})[row[1]] = int(row[2])
    texts = _texts(folder / "queries.jsonl")
    queries = {query: texts[query] for query in relevance if query in texts}
    if not queries:
        raise InvalidInput(f"{folder} has no query with a judgement")
    return Judgements(queries, {query: relevance[query] for query in queries})


def _texts(path: Path) -> dict[str, str]:
    texts = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                query = json.loads(line)
                texts[str(query["_id"])] = str(query["text"])
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidInput(
                    f'{path}, line {number}: not an object with "_id" and "text"'
                ) from error
    return texts
