"""Collections and documents over HTTP."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

DOCUMENTS = "/v1/collections/handbook/documents"
KEYS = {
    "guides/keys.md": "guides/keys.md",
    "guides%2Fkeys.md": "guides/keys.md",
    "a%252Fb": "a%2Fb",
    "two%20words%3F": "two words?",
    "%23hash&plus+": "#hash&plus+",
    "sch%C3%B6n/%E9%8D%B5/%F0%9F%94%91": "schön/鍵/🔑",
    "/leading//and/trailing/": "/leading//and/trailing/",
    "%2E%2E/up": "../up",
    "line%0Abreak%0A": "line\nbreak\n",
    "search": "search",
}


def put(client: httpx.Client, key: str, content: str, **fields: object) -> httpx.Response:
    return client.put(f"{DOCUMENTS}/{key}", json={"content": content, **fields})


def test_put_says_what_became_of_the_document(client: httpx.Client) -> None:
    added = put(client, "keys", "Issue a new key first.", title="Keys", metadata={"year": 2026})
    assert (added.status_code, added.json()) == (
        201,
        {"document_key": "keys", "status": "added", "chunks": 1},
    )
    again = put(client, "keys", "Issue a new key first.", title="Keys", metadata={"year": 2026})
    assert (again.status_code, again.json()) == (
        200,
        {"document_key": "keys", "status": "unchanged", "chunks": 0},
    )
    changed = put(client, "keys", "Revoke the old key.")
    assert (changed.status_code, changed.json()["status"]) == (200, "updated")


def test_get_returns_what_was_put(client: httpx.Client) -> None:
    given = {
        "content": "Schlüssel tauschen",
        "title": "Schlüssel",
        "source": "https://example.com/a",
        "metadata": {"year": 2026, "tags": ["a", None, 1.5, {"b": []}]},
        "text_config": "german",
    }
    client.put(f"{DOCUMENTS}/keys", json=given)
    stored = client.get(f"{DOCUMENTS}/keys").json()
    assert stored.pop("created_at") == stored.pop("updated_at")
    assert stored == {"document_key": "keys", **given}


@pytest.mark.parametrize("path", KEYS)
def test_a_key_is_any_text(shared_client: httpx.Client, path: str) -> None:
    assert put(shared_client, path, "words").json()["document_key"] == KEYS[path]
    assert shared_client.get(f"{DOCUMENTS}/{path}").json()["document_key"] == KEYS[path]
    hits = shared_client.post("/v1/collections/handbook/search", json={"query": "words"}).json()[
        "hits"
    ]
    assert [hit["document_key"] for hit in hits] == [KEYS[path]]
    assert shared_client.delete(f"{DOCUMENTS}/{path}").status_code == 204
    assert shared_client.get(f"{DOCUMENTS}/{path}").status_code == 404


def test_delete_is_404_the_second_time(shared_client: httpx.Client) -> None:
    put(shared_client, "keys", "words")
    first = shared_client.delete(f"{DOCUMENTS}/keys")
    assert (first.status_code, first.content) == (204, b"")
    second = shared_client.delete(f"{DOCUMENTS}/keys")
    assert second.json()["detail"] == "document keys does not exist in collection handbook"


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_a_document_needs_its_collection(shared_client: httpx.Client, method: str) -> None:
    body = {"content": "words"} if method == "PUT" else None
    answer = shared_client.request(method, "/v1/collections/missing/documents/a", json=body)
    assert answer.status_code == 404
    assert "does not exist" in answer.json()["detail"]
    assert answer.json()["type"] == "/problems/not-found"


def test_what_the_database_refuses_is_named(shared_client: httpx.Client) -> None:
    unknown = put(shared_client, "keys", "words", text_config="klingon")
    assert unknown.status_code == 422
    assert "text search configuration 'klingon' does not exist" in unknown.json()["detail"]
    too_long = put(shared_client, "k" * 2001, "words")
    assert too_long.status_code == 422
    assert "2000" in too_long.json()["detail"] or "documents_key" in too_long.json()["detail"]
    assert shared_client.get(f"{DOCUMENTS}/keys").status_code == 404


def test_an_empty_document_is_stored(client: httpx.Client) -> None:
    assert put(client, "empty", "").status_code == 201
    assert client.get(f"{DOCUMENTS}/empty").json()["content"] == ""


def put_many_at_once(client: httpx.Client) -> set[int]:
    def send(number: int) -> int:
        return put(client, f"document-{number % 8}", f"text number {number // 8}").status_code

    with ThreadPoolExecutor(12) as threads:
        return set(threads.map(send, range(48)))


def test_many_puts_at_once(client: httpx.Client) -> None:
    put(client, "document-0", "the first one")
    assert put_many_at_once(client) <= {200, 201}
    assert client.get("/v1/collections").json()["collections"][0]["documents"] == 8


def test_many_first_puts_at_once(client: httpx.Client) -> None:
    assert put_many_at_once(client) <= {200, 201}


def test_collections_are_listed_with_size_and_model(client: httpx.Client) -> None:
    put(client, "keys", "words")
    client.post(
        "/v1/collections",
        json={"name": "Bücher & Co", "text_config": "german", "model": "hashing:32"},
    )
    books, handbook = client.get("/v1/collections").json()["collections"]
    assert books == {
        "name": "Bücher & Co",
        "text_config": "german",
        "documents": 0,
        "chunks": 0,
        "space": "hashing:32",
        "model": "hashing:32",
        "dimensions": 32,
        "chunking": None,
        "ranking": None,
        "field_weights": None,
    }
    assert (handbook["name"], handbook["documents"], handbook["chunks"]) == ("handbook", 1, 1)


def test_a_collection_is_created_once_and_dropped_once(client: httpx.Client) -> None:
    body = {"name": "new", "text_config": "simple"}
    created = client.post("/v1/collections", json=body)
    assert (created.status_code, created.json()) == (201, body)
    taken = client.post("/v1/collections", json=body)
    assert (taken.status_code, taken.json()["type"]) == (409, "/problems/already-exists")
    assert client.delete("/v1/collections/new").status_code == 204
    assert client.delete("/v1/collections/new").status_code == 404
    assert client.post("/v1/collections", json=body).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": " blank"},
        {"name": "x" * 201},
        {"name": 7},
        {"name": "new", "text_config": "klingon"},
        {"name": "new", "model": "hashing:none"},
        {"name": "new", "colour": "red"},
    ],
)
def test_a_collection_that_cannot_be(shared_client: httpx.Client, body: dict[str, object]) -> None:
    assert shared_client.post("/v1/collections", json=body).status_code == 422
    assert len(shared_client.get("/v1/collections").json()["collections"]) == 1
