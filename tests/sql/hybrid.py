"""A collection with a space of every kind, and what Python makes of the searches of its legs."""

from typing import Any

import numpy as np
import psycopg
from fusion import Candidate, Contribution, fused, total
from psycopg.types.json import Jsonb
from statements import put, vector
from vectors import create_space, embed, sparse

Session = psycopg.Cursor | psycopg.Connection
Query = str | np.ndarray  # words; a vector; the vectors of tokens

WORDS = ["ant", "bee", "cat", "dog", "elk", "fox"]
DIMENSIONS = 3
# leg: kind, the space's name, how it is searched
LEGS: dict[str, tuple[str, str | None, str]] = {
    "keyword": ("keyword", None, "keyword_search"),
    "semantic": ("dense", "s", "semantic_search"),
    "sparse": ("sparse", "terms", "sparse_search"),
    "flat": ("dense", "flat", "semantic_search"),
    "bag": ("sparse", "bag", "sparse_search"),
    "pieces": ("multivector", "pieces", "late_interaction_search"),
    "late_interaction": ("multivector", "tokens", "late_interaction_search"),
}
SPACES: dict[str, dict[str, Any]] = {
    "s": {},
    "flat": {"metric": "l2", "index_method": "none"},
    "terms": {"kind": "sparse"},
    "bag": {"kind": "sparse", "metric": "cosine", "index_method": "none"},
    "tokens": {"kind": "multivector"},
    "pieces": {"kind": "multivector", "metric": "inner_product"},
}
PARAMETERS = {
    "keyword": "query_text",
    "dense": "query_embedding",
    "sparse": "query_sparse",
    "multivector": "query_tokens",
}
DEFAULTS: dict[str, Any] = {
    "fusion": "relative",
    "rrf_k": 60,
    "candidates": 100,
    "max_results": 10,
    "leg_candidates": {},
    "late_interaction": "candidates",
    "metadata_filter": None,
}
Ranked = list[tuple[int, float, dict[str, Contribution]]]


def grid(numbers: np.random.Generator, *size: int) -> np.ndarray:
    """Vectors of small whole numbers, none of them zeros, so that there are ties."""
    return numbers.integers(-2, 3, size=(*size, DIMENSIONS)) + 0.25


def create(session: Session) -> list[int]:
    """The collection c, of a hundred chunks in fewer documents; returns their ids."""
    numbers = np.random.default_rng(11)
    session.execute("select retrieval.create_collection('c')")
    rows = put(
        session,
        "c",
        *(
            {
                "document_key": f"{n:02}",
                "metadata": {"n": n},
                "chunks": [
                    {"content": " ".join(numbers.choice(WORDS, size=numbers.integers(1, 9)))}
                    for _ in range(numbers.integers(1, 5))
                ],
            }
            for n in range(40)
        ),
    )
    chunks = [row.chunk_id for row in rows]
    for name, options in SPACES.items():
        create_space(session, name, DIMENSIONS, **options)
        fill_space(session, name, chunks, numbers)
        kind = options.get("kind", "dense")
        session.execute("select retrieval.build_index('c', %s, %s)", [name, kind])
        if name in ("s", "terms", "tokens"):
            session.execute("select retrieval.activate_space('c', %s)", [name])
    # a chunk that has just come is not in every space yet
    for table, remainder in (("embeddings", 1), ("sparse_embeddings", 2), ("token_embeddings", 3)):
        session.execute(f"delete from retrieval.{table} where chunk_id %% 11 = %s", [remainder])
    return chunks


def fill_space(
    session: Session, name: str, chunks: list[int], numbers: np.random.Generator
) -> None:
    """Embed every chunk, in a multivector space by one to three tokens."""
    kind = SPACES[name].get("kind", "dense")
    if kind != "multivector":
        embed(session, name, chunks, grid(numbers, len(chunks)).tolist(), kind)
        return
    counts = numbers.integers(1, 4, size=len(chunks)).tolist()
    session.execute(
        "select retrieval.put_token_embeddings('c', %s, %s, %s, %s)",
        [name, chunks, counts, tokens(grid(numbers, sum(counts)).tolist())],
    )


def queries(seed: int, *legs: str) -> dict[str, Query]:
    """A query for each leg, in the order in which the legs are run."""
    numbers = np.random.default_rng(seed)
    found: dict[str, Query] = {
        "keyword": " ".join(numbers.choice(WORDS, size=numbers.integers(1, 4)))
    }
    for leg, (kind, _, _) in LEGS.items():
        if kind != "keyword":
            found[leg] = grid(numbers, *([2] if kind == "multivector" else []))
    return {leg: found[leg] for leg in LEGS if leg in legs}


def tokens(vectors: list[list[float]]) -> str:
    """An array of vectors as PostgreSQL reads it."""
    return "{" + ",".join(f'"{vector(row)}"' for row in vectors) + "}"


def literal(leg: str, query: Query) -> str:
    """A query as PostgreSQL reads it."""
    kind = LEGS[leg][0]
    if isinstance(query, str):
        return query
    if kind == "multivector":
        return tokens(query.tolist())
    return sparse(query.tolist()) if kind == "sparse" else vector(query.tolist())


def search(session: Session, function: str, **arguments: Any) -> list[Any]:
    """Call a function on the collection c."""
    named = "".join(f", {name} => %({name})s" for name in arguments)
    given = {k: Jsonb(v) if isinstance(v, dict) else v for k, v in arguments.items()}
    return session.execute(f"select * from retrieval.{function}('c'{named})", given).fetchall()


def arguments(asked: dict[str, Query]) -> dict[str, Any]:
    """The arguments of hybrid_search that make these legs."""
    own = {
        PARAMETERS[LEGS[leg][0]]: literal(leg, query)
        for leg, query in asked.items()
        if leg in ("keyword", "semantic", "sparse", "late_interaction")
    }
    by_space = {
        leg: literal(leg, query) if LEGS[leg][0] == "sparse" else query.tolist()
        for leg, query in asked.items()
        if LEGS[leg][1] == leg and not isinstance(query, str)
    }
    return own | ({"query_embeddings": by_space} if by_space else {})


def hits(
    session: Session, leg: str, query: Query, depth: int, metadata_filter: dict[str, Any] | None
) -> list[Candidate]:
    """What a leg finds by itself."""
    kind, space, function = LEGS[leg]
    options: dict[str, Any] = {} if space is None else {"space": space}
    options |= {PARAMETERS[kind]: literal(leg, query), "max_results": depth}
    if metadata_filter is not None:
        options["metadata_filter"] = metadata_filter
    return [(leg, hit.chunk_id, hit.score) for hit in search(session, function, **options)]


def ranked(
    candidates: list[Candidate], fusion: str, weights: dict[str, float], rrf_k: int
) -> Ranked:
    """The fused ranking, best first."""
    contributions = fused(candidates, fusion, weights, rrf_k)
    rows = [(id_, total(legs), legs) for id_, legs in contributions.items()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def default_weights(asked: dict[str, Query]) -> dict[str, float]:
    """What the legs count where nobody says."""
    return {leg: 0.7 if LEGS[leg][0] == "dense" else 1 for leg in asked}


def expected(session: Session, asked: dict[str, Query], **options: Any) -> Ranked:
    """All that a hybrid search of these legs ranks, before anything is done to the ranking."""
    given = DEFAULTS | options
    weights = given.get("weights", default_weights(asked))
    by = (given["fusion"], weights, given["rrf_k"])
    found: list[Candidate] = []
    for leg, query in asked.items():
        depth = given["leg_candidates"].get(leg, max(given["candidates"], given["max_results"]))
        among_others = leg == "late_interaction" and given["late_interaction"] == "candidates"
        if among_others and len(asked) > 1:
            idle = all(weights.get(other, 1) == 0 for other in asked if other != leg)
            others = ranked(found, by[0], {} if idle else weights, by[2])
            best = {id_ for id_, _, _ in others[:depth]}
            every = hits(session, leg, query, 10000, given["metadata_filter"])
            found += [hit for hit in every if hit[1] in best]
        else:
            found += hits(session, leg, query, depth, given["metadata_filter"])
    return ranked(found, *by)


def check(rows: list[Any], wanted: Ranked) -> None:
    """The same chunks in the same order, with the same scores and contributions."""
    assert [row.chunk_id for row in rows] == [id_ for id_, _, _ in wanted]
    for row, (_, score, contributions) in zip(rows, wanted, strict=True):
        assert abs(row.score - score) < 1e-9
        assert row.contributions.keys() == contributions.keys()
        for leg, (rank, own_score, added) in contributions.items():
            said = row.contributions[leg]
            assert (said["rank"], said["score"]) == (rank, own_score)
            assert abs(said["contribution"] - added) < 1e-9
