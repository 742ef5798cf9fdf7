"""Lists by the page: documents and chunks."""

import base64
import json
from typing import Any

import httpx
import pytest

from retrieval.service.cursor import cursor

COLLECTION = "/v1/collections/handbook"
# beyond ASCII, of equal beginnings, with what means something in a URL
KEYS = sorted(
    ["a", "a/b", "a b", "B", "b&c=d", "schön/鍵/🔑", "z", *(f"n{i:02}" for i in range(20))]
)


@pytest.fixture(scope="module")
def filled(shared_client: httpx.Client) -> httpx.Client:
    """A handbook of some keys, and another collection."""
    body = {"strategy": "fixed", "maximum_tokens": 5}
    assert shared_client.put(f"{COLLECTION}/chunking", json=body).status_code == 204
    documents = [
        {
            "key": key,
            "content": f"{key}. One two three. Four five. Six seven eight.",
            "metadata": {"number": number},
        }
        for number, key in enumerate(KEYS)
    ]
    stored = shared_client.post(f"{COLLECTION}/documents", json={"documents": documents})
    assert {each["status"] for each in stored.json()["results"]} == {"added"}
    assert shared_client.post("/v1/collections", json={"name": "aside"}).status_code == 201
    aside = {"content": "aside"}
    assert shared_client.put("/v1/collections/aside/documents/x", json=aside).status_code == 201
    return shared_client


def pages(client: httpx.Client, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Every page of a list."""
    name = path.rpartition("/")[2]
    found: list[list[dict[str, Any]]] = []
    after: dict[str, Any] = {}
    while True:
        answer = client.get(path, params={**query, **after})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page.keys() == {name, "next"}
        found.append(page[name])
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


@pytest.mark.parametrize("limit", [1, 7, 27, 1000])
def test_pages_of_documents_are_the_whole(filled: httpx.Client, limit: int) -> None:
    found = pages(filled, f"{COLLECTION}/documents", limit=limit)
    sizes = [len(page) for page in found]
    assert sizes[:-1] == [limit] * (len(sizes) - 1) and 0 < sizes[-1] <= limit
    listed = [each["document_key"] for page in found for each in page]
    assert sorted(listed) == KEYS and len(listed) == len(KEYS)
    whole = filled.get(f"{COLLECTION}/documents", params={"limit": 1000}).json()["documents"]
    assert [each["document_key"] for each in whole] == listed
    assert whole[0].keys() == {
        "document_key",
        "title",
        "source",
        "metadata",
        "chunks",
        "updated_at",
    }


def test_documents_are_filtered(filled: httpx.Client) -> None:
    condition = json.dumps({"number": {"$lt": 9}})
    found = pages(filled, f"{COLLECTION}/documents", limit=2, metadata_filter=condition)
    assert [len(page) for page in found] == [2, 2, 2, 2, 1]
    assert sorted(each["document_key"] for page in found for each in page) == KEYS[:9]


def test_what_changes_between_pages_neither_repeats_nor_hides(filled: httpx.Client) -> None:
    path = "/v1/collections/aside/documents"
    for key in "abcd":
        filled.put(f"{path}/{key}", json={"content": "words"})
    first = filled.get(path, params={"limit": 2}).json()
    assert [each["document_key"] for each in first["documents"]] == ["a", "b"]
    assert filled.delete(f"{path}/b").status_code == 204
    filled.put(f"{path}/aa", json={"content": "words"})
    rest = filled.get(path, params={"after": first["next"]}).json()
    assert [each["document_key"] for each in rest["documents"]] == ["c", "d", "x"]
    for key in ("a", "aa", "c", "d"):
        assert filled.delete(f"{path}/{key}").status_code == 204


@pytest.mark.parametrize("limit", [1, 10, 1000])
def test_pages_of_chunks_are_the_whole(filled: httpx.Client, limit: int) -> None:
    found = [each for page in pages(filled, f"{COLLECTION}/chunks", limit=limit) for each in page]
    assert len({each["chunk_id"] for each in found}) == len(found)
    documents = pages(filled, f"{COLLECTION}/documents", limit=1000)[0]
    for document in documents:
        own = [each for each in found if each["document_key"] == document["document_key"]]
        assert [each["position"] for each in own] == list(range(document["chunks"]))
        asked = {"document_key": document["document_key"], "limit": 1000}
        if limit == 1000:
            assert filled.get(f"{COLLECTION}/chunks", params=asked).json()["chunks"] == own


def test_a_chunk_among_its_neighbours(filled: httpx.Client) -> None:
    asked = {"document_key": "z"}
    own = filled.get(f"{COLLECTION}/chunks", params=asked).json()["chunks"]
    assert len(own) >= 3
    path = f"{COLLECTION}/chunks/{own[1]['chunk_id']}"
    assert filled.get(path).json() == {"chunks": own[1:2], "next": None}
    around = filled.get(path, params={"before": 1, "after": 1}).json()["chunks"]
    assert around == own[:3]
    assert filled.get(path, params={"before": 100, "after": 100}).json()["chunks"] == own
    content = filled.get(f"{COLLECTION}/documents/z").json()["content"]
    for each in own:
        assert content[each["start_offset"] : each["end_offset"]] == each["content"]


def test_a_chunk_of_another_collection_is_not_there(filled: httpx.Client) -> None:
    (chunk,) = filled.get("/v1/collections/aside/chunks").json()["chunks"]
    answer = filled.get(f"{COLLECTION}/chunks/{chunk['chunk_id']}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == (
        f"chunk {chunk['chunk_id']} does not exist in collection handbook"
    )


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("path", "query", "status", "named"),
    [
        ("documents", {"after": ""}, 422, "after"),
        ("documents", {"after": "ä"}, 422, "after"),
        ("documents", {"after": "!!!!"}, 422, "after"),
        ("documents", {"after": encoded("[]")}, 422, "after"),
        ("documents", {"after": encoded('"a"')}, 422, "after"),
        ("documents", {"after": encoded("[" * 9000)}, 422, "after"),
        ("documents", {"after": cursor("documents", 1)}, 422, "after"),
        ("documents", {"after": cursor("documents", "a\0")}, 422, "after"),
        ("documents", {"after": cursor("documents", "\ud800")}, 422, "after"),
        ("documents", {"after": cursor("chunks", 1, 1)}, 422, "after"),
        ("chunks", {"after": cursor("documents", "a")}, 422, "after"),
        ("chunks", {"after": cursor("chunks", 2**63, 1)}, 422, "after"),
        ("chunks", {"after": cursor("chunks", -1, 1)}, 422, "after"),
        ("chunks", {"after": cursor("chunks", True, 1)}, 422, "after"),
        ("documents", {"limit": 0}, 422, "limit"),
        ("documents", {"limit": 1001}, 422, "limit"),
        ("documents", {"limit": "ten"}, 422, "limit"),
        ("documents", {"metadata_filter": "{"}, 422, "metadata_filter is not JSON"),
        ("documents", {"metadata_filter": "[1]"}, 422, "must be an object"),
        ("documents", {"metadata_filter": '{"a": {"$near": 1}}'}, 422, "$near"),
        ("documents", {"metadata_filter": '{"a": "\\u0000"}'}, 422, "metadata_filter.a: text"),
        ("documents", {"metadata_filter": '{"a":' * 110 + "1" + "}" * 110}, 422, "more than 100"),
        ("documents", {"metadata_filter": "[" * 5000}, 422, "nested more than"),
        ("documents", {"offset": 5}, 422, "query: there is no parameter 'offset'"),
        ("documents/a", {"limit": 5}, 422, "query: there is no parameter 'limit'"),
        ("chunks", {"document_key": "none"}, 404, "document none does not exist"),
        ("chunks", {"document_key": "a\0"}, 422, "document_key: it cannot hold a NUL"),
        ("chunks/x", {}, 422, "chunk_id"),
        ("chunks/0", {}, 422, "chunk_id"),
        ("chunks/9223372036854775808", {}, 422, "chunk_id"),
        ("chunks/9223372036854775807", {}, 404, "chunk 9223372036854775807 does not exist"),
        ("chunks/1", {"before": -1}, 422, "before"),
    ],
)
def test_what_cannot_be_asked(
    filled: httpx.Client, path: str, query: dict[str, Any], status: int, named: str
) -> None:
    answer = filled.get(f"{COLLECTION}/{path}", params=query)
    assert (answer.status_code, named in answer.json()["detail"]) == (status, True), answer.text


def test_a_query_that_is_no_text(filled: httpx.Client) -> None:
    answer = filled.get(f"{COLLECTION}/chunks?document_key=%FF")
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-request")


@pytest.mark.parametrize("path", ["documents", "chunks"])
def test_a_list_needs_its_collection(filled: httpx.Client, path: str) -> None:
    answer = filled.get(f"/v1/collections/none/{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
