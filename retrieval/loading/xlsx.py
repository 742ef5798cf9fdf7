"""Spreadsheets become Markdown: a heading and a table for each sheet."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

from retrieval.document import Document
from retrieval.loading.archive import checked_archive
from retrieval.loading.docx import core_title
from retrieval.loading.extra import import_extra, reading
from retrieval.loading.markdown_table import table_lines
from retrieval.loading.source_file import CONTAINER_FACTOR, SourceFile


def load_xlsx(file: SourceFile) -> Iterable[Document]:
    """The values of all sheets; of a formula what it last gave."""
    openpyxl = import_extra(file, "openpyxl", "openpyxl")
    largest_part = CONTAINER_FACTOR * file.limit
    with checked_archive(file, "spreadsheet", largest_part) as archive:
        title = core_title(file, archive)
        with reading(file, "spreadsheet"), file.open() as opened:
            book = openpyxl.load_workbook(opened, read_only=True, data_only=True, keep_links=False)
            try:
                content = "\n".join(_limited(file, _lines(file, book)))
            finally:
                book.close()
    return [file.document(content, title)]


def _lines(file: SourceFile, book: Any) -> Iterator[str]:
    for sheet in book.worksheets:
        if not hasattr(sheet, "reset_dimensions"):
            continue  # a chart
        sheet.reset_dimensions()  # what a file says of them may be anything
        yield f"# {' '.join(str(sheet.title).split())}\n"
        yield from table_lines(_rows(file, sheet.iter_rows(values_only=True)))
        yield ""


def _rows(file: SourceFile, rows: Iterable[Sequence[Any]]) -> Iterator[list[str]]:
    """Rows up to their last cell with a value, as wide as the widest so far."""
    cells_left = file.limit
    width = 0
    for row in rows:
        cells_left -= len(row) + 1
        if cells_left < 0:
            raise file.error(f"holds a sheet of more than {file.limit:,} cells")
        cells = [_text(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            width = max(width, len(cells))
            yield cells + [""] * (width - len(cells))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _limited(file: SourceFile, lines: Iterable[str]) -> Iterator[str]:
    left = file.limit
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            raise file.error(file.too_large)
        yield line
