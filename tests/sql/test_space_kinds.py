"""Dense, sparse and multivector spaces side by side, and what each kind may be made of."""

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, put, value
from vectors import create_space, embed, put_chunks

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

KINDS = ["dense", "sparse", "multivector"]
TABLE = {
    "dense": "embeddings",
    "sparse": "sparse_embeddings",
    "multivector": "token_embeddings",
}
SPACE_TABLES = """select relname from pg_class where relnamespace = 'retrieval'::regnamespace
                  and relkind = 'r' and relname ~ 'embeddings_[0-9]+$'"""


@pytest.fixture
def chunks(sql: psycopg.Cursor) -> list[int]:
    """Three chunks of the collection c, with a space of each kind that is named like it."""
    chunks = put_chunks(sql, 3)
    for kind in KINDS:
        create_space(sql, kind, 2, kind=kind)
    return chunks


def fill_all(sql: psycopg.Cursor, chunks: list[int]) -> None:
    for kind in KINDS:
        embed(sql, kind, chunks, [[n + 1, 1] for n in range(len(chunks))], kind)


# What create_space chooses and refuses


@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("dense", ("cosine", "hnsw", "half")),
        ("sparse", ("inner_product", "hnsw", "half")),
        ("multivector", ("cosine", "none", "half")),
    ],
)
@pytest.mark.usefixtures("chunks")
def test_defaults(sql: psycopg.Cursor, kind: str, chosen: tuple[str, ...]) -> None:
    create_space(sql, "t", 2, kind=kind, metric=None, index_method=None)
    for name in (kind, "t"):
        statement = "select metric, index_method, quantization from retrieval.spaces where name=%s"
        assert tuple(sql.execute(statement, [name]).fetchone()) == chosen


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"index_method": "ivfflat", "metric": "l1"}, "metric l1"),
        ({"quantization": "bit", "metric": "l2"}, "metric l2"),
        ({"quantization": "bit", "metric": "l1", "index_method": "ivfflat"}, "metric l1"),
        ({"quantization": "int8"}, "quantization"),
        ({"quantization": None}, "quantization"),
        ({"index_method": "flat"}, "index_method"),
        ({"kind": None}, "kind"),
        ({"kind": "multivector", "index_method": "hnsw"}, "index_method"),
        ({"kind": "multivector", "metric": "l2"}, "metric"),
        ({"kind": "multivector", "quantization": "bit"}, "quantization"),
        ({"kind": "multivector", "dimensions": 4001}, "dimensions"),
        ({"kind": "sparse", "index_method": "ivfflat"}, "index_method"),
        ({"kind": "sparse", "quantization": "bit"}, "quantization"),
        ({"kind": "sparse", "dimensions": 1_000_000_001}, "dimensions"),
        ({"kind": "sparse", "dimensions": 0}, "dimensions"),
        ({"index_options": {"m": 1}}, "m must be at least 2"),
        ({"index_options": {"m": 0}}, "m must be between"),
        ({"index_options": {"m": 101}}, "m must be between"),
        ({"index_options": {"ef_construction": 1001}}, "ef_construction must be between"),
        ({"index_options": {"ef_construction": 20, "m": 11}}, "twice m"),
        ({"index_options": {"ef_construction": 31}}, "twice m"),
        ({"index_options": {"m": 8.5}}, "m must be a whole number, not 8.5"),
        ({"index_options": {"m": -8}}, "m must be a whole number, not -8"),
        ({"index_options": {"m": None}}, "m must be a whole number, not null"),
        ({"index_options": {"m": [8]}}, "m must be a whole number"),
        ({"index_options": {"m": 10**20}}, "m must be a whole number"),
        ({"index_options": {"lists": 10}}, "'lists'"),
        ({"index_options": {"M": 8}}, "'M'"),
        ({"index_method": "ivfflat", "index_options": {"m": 8}}, "'m'"),
        ({"index_method": "ivfflat", "index_options": {"lists": 0}}, "lists must be between"),
        ({"index_method": "ivfflat", "index_options": {"lists": 32769}}, "lists must be between"),
        ({"index_method": "none", "index_options": {"m": 8}}, "index_options must be {}"),
        ({"index_method": "none", "search_options": {"search_effort": 8}}, "search_options"),
        ({"index_options": None}, "index_options must be an object"),
        ({"index_options": Jsonb(None)}, "index_options must be an object"),
        ({"index_options": Jsonb([1])}, "index_options must be an object"),
        ({"search_options": Jsonb("fast")}, "search_options must be an object"),
        ({"search_options": {"oversampling": 4}}, "'oversampling'"),
        ({"search_options": {"search_effort": 1001}}, "search_effort must be between"),
    ],
)
def test_what_does_not_go_together(
    sql: psycopg.Cursor, arguments: dict[str, Any], named: str
) -> None:
    put_chunks(sql, 0)
    given = {"dimensions": 2, **arguments}
    with pytest.raises(psycopg.Error) as raised, sql.connection.transaction():
        create_space(sql, "t", **given)
    assert raised.value.sqlstate == "22023"
    assert named in raised.value.diag.message_primary
    assert column(sql, SPACE_TABLES) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"dimensions": 1_000_000_000, "kind": "sparse"},
        {"dimensions": 4000},
        {"dimensions": 4000, "index_method": "ivfflat"},
        {"dimensions": 4000, "quantization": "bit"},
        {"dimensions": 4000, "kind": "multivector"},
        {"dimensions": 2, "index_options": {"m": 2, "ef_construction": 4}},
        {"dimensions": 2, "index_options": {"m": 100}},
        {"dimensions": 2, "index_options": {"m": 100, "ef_construction": 1000}},
        {"dimensions": 2, "index_method": "ivfflat", "index_options": {"lists": 32768}},
        {"dimensions": 2, "index_method": "ivfflat", "quantization": "bit"},
        {"dimensions": 2, "index_method": "ivfflat", "search_options": {"search_effort": 32768}},
    ],
)
def test_limits_can_be_reached(sql: psycopg.Cursor, arguments: dict[str, Any]) -> None:
    put_chunks(sql, 0)
    create_space(sql, "t", **arguments)
    if arguments.get("index_options") != {"lists": 32768}:  # wants memory for its centres
        sql.execute("select retrieval.build_index('c', 't', %s)", [arguments.get("kind", "dense")])
        assert value(sql, "select indexed from retrieval.list_spaces('c')") is True


# Side by side


def test_one_active_space_of_each_kind(sql: psycopg.Cursor, chunks: list[int]) -> None:
    fill_all(sql, chunks)
    for kind in KINDS:
        sql.execute("select retrieval.activate_space('c', %s)", [kind])
    create_space(sql, "other", 2, kind="sparse")
    embed(sql, "other", chunks, [[1, 0]] * 3, "sparse")
    sql.execute("select retrieval.activate_space('c', 'other')")
    states = dict(sql.execute("select name, state from retrieval.list_spaces('c')").fetchall())
    assert states == {
        "dense": "active",
        "sparse": "shadow",
        "multivector": "active",
        "other": "active",
    }


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("retrieval.put_embeddings('c', 'sparse', '{}', '{}')", "sparse is sparse, not dense"),
        ("retrieval.put_sparse_embeddings('c', 'dense', '{}', '{}')", "dense is dense, not sparse"),
        (
            "retrieval.put_token_embeddings('c', 'dense', '{}', '{}', '{}')",
            "dense is dense, not multivector",
        ),
        ("retrieval.semantic_search('c', '[1,1]', space => 'sparse')", "sparse, not dense"),
        ("retrieval.sparse_search('c', '{1:1}/2', space => 'dense')", "dense, not sparse"),
        ("retrieval.hybrid_search('c', 'x', '[1,1]', space => 'multivector')", "not dense"),
        ("retrieval.build_index('c', 'sparse')", "sparse, not dense"),
        ("retrieval.index_statements('c', 'sparse')", "sparse, not dense"),
        ("retrieval.index_progress('c', 'sparse')", "sparse, not dense"),
        ("retrieval.describe_space('c', 'sparse')", "sparse, not dense"),
        ("retrieval.sample_embeddings('c', 'sparse')", "sparse, not dense"),
        ("retrieval.drop_query_adapter('c', 'sparse')", "sparse, not dense"),
    ],
)
@pytest.mark.usefixtures("chunks")
def test_the_wrong_kind(sql: psycopg.Cursor, statement: str, message: str) -> None:
    error = failure(sql, f"select * from {statement}")
    assert error.sqlstate == "22023"
    assert message in error.diag.message_primary


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing(sql: psycopg.Cursor, chunks: list[int], kind: str) -> None:
    missing = "select chunk_id from retrieval.missing_embeddings('c', %s)"
    assert column(sql, missing, [kind]) == chunks
    embed(sql, kind, chunks[1:], [[1, 1]] * 2, kind)
    assert column(sql, missing, [kind]) == chunks[:1]
    counted = "select embeddings, missing from retrieval.list_spaces('c') where name = %s"
    assert tuple(sql.execute(counted, [kind]).fetchone()) == (2, 1)


def test_missing_without_a_name_is_of_the_dense_space(
    sql: psycopg.Cursor, chunks: list[int]
) -> None:
    fill_all(sql, chunks)
    for kind in KINDS:
        sql.execute("select retrieval.activate_space('c', %s)", [kind])
    sql.execute("delete from retrieval.embeddings where chunk_id = %s", chunks[:1])
    assert column(sql, "select * from retrieval.missing_embeddings('c', null)") == chunks[:1]


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_go_with_their_chunks(sql: psycopg.Cursor, chunks: list[int], kind: str) -> None:
    fill_all(sql, chunks)
    left = f"select chunk_id from retrieval.{TABLE[kind]} order by 1"
    sql.execute("delete from retrieval.chunks where chunk_id = %s", chunks[:1])
    assert column(sql, left) == chunks[1:]
    sql.execute("select retrieval.delete_documents('c', array['00001'])")
    assert column(sql, left) == chunks[2:]
    put(sql, "c", {"document_key": "00002", "content": "other"})
    assert column(sql, left) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_dropped_space_leaves_no_table(sql: psycopg.Cursor, chunks: list[int], kind: str) -> None:
    fill_all(sql, chunks)
    (space_id,) = column(sql, "select space_id from retrieval.spaces where name = %s", [kind])
    sql.execute("select retrieval.drop_space('c', %s)", [kind])
    tables = column(sql, SPACE_TABLES)
    assert len(tables) == 2
    assert f"{TABLE[kind]}_{space_id}" not in tables
    assert value(sql, f"select count(*) from retrieval.{TABLE[kind]}") == 0


def test_a_dropped_collection_leaves_no_table(sql: psycopg.Cursor, chunks: list[int]) -> None:
    fill_all(sql, chunks)
    assert len(column(sql, SPACE_TABLES)) == 3
    sql.execute("select retrieval.drop_collection('c')")
    assert column(sql, SPACE_TABLES) == []
    assert value(sql, "select count(*) from retrieval.spaces") == 0
