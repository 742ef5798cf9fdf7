"""Documents that are images, and spaces of their own for them."""

from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, put, value, vector

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

MISSING = "select document_key from retrieval.missing_embeddings('c', %s)"
DOCUMENTS: list[dict[str, Any]] = [
    {"document_key": "guide", "title": "Guide", "content": "how to care for a cat"},
    {"document_key": "only a title", "title": "Contents"},
    {"document_key": "plain", "title": "a.png", "source": "/a.png", "modality": "image"},
    {
        "document_key": "captioned",
        "title": "b.png",
        "source": "/b.png",
        "modality": "image",
        "content": "a cat asleep",
        "metadata": {"year": 2026},
    },
]
TEXTS = {"guide": [1, 0], "only a title": [0, 1], "captioned": [1, 1]}
IMAGES = {"plain": [0, 0, 1], "captioned": [1, 0, 1]}


def create_spaces(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    sql.execute("select retrieval.create_space('c', 'texts', 'm', 2, index_method => 'none')")
    sql.execute(
        "select retrieval.create_space('c', 'images', 'clip', 3, index_method => 'none',"
        " modality => 'image')"
    )


def embed(sql: psycopg.Cursor, space: str, vectors: dict[str, list[int]]) -> None:
    chunks = dict(
        sql.execute(
            "select document_key, chunk_id from retrieval.missing_embeddings('c', %s)", [space]
        )
    )
    sql.execute(
        "select retrieval.put_embeddings('c', %s, %s, %s::halfvec[])",
        [space, [chunks[key] for key in vectors], [vector(each) for each in vectors.values()]],
    )


@pytest.fixture
def filled(sql: psycopg.Cursor) -> psycopg.Cursor:
    """The collection c with texts, images and both of its spaces active."""
    create_spaces(sql)
    put(sql, "c", *DOCUMENTS)
    embed(sql, "texts", TEXTS)
    embed(sql, "images", IMAGES)
    for space in ("texts", "images"):
        sql.execute("select retrieval.activate_space('c', %s)", [space])
    return sql


def test_what_belongs_into_a_space(sql: psycopg.Cursor) -> None:
    create_spaces(sql)
    put(sql, "c", *DOCUMENTS)
    assert sorted(column(sql, MISSING, ["texts"])) == ["captioned", "guide", "only a title"]
    assert sorted(column(sql, MISSING, ["images"])) == ["captioned", "plain"]
    source = "select source, modality, content from retrieval.missing_embeddings('c', 'images')"
    assert sorted(sql.execute(source).fetchall()) == [
        ("/a.png", "image", ""),
        ("/b.png", "image", "a cat asleep"),
    ]
    missing = "select name, modality, embeddings, missing from retrieval.list_spaces('c')"
    assert sql.execute(missing).fetchall() == [("texts", "text", 0, 3), ("images", "image", 0, 2)]
    embed(sql, "texts", {"guide": [1, 0]})
    assert sql.execute(missing).fetchall() == [("texts", "text", 1, 2), ("images", "image", 0, 2)]


def test_a_space_is_complete_when_it_has_what_belongs_into_it(sql: psycopg.Cursor) -> None:
    create_spaces(sql)
    put(sql, "c", *DOCUMENTS)
    embed(sql, "images", {"plain": [0, 0, 1]})
    message = failure(sql, "select retrieval.activate_space('c', 'images')").diag.message_primary
    assert message is not None and "1 of the chunks" in message
    embed(sql, "images", {"captioned": [0, 1, 1]})
    sql.execute("select retrieval.activate_space('c', 'images')")


def test_one_active_space_of_each_modality(filled: psycopg.Cursor) -> None:
    filled.execute("select retrieval.create_space('c', 'newer', 'm', 2, modality => 'image')")
    embed(filled, "newer", {"plain": [0, 1], "captioned": [1, 1]})
    filled.execute("select retrieval.activate_space('c', 'newer')")
    states = "select name, state from retrieval.list_spaces('c')"
    assert filled.execute(states).fetchall() == [
        ("texts", "active"),
        ("newer", "active"),
        ("images", "shadow"),
    ]
    assert failure(filled, "select retrieval.rollback_space('c')").sqlstate == "55000"
    assert value(filled, "select retrieval.rollback_space('c', modality => 'image')") == "images"
    assert dict(filled.execute(states).fetchall()) == {
        "texts": "active",
        "images": "active",
        "newer": "shadow",
    }


def test_the_space_of_texts_is_searched_unless_another_is_named(filled: psycopg.Cursor) -> None:
    search = "select document_key from retrieval.semantic_search('c', %s{})"
    assert column(filled, search.format(""), ["[1,0]"]) == ["guide", "captioned", "only a title"]
    named = search.format(", space => 'images'")
    assert column(filled, named, ["[0,0,1]"]) == ["plain", "captioned"]
    filtered = search.format(""", '{"year": 2026}', space => 'images'""")
    assert column(filled, filtered, ["[0,0,1]"]) == ["captioned"]


def test_a_collection_of_images_alone_is_searched_without_a_name(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    sql.execute("select retrieval.create_space('c', 'images', 'clip', 3, modality => 'image')")
    sql.execute("select retrieval.activate_space('c', 'images')")
    put(sql, "c", *DOCUMENTS[2:])
    embed(sql, "images", IMAGES)
    sql.execute("select retrieval.build_index('c')")
    found = "select document_key from retrieval.semantic_search('c', '[1,0,1]')"
    assert column(sql, found) == ["captioned", "plain"]
    fused = "select document_key from retrieval.hybrid_search('c', 'asleep', '[0,0,1]')"
    assert set(column(sql, fused)) == {"captioned", "plain"}


def test_texts_and_images_in_one_ranking(filled: psycopg.Cursor) -> None:
    hits = filled.execute(
        """select document_key, score, contributions from retrieval.hybrid_search(
               'c', 'cat', '[1,0]', query_embeddings => '{"images": [0,0,1]}', fusion => 'rrf')"""
    ).fetchall()
    ranks = {
        "keyword": ["guide", "captioned"],
        "semantic": ["guide", "captioned", "only a title"],
        "images": ["plain", "captioned"],
    }
    weights = {"keyword": 1.0, "semantic": 0.7, "images": 0.7}
    for hit in hits:
        expected = sum(
            weights[leg] / (61 + keys.index(hit.document_key))
            for leg, keys in ranks.items()
            if hit.document_key in keys
        )
        assert hit.score == pytest.approx(expected)
        assert set(hit.contributions) == {
            leg for leg, keys in ranks.items() if hit.document_key in keys
        }
    assert len(hits) == 4


def test_an_image_is_one_chunk_whatever_its_caption(sql: psycopg.Cursor) -> None:
    create_spaces(sql)
    long = "word " * 1000
    for content, title in [("", None), (long, "x"), ("short", None)]:
        sql.execute(
            "select retrieval.add_document('c', 'i', %s, %s, modality => 'image')",
            [content, title],
        )
        chunks = sql.execute("select content, title, modality from retrieval.chunks").fetchall()
        assert chunks == [(content, title, "image")]
    sql.execute("update retrieval.documents set content = %s", [long])
    assert sql.execute("select content, modality from retrieval.chunks").fetchall() == [
        (long, "image")
    ]


def test_chunks_take_the_modality_of_their_document(filled: psycopg.Cursor) -> None:
    """A chunk that becomes another thing loses its embeddings."""
    filled.execute("update retrieval.documents set modality = 'image' where document_key = 'guide'")
    assert column(
        filled, "select distinct modality from retrieval.chunks where title = 'Guide'"
    ) == ["image"]
    assert column(filled, MISSING, ["texts"]) == ["guide"]
    assert column(filled, MISSING, ["images"]) == ["guide"]
    filled.execute("select retrieval.add_document('c', 'guide', 'how to care for a cat', 'Guide')")
    assert column(filled, MISSING, ["images"]) == []
    assert column(filled, MISSING, ["texts"]) == ["guide"]


def test_a_deleted_image_has_no_embedding(filled: psycopg.Cursor) -> None:
    filled.execute("select retrieval.delete_documents('c', '{captioned}')")
    counts = "select name, embeddings, missing from retrieval.list_spaces('c')"
    assert filled.execute(counts).fetchall() == [("texts", 2, 0), ("images", 1, 0)]


def test_equal_files_are_no_sign_of_a_broken_model(sql: psycopg.Cursor) -> None:
    create_spaces(sql)
    vectors = {str(n): [int(bit) + 1 for bit in f"{n // 2:03b}"] for n in range(8)}
    documents = [
        {
            "document_key": key,
            "title": f"{key}.png",
            "modality": "image",
            "metadata": {"sha256": str(vectors[key])},
        }
        for key in vectors
    ]
    put(sql, "c", *documents)
    embed(sql, "images", vectors)
    described = "select duplicate_vectors from retrieval.describe_space('c', 'images')"
    assert value(sql, described) == 0
    sql.execute(
        "update retrieval.documents set metadata = %s where document_key = '0'",
        [Jsonb({"sha256": "another"})],
    )
    assert value(sql, described) == pytest.approx(np.float64(2 / 8))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "retrieval.create_space('c', 'x', 'm', 2, modality => 'sound')",
            "modality must be one of",
        ),
        ("retrieval.create_space('c', 'x', 'm', 2, modality => null)", "modality must be one of"),
        ("retrieval.add_document('c', 'x', '', modality => 'sound')", "modality must be one of"),
        ("retrieval.calibrate('c', 'images')", "space images embeds images"),
    ],
)
def test_bad_arguments(filled: psycopg.Cursor, statement: str, message: str) -> None:
    error = failure(filled, f"select * from {statement}")
    assert error.sqlstate == "22023"
    assert message in str(error.diag.message_primary)


def test_an_unknown_modality_of_a_document(sql: psycopg.Cursor) -> None:
    create_spaces(sql)
    documents = Jsonb([{"document_key": "x", "modality": "sound"}])
    error = failure(sql, "select * from retrieval.put_documents('c', %s)", [documents])
    assert error.sqlstate == "22023" and "modality must be" in str(error.diag.message_primary)
