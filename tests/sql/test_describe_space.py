"""The figures of a space's vectors, beside those that numpy finds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
import pytest
from statements import failure, put, value, vector

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

DESCRIBE = "select * from retrieval.describe_space('c', 's')"
SAMPLED = "select * from retrieval.describe_space('c', 's', %s)"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def fill(
    sql: psycopg.Cursor,
    vectors: Any,
    *,
    documents: Sequence[int] = (),
    texts: Sequence[str] = (),
    metric: str = "cosine",
) -> Any:
    """A chunk for each vector, in the documents of these sizes; returns the figures."""
    sql.execute("select retrieval.create_collection('c')")
    sql.execute(
        "select retrieval.create_space('c', 's', 'model', %s, metric => %s)",
        [len(vectors[0]), metric],
    )
    sizes = documents or [1] * len(vectors)
    keys = put(sql, "c", *({"document_key": str(n), "content": "x"} for n in range(len(sizes))))
    sql.execute("delete from retrieval.chunks")
    places = [
        (keys[number].document_id, position)
        for number, size in enumerate(sizes)
        for position in range(size)
    ]
    sql.execute(
        """insert into retrieval.chunks (collection_id, document_id, position, content)
           select d.collection_id, d.document_id, p.position, p.text
           from unnest(%s::bigint[], %s::integer[], %s::text[]) p(document_id, position, text)
           join retrieval.documents d on d.document_id = p.document_id
           order by p.document_id, p.position""",
        [*map(list, zip(*places, strict=True)), list(texts or map(str, range(len(places))))],
    )
    sql.execute(
        """insert into retrieval.embeddings
           select s.space_id, s.collection_id, c.chunk_id, (%s::halfvec[])[c.number]
           from retrieval.spaces s,
                (select chunk_id, row_number() over (order by chunk_id) from retrieval.chunks)
                    c(chunk_id, number)""",
        [[vector(each) for each in vectors]],
    )
    return sql.execute(DESCRIBE).fetchone()


def cosines(one: Any, other: Any) -> Any:
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(axis=1) / norms


def cone(rng: np.random.Generator, count: int, dimensions: int = 384) -> Any:
    """Vectors around one direction, as a model leaves them: cosines of about 0.3."""
    centre = rng.normal(size=dimensions)
    return rng.normal(size=(count, dimensions)) + 0.65 * centre


def test_lengths(sql: psycopg.Cursor, rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(50, 8)).astype(np.float16).astype(float)
    found = fill(sql, vectors)
    norms = np.linalg.norm(vectors, axis=1)
    assert (found.embeddings, found.sampled, found.zero_vectors) == (50, 50, 0)
    assert found.norm_minimum == pytest.approx(norms.min())
    assert found.norm_mean == pytest.approx(norms.mean())
    assert found.norm_maximum == pytest.approx(norms.max())
    assert found.norm_deviation == pytest.approx(norms.std())


def test_neighbours_are_next_chunks_of_a_document(
    sql: psycopg.Cursor, rng: np.random.Generator
) -> None:
    vectors = rng.normal(size=(60, 8))
    found = fill(sql, vectors, documents=[3] * 20)
    first = np.arange(60).reshape(20, 3)[:, :2].ravel()
    expected = cosines(vectors[first], vectors[first + 1])
    assert found.neighbour_pairs == 40
    assert found.neighbour_cosine == pytest.approx(expected.mean(), abs=0.002)
    assert found.negative_neighbours == pytest.approx((expected < 0).mean(), abs=0.03)


def test_random_pairs_are_like_all_pairs(sql: psycopg.Cursor, rng: np.random.Generator) -> None:
    """Also where neighbours are alike, as they lie side by side in the table."""
    topics = np.repeat(rng.normal(size=(100, 16)), 10, axis=0)
    vectors = topics + 0.5 * rng.normal(size=(1000, 16)) + 0.5
    found = fill(sql, vectors, documents=[10] * 100)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    every = np.triu(unit @ unit.T, 1).sum() / (1000 * 999 / 2)
    assert found.mean_cosine == pytest.approx(every, abs=0.03)
    assert found.neighbour_cosine > every + 0.3


def test_the_sample_is_as_large_as_wanted_and_repeats_itself(
    sql: psycopg.Cursor, rng: np.random.Generator
) -> None:
    fill(sql, rng.normal(size=(3000, 32)))
    found = sql.execute(SAMPLED, [100]).fetchone()
    assert (found.embeddings, found.sampled) == (3000, 100)
    assert sql.execute(SAMPLED, [100]).fetchone() == found
    assert sql.execute(SAMPLED, [1]).fetchone().mean_cosine is None
    assert sql.execute(SAMPLED, [10000]).fetchone().sampled == 3000


def test_duplicates_are_of_different_texts(sql: psycopg.Cursor, rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(40, 8))
    vectors[1] = vectors[0]  # the same text: no wonder
    vectors[11:14] = vectors[10]
    texts = ["same", "same", *map(str, range(38))]
    assert fill(sql, vectors, texts=texts).duplicate_vectors == pytest.approx(4 / 40)


def test_titles_make_texts_different(sql: psycopg.Cursor) -> None:
    assert fill(sql, [[1, 2]] * 4, texts=["same"] * 4).duplicate_vectors == 0
    sql.execute("update retrieval.documents set title = document_key")
    # what was embedded without its title is embedded again
    sql.execute(
        """select retrieval.put_embeddings('c', 's', array_agg(chunk_id),
                                           array_agg('[1,2]'::halfvec)) from retrieval.chunks"""
    )
    assert sql.execute(DESCRIBE).fetchone().duplicate_vectors == 1


def test_zeros_are_counted_and_no_cosine_is_made_of_them(sql: psycopg.Cursor) -> None:
    found = fill(sql, [[0, 0], [1, 1], [2, 2], [0, 0]], documents=[4], metric="l2")
    assert found.zero_vectors == 0.5
    assert (found.mean_cosine, found.neighbour_cosine) == pytest.approx((1, 1))
    assert (found.neighbour_pairs, found.negative_neighbours) == (1, 0)


def test_one_model_is_one_group(sql: psycopg.Cursor, rng: np.random.Generator) -> None:
    assert fill(sql, cone(rng, 500)).separate_vectors == 0


def test_two_models_are_two_groups(sql: psycopg.Cursor, rng: np.random.Generator) -> None:
    found = fill(sql, np.concatenate([cone(rng, 350), cone(rng, 150)]))
    assert found.separate_vectors == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize(("count", "dimensions"), [(300, 384), (500, 128)])
def test_groups_are_not_sought_where_vectors_fall_apart_by_themselves(
    sql: psycopg.Cursor, rng: np.random.Generator, count: int, dimensions: int
) -> None:
    assert fill(sql, cone(rng, count, dimensions)).separate_vectors is None


def test_equal_vectors_are_no_group(sql: psycopg.Cursor, rng: np.random.Generator) -> None:
    vectors = cone(rng, 600)
    vectors[:150] = -vectors[0]
    assert fill(sql, vectors).separate_vectors < 0.01


def test_an_empty_space(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    sql.execute("select retrieval.create_space('c', 's', 'model', 2)")
    found = sql.execute(DESCRIBE).fetchone()._asdict()
    assert [name for name, figure in found.items() if figure == 0] == [
        "embeddings",
        "sampled",
        "neighbour_pairs",
    ]
    assert sum(figure is None for figure in found.values()) == len(found) - 3


def test_without_a_name_the_active_space_is_described(sql: psycopg.Cursor) -> None:
    fill(sql, [[1, 2], [3, 4]])
    active = "select embeddings from retrieval.describe_space('c')"
    assert failure(sql, active).sqlstate == "55000"
    sql.execute("select retrieval.activate_space('c', 's')")
    assert value(sql, active) == 2


def test_unusable_arguments(sql: psycopg.Cursor) -> None:
    fill(sql, [[1, 2]])
    for sample in (0, 10001, None):
        error = failure(sql, SAMPLED, [sample])
        assert (error.sqlstate, "sample" in str(error)) == ("22023", True)
    call = "select retrieval.describe_space(%s, %s)"
    assert failure(sql, call, ["c", "x"]).sqlstate == "42704"
    assert failure(sql, call, ["x", "s"]).sqlstate == "42704"
    sql.execute("select retrieval.create_space('c', 'words', 'model', 9, kind => 'sparse')")
    assert failure(sql, call, ["c", "words"]).sqlstate == "22023"
