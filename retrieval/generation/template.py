"""How one passage is written: a format string with named fields and nothing else."""

from collections.abc import Sequence
from string import Formatter

from retrieval.errors import InvalidInput
from retrieval.generation.passage import Passage

DEFAULT_TEMPLATE = "[{number}] {heading}\n{content}"
SEPARATOR = "\n\n"
FIELDS = ("number", "heading", "title", "document_key", "context", "content")


class Template:
    """A format string in which only the names in FIELDS stand for something.

    Attributes, indexes, conversions and format specifications are InvalidInput. Passages are put
    into it as they are, so that braces in them mean nothing. All but the content is put on one
    line, so that a title cannot look like the beginning of another passage.
    """

    def __init__(self, template: str) -> None:
        try:
            parts = list(Formatter().parse(template))
        except ValueError as error:
            raise InvalidInput(f"template {template!r} is malformed: {error}") from None
        for _, field, specification, conversion in parts:
            if field is not None:
                _check(field, specification or conversion)
        self._parts = [(literal, field) for literal, field, _, _ in parts]

    @property
    def fields(self) -> set[str]:
        """The names that occur in it."""
        return {field for _, field in self._parts if field is not None}

    def write(self, passages: Sequence[Passage]) -> str:
        """Write passages one below the other."""
        return SEPARATOR.join(self._written(passage) for passage in passages)

    def _written(self, passage: Passage) -> str:
        line = {
            "number": str(passage.number),
            "heading": passage.heading,
            "title": passage.title or passage.document_key,
            "document_key": passage.document_key,
            "context": passage.context,
        }
        values = {name: " ".join(value.split()) for name, value in line.items()}
        values["content"] = passage.content
        return "".join(literal + (values[field] if field else "") for literal, field in self._parts)


def _check(field: str, addition: str | None) -> None:
    if field not in FIELDS:
        known = ", ".join(FIELDS)
        raise InvalidInput(f"template has an unknown field {field!r}; there are {known}")
    if addition:
        raise InvalidInput(f"template can only name field {field!r}, without ! or : behind it")
