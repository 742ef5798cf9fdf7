"""pgvector may live where no search path leads."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import column, put, value

from retrieval import Retriever
from retrieval.database import open_engine, upgrade_schema

KINDS = {
    "dense": ("semantic_search", "put_embeddings", "array['[1,0]', '[0,1]']::elsewhere.halfvec[]"),
    "sparse": (
        "sparse_search",
        "put_sparse_embeddings",
        "array['{1:1}/2', '{2:1}/2']::elsewhere.sparsevec[]",
    ),
    "multivector": (
        "late_interaction_search",
        "put_token_embeddings",
        "array[1, 1], array['[1,0]', '[0,1]']::elsewhere.halfvec[]",
    ),
}
QUERY = {"dense": "'[0,1]'", "sparse": "'{2:1}/2'", "multivector": "'{\"[0,1]\"}'"}


@pytest.fixture
def session(empty_database_url: str) -> Iterator[psycopg.Connection]:
    """A session on a database with the collection c, where the extension is elsewhere."""
    with psycopg.connect(empty_database_url, autocommit=True, row_factory=namedtuple_row) as opened:
        opened.execute("create schema elsewhere; create extension vector schema elsewhere")
        engine = open_engine(empty_database_url)
        with engine.begin() as connection:
            upgrade_schema(connection)
        engine.dispose()
        opened.execute("select retrieval.create_collection('c')")
        put(opened, "c", *({"document_key": key, "content": key} for key in "ab"))
        yield opened


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("dense", "metric => 'l2'"),
        ("dense", "quantization => 'bit'"),
        ("dense", "index_method => 'ivfflat'"),
        ("sparse", "metric => 'cosine'"),
        ("multivector", "metric => 'inner_product'"),
    ],
)
@pytest.mark.parametrize("concurrently", [True, False])
def test_spaces_of_every_kind(
    session: psycopg.Connection, kind: str, options: str, concurrently: bool
) -> None:
    search, function, embeddings = KINDS[kind]
    session.execute(f"select retrieval.create_space('c', 's', 'm', 2, '{kind}', {options})")
    chunks = column(session, "select chunk_id from retrieval.missing_embeddings('c', 's')")
    put_ = f"select retrieval.{function}('c', 's', %s, {embeddings})"
    assert value(session, put_, [chunks]) == 2
    if concurrently:
        for statement in column(session, f"select retrieval.index_statements('c', 's', '{kind}')"):
            session.execute(statement)
    else:
        session.execute(f"select retrieval.build_index('c', 's', '{kind}')")
    assert value(session, "select indexed from retrieval.list_spaces('c')")
    assert "elsewhere" not in value(session, "show search_path")
    session.execute("select retrieval.activate_space('c', 's')")
    session.execute("set enable_seqscan = off")
    found = column(session, f"select * from retrieval.{search}('c', {QUERY[kind]})")
    assert found == chunks[::-1]
    session.execute("select retrieval.drop_space('c', 's', true)")


def test_searches_of_many_spaces(session: psycopg.Connection) -> None:
    for kind, (_, function, embeddings) in KINDS.items():
        for name in (kind, f"other_{kind}"):
            session.execute(f"select retrieval.create_space('c', '{name}', 'm', 2, '{kind}')")
            missing = "select chunk_id from retrieval.missing_embeddings('c', %s)"
            chunks = column(session, missing, [name])
            put_ = f"select retrieval.{function}('c', '{name}', %s, {embeddings})"
            session.execute(put_, [chunks])
            session.execute("select retrieval.build_index('c', %s, %s)", [name, kind])
        session.execute("select retrieval.activate_space('c', %s)", [kind])
    queries = """'c', 'b', '[0,1]', '{2:1}/2', query_tokens => '{"[0,1]"}', query_embeddings => '{
        "other_dense": [0, 1], "other_sparse": "{2:1}/2", "other_multivector": [[0, 1]]}'"""
    steps = "duplicate_similarity => 0.9, per_document => 1, mmr_lambda => 0.5"
    for options in ("", f", {steps}", ", late_interaction => 'collection'"):
        found = column(session, f"select * from retrieval.hybrid_search({queries}{options})")
        assert found == chunks[::-1]
    documents = f"select chunk_id from retrieval.document_search({queries})"
    assert column(session, documents) == chunks[::-1]
    explained = value(session, f"select retrieval.explain_search({queries}, {steps})")
    assert len(explained["legs"]) == 7
    assert [hit["chunk_id"] for hit in explained["hits"]] == chunks[::-1]
    assert value(session, "select sampled from retrieval.calibrate('c')") == 0


EXPORTS = {
    **{"dense": "export_embeddings", "sparse": "export_sparse_embeddings"},
    "multivector": "export_token_embeddings",
}


@pytest.mark.parametrize("kind", KINDS)
def test_from_a_table_and_from_a_file(
    session: psycopg.Connection, empty_database_url: str, tmp_path: Path, kind: str
) -> None:
    _, function, embeddings = KINDS[kind]
    session.execute(f"select retrieval.create_space('c', 's', 'm', 2, '{kind}')")
    chunks = column(session, "select chunk_id from retrieval.missing_embeddings('c', 's')")
    session.execute(f"select retrieval.{function}('c', 's', %s, {embeddings})", [chunks])
    session.execute(f"create table k as select * from retrieval.{EXPORTS[kind]}('c', 's')")
    name = "embeddings" if kind == "multivector" else "embedding"
    imported = f"""select imported from retrieval.import_embeddings(
        'c', 's', 'k', 'document_key', '{name}', text_hash => 'text_hash')"""
    assert value(session, imported) == 2
    if kind != "dense":
        pytest.importorskip("pyarrow")
    path = tmp_path / ("v.npz" if kind == "dense" else "v.parquet")
    with Retriever.open(empty_database_url) as retriever:
        assert retriever.spaces.export_embeddings("c", path, space="s") == 2
        assert retriever.spaces.import_embeddings("c", path, space="s", trust=True).imported == 2


def test_what_else_takes_vectors(session: psycopg.Connection) -> None:
    session.execute("select retrieval.create_space('c', 's', 'm', 2)")
    chunks = column(session, "select chunk_id from retrieval.missing_embeddings('c', 's')")
    put_ = "select retrieval.put_embeddings('c', 's', %s, '{\"[1,0]\",\"[0,1]\"}')"
    session.execute(put_, [chunks])
    session.execute("select retrieval.activate_space('c', 's')")
    session.execute(
        "select retrieval.set_query_adapter('c', 's', '{\"[0,1]\",\"[1,0]\"}', '[0,0]')"
    )
    assert column(session, "select * from retrieval.semantic_search('c', '[0,1]')") == chunks
    assert column(session, "select * from retrieval.hybrid_search('c', 'b', '[0,1]')") != []
    measured = "select recall from retrieval.measure_recall('c', 's', '{\"[1,1]\"}', '{10}')"
    assert column(session, measured) == [1]
    for function in ("diversify", "collapse_duplicates"):
        ranked = f"select * from retrieval.{function}('c', %s, '{{2,1}}')"
        assert column(session, ranked, [chunks]) == chunks
    truncated = "select retrieval.truncate_embedding('[3,4,5]', 1)::text"
    assert value(session, truncated) == "[1]"
    assert value(session, "select retrieval.keep_largest('{1:2,2:3}/2', 1)::text") == "{2:3}/2"
    assert column(session, "select * from retrieval.sample_embeddings('c', 's')") != []
    assert value(session, "select embeddings from retrieval.describe_space('c', 's')") == 2
    for function, arguments in (
        ("cache_embeddings", "'{\"[1,0]\"}'"),
        ("cache_sparse_embeddings", "'{\"{1:1}/2\"}'"),
        ("cache_token_embeddings", "'{1}', '{\"[1,0]\"}'"),
    ):
        session.execute(
            f"select retrieval.{function}(%s, array['x'::bytea], {arguments})",
            [Jsonb({"for": function})],
        )
    assert value(session, "select count(*) from retrieval.embedding_cache") == 3
    cached = "select embedding::text from retrieval.cached_embeddings(%s, array['x'::bytea])"
    assert column(session, cached, [Jsonb({"for": "cache_embeddings"})]) == ["[1,0]"]
