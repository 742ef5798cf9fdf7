"""Spaces, jobs and settings of a collection, and what searches give beside hits."""

from typing import Any

import httpx
import psycopg
import pytest

COLLECTION = "/v1/collections/handbook"
SPACES = f"{COLLECTION}/spaces"


def get(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(client: httpx.Client, path: str, status: int = 200, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def states(client: httpx.Client) -> dict[str, str]:
    return {each["name"]: each["state"] for each in get(client, SPACES)["spaces"]}


def test_a_space_from_its_creation_to_its_end(client: httpx.Client, database_url: str) -> None:
    assert states(client) == {"hashing": "active"}
    made = {"model": "hashing", "space": "hashing", "index_method": "none"}
    taken = post(client, SPACES, 409, **made)
    assert taken["type"] == "/problems/already-exists"
    client.put(f"{COLLECTION}/documents/keys", json={"content": "To rotate a key."})
    created = post(client, SPACES, 201, model="hashing:32", space="new", index_method="none")
    assert (created["dimensions"], created["state"], created["missing"]) == (32, "building", 1)
    assert get(client, f"{SPACES}/new") == {**created, "index_progress": None}
    early = client.post(f"{SPACES}/new/activate")
    assert (early.status_code, early.json()["type"]) == (409, "/problems/not-ready")
    # a worker's work
    jobs = get(client, f"{COLLECTION}/jobs")["jobs"]
    assert [(each["space"], each["pending"], each["failed"]) for each in jobs] == [("new", 1, 0)]
    fill(database_url)
    assert client.post(f"{SPACES}/new/activate").status_code == 204
    assert states(client) == {"new": "active", "hashing": "shadow"}
    assert post(client, f"{SPACES}/rollback") == {"space": "hashing"}
    assert states(client) == {"hashing": "active", "new": "shadow"}
    for action, state in (("retire", "retired"), ("resume", "shadow")):
        assert client.post(f"{SPACES}/new/{action}").status_code == 204
        assert states(client)["new"] in (state, "building")
    kept = client.delete(f"{SPACES}/hashing")
    assert kept.status_code == 409
    assert client.delete(f"{SPACES}/new").status_code == 204
    assert client.delete(f"{SPACES}/hashing", params={"force": "true"}).status_code == 204
    assert states(client) == {}
    assert client.get(f"{SPACES}/hashing").status_code == 404
    assert client.delete(f"{SPACES}/hashing").status_code == 404


def fill(database_url: str) -> None:
    from retrieval import HashingEmbedder, Retriever

    with Retriever.open(database_url, embedder=HashingEmbedder()) as retriever:
        retriever.spaces.fill("handbook", "new")


def test_failed_jobs_are_named_and_tried_again(client: httpx.Client, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("select retrieval.add_document('handbook', 'keys', 'To rotate a key.')")
        connection.execute(
            "update retrieval.jobs set state = 'failed', error = 'broken', run_after = 'infinity'"
        )
    (failed,) = get(client, f"{COLLECTION}/jobs/failed")["failed"]
    assert (failed["document_key"], failed["space"], failed["error"]) == (
        "keys",
        "hashing",
        "broken",
    )
    assert get(client, f"{COLLECTION}/jobs")["jobs"][0]["failed"] == 1
    assert post(client, f"{COLLECTION}/jobs/retry", space="hashing") == {"jobs": 1}
    assert post(client, f"{COLLECTION}/jobs/retry") == {"jobs": 0}
    assert get(client, f"{COLLECTION}/jobs/failed", limit=1) == {"failed": []}
    assert client.post(f"{COLLECTION}/jobs/retry", json={"space": "none"}).status_code == 404


def test_settings_are_kept_and_returned_to_defaults(client: httpx.Client) -> None:
    settings = {
        "ranking": {
            **{"fusion": "rrf", "weights": {"semantic": 2}, "rrf_k": 10, "candidates": 20},
            **{"k1": 0.9, "b": 0.4, "mmr_lambda": 0.5, "rerank": {"model": "word-overlap"}},
        },
        "chunking": {"strategy": "fixed", "maximum_tokens": 20},
        "field_weights": {"title": 2.5},
    }
    for name, body in settings.items():
        path = f"{COLLECTION}/{name.replace('_', '-')}"
        answer = client.put(path, json=body)
        assert (answer.status_code, answer.content) == (204, b""), answer.text
        assert get(client, COLLECTION)[name] == body
        assert client.put(path, json={}).status_code == 204
        assert get(client, COLLECTION)[name] is None
        assert client.put(f"{path}", json={"colour": 1}).status_code == 422
        missing = client.put(path.replace("handbook", "none"), json=body)
        assert missing.status_code == 404
    bad = {"strategy": "fixed", "maximum_tokens": 5, "overlap_tokens": 5}
    answer = client.put(f"{COLLECTION}/chunking", json=bad)
    assert answer.status_code == 422 and "overlap_tokens" in answer.json()["detail"]
    answer = client.put(f"{COLLECTION}/ranking", json={"weights": {"keyword": -1}})
    assert answer.status_code == 422 and "weights.keyword" in answer.json()["detail"]
    answer = client.put(f"{COLLECTION}/ranking", json={"rerank": {"candidates": 5}})
    assert answer.status_code == 422 and "rerank.model" in answer.json()["detail"]
    assert client.get("/v1/collections/none").status_code == 404


def test_a_collection_is_calibrated(client: httpx.Client) -> None:
    documents = [{"key": f"{i}", "content": f"word{i % 7} and word{i % 5}"} for i in range(40)]
    post(client, f"{COLLECTION}/documents", documents=documents)
    found = post(client, f"{COLLECTION}/calibrate", sample=30, store=False)
    assert found["space_name"] == "hashing" and 0 < found["sampled"] <= 30
    answer = client.post(f"{COLLECTION}/calibrate", json={"space": "none"})
    assert answer.status_code == 404


@pytest.fixture(scope="module")
def guide(shared_client: httpx.Client) -> httpx.Client:
    """A handbook whose first document has several chunks."""
    chunking = {"strategy": "sentence", "maximum_tokens": 10}
    assert shared_client.put(f"{COLLECTION}/chunking", json=chunking).status_code == 204
    documents = [
        {
            "key": "keys",
            "title": "Keys",
            "content": "Rotate <b>keys</b> & locks. Then revoke them. Last of all, rest a while.",
        },
        {"key": "locks", "content": "Locks and keys. Rotate them as well."},
        {"key": "lunch", "content": "Soup is at noon."},
    ]
    post(shared_client, f"{COLLECTION}/documents", documents=documents)
    return shared_client


def test_highlights_are_safe(guide: httpx.Client) -> None:
    body = {"query": "rotating keys -soup", "legs": ["keyword"], "highlight": True}
    hits = post(guide, f"{COLLECTION}/search", **body)["hits"]
    first = next(hit for hit in hits if hit["document_key"] == "keys")
    assert "<mark>Rotate</mark>" in first["highlight"]
    assert "<b>" in first["content"] and "<b>" not in first["highlight"]
    assert "&lt;b&gt;<mark>keys</mark>" in first["highlight"]
    semantic = {"query": "rotating keys", "legs": ["semantic"], "highlight": True}
    for hit in post(guide, f"{COLLECTION}/search", **semantic)["hits"]:
        assert hit["highlight"] is not None
    assert post(guide, f"{COLLECTION}/search", query="", highlight=True) == {"hits": []}


def test_passages_join_neighbours(guide: httpx.Client) -> None:
    chunks = get(guide, f"{COLLECTION}/chunks", document_key="keys")["chunks"]
    assert len(chunks) >= 3
    ids = [each["chunk_id"] for each in chunks]
    path = f"{COLLECTION}/passages"
    (passage,) = post(guide, path, chunk_ids=ids[1::-1], scores=[2.0, 1.0])["passages"]
    assert (passage["hit_ids"], passage["score"]) == (ids[:2], 2.0)
    assert (passage["first_position"], passage["last_position"]) == (0, 1)
    (wide,) = post(guide, path, chunk_ids=ids[:1], after=100)["passages"]
    content = get(guide, f"{COLLECTION}/documents/keys")["content"]
    assert (wide["content"], wide["score"]) == (content, None)
    assert post(guide, path, chunk_ids=[]) == {"passages": []}
    answer = guide.post(path, json={"chunk_ids": ids, "scores": [1.0]})
    assert answer.status_code == 422 and "scores" in answer.json()["detail"]
    answer = guide.post(path, json={"chunk_ids": [10**15]})
    assert answer.status_code in (404, 422)


def test_more_like_this(guide: httpx.Client) -> None:
    path = f"{COLLECTION}/more_like_this"
    hits = post(guide, path, example_document="locks", max_results=1)["hits"]
    assert [hit["document_key"] for hit in hits] == ["keys"]
    for body in ({}, {"example_document": "none"}, {"example_document": "a", "example_chunk": 1}):
        answer = guide.post(path, json=body)
        assert answer.status_code in (404, 422) and answer.json()["detail"]


def test_answers_need_a_language_model(
    guide: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETRIEVAL_CHAT_MODEL", raising=False)
    answer = guide.post(f"{COLLECTION}/answer", json={"question": "How?"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-ready")
    assert "RETRIEVAL_CHAT_MODEL" in answer.json()["detail"]
    # without hits no model is asked
    monkeypatch.setenv("RETRIEVAL_CHAT_MODEL", "openai:none")
    body = {"question": "unheardof", "legs": ["keyword"]}
    answered = post(guide, f"{COLLECTION}/answer", **body)
    assert answered["citations"] == [] and "Nothing was found" in answered["text"]
