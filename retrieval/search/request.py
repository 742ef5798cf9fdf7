"""A search before it runs: its arguments, checked, and the spaces whose models it needs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

from retrieval.embedding import Kind
from retrieval.errors import InvalidInput
from retrieval.loading.normalise import normalise_text
from retrieval.orm import LEGS

DEFAULT_LEGS = ("keyword", "semantic")

# the legs that search by an embedding: the kind of their space, and what gives it
KINDS: dict[str, Kind] = {
    "semantic": "dense",
    "sparse": "sparse",
    "late_interaction": "multivector",
}
QUERIES = {
    "semantic": "query_embedding",
    "sparse": "query_sparse",
    "late_interaction": "query_tokens",
}

Boosts = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class WantedSpace(NamedTuple):
    """The space of a leg: of that name, or the active one of the kind."""

    leg: str
    name: str | None
    kind: Kind | None


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """The arguments of a search; None is left to the database.

    InvalidInput for legs that there are none of, and for what no leg would use.
    """

    collection: str
    query: str
    max_results: int = 10
    metadata_filter: Mapping[str, Any] | None = None
    legs: Collection[str] = DEFAULT_LEGS
    fusion: str | None = None
    weights: Mapping[str, float] | None = None
    rrf_k: int | None = None
    candidates: int | None = None
    leg_candidates: Mapping[str, int] | None = None
    boosts: Boosts | None = None
    duplicate_similarity: float | None = None
    per_document: int | None = None
    mmr_lambda: float | None = None
    result_offset: int | None = None
    late_interaction: str | None = None
    space: str | None = None
    spaces: Collection[str] = ()
    keyword_operator: str | None = None
    field_weights: Mapping[str, float] | None = None
    k1: float | None = None
    b: float | None = None
    search_effort: int | None = None
    query_embedding: Any | None = None
    query_sparse: Any | None = None
    query_tokens: Any | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The request of a method by its arguments, among others."""
        return cls(**{each.name: arguments[each.name] for each in fields(cls)})

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", normalise_text(self.query))  # as documents are
        for name in ("legs", "spaces"):
            if isinstance(getattr(self, name), str):
                raise InvalidInput(f"{name} must be a list of names, not a text")
        unknown = sorted(set(self.legs) - set(LEGS))
        if unknown or not self.legs:
            named = repr(unknown[0]) if unknown else "none"
            raise InvalidInput(f"legs must be some of {', '.join(LEGS)}, not {named}")
        for leg, name in QUERIES.items():
            if getattr(self, name) is not None and leg not in self.legs:
                raise InvalidInput(f"{name} is given, but {leg} is not among the legs")
        if self.space is not None and not self._uses_space:
            raise InvalidInput("space is given, but no leg searches it")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to search with."""
        given = (getattr(self, name) is not None for name in QUERIES.values())
        return not self.query.strip() and not any(given)

    @property
    def only_leg(self) -> str | None:
        """The leg whose own function is enough; None where hybrid search is needed."""
        hybrid = (
            self.fusion,
            self.weights,
            self.rrf_k,
            self.candidates,
            self.leg_candidates,
            self.boosts,
            self.duplicate_similarity,
            self.per_document,
            self.mmr_lambda,
            self.result_offset,
            self.late_interaction,
        )
        if self.spaces or len(set(self.legs)) > 1 or any(each is not None for each in hybrid):
            return None
        return next(iter(self.legs))

    @property
    def _uses_space(self) -> bool:
        """Whether something is searched in it, or compared."""
        compared = self.duplicate_similarity is not None or self.mmr_lambda is not None
        return "semantic" in self.legs or self.only_leg in KINDS or compared

    def wanted_spaces(self) -> Iterator[WantedSpace]:
        """The spaces whose models have to embed the query."""
        for leg, kind in KINDS.items():
            if leg in self.legs and getattr(self, QUERIES[leg]) is None:
                name = self.space if leg in ("semantic", self.only_leg) else None
                self._check_query(f"leg {leg}", f", and {QUERIES[leg]} is not given")
                yield WantedSpace(leg, name, kind)
        for space in dict.fromkeys(self.spaces):
            self._check_query(f"space {space}")
            yield WantedSpace(space, space, None)

    def _check_query(self, subject: str, otherwise: str = "") -> None:
        if not self.query.strip():
            raise InvalidInput(f"{subject} has no query: the text of it is empty{otherwise}")
