"""What a map is drawn from: a sample that stays the same, and the chunks that are named."""

from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import failure
from vectors import create_space, embed, fill, halves, put_chunks

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

COUNT = 40
SAMPLE = """select *, embedding::real[] as numbers from retrieval.sample_chunks(
                'c', %(space)s, %(sample)s, %(filter)s, %(chunk_ids)s)"""

VECTORS = halves(np.random.default_rng(3).normal(size=(COUNT, 8)))


@pytest.fixture
def chunks(sql: psycopg.Cursor) -> list[int]:
    """The collection c, one chunk for each of the vectors."""
    return fill(sql, VECTORS)


def sample(sql: psycopg.Cursor, **arguments: Any) -> list[Any]:
    given = {"space": None, "sample": 10, "filter": None, "chunk_ids": None} | arguments
    if given["filter"] is not None:
        given["filter"] = Jsonb(given["filter"])
    return sql.execute(SAMPLE, given).fetchall()


def ids(rows: list[Any]) -> list[int]:
    return [row.chunk_id for row in rows]


def test_a_row_is_the_chunk_with_its_embedding(sql: psycopg.Cursor, chunks: list[int]) -> None:
    rows = sample(sql, sample=COUNT)
    assert sorted(ids(rows)) == chunks
    for row in rows:
        number = chunks.index(row.chunk_id)
        assert (row.document_key, row.metadata) == (f"{number:05}", {"n": number})
        assert (row.title, row.position, row.content) == (None, 0, "x")
        np.testing.assert_allclose(row.numbers, VECTORS[number], rtol=1e-6)
        assert row.is_sampled


def test_the_sample_is_the_same_again(sql: psycopg.Cursor, chunks: list[int]) -> None:
    drawn = ids(sample(sql))
    assert len(set(drawn)) == 10 and drawn == ids(sample(sql))
    assert ids(sample(sql, sample=25))[:10] == drawn
    assert drawn != chunks[:10]


def test_what_is_named_comes_after_the_sample(sql: psycopg.Cursor, chunks: list[int]) -> None:
    drawn = ids(sample(sql))
    others = [chunk for chunk in chunks if chunk not in drawn][:3]
    rows = sample(sql, chunk_ids=[*others, others[0], drawn[0], 10**9])
    assert ids(rows)[:10] == drawn and set(ids(rows)[10:]) == set(others)
    assert [row.is_sampled for row in rows] == [True] * 10 + [False] * 3


def test_everything_fulfils_the_filter(sql: psycopg.Cursor, chunks: list[int]) -> None:
    rows = sample(sql, filter={"n": {"$lt": 5}}, chunk_ids=[chunks[3], chunks[20]])
    assert sorted(ids(rows)) == chunks[:5]
    assert sample(sql, filter={"n": -1}) == []
    assert failure(sql, SAMPLE, dict(space=None, sample=1, filter=Jsonb({"n": {"$no": 1}}),
                                     chunk_ids=None)).sqlstate == "22023"  # fmt: skip


def test_of_another_space_what_is_embedded_there(sql: psycopg.Cursor, chunks: list[int]) -> None:
    create_space(sql, "other", 2)
    embed(sql, "other", chunks[:4], [[1, number] for number in range(4)])
    rows = sample(sql, space="other", chunk_ids=[chunks[10]])
    assert sorted((row.chunk_id, row.numbers) for row in rows) == [
        (chunk, [1, number]) for number, chunk in enumerate(chunks[:4])
    ]


def test_refused(sql: psycopg.Cursor) -> None:
    def state(**arguments: Any) -> str | None:
        given = {"space": None, "sample": 10, "filter": None, "chunk_ids": None} | arguments
        return failure(sql, SAMPLE, given).sqlstate

    assert state() == "42704"  # no collection
    put_chunks(sql, 1)
    assert state() == "55000"  # no active space
    assert state(space="none") == "42704"
    create_space(sql, "s", 2)
    assert sample(sql, space="s") == []
    assert state(space="s", sample=0) == state(space="s", sample=10_001) == "22023"
