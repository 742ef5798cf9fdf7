"""How results look on a terminal, or as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from retrieval.ingestion import IngestReport
from retrieval.orm import LEGS
from retrieval.search import Hit

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

SNIPPET = 240
WIDEST = 10_000


def print_json(value: Any) -> None:
    """Write a value as JSON, for programs."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def as_dictionaries(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Dataclasses as dictionaries."""
    return [asdict(row) for row in rows]


class RateColumn(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        """The rate of the last while, or nothing at the beginning."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


def progress_bar() -> Progress:
    """A bar with counts and times on the error stream, so that output can be piped."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors,
    )


def snippet(content: str, length: int = SNIPPET) -> str:
    """The beginning of a content on one line."""
    line = " ".join(content.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def legs(hit: Hit) -> str:
    """The ranks that each leg gave, such as `keyword 1, semantic 4`."""
    ranks = {leg: getattr(hit, f"{leg}_rank") for leg in LEGS}
    ranks |= {leg: found["rank"] for leg, found in hit.contributions.items()}
    return ", ".join(f"{leg} {rank}" for leg, rank in ranks.items() if rank is not None)


def print_hits(hits: Sequence[Hit], first: int = 1) -> None:
    """One block a hit: its place, title, key, score and ranks, and the beginning of the content."""
    if not hits:
        errors.print("nothing found")
    for number, hit in enumerate(hits, first):
        heading = Text(f"{number}. ", style="bold")
        heading.append(hit.title or hit.document_key, style="bold")
        heading.append(f"  {hit.document_key}", style="cyan")
        heading.append(f"  {hit.score:.4f} ({legs(hit)})", style="dim")
        if hit.rerank_score is not None:
            heading.append(f", reranked {hit.rerank_score:.4f}", style="dim")
        console.print(heading)
        console.print(Text(f"   {snippet(hit.content)}"))


def print_report(report: IngestReport, *, dry_run: bool = False) -> None:
    """Counts on one line; on the error stream a line for each warning and each failure.

    After a dry run, a line for each change that would have been made comes first.
    """
    for change in report.changes:
        say(f"would {change.action} {change.document_key}")
    console.print(
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, "
        + (f"{report.pruned} pruned, " if report.pruned else "")
        + f"{len(report.failures)} failed; {report.chunks} chunks written"
        + (f"; {report.skipped} files of other kinds skipped" if report.skipped else "")
        + (" (dry run: nothing was written)" if dry_run else ""),
        soft_wrap=True,
    )
    for warning in report.warnings:
        errors.print(Text(f"warning: {warning}"), soft_wrap=True)
    for failure in report.failures:
        errors.print(Text(f"failed: {failure.source}: {failure.reason}"), soft_wrap=True)


def say(line: str) -> None:
    """Print a line as it is, however long."""
    console.print(Text(line), soft_wrap=True)


def table(*columns: str) -> Table:
    """A plain table with these columns."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def print_table(shown: Table) -> None:
    """Fit a table into a terminal; elsewhere its lines are as long as they are."""
    width = None if console.is_terminal else WIDEST
    Console(highlight=False, width=width).print(shown)
