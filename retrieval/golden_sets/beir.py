"""The files of BEIR: queries.jsonl, and judgements between tabs under a heading."""

import csv
import json
from pathlib import Path

from retrieval.errors import InvalidInput
from retrieval.golden_sets.reading import GRADE, Relevance, add_query, judge, readable

HEADING = "query-id\tcorpus-id\tscore"


def read_queries_jsonl(path: Path) -> dict[str, str]:
    """Read a query from each line: {"_id": …, "text": …}."""
    texts: dict[str, str] = {}
    with readable(path), path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                query = json.loads(line)
                key, text = str(query["_id"]), str(query["text"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise InvalidInput(
                    f'{path}, line {number}: not an object with "_id" and "text"'
                ) from error
            add_query(texts, key, text, f"{path}, line {number}")
    return texts


def read_qrels_tsv(path: Path) -> Relevance:
    """Read query id, document key and grade from each line, under a heading or none."""
    relevance: Relevance = {}
    with readable(path), path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        for number, row in enumerate(rows, 1):
            if len(row) == 3 and GRADE.fullmatch(row[2]):
                judge(relevance, row[0], row[1], int(row[2]), f"{path}, line {number}")
            elif row and (len(row) != 3 or number > 1):
                raise InvalidInput(
                    f"{path}, line {number}: not query id, document key and grade between tabs"
                )
    return relevance


def beir_files(queries: dict[str, str], relevance: Relevance) -> dict[str, str]:
    """Contents by name of a folder; InvalidInput for a key that would not be read back."""
    texts = [
        json.dumps({"_id": key, "text": text}, ensure_ascii=False) for key, text in queries.items()
    ]
    lines = [HEADING]
    for query, grades in relevance.items():
        for document, grade in grades.items():
            if {"\t", "\n", "\r"} & set(query + document):
                raise InvalidInput(
                    f"the key of query {query!r} or of document {document!r} has a tab or a line "
                    "break, which no file of qrels can hold"
                )
            lines.append(f"{query}\t{document}\t{grade}")
    return {
        "queries.jsonl": "".join(f"{line}\n" for line in texts),
        "qrels/test.tsv": "".join(f"{line}\n" for line in lines),
    }
