"""A map over HTTP; how it is drawn is tested in tests/python/test_chunk_map.py."""

import inspect
from collections.abc import Iterator
from dataclasses import fields

import httpx
import pytest

from retrieval import AsyncRetriever
from retrieval.search import chunk_map
from retrieval.service import map_schemas

MAP = "/v1/collections/handbook/map"


@pytest.fixture(scope="module")
def filled(shared_client: httpx.Client) -> Iterator[httpx.Client]:
    """A handbook of six documents."""
    for number in range(6):
        stored = shared_client.put(
            f"/v1/collections/handbook/documents/{number}",
            json={"content": f"word{number} of {number % 2}", "metadata": {"odd": number % 2 == 1}},
        )
        assert stored.status_code == 201
    yield shared_client


def test_a_map(filled: httpx.Client) -> None:
    answer = filled.post(MAP, json={"query": "word3", "color_by": "odd", "max_results": 2})
    assert answer.status_code == 200, answer.text
    drawn = answer.json()
    assert len(drawn["points"]) == 6 and len(drawn["hits"]) == 2 and len(drawn["query"]) == 2
    best = next(point for point in drawn["points"] if point["chunk_id"] == drawn["hits"][0])
    assert (best["document_key"], best["value"]) == ("3", True)
    assert drawn["color"]["values"] == [[False, 3], [True, 3]]
    assert 0 < sum(drawn["explained_variance"]) <= 1
    assert filled.post(MAP, json={}).json()["query"] is None
    given = {"chunk_ids": [best["chunk_id"]], "max_points": 1, "metadata_filter": {"odd": True}}
    assert filled.post(MAP, json=given).json()["hits"] == [best["chunk_id"]]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"max_points": 0}, 422, "max_points"),
        ({"method": "guess"}, 422, "method"),
        ({"space": "none"}, 404, "none"),
        ({"metadata_filter": {"a": {"$no": 1}}}, 422, "$no"),
        ({"color_by": ""}, 422, "color_by"),
        ({"chunk_ids": [0]}, 422, "chunk_ids"),
    ],
)
def test_refused(filled: httpx.Client, body: dict[str, object], status: int, told: str) -> None:
    answer = filled.post(MAP, json=body)
    assert answer.status_code == status and told in answer.json()["detail"]


def test_nothing_there(shared_client: httpx.Client) -> None:
    assert shared_client.post("/v1/collections/none/map", json={}).status_code == 404


def test_bodies_are_what_the_retriever_takes_and_gives() -> None:
    arguments = set(inspect.signature(AsyncRetriever.map).parameters)
    assert set(map_schemas.MapBody.model_fields) == arguments - {"self", "collection", "connection"}
    for name in ("ChunkMap", "MapPoint", "MapColor"):
        shape = [field.name for field in fields(getattr(chunk_map, name))]
        assert list(getattr(map_schemas, name).model_fields) == shape
