"""CSV and TSV: one document a row."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading.encoding import open_text
from retrieval.loading.records import CONTENT_FIELDS, KEY_FIELDS, record_document
from retrieval.loading.source_file import SourceFile

KNOWN = {*KEY_FIELDS, *CONTENT_FIELDS, "title", "metadata"}
DELIMITERS = ",;\t|"
MOST_COLUMNS = 10_000
TOO_WIDE = f"has more than {MOST_COLUMNS:,} columns"
SAMPLE = 64 * 1024
SAMPLE_ROWS = 50
# A number as JSON has it, which a float holds exactly; 007 and 1,5 are none.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?")


class TooLong(Exception):
    """A row is beyond the limit."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns, and which of them hold nothing but numbers."""

    names: list[str]
    numeric: frozenset[str]


def load_csv(file: SourceFile) -> Iterable[Document | LoadError]:
    """The first row names the columns; rows count from it, as in a spreadsheet.

    A first reading finds the columns that are numbers in every row, the second makes documents.
    """
    # a setting of the process; it is only ever raised
    csv.field_size_limit(max(csv.field_size_limit(), file.limit))
    with open_text(file, newline="") as text:
        delimiter = _delimiter(text.read(SAMPLE))
    with _rows(file, delimiter) as rows:
        columns = _columns(rows)
    with _rows(file, delimiter) as rows:
        for number, row in rows:
            if isinstance(row, LoadError):
                yield row
            elif number > 1 and any(row):
                yield _document(file, number, row, columns)


def _document(
    file: SourceFile, number: int, row: list[str], columns: Columns
) -> Document | LoadError:
    cells = {name: cell.strip() for name, cell in zip(_names(columns, row), row, strict=True)}
    lines = [
        f"{name}: {cell}"
        for name, cell in cells.items()
        if cell and name not in (*KEY_FIELDS, "title")
    ]
    record = {
        name: _value(cell) if name in columns.numeric else cell
        for name, cell in cells.items()
        if cell and name != "metadata"
    }
    if "metadata" in cells:
        record["metadata"] = {"metadata": cells["metadata"]} if cells["metadata"] else {}
    return record_document(file, number, record, content="\n".join(lines))


def _names(columns: Columns, row: list[str]) -> Iterable[str]:
    """A name for each cell; a row may have more or fewer than the first."""
    return [
        columns.names[place] if place < len(columns.names) else f"column_{place + 1}"
        for place in range(len(row))
    ]


def _columns(rows: Iterator[tuple[int, list[str] | LoadError]]) -> Columns:
    names: list[str] = []
    numeric: set[str] = set()
    for number, row in rows:
        if isinstance(row, LoadError):
            continue
        if number == 1:
            names = _unique(row)
            numeric = set(names) - KNOWN
        else:
            for name, cell in zip(names, row, strict=False):
                if name in numeric and cell.strip() and not _NUMBER.fullmatch(cell.strip()):
                    numeric.discard(name)
    return Columns(names, frozenset(numeric))


def _unique(row: list[str]) -> list[str]:
    """A name for each column; those with a meaning are known in capitals, too."""
    names: list[str] = []
    for place, cell in enumerate(row, 1):
        name = " ".join(cell.split()) or f"column_{place}"
        name = name.lower() if name.lower() in KNOWN else name
        while name in names:
            name = f"{name}_{place}"
        names.append(name)
    return names


def _value(cell: str) -> Any:
    return float(cell) if "." in cell else int(cell)


@contextmanager
def _rows(
    file: SourceFile, delimiter: str
) -> Iterator[Iterator[tuple[int, list[str] | LoadError]]]:
    with open_text(file, newline="") as text:
        yield _numbered_rows(file, text, delimiter)


def _numbered_rows(
    file: SourceFile, text: TextIO, delimiter: str
) -> Iterator[tuple[int, list[str] | LoadError]]:
    lines = _Lines(text, file.limit)
    reader = csv.reader(lines, delimiter=delimiter)
    number = 0
    while True:
        lines.left = file.limit
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except (TooLong, csv.Error):
            yield number, file.error(file.too_large, number)
        else:
            is_wide = len(row) > MOST_COLUMNS
            yield number, file.error(TOO_WIDE, number) if is_wide else row


class _Lines:
    """The lines of a text for the parser, as many characters as one row may have."""

    def __init__(self, text: TextIO, limit: int) -> None:
        self.text = text
        self.left = limit

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.text.readline(self.left + 1)
        if not line:
            raise StopIteration
        self.left -= len(line)
        if self.left < 0:
            while line and not line.endswith(("\n", "\r")):
                line = self.text.readline(SAMPLE)
            raise TooLong
        return line


def _delimiter(sample: str) -> str:
    """The delimiter that cuts the first rows into columns most evenly; a comma where none does."""
    return max(DELIMITERS, key=lambda each: _evenness(sample, each))


def _evenness(sample: str, delimiter: str) -> tuple[int, int]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        return 0, 0
    rows = [row for row in rows if row]
    width = len(rows[0]) if rows else 0
    return (sum(len(row) == width for row in rows), width) if width > 1 else (0, 0)
