"""What is learned from, and what is kept back to measure on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from retrieval.errors import InvalidInput
from retrieval.evaluation.split import part, split_judgements
from retrieval.golden_sets.judgements import Judgements
from retrieval.loading.normalise import normalise_text
from retrieval.training.examples import TrainingExample, read_examples, write_examples
from retrieval.training.texts import ChunkText

# of the queries that are learned from, to see when to stop; not where these are fewer than so many
VALIDATION, LEAST_QUERIES = 0.1, 20
EXAMPLES, CHECKED, QUERIES = "examples.jsonl", "validation.jsonl", "held_out.json"


@dataclass(frozen=True, slots=True)
class Division:
    """The judged queries in three parts: no query is in two of them.

    `disjoint`: no document that answers a held-out query answers another one. `missing` counts
    the judged documents that the collection has not, which are left out.
    """

    learned: Judgements
    validation: Judgements
    held_out: Judgements
    disjoint: bool
    missing: int


def divided(judgements: Judgements, documents: set[str], *, held_out: float, seed: int) -> Division:
    """Split the queries that a document of the collection answers."""
    judged = {key for grades in judgements.relevance.values() for key in grades}
    known = {
        query: {key: grade for key, grade in grades.items() if key in documents}
        for query, grades in judgements.relevance.items()
    }
    answered = [query for query, grades in known.items() if max(grades.values(), default=0) > 0]
    if not answered:
        raise InvalidInput(
            "no query is judged to be answered by a document of the collection"
            if judged
            else "there is no judged query to learn from"
        )
    kept = part(Judgements(judgements.queries, known), answered)
    split = split_judgements(kept, held_out=held_out, seed=seed)
    learned, validation = split.learned, part(kept, ())
    if len(learned.queries) >= LEAST_QUERIES:
        inner = split_judgements(learned, held_out=VALIDATION, seed=seed)
        learned, validation = inner.learned, inner.held_out
    missing = len(judged - documents)
    return Division(learned, validation, split.held_out, split.disjoint, missing)


def judgements_of(
    examples: Sequence[TrainingExample], texts: Mapping[int, ChunkText]
) -> Judgements:
    """Judgements from examples: a document answers a query if one of its chunks is a positive.

    The query is its own key; one whose positive no chunk has is left out.
    """
    documents: dict[str, set[str]] = {}
    for each in texts.values():
        for text in {each.embedded, each.reranked}:
            documents.setdefault(text, set()).add(each.document_key)
    relevance: dict[str, dict[str, int]] = {}
    for example in examples:
        for key in sorted(documents.get(example.positive, ())):
            relevance.setdefault(example.query, {})[key] = 1
    if not relevance:
        raise InvalidInput(
            "no positive of the examples is the text of a chunk, so that nothing can be measured: "
            "give judgements as well"
        )
    return Judgements({query: query for query in relevance}, relevance)


def without_queries(
    examples: Sequence[TrainingExample], queries: Mapping[str, str]
) -> list[TrainingExample]:
    """The examples of other queries, so that none is learned from that is measured."""
    kept_back = {normalise_text(query) for query in queries.values()}
    return [
        replace(each, query=normalise_text(each.query))
        for each in examples
        if normalise_text(each.query) not in kept_back
    ]


@dataclass(frozen=True, slots=True)
class Material:
    """Examples to learn from and to check, and the queries that neither is of."""

    examples: Sequence[TrainingExample]
    validation: Sequence[TrainingExample]
    held_out: Judgements
    disjoint: bool
    missing: int

    def write(self, folder: Path) -> None:
        """Keep it, so that a training that is resumed goes on with the same."""
        write_examples(folder / EXAMPLES, self.examples)
        write_examples(folder / CHECKED, self.validation)
        rest = {
            "queries": dict(self.held_out.queries),
            "relevance": {key: dict(each) for key, each in self.held_out.relevance.items()},
            "disjoint": self.disjoint,
            "missing": self.missing,
        }
        (folder / QUERIES).write_text(json.dumps(rest, ensure_ascii=False), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What was kept; None where nothing was."""
        if not (folder / QUERIES).is_file():
            return None
        rest = json.loads((folder / QUERIES).read_text("utf-8"))
        validation = folder / CHECKED
        return cls(
            read_examples(folder / EXAMPLES),
            read_examples(validation) if validation.stat().st_size else [],
            Judgements(rest["queries"], rest["relevance"]),
            rest["disjoint"],
            rest["missing"],
        )
