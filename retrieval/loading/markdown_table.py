"""Rows of cells as Markdown."""

from collections.abc import Iterable, Sequence


def table_lines(rows: Iterable[Sequence[str]]) -> Iterable[str]:
    """A table whose first row is the head; empty rows are left out."""
    is_first = True
    for row in rows:
        cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
        if any(cells):
            yield f"| {' | '.join(cells)} |"
            if is_first:
                yield f"|{' --- |' * len(cells)}"
            is_first = False
