"""What retrieval doctor says about the vectors of a space."""

from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import Connection

from retrieval.database import Finding, diagnose

DOCUMENTS, CHUNKS, DIMENSIONS = 120, 5, 384
rng = np.random.default_rng(3)


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def model() -> Any:
    """What a sound model makes of documents: cosine 0.26 of random chunks, 0.63 of neighbours."""
    centre = unit(rng.normal(size=DIMENSIONS))
    subjects = unit(rng.normal(size=(DOCUMENTS, 1, DIMENSIONS)))
    own = unit(rng.normal(size=(DOCUMENTS, CHUNKS, DIMENSIONS)))
    return unit(0.5 * centre + 0.6 * subjects + 0.6 * own).reshape(-1, DIMENSIONS)


def turned(vectors: Any) -> Any:
    """The same under another model: rotated at random."""
    rotation, _ = np.linalg.qr(rng.normal(size=(DIMENSIONS, DIMENSIONS)))
    return vectors @ rotation


def store(sql: psycopg.Cursor, vectors: Any, metric: str = "cosine", chunks: int = CHUNKS) -> None:
    sql.execute("select retrieval.create_collection('c')")
    sql.execute(
        "select retrieval.create_space('c', 's', 'm', %s, metric => %s, index_method => 'none')",
        [vectors.shape[1], metric],
    )
    sql.execute(
        """insert into retrieval.documents (collection_id, document_key)
           select collection_id, n::text
           from retrieval.collections, generate_series(1, %s) n order by n""",
        [len(vectors) // chunks],
    )
    sql.execute(
        """insert into retrieval.chunks (collection_id, document_id, position, content)
           select collection_id, document_id, p, document_key || '.' || p
           from retrieval.documents, generate_series(0, %s) p order by document_id, p""",
        [chunks - 1],
    )
    sql.execute(
        """insert into retrieval.embeddings
           select s.space_id, s.collection_id, c.chunk_id, (%s::halfvec[])[c.number]
           from retrieval.spaces s,
                (select chunk_id, row_number() over (order by chunk_id) from retrieval.chunks)
                    c(chunk_id, number)""",
        [[f"[{','.join(f'{x:.5g}' for x in vector)}]" for vector in vectors]],
    )


@pytest.fixture
def look(connection: Connection) -> Any:
    """Runs doctor; returns what it says about spaces and their vectors, warnings apart."""

    def run() -> tuple[list[Finding], list[Finding]]:
        findings = [each for each in diagnose(connection) if " s " in each.subject]
        return (
            [each for each in findings if each.level == "ok"],
            [each for each in findings if each.level != "ok"],
        )

    return run


def test_a_sound_space(sql: psycopg.Cursor, look: Any) -> None:
    store(sql, model())
    (state, vectors), problems = look()
    assert not problems
    assert (state.subject, state.message) == ("space s of c", "complete, exact")
    assert vectors.subject == "vectors of s in c"
    assert "600 embeddings, cosine of random pairs 0.2" in vectors.message
    assert "of neighbouring chunks 0.6" in vectors.message
    assert "length 1 ±" in vectors.message


@pytest.mark.parametrize("count", [0, 20])
def test_too_few_vectors_are_not_judged(sql: psycopg.Cursor, look: Any, count: int) -> None:
    store(sql, np.tile([3.0, 4.0], (count, 1)).reshape(count, 2))
    (state,), problems = look()
    assert not problems
    assert state.message == "complete, exact; too few vectors to judge them"


def test_two_models_mixed_chunk_by_chunk(sql: psycopg.Cursor, look: Any) -> None:
    vectors = model()
    second = rng.random(len(vectors)) < 0.5
    store(sql, np.where(second[:, None], turned(vectors), vectors))
    _, problems = look()
    messages = " / ".join(each.message for each in problems)
    assert "related to none of the others, as if two models" in messages
    assert "neighbouring chunks have a negative cosine, as if two models" in messages
    assert all("embed everything into a new space" in each.advice for each in problems)


def test_a_model_that_changed_between_documents(sql: psycopg.Cursor, look: Any) -> None:
    vectors = model()
    store(sql, np.concatenate([vectors[:400], turned(vectors[400:])]))
    _, (problem,) = look()
    assert problem.level == "warning"
    assert "3" in problem.message.split("%")[0]
    assert "related to none of the others" in problem.message


def test_vectors_of_other_chunks(sql: psycopg.Cursor, look: Any) -> None:
    store(sql, rng.permutation(model()))
    _, (problem,) = look()
    assert "are hardly more alike than random ones" in problem.message
    assert "stored with its own chunk" in problem.advice


def test_lengths_matter_to_the_inner_product_alone(sql: psycopg.Cursor, look: Any) -> None:
    store(sql, model() * rng.uniform(0.5, 2, size=(600, 1)), metric="inner_product")
    _, (problem,) = look()
    assert "lengths differ, from 0.5" in problem.message
    assert "normalise or use the metric cosine" in problem.advice
    sql.execute("update retrieval.spaces set metric = 'cosine'")
    assert not look()[1]
    sql.execute(
        "update retrieval.embeddings set embedding = l2_normalize(embedding);"
        " update retrieval.spaces set metric = 'inner_product'"
    )
    assert not look()[1]


def test_a_collapsed_space(sql: psycopg.Cursor, look: Any) -> None:
    store(sql, unit(np.ones(DIMENSIONS) + 0.05 * rng.normal(size=(600, DIMENSIONS))))
    _, (problem,) = look()
    assert "vectors hardly differ: the cosine of random pairs is 1.00" in problem.message


def test_texts_that_share_a_vector(sql: psycopg.Cursor, look: Any) -> None:
    vectors = model()
    vectors[::7] = vectors[0]
    store(sql, vectors)
    _, (problem,) = look()
    assert problem.message == "14% of the vectors are shared by different texts"


def test_zeros(sql: psycopg.Cursor, look: Any) -> None:
    vectors = model()
    vectors[:30] = 0
    store(sql, vectors, metric="l2")
    _, problems = look()
    assert ("5% of the vectors are all zeros", "embed these chunks again") in [
        (each.message, each.advice) for each in problems
    ]


def test_chunks_without_neighbours(sql: psycopg.Cursor, look: Any) -> None:
    """Where every document is one chunk there is less to go by, but the models are told apart."""
    vectors = model()
    store(sql, np.concatenate([vectors[::2], turned(vectors[1::2])]), chunks=1)
    (_, figures), (problem,) = look()
    assert "neighbouring" not in figures.message
    assert "related to none of the others" in problem.message
