"""JSON files: an array of objects is as many documents, anything else is one."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading.encoding import decode, open_text
from retrieval.loading.records import CONTENT_FIELDS, json_reason, parse_json, record_document
from retrieval.loading.source_file import SourceFile

BLOCK = 64 * 1024
_ARRAY_OF_OBJECTS = re.compile(r"\s*\[\s*(?=\{)")
_SPACE = re.compile(r"\s*")
_BETWEEN = re.compile(r"\s*([,\]])\s*")


def load_json(file: SourceFile) -> Iterable[Document | LoadError]:
    """An array is read object by object, whatever its size."""
    if file.size == 0:
        raise file.error("an empty file")
    with open_text(file, newline="\n") as text:
        opening = _ARRAY_OF_OBJECTS.match(beginning := text.read(BLOCK))
        if opening is not None:
            yield from _objects(file, text, beginning, opening.end())
            return
    yield _single(file)


def _single(file: SourceFile) -> Document:
    """An object with content is a document as a line of JSON lines would be; else the JSON is."""
    text = decode(file)
    try:
        value = parse_json(text)
    except ValueError as error:
        raise file.error(str(error)) from error
    if isinstance(value, dict) and any(isinstance(value.get(each), str) for each in CONTENT_FIELDS):
        made = record_document(file, None, value)
        if isinstance(made, LoadError):
            raise made
        return made
    return file.document(text)


class _Reader:
    """The text from a position on; more is read as it is needed."""

    def __init__(self, file: SourceFile, text: TextIO, buffer: str, position: int) -> None:
        self.file = file
        self.text = text
        self.buffer = buffer
        self.position = position

    def more(self) -> bool:
        """Read as much again as is waiting to be understood; False at the end."""
        waiting = self.buffer[self.position :]
        read = self.text.read(max(BLOCK, len(waiting)))
        self.buffer, self.position = waiting + read, 0
        return bool(read)

    def object(self, number: int) -> Any:
        """Parse the object that begins here."""
        decoder = json.JSONDecoder()
        while True:
            try:
                value, self.position = decoder.raw_decode(self.buffer, self.position)
                return value
            except json.JSONDecodeError as error:
                if len(self.buffer) - self.position > self.file.limit:
                    raise self.file.error(self.file.too_large, number) from error
                if not self.more():
                    raise self.file.error(json_reason(error), number) from error
            except RecursionError as error:
                raise self.file.error("not JSON (nested too deeply)", number) from error

    def separator(self) -> str:
        """Pass over what stands after an object: a comma, the closing bracket, or neither."""
        while True:
            found = _BETWEEN.match(self.buffer, self.position)
            is_complete = found is not None and (found[1] == "]" or found.end() < len(self.buffer))
            is_other = found is None and not _SPACE.fullmatch(self.buffer, self.position)
            if is_complete or is_other or not self.more():
                break
        found = _BETWEEN.match(self.buffer, self.position)
        if found is None:
            return ""
        self.position = found.end()
        return found[1]


def _objects(
    file: SourceFile, text: TextIO, beginning: str, start: int
) -> Iterator[Document | LoadError]:
    """Every object of an array; one that is no JSON ends it, as nothing says where the next is."""
    reader = _Reader(file, text, beginning, start)
    number = 0
    while True:
        number += 1
        yield record_document(file, number, reader.object(number))
        if (separator := reader.separator()) == "]":
            return
        if separator != ",":
            raise file.error("not JSON (the array does not go on)", number)
