"""What is to be imported, brought into order before it is stored."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from retrieval.errors import InvalidInput
from retrieval.golden_sets.judgements import Judgements
from retrieval.golden_sets.reading import Relevance


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What becomes of that which does not fit; without any of them it is an error, or left out."""

    skip_missing: bool = False
    unjudged: bool = False
    merge_duplicates: bool = False


@dataclass(slots=True)
class Incoming:
    """Queries and judgements on their way, and what was taken out so far."""

    queries: dict[str, str]
    relevance: Relevance
    skipped: int = 0
    unjudged: int = 0
    merged: int = field(default=0)

    @classmethod
    def of(cls, given: Judgements, options: ImportOptions) -> "Incoming":
        """A copy, without the judgements of unknown queries if those may be skipped."""
        unknown = [key for key in given.relevance if key not in given.queries]
        if unknown and not options.skip_missing:
            raise InvalidInput(f"judged, but not among the queries: {_some(unknown)}")
        skipped = sum(len(given.relevance[key]) for key in unknown)
        known = {k: dict(grades) for k, grades in given.relevance.items() if k in given.queries}
        return cls(dict(given.queries), known, skipped)

    def document_keys(self) -> list[str]:
        """The keys of all judged documents, each once."""
        return list(dict.fromkeys(key for grades in self.relevance.values() for key in grades))

    def keep_documents(self, existing: Collection[str]) -> None:
        """Leave out the judgements of all other documents."""
        for query, grades in self.relevance.items():
            kept = {key: grade for key, grade in grades.items() if key in existing}
            self.skipped += len(grades) - len(kept)
            self.relevance[query] = kept

    def keep_judged(self) -> None:
        """Leave out the queries that have no judgement."""
        unjudged = [key for key in self.queries if not self.relevance.get(key)]
        for key in unjudged:
            del self.queries[key]
        self.unjudged += len(unjudged)

    def merge_duplicates(self, existing: Mapping[str, str]) -> None:
        """Make one query of those with the same text, under the first key, or that of the set.

        A document that several have judged keeps its best grade.
        """
        keys = {text: key for key, text in existing.items() if self.queries.get(key, text) == text}
        for key, text in list(self.queries.items()):
            kept = keys.setdefault(text, key)
            if kept == key:
                continue
            del self.queries[key]
            self.queries[kept] = text
            self.merged += 1
            grades = self.relevance.setdefault(kept, {})
            for document, grade in self.relevance.pop(key, {}).items():
                grades[document] = max(grade, grades.get(document, grade))

    def rows(self) -> list[dict[str, str | int]]:
        """The judgements as `retrieval.put_judgements` takes them."""
        return [
            {"query_key": query, "document_key": document, "grade": grade}
            for query, grades in self.relevance.items()
            for document, grade in grades.items()
        ]


def _some(keys: Iterable[str]) -> str:
    named = list(keys)
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return ", ".join(map(repr, named[:3])) + more
