"""BM25 written down a second time, over the tsvectors that plain SQL returns."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from statements import Session

CHUNKS = """
    select c.chunk_id, c.metadata, c.text_config
    from retrieval.chunks c join retrieval.collections using (collection_id) where name = %s"""

OCCURRENCES = """
    select c.chunk_id, l.lexeme, l.weights
    from retrieval.chunks c join retrieval.collections n using (collection_id), unnest(c.lexemes) l
    where n.name = %s"""

WORDS = """
    select l.lexeme, max(cardinality(l.positions))
    from unnest(%s::text[]) t(config), unnest(to_tsvector(t.config::regconfig, %s)) l group by 1"""


class Reference:
    """The chunks of a collection as they are now, and the scores that they deserve."""

    def __init__(self, session: Session, collection: str) -> None:
        self.session = session
        chunks = session.execute(CHUNKS, [collection]).fetchall()
        self.metadata: dict[int, dict[str, Any]] = {chunk[0]: chunk[1] for chunk in chunks}
        self.text_configs = sorted({chunk[2] for chunk in chunks})
        self.length = dict.fromkeys(self.metadata, 0)
        self.postings: dict[str, dict[int, list[str]]] = defaultdict(dict)
        for chunk_id, lexeme, labels in session.execute(OCCURRENCES, [collection]):
            self.postings[lexeme][chunk_id] = labels
            self.length[chunk_id] += len(labels)
        self.average_length = sum(self.length.values()) / max(len(self.length), 1)

    def words(self, query: str) -> dict[str, int]:
        """How often a query without syntax names each lexeme."""
        rows = self.session.execute(WORDS, [self.text_configs, query])
        return {row[0]: row[1] for row in rows}

    def idf(self, lexeme: str) -> float:
        """The inverse document frequency of a lexeme."""
        held = len(self.postings[lexeme])
        return math.log(1 + (len(self.length) - held + 0.5) / (held + 0.5))

    def contribution(
        self,
        lexeme: str,
        chunk_id: int,
        fields: Sequence[float] = (1, 1, 1),
        k1: float = 1.2,
        b: float = 0.75,
    ) -> float:
        """What one occurrence of a lexeme in the query adds to a chunk's score."""
        weight = dict(zip("ABD", fields, strict=True))
        frequency = math.fsum(weight[label] for label in self.postings[lexeme].get(chunk_id, []))
        relative_length = self.length[chunk_id] / self.average_length
        if not frequency:
            return 0
        return self.idf(lexeme) * frequency / (frequency + k1 * (1 - b + b * relative_length))

    def search(
        self,
        words: Mapping[str, int],
        fields: Sequence[float] = (1, 1, 1),
        constants: Sequence[float] = (1.2, 0.75),
        **wanted: Any,
    ) -> list[tuple[int, float]]:
        """Every chunk that scores, best first, ties by chunk_id; `wanted` is its metadata."""
        parts: dict[int, list[float]] = defaultdict(list)
        for lexeme, count in words.items():
            for chunk_id in self.postings.get(lexeme, ()):
                if wanted.items() <= self.metadata[chunk_id].items():
                    added = self.contribution(lexeme, chunk_id, fields, *constants)
                    parts[chunk_id].append(count * added)
        scores = {chunk_id: math.fsum(some) for chunk_id, some in parts.items() if any(some)}
        return sorted(scores.items(), key=lambda hit: (-round(hit[1], 10), hit[0]))
