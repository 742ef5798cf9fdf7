"""Spaces: created, filled, indexed, activated, dropped."""

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, put, value, vector

CREATE = "select retrieval.create_space('c', %s, 'model', %s)"
PUT = "select retrieval.put_embeddings('c', %s, %s, %s::halfvec[])"
INDEX = """select to_regclass('retrieval.embeddings_' || space_id || '_index')::oid
           from retrieval.spaces where name = %s"""


@pytest.fixture
def chunks(sql: psycopg.Cursor) -> list[int]:
    """Three chunks of the collection c, which has the space s of two dimensions."""
    sql.execute("select retrieval.create_collection('c')")
    sql.execute(CREATE, ["s", 2])
    rows = put(sql, "c", *({"document_key": key, "content": key} for key in "abd"))
    return [row.chunk_id for row in rows]


def fill(sql: psycopg.Cursor, space: str, chunks: list[int], dimensions: int = 2) -> None:
    embeddings = [vector([number + 1] * dimensions) for number in range(len(chunks))]
    sql.execute(PUT, [space, chunks, embeddings])


def states(sql: psycopg.Cursor) -> dict[str, str]:
    return dict(sql.execute("select name, state from retrieval.spaces").fetchall())


# create_space


def test_a_new_space_is_being_built(sql: psycopg.Cursor, chunks: list[int]) -> None:
    assert states(sql) == {"s": "building"}
    space = sql.execute("select * from retrieval.spaces").fetchone()
    assert (space.metric, space.index_method, space.kind, space.signature) == (
        "cosine",
        "hnsw",
        "dense",
        {},
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("'c', null, 'm', 2", "space name"),
        ("'c', 'a/b', 'm', 2", "space name"),
        ("'c', 't', 'm', 0", "dimensions"),
        ("'c', 't', 'm', 4001", "dimensions"),
        ("'c', 't', 'm', null", "dimensions"),
        ("'c', 't', 'm', 2, kind => 'fat'", "kind"),
        ("'c', 't', 'm', 2, metric => 'hamming'", "metric"),
        ("'c', 't', 'm', 2, metric => ''", "metric"),
        ("'c', 't', 'm', 2, index_method => 'flat'", "index_method"),
        ("'c', 't', 'm', 2, quantization => 'none'", "quantization"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, chunks: list[int], arguments: str, named: str
) -> None:
    error = failure(sql, f"select retrieval.create_space({arguments})")
    assert error.sqlstate == "22023"
    assert named in str(error)


def test_a_taken_name_and_an_unknown_collection(sql: psycopg.Cursor, chunks: list[int]) -> None:
    assert failure(sql, CREATE, ["s", 3]).sqlstate == "42710"
    assert failure(sql, "select retrieval.create_space('x', 's', 'm', 2)").sqlstate == "42704"


# What a space accepts


@pytest.mark.parametrize("embedding", ["[1]", "[1,2,3]", "[0,0]"])
def test_embeddings_that_do_not_fit(sql: psycopg.Cursor, chunks: list[int], embedding: str) -> None:
    error = failure(sql, PUT, ["s", chunks[:1], [embedding]])
    assert error.sqlstate in ("23514", "22023")
    error = failure(
        sql,
        "insert into retrieval.embeddings"
        " select space_id, collection_id, %s, %s from retrieval.spaces",
        [chunks[0], embedding],
    )
    assert error.sqlstate == "23514"


def test_zeros_have_a_place_in_other_metrics(sql: psycopg.Cursor, chunks: list[int]) -> None:
    sql.execute("select retrieval.create_space('c', 'flat', 'm', 2, metric => 'l2')")
    sql.execute(PUT, ["flat", chunks, ["[0,0]", "[1,0]", "[3,0]"]])
    sql.execute("select retrieval.build_index('c', 'flat'), retrieval.activate_space('c', 'flat')")
    found = sql.execute("select * from retrieval.semantic_search('c', '[0,0]')").fetchall()
    assert [(hit.chunk_id, hit.score) for hit in found] == list(
        zip(chunks, [0, -1, -3], strict=True)
    )


def test_chunks_of_another_collection_are_passed_over(
    sql: psycopg.Cursor, chunks: list[int]
) -> None:
    sql.execute("select retrieval.create_collection('d')")
    ((*_, foreign),) = put(sql, "d", {"document_key": "a", "content": "a"})
    assert value(sql, PUT, ["s", [foreign], ["[1,0]"]]) == 0


def test_embeddings_go_with_their_chunks(sql: psycopg.Cursor, chunks: list[int]) -> None:
    fill(sql, "s", chunks)
    sql.execute("select retrieval.delete_documents('c', array['a'])")
    left = "select chunk_id from retrieval.embeddings order by chunk_id"
    assert column(sql, left) == chunks[1:]
    sql.execute("delete from retrieval.documents where document_key = 'b'")
    assert column(sql, left) == chunks[2:]
    put(sql, "c", {"document_key": "d", "content": "other"})
    assert column(sql, left) == []


# build_index


def test_an_index_is_built_once(sql: psycopg.Cursor, chunks: list[int]) -> None:
    assert value(sql, INDEX, ["s"]) is None
    sql.execute("select retrieval.build_index('c', 's')")
    first = value(sql, INDEX, ["s"])
    sql.execute("select retrieval.build_index('c', 's')")
    assert first is not None
    assert value(sql, INDEX, ["s"]) == first


def test_an_invalid_index_is_replaced(sql: psycopg.Cursor, chunks: list[int]) -> None:
    sql.execute("select retrieval.build_index('c', 's')")
    first = value(sql, INDEX, ["s"])
    sql.execute("update pg_index set indisvalid = false where indexrelid = %s", [first])
    sql.execute("select retrieval.build_index('c', 's')")
    second = value(sql, INDEX, ["s"])
    assert second != first
    assert value(sql, "select indisvalid from pg_index where indexrelid = %s", [second])


@pytest.mark.parametrize("metric", ["cosine", "inner_product", "l2", "l1"])
def test_the_index_serves_the_metric(sql: psycopg.Cursor, chunks: list[int], metric: str) -> None:
    sql.execute(
        "select retrieval.create_space('c', 't', 'm', 2, metric => %s, index_options => %s)",
        [metric, Jsonb({"m": 8, "ef_construction": "32"})],
    )
    sql.execute("select retrieval.build_index('c', 't')")
    definition = value(sql, "select pg_get_indexdef(%s)", [value(sql, INDEX, ["t"])])
    operators = {"cosine": "cosine", "inner_product": "ip", "l2": "l2", "l1": "l1"}[metric]
    assert f"((embedding)::halfvec(2)) halfvec_{operators}_ops" in definition
    assert "m='8'" in definition
    assert "ef_construction='32'" in definition


def test_no_index_where_none_is_wanted(sql: psycopg.Cursor, chunks: list[int]) -> None:
    sql.execute("select retrieval.create_space('c', 't', 'm', 2, index_method => 'none')")
    sql.execute("select retrieval.build_index('c', 't')")
    assert value(sql, INDEX, ["t"]) is None


@pytest.mark.parametrize(
    "options", [{"m": "8) ; drop table retrieval.spaces; --"}, {"m": 1.5}, {"x = 1, m": 8}]
)
def test_index_options_are_data(sql: psycopg.Cursor, chunks: list[int], options: dict) -> None:
    error = failure(
        sql,
        """select retrieval.build_index('c', case when retrieval.create_space(
               'c', 't', 'm', 2, index_options => %s) > 0 then 't' end)""",
        [Jsonb(options)],
    )
    assert error.sqlstate[:2] == "22"


def test_no_active_space_to_index(sql: psycopg.Cursor, chunks: list[int]) -> None:
    assert failure(sql, "select retrieval.build_index('c')").sqlstate == "55000"
    assert failure(sql, "select retrieval.build_index('c', 'x')").sqlstate == "42704"


# activate_space


def test_an_incomplete_space_is_not_activated(sql: psycopg.Cursor, chunks: list[int]) -> None:
    fill(sql, "s", chunks[:1])
    error = failure(sql, "select retrieval.activate_space('c', 's')")
    assert error.sqlstate == "55000"
    assert "2 of the chunks" in str(error)
    fill(sql, "s", chunks)
    sql.execute("select retrieval.activate_space('c', 's')")
    assert states(sql) == {"s": "active"}


def test_the_former_one_becomes_a_shadow(sql: psycopg.Cursor, chunks: list[int]) -> None:
    sql.execute(CREATE, ["t", 3])
    fill(sql, "s", chunks)
    fill(sql, "t", chunks, 3)
    sql.execute("select retrieval.activate_space('c', 's')")
    sql.execute("select retrieval.activate_space('c', 't')")
    sql.execute("select retrieval.activate_space('c', 't')")
    assert states(sql) == {"s": "shadow", "t": "active"}
    assert len(column(sql, "select * from retrieval.semantic_search('c', '[1,1,1]')")) == 3
    assert (
        len(column(sql, "select * from retrieval.semantic_search('c', '[1,1]', space => 's')")) == 3
    )
    sql.execute("select retrieval.activate_space('c', 's')")
    assert states(sql) == {"s": "active", "t": "shadow"}


def test_activating_needs_a_name(sql: psycopg.Cursor, chunks: list[int]) -> None:
    for name in (None, "", "x"):
        assert failure(sql, "select retrieval.activate_space('c', %s)", [name]).sqlstate == "42704"


# drop_space


def test_the_active_space_is_dropped_only_by_force(sql: psycopg.Cursor, chunks: list[int]) -> None:
    fill(sql, "s", chunks)
    sql.execute("select retrieval.activate_space('c', 's')")
    for arguments in ("'c', 's'", "'c', 's', false", "'c', 's', null"):
        assert failure(sql, f"select retrieval.drop_space({arguments})").sqlstate == "55000"
    sql.execute("select retrieval.drop_space('c', 's', force => true)")
    assert states(sql) == {}
    assert column(sql, "select * from retrieval.embeddings") == []
    assert failure(sql, "select * from retrieval.semantic_search('c', '[1,0]')").sqlstate == "55000"


def test_another_space_stays(sql: psycopg.Cursor, chunks: list[int]) -> None:
    sql.execute(CREATE, ["t", 3])
    fill(sql, "s", chunks)
    fill(sql, "t", chunks, 3)
    sql.execute("select retrieval.drop_space('c', 't')")
    assert states(sql) == {"s": "building"}
    assert column(sql, "select chunk_id from retrieval.embeddings order by 1") == chunks
    for name in ("t", None, ""):
        assert failure(sql, "select retrieval.drop_space('c', %s)", [name]).sqlstate == "42704"
