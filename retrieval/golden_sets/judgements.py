"""Queries with the documents that answer them, and how they are read from files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import InvalidInput
from retrieval.golden_sets.beir import read_qrels_tsv, read_queries_jsonl
from retrieval.golden_sets.reading import readable
from retrieval.golden_sets.trec import read_qrels, read_topics


@dataclass(frozen=True, slots=True)
class Judgements:
    """`queries` by their id; `relevance` by query id and document_key, higher is better."""

    queries: Mapping[str, str]
    relevance: Mapping[str, Mapping[str, int]]


def read_queries(path: Path) -> list[str]:
    """Read a query from each line of a file that is not empty; InvalidInput where there is none."""
    with readable(path):
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
    found = read_folder(folder)
    judged = [query for query in found.relevance if query in found.queries]
    if not judged:
        raise InvalidInput(f"{folder} has no query with a judgement")
    return Judgements(
        {query: found.queries[query] for query in judged},
        {query: found.relevance[query] for query in judged},
    )


def read_folder(folder: Path, split: str = "test") -> Judgements:
    """Read all that a folder in BEIR's layout holds, queries without a judgement too.

    The judgements are those of qrels/SPLIT.tsv; of the split test, qrels.tsv goes first.
    """
    files = [folder / "qrels" / f"{split}.tsv"]
    if split == "test":
        files.insert(0, folder / "qrels.tsv")
    judged = next((path for path in files if path.is_file()), None)
    if judged is None or not (folder / "queries.jsonl").is_file():
        name = "qrels.tsv" if split == "test" else f"qrels/{split}.tsv"
        raise InvalidInput(f"{folder} must hold queries.jsonl and {name}")
    return Judgements(read_queries_jsonl(folder / "queries.jsonl"), read_qrels_tsv(judged))


def read_trec(topics: Path, qrels: Path) -> Judgements:
    """Read all that two files of TREC hold, queries without a judgement too."""
    return Judgements(read_topics(topics), read_qrels(qrels))
