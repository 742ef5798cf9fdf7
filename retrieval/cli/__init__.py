"""The command line: `retrieval …`.

Exit code 0: done; 1: failed, with one line that says why; 2: wrong usage.
"""

import sys

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from retrieval.cli import (
    answer,
    calibrate,
    chunk,
    collections,
    compare_chunkers,
    compare_models,
    database,
    demo,
    evaluate,
    evaluations,
    golden,
    ingest,
    jobs,
    keys,
    mcp,
    recommend,
    search,
    serve,
    set_chunking,
    signals,
    spaces,
    train,
    tune,
    worker,
)
from retrieval.errors import RetrievalError
from retrieval.settings import invalid_settings

app = typer.Typer(
    name="retrieval",
    help="Keyword, semantic and hybrid search inside PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(demo.demo)
app.command()(database.init)
app.command()(ingest.ingest)
app.command()(chunk.chunk)
app.command()(search.search)
app.command()(recommend.recommend)
app.command()(answer.answer)
app.command()(collections.collections)
app.command()(set_chunking.set_chunking)
app.add_typer(spaces.app, name="spaces")
app.add_typer(golden.app, name="golden")
app.command()(compare_models.compare_models)
app.command()(compare_chunkers.compare_chunkers)
app.command()(calibrate.calibrate)
app.command()(evaluate.evaluate)
app.command()(evaluations.evaluations)
app.add_typer(signals.app, name="signals")
app.command()(tune.tune)
app.add_typer(train.app, name="train")
app.command()(serve.serve)
app.add_typer(keys.app, name="keys")
app.command()(worker.worker)
app.command()(mcp.mcp)
app.add_typer(jobs.app, name="jobs")
app.command()(database.doctor)
app.command()(database.sql)
app.command()(database.stop)


def main() -> None:
    """Run the command line; an error of this package becomes one line."""
    try:
        app(prog_name="retrieval")
    except RetrievalError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except (SettingsError, ValidationError) as error:
        print(f"error: {invalid_settings(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
