"""JSON lines: one document a line."""

from collections.abc import Iterable

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading.bounded_lines import numbered_lines
from retrieval.loading.encoding import open_text
from retrieval.loading.records import parse_json, record_document
from retrieval.loading.source_file import SourceFile


def load_json_lines(file: SourceFile) -> Iterable[Document | LoadError]:
    """A document or an error for each line that is not blank; a line at a time is in memory."""
    with open_text(file, newline="\n") as text:
        for number, line in numbered_lines(text, file.limit):
            if line is None:
                yield file.error(file.too_large, number)
            elif line := line.strip():
                yield _document(file, number, line)


def _document(file: SourceFile, number: int, line: str) -> Document | LoadError:
    try:
        record = parse_json(line)
    except ValueError as error:
        return file.error(str(error), number)
    return record_document(file, number, record)
