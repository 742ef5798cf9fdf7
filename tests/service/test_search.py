"""Searching over HTTP."""

import inspect
import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import httpx
import pytest

from retrieval import AsyncRetriever, Hit
from retrieval.service import search_schemas

SEARCH = "/v1/collections/handbook/search"


@pytest.fixture(scope="module")
def filled(shared_client: httpx.Client) -> Iterator[httpx.Client]:
    """A handbook of three documents."""
    for key, year, content in [
        ("keys", 2026, "To rotate a key, issue a new one and revoke the old one."),
        ("users", 2025, "A user is added by an administrator."),
        ("backup", 2024, "A backup is made every night."),
    ]:
        stored = shared_client.put(
            f"/v1/collections/handbook/documents/{key}",
            json={"content": content, "metadata": {"year": year}},
        )
        assert stored.status_code == 201
    yield shared_client


def keys(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [hit["document_key"] for hit in answer.json()["hits"]]


def test_a_hit_has_every_field(filled: httpx.Client) -> None:
    hit = filled.post(SEARCH, json={"query": "rotate a key"}).json()["hits"][0]
    assert list(hit) == [*(field.name for field in fields(Hit)), "highlight"]
    assert hit["highlight"] is None
    assert (hit["document_key"], hit["metadata"], hit["position"]) == ("keys", {"year": 2026}, 0)
    assert hit["keyword_rank"] == 1 and hit["keyword_score"] > 0
    assert hit["semantic_rank"] in (1, 2, 3) and -1 <= hit["semantic_score"] <= 1
    assert hit["contributions"].keys() == {"keyword", "semantic"}
    added = [each["contribution"] for each in hit["contributions"].values()]
    assert hit["score"] == pytest.approx(sum(added)) and hit["rerank_score"] is None


def test_a_body_has_the_arguments_of_the_retriever() -> None:
    def arguments(method: Any) -> set[str]:
        return set(inspect.signature(method).parameters) - {"self", "collection", "connection"}

    reranking = {"rerank", "rerank_candidates"}
    among_chunks = {"duplicate_similarity", "per_document", "mmr_lambda", "result_offset"}
    search = arguments(AsyncRetriever.search)
    expected = {
        search_schemas.Search: search | {"highlight", "log"},
        search_schemas.ExplainedSearch: search - reranking,
        search_schemas.DocumentSearch: search - reranking - among_chunks | {"aggregation", "log"},
        search_schemas.ChunkRecommendation: arguments(AsyncRetriever.recommend),
        search_schemas.DocumentRecommendation: arguments(AsyncRetriever.recommend_documents),
        search_schemas.LikeThis: arguments(AsyncRetriever.more_like_this),
    }
    for body, names in expected.items():
        assert set(body.model_fields) == names, body


def test_a_leg_that_took_no_part_is_null(filled: httpx.Client) -> None:
    answer = filled.post(SEARCH, json={"query": "backup", "legs": ["keyword"]})
    assert keys(answer) == ["backup"]
    hit = answer.json()["hits"][0]
    assert hit["semantic_rank"] is hit["semantic_score"] is None


def test_every_argument_arrives(filled: httpx.Client) -> None:
    def found(**body: object) -> list[str]:
        return keys(filled.post(SEARCH, json={"query": "a new user", **body}))

    assert len(found()) == 3
    assert len(found(max_results=1)) == 1
    assert found(metadata_filter={"year": {"$gte": 2026}}) == ["keys"]
    assert found(legs=["keyword"], keyword_operator="and") == []
    assert found(weights={"keyword": 0, "semantic": 1}, rrf_k=1, candidates=1, max_results=1)
    assert len(found(space="hashing")) == 3
    assert len(found(query_embedding=[1] + [0.0] * 63, legs=["semantic"])) == 3
    constants = {"k1": 0.5, "b": 0, "field_weights": {"title": 2}}
    answer = filled.post(
        f"{SEARCH}/explain", json={"query": "backup", "candidates": 19, **constants}
    )
    explained = answer.json()
    assert (explained["candidates"], explained["mmr_lambda"]) == (19, None)
    assert explained["legs"][0].items() > constants.items()


def test_hits_are_ordered_again(filled: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_RERANKER", "word-overlap")
    for rerank in ("word-overlap", True):
        body = {"query": "administrator backup every", "max_results": 2, "rerank": rerank}
        answer = filled.post(SEARCH, json={**body, "rerank_candidates": 3})
        assert keys(answer) == ["backup", "users"]
        scores = [hit["rerank_score"] for hit in answer.json()["hits"]]
        assert scores == pytest.approx([2 / 3, 1 / 3])
    answer = filled.post(SEARCH, json={"query": "backup", "rerank": False})
    assert {hit["rerank_score"] for hit in answer.json()["hits"]} == {None}


def test_a_reranker_that_is_not_there(filled: httpx.Client) -> None:
    answer = filled.post(SEARCH, json={"query": "backup", "rerank": "/no/such/folder"})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/model-unavailable")
    assert "there is no such folder" in answer.json()["detail"]


def test_nothing_to_search_with_finds_nothing(filled: httpx.Client) -> None:
    assert keys(filled.post(SEARCH, json={"query": " "})) == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "query"),
        ({"query": 1}, "query"),
        ({"query": "a", "max_results": 0}, "max_results"),
        ({"query": "a", "max_results": 10**9}, "max_results"),
        ({"query": "a", "max_results": "5"}, "max_results"),
        ({"query": "a", "max_results": True}, "max_results"),
        ({"query": "a", "candidates": 10**30}, "candidates"),
        ({"query": "a", "rrf_k": 0}, "rrf_k"),
        ({"query": "a", "legs": []}, "legs"),
        ({"query": "a", "legs": ["smell"]}, "legs.0"),
        ({"query": "a", "weights": {"smell": 1}}, "weights: leg must be one of"),
        ({"query": "a", "weights": {"keyword": -1}}, "weights.keyword"),
        ({"query": "a", "fusion": "mean"}, "fusion"),
        ({"query": "a", "leg_candidates": {"keyword": 0}}, "leg_candidates.keyword"),
        ({"query": "a", "boosts": 1}, "boosts"),
        ({"query": "a", "mmr_lambda": 1.5}, "mmr_lambda"),
        ({"query": "a", "duplicate_similarity": "0.9"}, "duplicate_similarity"),
        ({"query": "a", "per_document": 0}, "per_document"),
        ({"query": "a", "result_offset": -1}, "result_offset"),
        ({"query": "a", "result_offset": 95}, "at most candidates"),
        ({"query": "a", "late_interaction": "all"}, "late_interaction"),
        ({"query": "a", "spaces": [""]}, "spaces.0"),
        ({"query": "a", "query_sparse": "{1:1}/9"}, "sparse is not among the legs"),
        ({"query": "a", "legs": ["sparse"], "query_sparse": "[1]"}, "query_sparse"),
        ({"query": "a", "legs": ["late_interaction"], "query_tokens": []}, "query_tokens"),
        ({"query": "a", "weights": {"keyword": 0, "semantic": 0}}, "weights"),
        ({"query": "a", "keyword_operator": "xor"}, "keyword_operator"),
        ({"query": "a", "query_embedding": []}, "query_embedding"),
        ({"query": "a", "query_embedding": [1.0]}, "query_embedding"),
        ({"query": "a", "query_embedding": [0.0] * 64}, "query_embedding"),
        ({"query": "a", "query_embedding": [1e6] * 64}, "query_embedding.0"),
        ({"query": "a", "k1": 101}, "k1"),
        ({"query": "a", "b": -1}, "b"),
        ({"query": "a", "field_weights": {"body": 1}}, "field_weights: field must be one of"),
        ({"query": "a", "rerank": ""}, "rerank"),
        ({"query": "a", "rerank": 1}, "rerank"),
        ({"query": "a", "rerank_candidates": 0}, "rerank_candidates"),
        ({"query": "a", "rerank": "word-overlap", "rerank_candidates": 9}, "rerank_candidates"),
        ({"query": "a", "metadata_filter": []}, "metadata_filter"),
        ({"query": "a", "metadata_filter": {"year": {"$near": 1}}}, "$near"),
        ({"query": "a", "colour": "red"}, "colour"),
        ([], "body"),
        (None, "body"),
    ],
)
def test_a_search_that_cannot_be(filled: httpx.Client, body: object, named: str) -> None:
    headers = {"content-type": "application/json"}
    answer = filled.post(SEARCH, content=json.dumps(body), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-input")
    assert named in answer.json()["detail"]


def test_what_is_not_there(filled: httpx.Client) -> None:
    assert filled.post("/v1/collections/none/search", json={"query": "a"}).status_code == 404
    assert filled.post(SEARCH, json={"query": "a", "space": "none"}).status_code == 404


@pytest.mark.parametrize(
    "query", ['"', "-", "or or or", "a" * 50_000, "a:* & !b | (", "' \\ %s :x"]
)
def test_any_text_is_a_query(filled: httpx.Client, query: str) -> None:
    assert filled.post(SEARCH, json={"query": query}).status_code == 200
