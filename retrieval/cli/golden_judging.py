"""`retrieval golden add`, `judge` and `pool`: judging, also while searching, also blind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from retrieval.cli import golden_options as options
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Tenant
from retrieval.cli.output import console, errors, say, snippet
from retrieval.evaluation.pooling import PooledDocument
from retrieval.evaluation.pooling import pool as pool_documents
from retrieval.evaluation.search_settings import SearchSettings
from retrieval.golden_sets.judgements import read_queries
from retrieval.search import Retriever

SHOWN = 700
GRADES = {"0": 0, "1": 1, "2": 2, "3": 3}
QUESTION = "grade (0 not relevant … 3 answers it; s skip, q quit)"


def add(
    collection: options.Collection,
    query: Annotated[str, typer.Argument(show_default=False)],
    relevant: options.Relevant = None,
    take_back: options.TakeBack = None,
    golden_set: options.Set = "default",
    judge: options.Judge = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
) -> None:
    """Add a query and what answers it, or grade more documents of one that is there."""
    grades = options.grades_of(relevant, take_back)
    with (
        open_retriever(database_url, tenant) as retriever,
        # neither without the other
        retriever.engine.begin() as connection,
    ):
        golden_sets = retriever.golden_sets
        golden_sets.create(collection, golden_set, if_not_exists=True, connection=connection)
        key = golden_sets.add_query(collection, golden_set, query, connection=connection)
        if grades:
            golden_sets.judge(
                collection, golden_set, key, grades, judge=judge, connection=connection
            )
    say(f"query {key} of golden set {golden_set}: {len(grades)} documents graded")


def judge(
    collection: options.Collection,
    query: Annotated[str, typer.Argument(show_default=False)],
    golden_set: options.Set = "default",
    settings: Annotated[
        str,
        typer.Option(
            help="How it is searched: default, or [NAME=]JSON or a file of search arguments.",
        ),
    ] = "default",
    depth: options.Depth = 10,
    judge: options.Judge = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
) -> None:
    """Search, and grade what is found, one document after the other.

    Each answer is stored at once. What has a grade already is shown with it, and not asked for.
    """
    chosen = SearchSettings.read(settings)
    with open_retriever(database_url, tenant) as retriever:
        hits = chosen.find(retriever, collection, query, depth)
        session = Judging(retriever, collection, golden_set, judge)
        key = session.add(query)
        judged = session.judged().get(key, {})
        found = {hit.document_key: hit for hit in hits}
        for place, hit in enumerate(found.values(), 1):
            if hit.document_key in judged:
                say(f"{place}. {hit.document_key} has grade {judged[hit.document_key]}")
        open_documents = [
            PooledDocument(hit.document_key, hit.title, hit.content)
            for hit in found.values()
            if hit.document_key not in judged
        ]
        session.ask(key, open_documents)
    session.end()


def pool(
    collection: options.Collection,
    settings: Annotated[
        list[str],
        typer.Option(
            help="Search to judge: default, or [NAME=]JSON or a file of arguments; repeatable.",
            show_default=False,
        ),
    ],
    golden_set: options.Set = "default",
    depth: options.Depth = 10,
    queries: Annotated[
        Path | None,
        typer.Option(
            help="File with a query on each line: those alone, added where need be.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another one gives another order.")] = 0,
    judge: options.Judge = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
) -> None:
    """Grade what several searches find for the queries of a golden set, blind.

    The documents of all of them come in an order that says nothing about who found them, without
    those that have a grade. Each answer is stored at once: stopped, it goes on where it was.
    """
    chosen = [SearchSettings.read(each) for each in settings]
    texts = read_queries(queries) if queries else None
    with open_retriever(database_url, tenant) as retriever:
        session = Judging(retriever, collection, golden_set, judge)
        known = retriever.golden_sets.queries(collection, golden_set) if texts is None else {}
        asked = known or {session.add(text): text for text in texts or ()}
        judged = session.judged() if asked else {}
        for number, (key, text) in enumerate(asked.items(), 1):
            documents = pool_documents(
                retriever, collection, text, chosen, depth, judged.get(key, ()), seed
            )
            if documents:
                console.print(Text(f"query {number} of {len(asked)}: {text}", style="bold"))
            if not session.ask(key, documents):
                break
    session.end()


class Judging:
    """One sitting of a judge."""

    def __init__(
        self, retriever: Retriever, collection: str, golden_set: str, judge: str | None
    ) -> None:
        self._golden_sets = retriever.golden_sets
        self._set = (collection, golden_set)
        self._judge = judge
        self._graded = 0

    def add(self, query: str) -> str:
        """The key of a query in the golden set, which is created where there is none."""
        self._golden_sets.create(*self._set, if_not_exists=True)
        return self._golden_sets.add_query(*self._set, query)

    def judged(self) -> dict[str, dict[str, int]]:
        """The grades that there are, by query and document."""
        return {
            key: dict(grades)
            for key, grades in self._golden_sets.judgements(*self._set).relevance.items()
        }

    def ask(self, query_key: str, documents: Sequence[PooledDocument]) -> bool:
        """Show each document and store its grade; false where the judge ends the sitting."""
        for number, document in enumerate(documents, 1):
            console.print()
            heading = Text(f"{number} of {len(documents)}: ", style="dim")
            heading.append(document.title or document.document_key, style="bold")
            heading.append(f"  {document.document_key}", style="cyan")
            console.print(heading)
            console.print(Text(f"   {snippet(document.content, SHOWN)}"))
            answer = _asked()
            if answer == "q":
                return False
            if answer != "s":
                grades = {document.document_key: GRADES[answer]}
                self._golden_sets.judge(*self._set, query_key, grades, judge=self._judge)
                self._graded += 1
        return True

    def end(self) -> None:
        """Say what was done."""
        say(f"{self._graded} documents graded in golden set {self._set[1]}")


def _asked() -> str:
    """One of the answers; the end of the input ends the sitting."""
    while True:
        try:
            answer = str(typer.prompt(QUESTION)).strip().lower()
        except typer.Abort:
            console.print()
            return "q"
        if answer in GRADES or answer in ("s", "q"):
            return answer
        errors.print(Text(f"{answer}: not an answer"))
