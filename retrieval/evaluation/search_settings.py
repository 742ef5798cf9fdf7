"""One way of searching that is measured beside others: a name, and arguments of a search."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from retrieval.errors import InvalidInput
from retrieval.search import Retriever
from retrieval.search.results import Hit

DEFAULT = "default"

# what an evaluation says itself, and what one query has only
NOT_SETTINGS = {
    "self",
    "collection",
    "query",
    "max_results",
    "result_offset",
    "query_embedding",
    "query_sparse",
    "query_tokens",
    "connection",
}


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Arguments of `Retriever.search` under a name; without any, the collection's defaults.

    InvalidInput for an argument that a search has not, or that is not the same for every query.
    """

    name: str = DEFAULT
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = inspect.signature(Retriever.search).parameters.keys() - NOT_SETTINGS
        for argument in self.arguments:
            if argument not in known:
                raise InvalidInput(
                    f"settings {self.name}: {argument!r} is not one of {', '.join(sorted(known))}"
                )

    @classmethod
    def read(cls, given: str) -> Self:
        """Read `NAME=…`, or without a name, a JSON object or the path of a file that holds one.

        Without a name it is the file's, or the text itself; "default" alone is no arguments.
        """
        if given == DEFAULT:
            return cls()
        name, equals, rest = given.partition("=")
        named = bool(equals) and not name.lstrip().startswith("{")
        text = rest if named else given
        if text.lstrip().startswith("{"):
            return cls(name if named else text, _object(text, given))
        path = Path(text)
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"settings {given!r}: neither a JSON object nor a file that can be read"
            ) from error
        return cls(name if named else path.stem, _object(content, given))

    def find(
        self, retriever: Retriever, collection: str, query: str, max_results: int, **of_query: Any
    ) -> list[Hit]:
        """The hits of a query, of each document its best chunk, unless the settings say otherwise.

        Judgements are of documents, so that several chunks of one would take the places of others.
        `of_query` are arguments that only this query has, such as its embedding.
        """
        arguments = {"per_document": 1, **self.arguments, **of_query}
        return retriever.search(collection, query, max_results=max_results, **arguments)


def _object(text: str, given: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"settings {given!r}: not valid JSON ({error})") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"settings {given!r}: not a JSON object")
    return found
