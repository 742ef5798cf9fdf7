"""`retrieval golden …`: queries and what answers them, to measure searches with."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.cli import golden_judging, golden_silver
from retrieval.cli import golden_options as options
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import as_dictionaries, errors, print_json, print_table, say, table
from retrieval.errors import InvalidInput, NotFound
from retrieval.golden_sets.exporting import FORMATS
from retrieval.golden_sets.results import ImportedGoldenSet

app = typer.Typer(
    help="Golden sets: queries of a collection, judged by hand or imported, by version.",
    no_args_is_help=True,
)


@app.command("list")
def list_golden_sets(
    collection: options.Collection,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """List the golden sets of a collection."""
    with open_retriever(database_url, tenant) as retriever:
        summaries = retriever.golden_sets.list(collection)
    if json:
        print_json(as_dictionaries(summaries))
        return
    if not summaries:
        errors.print(f"collection {collection} has no golden set")
        return
    listed = table("name", "origin", "version", "queries", "judgements", "changed", "description")
    for each in summaries:
        counts = (str(each.version), str(each.queries), str(each.judgements))
        changed = each.changed_at.strftime("%Y-%m-%d %H:%M")
        listed.add_row(each.name, each.origin, *counts, changed, each.description or "")
    print_table(listed)


@app.command()
def show(
    collection: options.Collection,
    golden_set: options.Set = "default",
    query: Annotated[
        str | None,
        typer.Option(help="Key of a query, to list its judgements.", show_default=False),
    ] = None,
    version: options.Version = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """List the queries of a golden set, or the judgements of one of them."""
    with open_retriever(database_url, tenant) as retriever:
        texts = retriever.golden_sets.queries(collection, golden_set, version)
        graded = retriever.golden_sets.graded(collection, golden_set, version)
    if query is not None and query not in texts:
        raise NotFound(f"golden set {golden_set} has no query {query}")
    counts = Counter(each.query_key for each in graded)
    relevant = Counter(each.query_key for each in graded if each.grade > 0)
    rows: list[dict[str, Any]]
    if query is None:
        rows = [
            {"query": key, "judged": counts[key], "relevant": relevant[key], "text": text}
            for key, text in texts.items()
        ]
    else:
        rows = [
            {"document": each.document_key, "grade": each.grade, "judge": each.judge}
            | {"judged at": each.judged_at.strftime("%Y-%m-%d %H:%M")}
            for each in graded
            if each.query_key == query
        ]
        if not json:
            say(texts[query])
    _print_rows(rows, json)


def _print_rows(rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(rows)
    elif rows:
        listed = table(*rows[0])
        for row in rows:
            listed.add_row(*("" if value is None else str(value) for value in row.values()))
        print_table(listed)
    else:
        errors.print("there is nothing in it yet")


@app.command("import")
def import_golden_set(
    collection: options.Collection,
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with queries.jsonl and qrels/SPLIT.tsv or qrels.tsv, as of BEIR.",
            show_default=False,
        ),
    ] = None,
    topics: Annotated[
        Path | None,
        typer.Option(
            help="Topics of TREC, or lines of an id, a tab and a text; with --qrels.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(help="Qrels of TREC, of four columns.", metavar="FILE", show_default=False),
    ] = None,
    golden_set: options.Set = "default",
    split: Annotated[str, typer.Option(help="Which judgements of the folder.")] = "test",
    origin: Annotated[str, typer.Option(help="human, synthetic or clicks.")] = "human",
    judge: options.Judge = None,
    skip_missing: Annotated[
        bool,
        typer.Option("--skip-missing", help="Leave out judgements of what there is not: no error."),
    ] = False,
    unjudged: Annotated[
        bool, typer.Option("--unjudged", help="Queries without a judgement, too.")
    ] = False,
    merge_duplicates: Annotated[
        bool,
        typer.Option("--merge-duplicates", help="Make queries of the same text one: no error."),
    ] = False,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Add the queries and judgements of files to a golden set: all of them, or none."""
    given: dict[str, Any] = {
        "origin": origin,
        "judge": judge,
        "skip_missing": skip_missing,
        "unjudged": unjudged,
        "merge_duplicates": merge_duplicates,
    }
    with open_retriever(database_url, tenant) as retriever:
        golden_sets = retriever.golden_sets
        if folder is not None and topics is None and qrels is None:
            done = golden_sets.import_folder(collection, golden_set, folder, split=split, **given)
        elif folder is None and topics is not None and qrels is not None:
            done = golden_sets.import_trec(collection, golden_set, topics, qrels, **given)
        else:
            raise InvalidInput("give a folder, or both --topics and --qrels")
    if json:
        print_json(asdict(done))
    else:
        _print_imported(done, golden_set)


def _print_imported(done: ImportedGoldenSet, golden_set: str) -> None:
    say(
        f"{done.queries} queries and {done.judgements} judgements are in golden set {golden_set}, "
        f"version {done.version}"
    )
    for count, why in (
        (done.skipped, "judgements skipped: of documents or queries that there are not"),
        (done.unjudged, "queries left out: they have no judgement (--unjudged keeps them)"),
        (done.merged, "queries merged into one of the same text"),
    ):
        if count:
            say(f"{count} {why}")


@app.command("export")
def export_golden_set(
    collection: options.Collection,
    folder: Annotated[Path, typer.Argument(help="Where the files go.", show_default=False)],
    golden_set: options.Set = "default",
    format: Annotated[str, typer.Option(help=f"{' or '.join(FORMATS)}.")] = "beir",
    version: options.Version = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
) -> None:
    """Write a golden set as queries.jsonl and qrels/test.tsv, or topics.tsv and qrels.txt."""
    with open_retriever(database_url, tenant) as retriever:
        done = retriever.golden_sets.export_folder(
            collection, golden_set, folder, format=format, version=version
        )
    say(
        f"version {done.version} of golden set {golden_set} is in {folder}: "
        f"{done.queries} queries, {done.judgements} judgements"
    )


@app.command("delete")
def delete_queries(
    collection: options.Collection,
    query_keys: Annotated[list[str], typer.Argument(help="Keys of queries.", show_default=False)],
    golden_set: options.Set = "default",
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
) -> None:
    """Take queries out of a golden set; its earlier versions keep them."""
    with open_retriever(database_url, tenant) as retriever:
        version = retriever.golden_sets.delete_queries(collection, golden_set, query_keys)
    say(f"golden set {golden_set} is in version {version} without them")


@app.command()
def drop(
    collection: options.Collection,
    golden_set: Annotated[
        str, typer.Argument(metavar="SET", help="Name of the golden set.", show_default=False)
    ],
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
) -> None:
    """Remove a golden set with every version of it."""
    with open_retriever(database_url, tenant) as retriever:
        retriever.golden_sets.drop(collection, golden_set)
    say(f"golden set {golden_set} was dropped")


app.command()(golden_judging.add)
app.command()(golden_judging.judge)
app.command()(golden_judging.pool)
app.command()(golden_silver.silver)
