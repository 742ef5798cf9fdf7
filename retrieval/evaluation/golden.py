"""The judgements that an evaluation measures on."""

import hashlib
import json
from dataclasses import dataclass

from retrieval.errors import InvalidInput, NotFound
from retrieval.evaluation.measures import answerable
from retrieval.evaluation.split import part
from retrieval.golden_sets.judgements import Judgements
from retrieval.search import Retriever


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """Judgements of queries that have a relevant document; `left_out` is how many have none."""

    name: str | None
    version: int | None
    origin: str | None
    judgements: Judgements
    left_out: int

    @property
    def digest(self) -> str:
        """A hash of the queries and grades: the same for the same ones, however they are called."""
        told = {
            key: [query, dict(self.judgements.relevance[key])]
            for key, query in self.judgements.queries.items()
        }
        text = json.dumps(told, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def given_set(judgements: Judgements) -> GoldenSet:
    """Judgements of the caller's."""
    return _measurable(None, None, None, judgements)


def stored_set(retriever: Retriever, collection: str, name: str) -> GoldenSet:
    """The newest version of a golden set; NotFound where there is none of the name."""
    golden_sets = retriever.golden_sets
    stored = next((each for each in golden_sets.list(collection) if each.name == name), None)
    if stored is None:
        raise NotFound(f"golden set {name} does not exist in collection {collection}")
    judgements = golden_sets.judgements(collection, name, stored.version)
    return _measurable(name, stored.version, stored.origin, judgements)


def _measurable(
    name: str | None, version: int | None, origin: str | None, judgements: Judgements
) -> GoldenSet:
    keys = answerable(judgements)
    if not keys:
        named = "the judgements" if name is None else f"golden set {name}"
        raise InvalidInput(f"{named}: there is no query with a relevant document to measure on")
    left_out = len(judgements.queries) - len(keys)
    return GoldenSet(name, version, origin, part(judgements, keys), left_out)
