"""Everything that a Python program does with the golden sets of a collection."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from retrieval.golden_sets import steps
from retrieval.golden_sets.exporting import export_steps
from retrieval.golden_sets.importing import import_steps
from retrieval.golden_sets.incoming import ImportOptions
from retrieval.golden_sets.judgements import Judgements, read_folder, read_trec
from retrieval.golden_sets.results import (
    ExportedGoldenSet,
    GoldenSetSummary,
    GradedDocument,
    ImportedGoldenSet,
)
from retrieval.steps import Result, Steps

Caller = Connection | Session | None
Drive = Callable[[Steps[Any], Caller], Any]
Graded = list[GradedDocument]
Summaries = list[GoldenSetSummary]


class GoldenSets:
    """The golden sets of a retriever's collections; found as `retriever.golden_sets`.

    A golden set is queries, and judgements of the documents that answer them. Every change makes
    another version, and a `version` of None is the newest one. `connection` is the caller's own,
    as everywhere.
    """

    def __init__(self, drive: Drive) -> None:
        self._drive = drive

    def _run(self, steps: Steps[Result], connection: Caller) -> Result:
        result: Result = self._drive(steps, connection)
        return result

    def create(
        self,
        collection: str,
        name: str,
        *,
        origin: str = "human",
        description: str | None = None,
        if_not_exists: bool = False,
        connection: Caller = None,
    ) -> None:
        """Create an empty golden set; `origin` is human, synthetic or clicks.

        AlreadyExists where the name is taken; with `if_not_exists` only a set of another origin is
        an error.
        """
        self._run(
            steps.call_steps(
                "create_golden_set",
                collection=collection,
                name=name,
                origin=origin,
                description=description,
                if_not_exists=if_not_exists,
            ),
            connection,
        )

    def import_folder(
        self,
        collection: str,
        name: str,
        folder: str | PathLike[str],
        *,
        split: str = "test",
        origin: str = "human",
        description: str | None = None,
        judge: str | None = None,
        skip_missing: bool = False,
        unjudged: bool = False,
        merge_duplicates: bool = False,
        connection: Caller = None,
    ) -> ImportedGoldenSet:
        """Add what a folder in BEIR's layout holds to a golden set, which is created if need be.

        That is queries.jsonl and qrels/SPLIT.tsv, or qrels.tsv; all is stored, or nothing. A
        judgement of a document that is not in the collection, or of no query of the file, is an
        error, or with `skip_missing` left out. Queries without a judgement are left out, unless
        `unjudged`. Two queries of the same text are an error, or with `merge_duplicates` made one.
        """
        return self._run(
            import_steps(
                partial(read_folder, Path(folder), split),
                collection,
                name,
                origin=origin,
                description=description,
                judge=judge,
                options=ImportOptions(skip_missing, unjudged, merge_duplicates),
            ),
            connection,
        )

    def import_trec(
        self,
        collection: str,
        name: str,
        topics: str | PathLike[str],
        qrels: str | PathLike[str],
        *,
        origin: str = "human",
        description: str | None = None,
        judge: str | None = None,
        skip_missing: bool = False,
        unjudged: bool = False,
        merge_duplicates: bool = False,
        connection: Caller = None,
    ) -> ImportedGoldenSet:
        """Add what two files of TREC hold to a golden set, as `import_folder` does.

        Topics are <top> elements, of which the title is the query, or lines of an id, a tab and a
        text; qrels are lines of query id, iteration, document key and grade.
        """
        return self._run(
            import_steps(
                partial(read_trec, Path(topics), Path(qrels)),
                collection,
                name,
                origin=origin,
                description=description,
                judge=judge,
                options=ImportOptions(skip_missing, unjudged, merge_duplicates),
            ),
            connection,
        )

    def export_folder(
        self,
        collection: str,
        name: str,
        folder: str | PathLike[str],
        *,
        format: str = "beir",
        version: int | None = None,
        connection: Caller = None,
    ) -> ExportedGoldenSet:
        """Write a golden set as queries.jsonl and qrels/test.tsv, or as TREC's topics.tsv and
        qrels.txt.

        An import reads them back as they are; InvalidInput names what a format cannot hold.
        """
        return self._run(export_steps(collection, name, Path(folder), format, version), connection)

    def put(
        self,
        collection: str,
        name: str,
        judgements: Judgements,
        *,
        judge: str | None = None,
        connection: Caller = None,
    ) -> int:
        """Add queries with their judgements to a golden set, and return its version.

        What a query or a pair had before is replaced; all is stored, or nothing.
        """
        return self._run(steps.put_steps(collection, name, judgements, judge), connection)

    def add_query(
        self, collection: str, name: str, query: str, *, connection: Caller = None
    ) -> str:
        """The key of the query of this text, which is added where there is none."""
        key: str = self._run(
            steps.call_steps(
                "add_golden_query", collection=collection, golden_set=name, query_text=query
            ),
            connection,
        )
        return key

    def judge(
        self,
        collection: str,
        name: str,
        query_key: str,
        grades: Mapping[str, int | None],
        *,
        judge: str | None = None,
        connection: Caller = None,
    ) -> int:
        """Grade documents, by their keys, for one query, and return the version of the set.

        A document is relevant where its grade is above 0; None takes a judgement back.
        """
        return self._run(steps.judge_steps(collection, name, query_key, grades, judge), connection)

    def delete_queries(
        self, collection: str, name: str, query_keys: Sequence[str], *, connection: Caller = None
    ) -> int:
        """Take queries out with their judgements, and return the version of the set."""
        version: int = self._run(
            steps.call_steps(
                "delete_golden_queries",
                collection=collection,
                golden_set=name,
                query_keys=list(query_keys),
            ),
            connection,
        )
        return version

    def drop(self, collection: str, name: str, *, connection: Caller = None) -> None:
        """Remove a golden set with every version of it."""
        self._run(
            steps.call_steps("drop_golden_set", collection=collection, golden_set=name), connection
        )

    def judgements(
        self,
        collection: str,
        name: str,
        version: int | None = None,
        *,
        connection: Caller = None,
    ) -> Judgements:
        """The queries that have a judgement, with their grades; of a new set there are none."""
        return self._run(steps.judgements_steps(collection, name, version), connection)

    def queries(
        self,
        collection: str,
        name: str,
        version: int | None = None,
        *,
        connection: Caller = None,
    ) -> dict[str, str]:
        """All queries by key, those without a judgement too."""
        return self._run(steps.queries_steps(collection, name, version), connection)

    def graded(
        self,
        collection: str,
        name: str,
        version: int | None = None,
        *,
        connection: Caller = None,
    ) -> Graded:
        """Every judgement with who judged and when, by query, best grade first."""
        return self._run(steps.graded_steps(collection, name, version), connection)

    def list(self, collection: str, *, connection: Caller = None) -> Summaries:
        """The golden sets of a collection by name."""
        return self._run(steps.list_steps(collection), connection)
