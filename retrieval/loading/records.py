"""One document from each object of a JSON file or row of a table."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading.front_matter import NotMetadata, json_value
from retrieval.loading.mojibake import repair
from retrieval.loading.source_file import SourceFile, as_text, without_empty

# the first of these that has a value counts; `_id` and `text` are those of BEIR
KEY_FIELDS = ("document_key", "key", "id", "_id")
CONTENT_FIELDS = ("content", "text", "body")


def parse_json(text: str) -> Any:
    """Parse JSON strictly; raises ValueError, whose message fits into an error of one line."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(json_reason(error)) from error
    except RecursionError as error:
        raise ValueError("not JSON (nested too deeply)") from error


def json_reason(error: json.JSONDecodeError) -> str:
    """Why a text is not JSON, and where."""
    reason = error.msg.rstrip(":").lower().replace(": ", ", ")
    place = f"line {error.lineno} column" if error.lineno > 1 else "character"
    return f"not JSON ({reason} at {place} {error.colno})"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON ({name} is no JSON number)")


def record_document(
    file: SourceFile, part: int | None, record: Any, content: str | None = None
) -> Document | LoadError:
    """Make a document of an object, or the error that names its line, row or item.

    What is not its key, title or content becomes metadata, also the fields of an object called
    `metadata`. A record without content gets its fields as lines, `name: value`, unless its
    `content` is given.
    """
    if not isinstance(record, Mapping):
        return file.error("a document must be a JSON object", part)
    fields = dict(record)
    try:
        key = _key(fields) or (file.key if part is None else f"{file.key}#{part}")
        title = as_text(fields.pop("title", None))
        own_content = _content(fields)
        metadata = json_value(_metadata(fields), _without_end())
    except ValueError as error:
        return file.error(str(error), part)
    except NotMetadata:
        return file.error("its metadata is nested too deeply", part)
    if own_content is None:
        own_content = content if content is not None else "\n".join(_lines(metadata))
    try:
        file.check_text(own_content, part)
    except LoadError as error:
        return error
    return file.record(repair(own_content), repair(title or ""), key, metadata)


def _without_end() -> Iterator[int]:
    return iter(int, 1)


def _key(fields: dict[str, Any]) -> str | None:
    name = next((each for each in KEY_FIELDS if fields.get(each) not in (None, "")), None)
    if name is None:
        return None
    key = as_text(fields.pop(name))
    if key is None:
        raise ValueError(f"its {name} must be text or a number")
    return key


def _content(fields: dict[str, Any]) -> str | None:
    name = next((each for each in CONTENT_FIELDS if fields.get(each) is not None), None)
    if name is None:
        return None
    content = as_text(fields.pop(name))
    if content is None:
        raise ValueError(f"its {name} must be text")
    return content


def _metadata(fields: dict[str, Any]) -> dict[str, Any]:
    nested = fields.pop("metadata", None)
    if nested is not None and not isinstance(nested, Mapping):
        raise ValueError("its metadata must be an object")
    return {**without_empty(fields), **(nested or {})}


def _lines(value: Any, name: str = "") -> Iterator[str]:
    """The text of what has no content: `address.city: Rome`."""
    if isinstance(value, Mapping):
        for each, inner in value.items():
            yield from _lines(inner, f"{name}.{each}" if name else str(each))
    elif isinstance(value, list):
        simple = [str(each) for each in value if isinstance(each, str | int | float)]
        if simple:
            yield f"{name}: {', '.join(simple)}"
        for inner in value:
            if isinstance(inner, Mapping):
                yield from _lines(inner, name)
    elif value is not None and value != "":
        yield f"{name}: {value}"
