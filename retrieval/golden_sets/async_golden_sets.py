"""The golden sets for asyncio: the same names, the same arguments, awaited."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

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

Caller = AsyncConnection | AsyncSession | None
Drive = Callable[[Steps[Any], Caller], Awaitable[Any]]
Graded = list[GradedDocument]
Summaries = list[GoldenSetSummary]


class AsyncGoldenSets:
    """The golden sets of a retriever's collections; found as `retriever.golden_sets`.

    A golden set is queries, and judgements of the documents that answer them. Every change makes
    another version, and a `version` of None is the newest one. `connection` is the caller's own,
    as everywhere.
    """

    def __init__(self, drive: Drive) -> None:
        self._drive = drive

    async def _run(self, steps: Steps[Result], connection: Caller) -> Result:
        result: Result = await self._drive(steps, connection)
        return result

    async def create(
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
        await self._run(
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

    async def import_folder(
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
        return await self._run(
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

    async def import_trec(
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
        return await self._run(
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

    async def export_folder(
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
        return await self._run(
            export_steps(collection, name, Path(folder), format, version), connection
        )

    async def put(
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
        return await self._run(steps.put_steps(collection, name, judgements, judge), connection)

    async def add_query(
        self, collection: str, name: str, query: str, *, connection: Caller = None
    ) -> str:
        """The key of the query of this text, which is added where there is none."""
        key: str = await self._run(
            steps.call_steps(
                "add_golden_query", collection=collection, golden_set=name, query_text=query
            ),
            connection,
        )
        return key

    async def judge(
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
        return await self._run(
            steps.judge_steps(collection, name, query_key, grades, judge), connection
        )

    async def delete_queries(
        self, collection: str, name: str, query_keys: Sequence[str], *, connection: Caller = None
    ) -> int:
        """Take queries out with their judgements, and return the version of the set."""
        version: int = await self._run(
            steps.call_steps(
                "delete_golden_queries",
                collection=collection,
                golden_set=name,
                query_keys=list(query_keys),
            ),
            connection,
        )
        return version

    async def drop(self, collection: str, name: str, *, connection: Caller = None) -> None:
        """Remove a golden set with every version of it."""
        await self._run(
            steps.call_steps("drop_golden_set", collection=collection, golden_set=name), connection
        )

    async def judgements(
        self,
        collection: str,
        name: str,
        version: int | None = None,
        *,
        connection: Caller = None,
    ) -> Judgements:
        """The queries that have a judgement, with their grades; of a new set there are none."""
        return await self._run(steps.judgements_steps(collection, name, version), connection)

    async def queries(
        self,
        collection: str,
        name: str,
        version: int | None = None,
        *,
        connection: Caller = None,
    ) -> dict[str, str]:
        """All queries by key, those without a judgement too."""
        return await self._run(steps.queries_steps(collection, name, version), connection)

    async def graded(
        self,
        collection: str,
        name: str,
        version: int | None = None,
        *,
        connection: Caller = None,
    ) -> Graded:
        """Every judgement with who judged and when, by query, best grade first."""
        return await self._run(steps.graded_steps(collection, name, version), connection)

    async def list(self, collection: str, *, connection: Caller = None) -> Summaries:
        """The golden sets of a collection by name."""
        return await self._run(steps.list_steps(collection), connection)
