"""What a space is said to take, beside real tables and indexes of the same shape."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import failure, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

ESTIMATE = "select * from retrieval.estimate_space(%s, %s, %s)"
CHUNKS = 3000
INDEXED = {
    "half": "(embedding::halfvec({0})) halfvec_cosine_ops",
    "bit": "(binary_quantize(embedding)::bit({0})) bit_hamming_ops",
}
OPTIONS = {"hnsw": ["m"], "ivfflat": ["lists"]}


@pytest.fixture(scope="module")
def session(module_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(module_database_url, autocommit=True) as opened:
        opened.execute("set maintenance_work_mem = '256MB'")
        yield opened


def fill(session: psycopg.Connection, dimensions: int, chunks: int = CHUNKS) -> None:
    """A table like a partition of retrieval.embeddings, with vectors around twenty topics."""
    session.execute(
        """drop table if exists embeddings_like;
           create table embeddings_like (like retrieval.embeddings including all);
           alter table embeddings_like alter column embedding set storage plain"""
    )
    session.execute(
        """insert into embeddings_like
           select 1, 1, i, (select array_agg(sin(mod(i, 20) * j) + 4 * random() - 2)
                            from generate_series(1, %s) j)::real[]::halfvec
           from generate_series(1, %s) i""",
        [dimensions, chunks],
    )


def build(session: psycopg.Connection, row: tuple, dimensions: int, options: dict) -> int:
    """The size of an index as build_index makes it."""
    method, quantization = row[:2]
    used = ", ".join(f"{key} = {options[key]}" for key in OPTIONS[method])
    expression = INDEXED[quantization].format(dimensions)
    session.execute("drop index if exists index_like")
    session.execute(
        f"create index index_like on embeddings_like using {method} ({expression}) with ({used})"
    )
    return value(session, "select pg_relation_size('index_like')")


@pytest.mark.parametrize("dimensions", [32, 384, 1024])
@pytest.mark.parametrize("options", [{"m": 16, "lists": 3}, {"m": 5, "lists": 2}], ids=str)
def test_the_estimate_is_near_the_truth(
    session: psycopg.Connection, dimensions: int, options: dict
) -> None:
    fill(session, dimensions)
    heap = value(
        session,
        """select pg_relation_size(indrelid) + pg_relation_size(indexrelid) from pg_index
           where indrelid = 'embeddings_like'::regclass and indisprimary""",
    )
    for row in session.execute(ESTIMATE, [CHUNKS, dimensions, Jsonb(options)]).fetchall():
        assert row[2] == pytest.approx(heap, rel=0.03)
        real = 0 if row[0] == "none" else build(session, row, dimensions, options)
        assert row[3] == pytest.approx(real, rel=0.15), row


@pytest.mark.parametrize("lists", [10, 60])
def test_every_list_ends_amid_a_page(session: psycopg.Connection, lists: int) -> None:
    fill(session, 32)
    for row in session.execute(ESTIMATE, [CHUNKS, 32, Jsonb({"lists": lists})]).fetchall()[3:]:
        real = build(session, row, 32, {"lists": lists})
        assert row[3] == pytest.approx(real, abs=8192 * lists / 2), row


def test_vectors_that_fill_a_page(session: psycopg.Connection) -> None:
    """With 4,000 dimensions an element's neighbours no longer fit beside it."""
    fill(session, 4000, 300)
    options = {"m": 16, "lists": 1}
    for row in session.execute(ESTIMATE, [300, 4000, Jsonb(options)]).fetchall()[1:]:
        assert row[3] == pytest.approx(build(session, row, 4000, options), rel=0.15), row


def test_the_graph_is_built_in_the_memory_that_is_named(session: psycopg.Connection) -> None:
    fill(session, 512, 4000)
    notices: list[str] = []
    session.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    (row,) = (
        r
        for r in session.execute(ESTIMATE, [4000, 512, Jsonb({"m": 8})])
        if r[:2] == ("hnsw", "half")
    )
    try:
        session.execute("set max_parallel_maintenance_workers = 0")
        session.execute(f"set maintenance_work_mem = '{row[4] // 1024} kB'")
        build(session, row, 512, {"m": 8})
        assert not [notice for notice in notices if "no longer fits" in notice]
        # a graph's own size, without what is set aside for a parallel build
        session.execute("set maintenance_work_mem = '4MB'")
        build(session, row, 512, {"m": 8})
        (notice,) = [notice for notice in notices if "no longer fits" in notice]
        fitted = int(re.findall(r"after (\d+) tuples", notice)[0])
        assert (row[4] - 5 * 2**20) * fitted / 4000 == pytest.approx(4 * 2**20, rel=0.02)
    finally:
        session.execute("reset max_parallel_maintenance_workers")
        session.execute("set maintenance_work_mem = '256MB'")


def test_the_choices_of_a_space_and_their_order(sql: psycopg.Cursor) -> None:
    rows = sql.execute("select * from retrieval.estimate_space(1000000, 384)").fetchall()
    assert [(row.index_method, row.quantization) for row in rows] == [
        ("none", "half"),
        ("hnsw", "half"),
        ("hnsw", "bit"),
        ("ivfflat", "half"),
        ("ivfflat", "bit"),
    ]
    assert len({row.heap_bytes for row in rows}) == 1
    assert rows[0].index_bytes == 0
    assert [row.build_memory_bytes is None for row in rows] == [True, False, False, True, True]
    assert rows[2].index_bytes < rows[1].index_bytes


@pytest.mark.parametrize("chunks", [1, 10**12])
@pytest.mark.parametrize("dimensions", [1, 4000])
@pytest.mark.parametrize("options", [{}, {"m": 2, "lists": 1}, {"m": 100, "lists": "32768"}])
def test_the_extremes(sql: psycopg.Cursor, chunks: int, dimensions: int, options: dict) -> None:
    for row in sql.execute(ESTIMATE, [chunks, dimensions, Jsonb(options)]).fetchall():
        assert row.heap_bytes >= 8192 + 2 * chunks * dimensions
        assert row.index_bytes % 8192 == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("0, 384", "chunks"),
        ("null, 384", "chunks"),
        ("1, 0", "dimensions"),
        ("1, 4001", "dimensions"),
        ("1, null", "dimensions"),
        ("1, 384, null", "index_options"),
        ("1, 384, '[]'", "index_options"),
        ("""1, 384, '{"probes": 1}'""", "'probes'"),
        ("""1, 384, '{"m": 1}'""", "m must be a whole number between 2 and 100, not 1"),
        ("""1, 384, '{"m": "16)"}'""", "m must be"),
        ("""1, 384, '{"lists": 1.5}'""", "lists must be"),
        ("""1, 384, '{"lists": 0}'""", "lists must be"),
    ],
)
def test_unusable_arguments(sql: psycopg.Cursor, arguments: str, named: str) -> None:
    error = failure(sql, f"select * from retrieval.estimate_space({arguments})")
    assert error.sqlstate == "22023"
    assert named in str(error)
