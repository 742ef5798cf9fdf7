"""Every leg over HTTP, explanations, documents and recommendations."""

from typing import Any

import httpx
import pytest

from retrieval import (
    HashingEmbedder,
    MultiVectorHashingEmbedder,
    Retriever,
    SparseHashingEmbedder,
)

COLLECTION = "/v1/collections/handbook"
SEARCH = f"{COLLECTION}/search"
LEGS = ["keyword", "semantic", "sparse", "late_interaction"]
QUERY = "warm jacket"
DOCUMENTS = {
    "jacket": "A warm jacket for the winter.",
    "copy": "A warm jacket for the cold winter.",
    "boots": "Warm boots.",
    "fan": "A fan for the summer.",
}


@pytest.fixture(scope="module")
def shop(shared_client: httpx.Client, module_database_url: str) -> httpx.Client:
    """A handbook with spaces of every kind."""
    for key, content in DOCUMENTS.items():
        body = {"content": content, "metadata": {"team": key[0]}}
        assert shared_client.put(f"{COLLECTION}/documents/{key}", json=body).status_code == 201
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as retriever:
        kinds = {"words": SparseHashingEmbedder(), "tokens": MultiVectorHashingEmbedder()}
        for space, embedder in kinds.items():
            retriever.spaces.migrate("handbook", embedder, space=space)
        retriever.spaces.create("handbook", HashingEmbedder(16), space="small")
        retriever.spaces.fill("handbook", "small")
    return shared_client


def ask(client: httpx.Client, path: str, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def keys(hits: list[dict[str, Any]]) -> list[str]:
    return [hit["document_key"] for hit in hits]


def test_every_leg_and_space_takes_part(shop: httpx.Client) -> None:
    body: dict[str, Any] = {"legs": LEGS, "spaces": ["small"], "fusion": "rrf"}
    hits = ask(shop, SEARCH, query=QUERY, weights={"small": 2}, **body)["hits"]
    best = hits[0]
    assert [best[f"{leg}_rank"] for leg in LEGS] == [1, 1, 1, 1]
    small = best["contributions"].pop("small")
    assert small["contribution"] == pytest.approx(2 / (60 + small["rank"]))
    assert best["contributions"].keys() == set(LEGS)
    assert best["document_key"] == "jacket"
    assert best["score"] == pytest.approx(4 / 61 + small["contribution"])


def test_queries_may_be_given(shop: httpx.Client) -> None:
    sparse = SparseHashingEmbedder().embed_query(QUERY)
    tokens = MultiVectorHashingEmbedder().embed_query(QUERY)
    given = {
        "query_embedding": HashingEmbedder().embed_query(QUERY).tolist(),
        "query_sparse": sparse.to_text(),
        "query_tokens": tokens.tolist(),
    }
    by_model = ask(shop, SEARCH, query=QUERY, legs=LEGS)
    assert ask(shop, SEARCH, query=QUERY, legs=LEGS, **given) == by_model


@pytest.mark.parametrize(
    "text", ["[1]", "{1}/9", "{0:1}/30522", "{1:1}/7", "{1:1,1:1}/30522", "{1:1e99}/30522"]
)
def test_sparse_queries_that_cannot_be(shop: httpx.Client, text: str) -> None:
    answer = shop.post(SEARCH, json={"query": "a", "legs": ["sparse"], "query_sparse": text})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-input")


def test_options_arrive(shop: httpx.Client) -> None:
    def found(**body: Any) -> list[str]:
        return keys(ask(shop, SEARCH, query=QUERY, **body)["hits"])

    assert found()[:2] == ["jacket", "copy"]
    assert "copy" not in found(duplicate_similarity=0.9)
    assert "copy" not in found(mmr_lambda=0.2, max_results=2)
    assert found(result_offset=1, max_results=2) == found()[1:3]
    assert found(result_offset=1, max_results=1, rerank="word-overlap", rerank_candidates=4) == [
        "copy"
    ]
    assert len(found(per_document=1, leg_candidates={"semantic": 1}, rrf_k=1)) == 3
    assert len(found(legs=["keyword", "late_interaction"], late_interaction="collection")) == 4


def test_boosts_change_the_order(shop: httpx.Client) -> None:
    boosts = {"field": "team", "values": {"c": 10}}
    assert keys(ask(shop, SEARCH, query=QUERY, boosts=boosts)["hits"])[0] == "copy"
    explained = ask(shop, f"{SEARCH}/explain", query=QUERY, boosts=[boosts])["hits"][0]
    assert explained["boosts"] == [{"field": "team", "value": "c", "factor": 10}]
    assert explained["score"] == pytest.approx(10 * explained["fused_score"])


def test_a_search_is_explained(shop: httpx.Client) -> None:
    body: dict[str, Any] = {"query": QUERY, "legs": LEGS, "weights": {"keyword": 2}}
    explained = ask(shop, f"{SEARCH}/explain", **body)
    hits = ask(shop, SEARCH, **body)["hits"]
    assert [each["chunk_id"] for each in explained["hits"]] == [hit["chunk_id"] for hit in hits]
    assert [each["legs"] for each in explained["hits"]] == [hit["contributions"] for hit in hits]
    assert [leg["leg"] for leg in explained["legs"]] == LEGS
    assert explained["legs"][0]["space"] is None and explained["legs"][0]["weight"] == 2
    assert explained["hits"][0].keys() == {
        "rank",
        "chunk_id",
        "document_key",
        "position",
        "score",
        "legs",
    }
    more = ask(shop, f"{SEARCH}/explain", query=QUERY, duplicate_similarity=0.9, mmr_lambda=0.5)
    assert more["hits"][0]["duplicates"] and more["hits"][0]["mmr_score"] > 0


def test_documents_are_found(shop: httpx.Client) -> None:
    body = {"query": QUERY, "legs": LEGS, "aggregation": "sum", "max_results": 2}
    found = ask(shop, f"{SEARCH}/documents", **body)["documents"]
    assert keys(found) == ["jacket", "copy"]
    assert found[0]["chunk_ids"] == [found[0]["chunk_id"]]
    assert ask(shop, f"{SEARCH}/documents", query=" ") == {"documents": []}


def test_counts(shop: httpx.Client) -> None:
    path = f"{SEARCH}/counts"
    counted = ask(shop, path, query="warm jacket", keys=["team"])
    assert counted["matches"] == 3
    assert counted["facets"] == [
        {"key": "team", "value": team, "documents": 1, "chunks": 1} for team in "bcj"
    ]
    condition = {"team": {"$in": ["b", "f"]}}
    assert ask(shop, path, metadata_filter=condition, keys=["team"]) == {
        "matches": None,
        "facets": [{"key": "team", "value": v, "documents": 1, "chunks": 1} for v in "bf"],
    }
    assert ask(shop, path, query="warm", metadata_filter=condition, exact=True)["matches"] == 1
    answer = shop.post(path, json={"keys": ["team", "team"]})
    assert (answer.status_code, "named more than once" in answer.json()["detail"]) == (422, True)


def test_recommendations(shop: httpx.Client) -> None:
    jacket, _, fan = (
        ask(shop, SEARCH, query=each, max_results=1)["hits"][0]["chunk_id"]
        for each in (DOCUMENTS["jacket"], DOCUMENTS["copy"], DOCUMENTS["fan"])
    )
    path = f"{COLLECTION}/recommend"
    assert keys(ask(shop, path, positive=[jacket], max_results=1)["hits"]) == ["copy"]
    liked = ask(shop, path, positive=[jacket], negative=[fan], strategy="best_score")["hits"]
    assert keys(liked)[0] == "copy" and liked[0]["semantic_rank"] == 1
    documents = ask(shop, f"{path}/documents", positive_keys=["jacket"], negative_keys=["copy"])
    assert set(keys(documents["hits"])) == {"boots", "fan"}


@pytest.mark.parametrize(
    ("path", "body", "status", "named"),
    [
        ("search/explain", {"query": " "}, 422, "nothing to explain"),
        ("search/explain", {"query": "a", "rerank": True}, 422, "rerank"),
        ("search/documents", {"query": "a", "per_document": 1}, 422, "per_document"),
        ("search/documents", {"query": "a", "aggregation": "median"}, 422, "aggregation"),
        ("search", {"query": "a", "spaces": ["none"]}, 404, "space none does not exist"),
        ("search", {"query": "a", "space": "words"}, 422, "space words is sparse, not dense"),
        ("recommend", {"positive": []}, 422, "positive"),
        ("recommend", {"positive": [0]}, 422, "positive.0"),
        ("recommend", {"positive": [10**15]}, 404, "does not exist"),
        ("recommend/documents", {"positive_keys": ["none"]}, 404, "document none does not exist"),
        ("recommend/documents", {"positive_keys": "jacket"}, 422, "positive_keys"),
    ],
)
def test_what_cannot_be_is_named(
    shop: httpx.Client, path: str, body: dict[str, Any], status: int, named: str
) -> None:
    answer = shop.post(f"{COLLECTION}/{path}", json=body)
    assert (answer.status_code, named in answer.json()["detail"]) == (status, True), answer.text


def test_a_leg_without_a_space(shop: httpx.Client) -> None:
    assert shop.post("/v1/collections", json={"name": "words"}).status_code == 201
    for path in ("", "/explain", "/documents"):
        body = {"query": "a", "legs": ["sparse"]}
        answer = shop.post(f"/v1/collections/words/search{path}", json=body)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-ready")
        assert answer.json()["detail"].startswith("leg sparse: collection words has no active")
