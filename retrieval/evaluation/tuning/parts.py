"""Which queries a tuning learns from, and which it keeps back."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from retrieval import orm
from retrieval.errors import InvalidInput
from retrieval.evaluation.split import part, split_judgements
from retrieval.evaluation.tuning.tuned import Queries
from retrieval.golden_sets.judgements import Judgements
from retrieval.search import Retriever

FEWEST = 20
VALIDATED = 1 / 3
# more of them make a tuning slower, and hardly better
MOST_EXPLORED = 200
MOST_VALIDATED = 400


@dataclass(frozen=True, slots=True)
class Parts:
    """What is learned from, with the keys of its two parts in a random order; what is held out."""

    learned: Judgements
    explored: list[str]
    validated: list[str]
    held_out: Judgements
    disjoint: bool

    @property
    def counts(self) -> Queries:
        """How many queries that are."""
        held_out = len(self.held_out.queries)
        return Queries(len(self.explored), len(self.validated), held_out, self.disjoint)


def judged_parts(
    retriever: Retriever, collection: str, judgements: Judgements, *, held_out: float, seed: int
) -> Parts:
    """Split the queries of which a relevant document is there: on others no setting can gain.

    InvalidInput for fewer than 20 of them.
    """
    usable = part(judgements, _usable(retriever, collection, judgements))
    if len(usable.queries) < FEWEST:
        raise InvalidInput(
            f"tuning needs {FEWEST} queries or more with a relevant document in collection "
            f"{collection}, better some hundred; there are {len(usable.queries)}"
        )
    outer = split_judgements(usable, held_out=held_out, seed=seed)
    learned, kept_back = len(outer.learned.queries), len(outer.held_out.queries)
    if min(learned, kept_back) < 4:
        raise InvalidInput(
            f"with a share of {held_out} held out, {learned} queries are there to learn from and "
            f"{kept_back} to judge by: 4 are the fewest"
        )
    inner = split_judgements(outer.learned, held_out=VALIDATED, seed=seed)
    explored = _shuffled(inner.learned.queries, MOST_EXPLORED, seed)
    validated = _shuffled(inner.held_out.queries, MOST_VALIDATED, seed)
    learned_from = part(outer.learned, [*explored, *validated])
    return Parts(learned_from, explored, validated, outer.held_out, outer.disjoint)


def _usable(retriever: Retriever, collection: str, judgements: Judgements) -> list[str]:
    relevant = {
        query: {key for key, grade in grades.items() if grade > 0}
        for query, grades in judgements.relevance.items()
    }
    retriever.collection(collection)  # NotFound where there is none
    document = orm.Document
    owner = select(orm.Collection.collection_id).where(orm.Collection.name == collection)
    statement = select(document.document_key).where(
        document.collection_id == owner.scalar_subquery(),
        document.document_key.in_(set().union(*relevant.values())),
        orm.of_current_tenant(document),
    )
    stored = {row.document_key for row in retriever.read(statement)}
    return [query for query in judgements.queries if relevant.get(query, set()) & stored]


def _shuffled(queries: Mapping[str, str], most: int, seed: int) -> list[str]:
    return random.Random(seed).sample(list(queries), min(most, len(queries)))
