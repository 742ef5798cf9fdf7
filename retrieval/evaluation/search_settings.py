"""One way of searching that is measured beside others: a name, and arguments of a search."""

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from retrieval.errors import InvalidInput
from retrieval.search import Retriever
from retrieval.search.rerank import DEFAULT_CANDIDATES
from retrieval.search.results import Hit

DEFAULT = "default"
NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,500}")

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

    InvalidInput for an argument that a search has not, or that is not the same for every query, and
    for a name that is empty, longer than 500 characters or not of one line.
    """

    name: str = DEFAULT
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or not self.name.strip():
            raise InvalidInput(f"settings cannot be called {self.name!r}")
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
            return cls(name if named else " ".join(text.split()), _object(text, given))
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
        """The hits of a query, best first.

        `of_query` are arguments that only this query has, such as its embedding.
        """
        given = {**self.search_arguments(), **of_query}
        return retriever.search(collection, query, max_results=self.depth(max_results), **given)

    def search_arguments(self) -> dict[str, Any]:
        """The arguments with one chunk of each document, unless they say otherwise.

        Judgements are of documents, so that several chunks of one would take the places of others.
        `of_query` are arguments that only this query has, such as its embedding.
        """
        return {"per_document": 1, **self.arguments}

    def depth(self, wanted: int, default: Mapping[str, Any] | None = None) -> int:
        """How many documents to ask for: where hits are reranked, no more than the reranker reads.

        To ask for more would have it read more than it does for whoever looks at the first ten.
        `default` is how the collection reranks unless a search says otherwise.
        """
        usual, reranked = DEFAULT_CANDIDATES, self.arguments.get("rerank")
        if reranked is None and default:
            usual, reranked = default.get("candidates", usual), True
        if not reranked:
            return wanted
        read = self.arguments.get("rerank_candidates") or usual
        # what is no number the search refuses
        return min(wanted, read) if isinstance(read, int) else wanted

    def as_json(self) -> dict[str, Any]:
        """The arguments as they are stored; a reranker is named by its model."""
        found: dict[str, Any] = json.loads(json.dumps(dict(self.arguments), default=_as_json))
        return found


def _as_json(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return getattr(value, "model", None) or str(value)


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number")


def _object(text: str, given: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"settings {given!r}: not valid JSON ({error})") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"settings {given!r}: not a JSON object")
    return found
