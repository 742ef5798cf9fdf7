"""A map of a collection: the same axes whatever is asked, and everything found is on it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from retrieval import Document, HashingEmbedder, InvalidInput, NotFound, NotReady, Retriever, orm
from retrieval.search.chunk_map import ChunkMap, project

EMBEDDER = HashingEmbedder(32)
WORDS = ["wool", "silk", "linen", "cotton"]
DOCUMENTS = [
    Document(
        f"{number}",
        f"{WORDS[number % 4]} of the year {number}",
        title=f"No. {number}",
        metadata={"number": number, "stuff": WORDS[number % 4], "odd": number % 2 == 1}
        | {"huge": 10**400 + number}
        | ({"tags": ["a", "b"]} if number < 5 else {}),
    )
    for number in range(60)
]


@pytest.fixture(scope="module")
def shop(module_database_url: str) -> Iterator[Retriever]:
    """Sixty documents of a chunk each, and an empty collection."""
    with Retriever.open(module_database_url, embedder=EMBEDDER) as opened:
        opened.create_collection("shop")
        opened.ingest("shop", DOCUMENTS)
        opened.create_collection("empty")
        yield opened


def places(drawn: ChunkMap) -> dict[int, tuple[float, float]]:
    return {point.chunk_id: (point.x, point.y) for point in drawn.points}


def test_the_axes_are_the_principal_components(shop: Retriever) -> None:
    drawn = shop.map("shop")
    assert (drawn.space, drawn.method, len(drawn.points)) == ("hashing:32", "pca", 60)
    assert (drawn.query, drawn.hits, drawn.color) == (None, [], None)
    stored = {row.chunk_id: row.embedding for row in sampled(shop)}
    vectors = np.array([stored[point.chunk_id] for point in drawn.points], dtype=np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = vectors - vectors.mean(axis=0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ axes[:2].T
    found = np.array([(point.x, point.y) for point in drawn.points])
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-6)
    shares = lengths**2 / (lengths**2).sum()
    np.testing.assert_allclose(drawn.explained_variance, shares[:2], rtol=1e-6)


def sampled(shop: Retriever) -> list[Any]:
    with shop.engine.connect() as connection:
        return list(connection.execute(orm.sample_embeddings_statement("shop", "hashing:32", 100)))


def test_a_query_moves_no_point_and_its_hits_are_there(shop: Retriever) -> None:
    alone = shop.map("shop", max_points=15)
    asked = shop.map("shop", "wool of the year 8", max_points=15, max_results=5)
    assert asked == shop.map("shop", "wool of the year 8", max_points=15, max_results=5)
    assert asked.hits == [
        hit.chunk_id for hit in shop.search("shop", "wool of the year 8", max_results=5)
    ]
    assert asked.explained_variance == alone.explained_variance
    assert len(alone.points) == 15
    for chunk_id, place in places(alone).items():
        assert places(asked)[chunk_id] == pytest.approx(place)
    assert set(asked.hits) <= places(asked).keys() and len(asked.points) <= 20
    assert asked.query is not None


def test_the_query_lies_where_a_chunk_of_its_text_lies(shop: Retriever) -> None:
    (hit,) = shop.search("shop", "wool of the year 8", max_results=1)
    (chunk,) = (np.array(row.embedding) for row in sampled(shop) if row.chunk_id == hit.chunk_id)
    drawn = shop.map("shop", "wool of the year 8")
    asked = np.array(EMBEDDER.embed_query("wool of the year 8"), dtype=np.float64)
    x, y = places(drawn)[hit.chunk_id]
    # the projection is linear: what is near in the space cannot be farther on the map
    assert drawn.query is not None
    assert (
        np.hypot(drawn.query[0] - x, drawn.query[1] - y)
        <= np.linalg.norm(asked / np.linalg.norm(asked) - chunk / np.linalg.norm(chunk)) + 1e-6
    )


def test_given_hits_are_lit_instead(shop: Retriever) -> None:
    chunks = [point.chunk_id for point in shop.map("shop").points]
    drawn = shop.map("shop", "wool", chunk_ids=[chunks[-1], chunks[-2], 10**9], max_points=3)
    assert drawn.hits == [chunks[-1], chunks[-2]] and len(drawn.points) == 5


def test_colors(shop: Retriever) -> None:
    stuff = shop.map("shop", color_by="stuff").color
    assert stuff is not None and stuff.kind == "category"
    assert stuff.values == [(word, 15) for word in sorted(WORDS)] and stuff.others == 0
    number = shop.map("shop", color_by="number").color
    assert number is not None and (number.kind, number.minimum, number.maximum) == ("number", 0, 59)
    huge = shop.map("shop", color_by="huge").color
    assert huge is not None and (huge.kind, huge.others) == ("category", 53)
    odd = shop.map("shop", color_by="odd").color
    assert odd is not None and odd.values == [(False, 30), (True, 30)]
    tags = shop.map("shop", color_by="tags")
    assert tags.color is not None and (tags.color.values, tags.color.missing) == ([("a", 5)], 55)
    assert {point.value for point in tags.points} == {"a", None}


def test_a_filter_draws_less(shop: Retriever) -> None:
    drawn = shop.map("shop", "wool", metadata_filter={"stuff": "silk"}, color_by="stuff")
    assert {point.value for point in drawn.points} == {"silk"} and len(drawn.points) == 15
    assert len(drawn.hits) == 10


def test_nothing_to_draw_and_errors(shop: Retriever) -> None:
    drawn = shop.map("empty", "wool")
    assert (drawn.points, drawn.hits, drawn.query) == ([], [], (0, 0))
    assert shop.map("empty", "  ").query is None
    with pytest.raises(NotFound, match="nowhere"):
        shop.map("nowhere")
    with pytest.raises(NotFound, match="other"):
        shop.map("shop", space="other")
    with pytest.raises(InvalidInput, match="method"):
        shop.map("shop", method="guess")
    with pytest.raises(InvalidInput, match="sample"):
        shop.map("shop", max_points=0)
    with shop.engine.begin() as connection:
        connection.execute(text("select retrieval.create_collection('plain')"))
    with pytest.raises(NotReady, match="plain"):
        shop.map("plain")


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_without_spread_everything_is_in_the_middle(rows: int) -> None:
    found, shares = project(np.ones((rows, 3)), rows)
    assert found.tolist() == [[0, 0]] * rows and shares == (0, 0)


def test_two_points_and_one_dimension() -> None:
    found, shares = project(np.array([[0.0], [2.0], [1.0]]), 2)
    np.testing.assert_allclose(np.abs(found), [[1, 0], [1, 0], [0, 0]], atol=1e-9)
    assert shares == (pytest.approx(1), 0)
