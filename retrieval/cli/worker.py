"""`retrieval worker`."""

import os
import sys
from typing import Annotated

import typer

from retrieval.cli.options import DatabaseUrl
from retrieval.logs import logging_to
from retrieval.search import Retriever
from retrieval.worker import Stopped, StopSignals, Worker
from retrieval.worker.worker import DEFAULT_CHUNKS, DEFAULT_POLL_SECONDS


def worker(
    database_url: DatabaseUrl = None,
    collection: Annotated[
        str | None, typer.Option(help="Work for this collection alone.", show_default=False)
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when there is nothing to do any more.")
    ] = False,
    poll_seconds: Annotated[
        float, typer.Option(min=0.1, help="How often to look for work that nobody told of.")
    ] = DEFAULT_POLL_SECONDS,
    batch: Annotated[
        int, typer.Option(min=1, help="About how many chunks to embed at once.")
    ] = DEFAULT_CHUNKS,
) -> None:
    """Embed what is written from SQL, and what new spaces miss, until it is stopped."""
    with Retriever.open(database_url) as retriever, logging_to(), StopSignals() as stop:
        working = Worker(
            retriever.engine,
            collection=collection,
            maximum_chunks=batch,
            poll_seconds=poll_seconds,
            stop=stop,
        )
        try:
            working.run(once=once)
        except Stopped:
            # not waiting for threads: a request to a server of models may take a minute
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
