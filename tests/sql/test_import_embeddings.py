"""Embeddings come from a column of another table, and go where they are asked for."""

import hashlib
import uuid
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from statements import column, failure, put, value, vector
from vectors import create_space, embed, sparse

from retrieval.chunking import embedding_text

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

IMPORT = "select * from retrieval.import_embeddings('c', 's', 'v', 'key', 'embedding')"
AT_POSITIONS = IMPORT.replace("'embedding')", "'embedding', chunk_position => 'position')")
STORED = """
    select d.document_key || coalesce('/' || nullif(c.position, 0), ''), e.embedding::text
    from retrieval.embeddings e join retrieval.chunks c using (chunk_id)
    join retrieval.documents d using (document_id) order by 1"""


def stored(session: psycopg.Cursor) -> dict[str, str]:
    """The embeddings by the key of their document, with the position of any chunk but the first."""
    return dict(tuple(row) for row in session.execute(STORED))


@pytest.fixture
def prepared(sql: psycopg.Cursor) -> psycopg.Cursor:
    """The collection c with documents a, b and d, the last of two chunks, and the empty space s."""
    sql.execute("select retrieval.create_collection('c')")
    long = [{"content": "one"}, {"content": "two"}]
    put(
        sql,
        "c",
        *({"document_key": key, "content": key} for key in "ab"),
        {"document_key": "d", "content": "one two", "chunks": long},
    )
    create_space(sql, "s", 2)
    sql.execute("create table v (key text, position integer, embedding real[], hash bytea)")
    return sql


def rows(session: psycopg.Cursor, *values: tuple[Any, ...]) -> None:
    """Fill the table v: key, position, embedding, and a hash if there is one."""
    for row in values:
        session.execute("insert into v values (%s, %s, %s, %s)", [*row, *([None] * (4 - len(row)))])


def test_imported_and_counted(prepared: psycopg.Cursor) -> None:
    rows(prepared, ("a", None, [1, 2]), ("x", None, [1, 1]), ("b", None, None), ("y", 3, [0, 1]))
    (row,) = prepared.execute(IMPORT).fetchall()
    assert row._asdict() == {
        **{"imported": 1, "unknown_keys": 2, "stale": 0, "nulls": 1, "missing": 3},
        "unknown_examples": ["x", "y"],
    }
    assert stored(prepared) == {"a": "[1,2]"}
    rows(prepared, ("b", None, [3, 4]), ("d", 1, [5, 6]), ("d", 0, [7, 8]), ("d", 2, [9, 9]))
    prepared.execute("update v set embedding = '{8,9}' where key = 'a'")
    (row,) = prepared.execute(AT_POSITIONS).fetchall()
    assert (row.imported, row.unknown_keys, row.nulls, row.missing) == (4, 3, 1, 0)
    assert row.unknown_examples == ["d, position 2", "x", "y, position 3"]
    assert stored(prepared) == {"a": "[8,9]", "b": "[3,4]", "d": "[7,8]", "d/1": "[5,6]"}


def test_nothing_there(prepared: psycopg.Cursor) -> None:
    assert tuple(prepared.execute(IMPORT).fetchone() or ()) == (0, 0, 0, 0, 4, None)


TYPES = {
    "vector": "[0.1,-2]",
    "vector(2)": "[0.1,-2]",
    "halfvec": "[0.1,-2]",
    "real[]": "{0.1,-2}",
    "double precision[]": "{0.1,-2}",
    "numbers": "{0.1,-2}",
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("relation", ["table", "view", "materialized view"])
def test_columns_of_every_type(prepared: psycopg.Cursor, kind: str, relation: str) -> None:
    """The names need quotes, and the relation is in a schema that no path leads to."""
    prepared.execute("create domain numbers as real[] check (cardinality(value) > 0)")
    prepared.execute('create schema "Other"')
    source = f"select 'a' as \"Key '1'\", %s::{kind} as \"Ünit%%\"".replace(
        "%s", f"'{TYPES[kind]}'"
    )
    prepared.execute(f'create {relation} "Other"."My table" as {source.replace("%%", "%")}')
    statement = "select retrieval.import_embeddings('c', 's', %s, %s, %s)"
    prepared.execute(statement, ['"Other"."My table"', "Key '1'", "Ünit%"])
    assert stored(prepared) == {"a": "[0.099975586,-2]"}


@pytest.mark.parametrize(
    ("kind", "written"),
    [("integer", "7"), ("uuid", str(uuid.UUID(int=7))), ("date", "2026-01-31"), ("mood", "happy")],
)
def test_keys_of_any_type(prepared: psycopg.Cursor, kind: str, written: str) -> None:
    prepared.execute("set local datestyle = 'German'; create type mood as enum ('sad', 'happy')")
    put(prepared, "c", {"document_key": written, "content": "x"})
    prepared.execute(f"create table k (key {kind}, embedding vector)")
    prepared.execute("insert into k values (%s, '[1,0]'), (null, '[0,1]')", [written])
    (row,) = prepared.execute(IMPORT.replace("'v'", "'k'")).fetchall()
    assert (row.imported, row.unknown_keys, row.unknown_examples) == (1, 1, ["null"])


def test_keys_of_an_attached_table(prepared: psycopg.Cursor) -> None:
    """Several columns are one key, as they are for attach_table."""
    prepared.execute(
        """create table cities (country text, code integer, name text not null, embedding vector(2),
                                primary key (country, code));
           insert into cities values ('PT', 1, 'Lisbon', '[1,0]'), ('DE', 1, 'Berlin', '[0,1]');
           select retrieval.create_collection('cities');
           select retrieval.attach_table('cities', 'cities', '{country,code}', title => 'name');
           select retrieval.create_space('cities', 's', 'm', 2)"""
    )
    statement = "select * from retrieval.import_embeddings('cities','s','cities',%s,'embedding')"
    (row,) = prepared.execute(statement, ["{country,code}"]).fetchall()
    assert (row.imported, row.missing) == (2, 0)
    assert stored(prepared) == {'["DE", 1]': "[0,1]", '["PT", 1]': "[1,0]"}


UNFIT = [
    ([1.0], "document 'b': the embedding has 1 dimensions, space s has 2"),
    ([], "document 'b': the embedding has 0 dimensions, space s has 2"),
    ([[1, 2]], "is an array of arrays"),
    ([1, None], "document 'b': the embedding holds null"),
    ([1.0, float("nan")], "document 'b': the embedding holds NaN"),
    ([1.0, float("inf")], "holds a number beyond 65504"),
    ([1, -65520], "holds a number beyond 65504"),
    ([0, 0], "document 'b': the embedding is all zeros, which has no cosine with anything"),
    ([1e-9, 0.0], "is all zeros"),
]


@pytest.mark.parametrize(("embedding", "named"), UNFIT, ids=lambda each: str(each)[:40])
@pytest.mark.parametrize("kind", ["real[]", "double precision[]"])
def test_an_embedding_that_does_not_fit(
    prepared: psycopg.Cursor, embedding: list[Any], named: str, kind: str
) -> None:
    rows(prepared, ("a", None, [1, 2]), ("c", None, [1, 2, 3]))  # nobody asks for that of c
    prepared.execute(f"alter table v alter embedding type {kind}")
    rows(prepared, ("b", None, embedding), ("d", 1, [1]))
    error = failure(prepared, AT_POSITIONS)
    assert error.sqlstate == "22023" and named in str(error)
    assert stored(prepared) == {}


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
@pytest.mark.parametrize(
    ("embedding", "named"),
    [
        ("[1]", "has 1 dimensions"),
        ("[0,0]", "is all zeros"),
        ("[1,70000]", "holds a number beyond 65504"),
    ],
)
def test_a_vector_that_does_not_fit(
    prepared: psycopg.Cursor, kind: str, embedding: str, named: str
) -> None:
    if kind == "halfvec" and "7" in embedding:
        pytest.skip("there is no such halfvec")
    prepared.execute(f"create table k as select 'a' as key, '{embedding}'::{kind} as embedding")
    error = failure(prepared, IMPORT.replace("'v'", "'k'"))
    assert error.sqlstate == "22023" and f"document 'a': the embedding {named}" in str(error)


def test_zeros_where_the_metric_takes_them(prepared: psycopg.Cursor) -> None:
    create_space(prepared, "distances", 2, metric="l2")
    rows(prepared, ("a", None, [0, 0]))
    assert prepared.execute(IMPORT.replace("'s'", "'distances'")).fetchone()[0] == 1


def test_rows_that_do_not_say_which_chunk(prepared: psycopg.Cursor) -> None:
    rows(prepared, ("a", None, [1, 2]), ("d", None, [1, 2]))
    error = failure(prepared, IMPORT)
    assert error.sqlstate == "22023" and "document 'd' has several chunks" in str(error)
    assert "document 'd' has several chunks" in str(failure(prepared, AT_POSITIONS))
    prepared.execute("update v set position = 1 where key = 'd'")
    assert prepared.execute(AT_POSITIONS).fetchone()[0] == 2
    prepared.execute("update v set embedding = null where key = 'd'")
    assert prepared.execute(IMPORT).fetchone()[0] == 1


@pytest.mark.parametrize(
    ("second", "named"),
    [(("d", 1), "document 'd', position 1 is given twice"), (("a", None), "'a' is given twice")],
)
def test_rows_given_twice(prepared: psycopg.Cursor, second: tuple[Any, ...], named: str) -> None:
    for _ in range(2):
        rows(prepared, (*second, [1, 2]), ("unknown", 7, [1, 2]))
    error = failure(prepared, AT_POSITIONS)
    assert error.sqlstate == "22023" and named in str(error)
    assert stored(prepared) == {}


@pytest.mark.parametrize(
    ("arguments", "state", "named"),
    [
        ("'c', 's', 'v', 'k', 'embedding'", "22023", "key: v has no column k"),
        ("'c', 's', 'v', null, 'embedding'", "22023", "key: v has no column null"),
        ("'c', 's', 'v', '{}', 'embedding'", "22023", "key: v has no column null"),
        ("'c', 's', 'v', '{key,other}', 'embedding'", "22023", "v has no column other"),
        ("'c', 's', 'v', 'key', 'vector'", "22023", "embedding: v has no column vector"),
        (
            "'c', 's', 'v', 'key', 'vector'",
            "22023",
            'HINT:  It has key, "position", embedding, hash.',
        ),
        ("'c', 's', 'v', 'key', 'key'", "22023", "column key of v is of type text, not vector"),
        ("'c', 's', 'v', 'key', 'embedding', 'p'", "22023", "chunk_position: v has no column p"),
        ("'c', 's', 'v', 'key', 'embedding', null, 'h'", "22023", "text_hash: v has no column h"),
        ("'c', 's', 'v', 'key', 'embedding', null, 'key'", "22023", "is not of type bytea"),
        ("'c', 's', null, 'key', 'embedding'", "22023", "table_name must not be null"),
        ("'c', 's', 'w', 'key', 'embedding'", "42P01", '"w" does not exist'),
        ("'x', 's', 'v', 'key', 'embedding'", "42704", "collection x does not exist"),
        ("'c', 'x', 'v', 'key', 'embedding'", "42704", "space x does not exist"),
        ("'c', null, 'v', 'key', 'embedding'", "55000", "has no active space"),
    ],
)
def test_bad_arguments(prepared: psycopg.Cursor, arguments: str, state: str, named: str) -> None:
    error = failure(prepared, f"select retrieval.import_embeddings({arguments})")
    assert error.sqlstate == state and named in str(error)


def test_the_active_space_and_a_signature(prepared: psycopg.Cursor) -> None:
    prepared.execute("delete from retrieval.documents where document_key = 'd'")
    create_space(prepared, "other", 2, signature={"model": "m"})
    rows(prepared, ("a", None, [1, 2]), ("b", None, [3, 4]))
    statement = IMPORT.replace("'s'", "%s").replace("'embedding')", "'embedding', signature => %s)")
    error = failure(prepared, statement, ["other", Jsonb({"model": "n"})])
    assert error.diag.constraint_name == "space_signature" and 'model is "n"' in str(error)
    prepared.execute(statement, ["other", Jsonb({"model": "m"})])
    prepared.execute("select retrieval.activate_space('c', 'other')")
    assert prepared.execute(statement, [None, None]).fetchone().missing == 0
    found = "select document_key from retrieval.semantic_search('c', '[3,4]')"
    assert column(prepared, found) == ["b", "a"]


# the text that was embedded

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(title=st.none() | TEXTS, context=TEXTS, content=TEXTS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_hash_is_that_of_the_embedding_cache(
    sql: psycopg.Cursor, title: str | None, context: str, content: str
) -> None:
    hashed = value(
        sql, "select retrieval._embedded_text_hash(%s, %s, %s)", [title, context, content]
    )
    text = embedding_text(title, context, content)
    assert hashed == hashlib.sha256(text.encode("utf-8", "replace")).digest()


def test_chunks_whose_text_has_changed(prepared: psycopg.Cursor) -> None:
    embed(prepared, "s", column(prepared, "select chunk_id from retrieval.chunks"), [[1, 2]] * 4)
    prepared.execute(
        """create table k as select * from retrieval.export_embeddings('c', 's');
           truncate retrieval.embeddings;
           update retrieval.documents set content = 'other' where document_key = 'b';
           update retrieval.documents set title = 'T' where document_key = 'd'"""
    )
    statement = """select * from retrieval.import_embeddings(
        'c', 's', 'k', 'document_key', 'embedding', 'position', 'text_hash')"""
    prepared.execute("insert into k values ('x', 0, sha256('x'), '[1,2]')")
    (row,) = prepared.execute(statement).fetchall()
    assert (row.imported, row.stale, row.unknown_keys, row.missing) == (1, 3, 1, 3)
    prepared.execute("update k set text_hash = null where document_key = 'b'")  # who knows
    (row,) = prepared.execute(statement).fetchall()
    assert (row.imported, row.stale) == (2, 2)
    assert stored(prepared) == {"a": "[1,2]", "b": "[1,2]"}


# there and back


def test_an_export_is_what_was_stored(prepared: psycopg.Cursor) -> None:
    chunks = column(prepared, "select chunk_id from retrieval.chunks order by chunk_id")
    embed(prepared, "s", chunks[:3], [[1, 2], [3, 4], [5, 6]])
    exported = prepared.execute(
        "select document_key, position, text_hash, embedding::text "
        "from retrieval.export_embeddings('c', 's')"
    ).fetchall()
    hashes = [hashlib.sha256(text.encode()).digest() for text in ("a", "b", "one")]
    vectors = ["[1,2]", "[3,4]", "[5,6]"]
    assert [tuple(row) for row in exported] == list(
        zip("abd", [0, 0, 0], hashes, vectors, strict=True)
    )
    failed = failure(prepared, "select * from retrieval.export_embeddings('c')")
    assert failed.sqlstate == "55000"


@pytest.mark.parametrize("kind", ["dense", "sparse", "multivector"])
def test_into_a_new_space_and_the_same_is_found(prepared: psycopg.Cursor, kind: str) -> None:
    numbers = np.random.default_rng(1).normal(size=(4, 3)).round(2)
    chunks = column(prepared, "select chunk_id from retrieval.chunks order by chunk_id")
    create_space(prepared, "old", 3, kind=kind)
    embed(prepared, "old", chunks, numbers.tolist(), kind)
    export = {
        **{"dense": "export_embeddings", "sparse": "export_sparse_embeddings"},
        "multivector": "export_token_embeddings",
    }[kind]
    name = "embeddings" if kind == "multivector" else "embedding"
    question = sparse(numbers[2]) if kind == "sparse" else vector(numbers[2])
    search = {
        "dense": "retrieval.semantic_search('c', %s, space => %s)",
        "sparse": "retrieval.sparse_search('c', %s, space => %s)",
        "multivector": "retrieval.late_interaction_search('c', array[%s]::halfvec[], space => %s)",
    }[kind]
    found = f"select chunk_id, score from {search}"
    before = prepared.execute(found, [question, "old"]).fetchall()
    prepared.execute(
        f"""create table k as select * from retrieval.{export}('c', 'old');
            select retrieval.drop_space('c', 'old')"""
    )
    create_space(prepared, "new", 3, kind=kind)
    statement = f"""select * from retrieval.import_embeddings(
        'c', 'new', 'k', 'document_key', '{name}', 'position', 'text_hash')"""
    (row,) = prepared.execute(statement).fetchall()
    assert (row.imported, row.missing) == (4, 0)
    assert len(before) == 4 and prepared.execute(found, [question, "new"]).fetchall() == before


def test_a_sparse_vector_that_no_index_holds(prepared: psycopg.Cursor) -> None:
    create_space(prepared, "sparse", 2000, kind="sparse")
    elements = ",".join(f"{n}:{n % 997 + 1}" for n in range(1, 1500))
    prepared.execute(
        f"create table k as select 'a' as key, '{{{elements}}}/2000'::sparsevec as embedding"
    )
    statement = IMPORT.replace("'v'", "'k'").replace("'s'", "'sparse'")
    assert prepared.execute(statement).fetchone().imported == 1
    count = "select retrieval._count_nonzeros(embedding) from retrieval.sparse_embeddings"
    assert value(prepared, count) == 1000


@pytest.mark.parametrize(
    ("kind", "cast", "embedding", "named"),
    [
        ("sparse", "sparsevec", "{1:1}/3", "has 3 dimensions, space other has 2"),
        ("multivector", "halfvec[]", '{"[1,2,3]"}', "is not a list of vectors of space other"),
        ("multivector", "vector[]", '{"[1,2]",null}', "is not a list of vectors"),
        ("multivector", "vector[]", "{}", "is not a list of vectors"),
        ("multivector", "vector[]", '{"[0,0]"}', "are not all zeros"),
    ],
)
def test_another_kind_that_does_not_fit(
    prepared: psycopg.Cursor, kind: str, cast: str, embedding: str, named: str
) -> None:
    create_space(prepared, "other", 2, kind=kind)
    prepared.execute(f"create table k as select 'a' as key, '{embedding}'::{cast} as embedding")
    error = failure(prepared, IMPORT.replace("'v'", "'k'").replace("'s'", "'other'"))
    assert error.sqlstate == "22023"
    assert "document 'a': the embedding " in str(error) and named in str(error)


def test_an_index_that_is_there_is_kept(prepared: psycopg.Cursor) -> None:
    prepared.execute("select retrieval.build_index('c', 's')")
    rows(prepared, ("a", None, [1, 0]), ("b", None, [0, 1]))
    prepared.execute(IMPORT)
    found = "select document_key from retrieval.semantic_search('c', '[0,1]', space => 's')"
    assert column(prepared, found) == ["b", "a"]


def test_what_a_reader_may_not_see_stays_unread(prepared: psycopg.Cursor) -> None:
    """The source is read with the rights of who calls."""
    prepared.execute("create role importer; grant usage on schema retrieval to importer")
    prepared.execute("grant all on all tables in schema retrieval to importer")
    rows(prepared, ("a", None, [1, 0]))
    prepared.execute("set local role importer")
    assert failure(prepared, IMPORT).sqlstate == "42501"
