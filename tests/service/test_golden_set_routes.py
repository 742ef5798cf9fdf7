"""Golden sets over HTTP; what they are and how pools are made is tested nearer to that."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

SETS = "/v1/collections/handbook/golden-sets"
DEFAULT = f"{SETS}/default"
QUERY = "how do I rotate a key?"
SETTINGS: list[dict[str, Any]] = [{"legs": ["keyword"]}, {"legs": ["semantic"], "fusion": "rrf"}]


@pytest.fixture(scope="module")
def filled(shared_client: httpx.Client) -> Iterator[httpx.Client]:
    """A handbook of six documents, and the golden set `default`."""
    for number in range(6):
        key = f"{'keys' if number % 2 else 'doors'}/{number}"
        content = f"Rotate a key of room {number}." + " And so on." * number
        stored = shared_client.put(
            f"/v1/collections/handbook/documents/{key}", json={"content": content}
        )
        assert stored.status_code == 201
    made = shared_client.post(SETS, json={"name": "default", "description": "what is asked"})
    assert made.status_code == 201, made.text
    yield shared_client


def judge(client: httpx.Client, *judgements: dict[str, Any], **more: Any) -> httpx.Response:
    return client.put(f"{DEFAULT}/judgements", json={"judgements": list(judgements), **more})


def grades(client: httpx.Client, **parameters: str) -> dict[str, int]:
    answer = client.get(f"{DEFAULT}/judgements", params=parameters)
    assert answer.status_code == 200, answer.text
    return {each["document_key"]: each["grade"] for each in answer.json()["judgements"]}


def test_judged_by_the_text_of_a_query(filled: httpx.Client) -> None:
    query = {"query_text": "轮换钥匙"}
    first = judge(filled, {**query, "document_key": "keys/1", "grade": 3}, judge="anna")
    assert first.status_code == 200, first.text
    (key,) = first.json()["query_keys"]
    other = {"query_key": key, "document_key": "doors/2", "grade": 0}
    again = judge(filled, other, {**query, "document_key": "keys/3", "grade": 1})
    assert again.json()["query_keys"] == [key, key]
    assert grades(filled, **query) == {"keys/1": 3, "doors/2": 0, "keys/3": 1}
    assert grades(filled, query_text="nobody asked this") == {}
    listed = filled.get(f"{DEFAULT}/judgements", params={"query_key": key})
    stored = listed.json()["judgements"][0]
    assert (stored["judge"], stored["query_key"]) == ("anna", key)
    former = str(again.json()["version"])
    assert judge(filled, {**query, "document_key": "keys/3", "grade": None}).status_code == 200
    assert grades(filled, **query) == {"keys/1": 3, "doors/2": 0}
    assert grades(filled, query_key=key, version=former)["keys/3"] == 1
    queries = filled.get(f"{DEFAULT}/queries").json()["queries"]
    assert {"query_key": key, "query_text": "轮换钥匙", "judgements": 2} in queries
    (summary,) = filled.get(SETS).json()["golden_sets"]
    assert summary == filled.get(DEFAULT).json() and summary["description"] == "what is asked"


def test_all_of_the_judgements_or_none(filled: httpx.Client) -> None:
    before = filled.get(DEFAULT).json()
    bad = {"query_text": "another", "document_key": "none", "grade": 1}
    good = {"query_text": "one", "document_key": "keys/1", "grade": 1}
    for refused, told in [((good, bad), "none"), ((good, good), "twice")]:
        answer = judge(filled, *refused)
        assert answer.status_code == 422 and told in answer.json()["detail"]
    assert filled.get(DEFAULT).json() == before  # nor are its queries there


def test_queries_are_put_and_deleted(filled: httpx.Client) -> None:
    queries = f"{DEFAULT}/queries"
    given = [{"query_key": "a/b", "query_text": "first"}, {"query_text": "second"}]
    put = filled.put(queries, json={"queries": given})
    assert put.status_code == 200, put.text
    keys = put.json()["query_keys"]
    assert keys[0] == "a/b"
    for key in keys:
        assert filled.delete(f"{queries}/{key}").status_code == 204
    assert filled.delete(f"{queries}/a/b").status_code == 404
    texts = [each["query_text"] for each in filled.get(queries).json()["queries"]]
    assert not {"first", "second"} & set(texts)
    version = {"version": put.json()["version"]}
    former = filled.get(queries, params=version).json()["queries"]
    assert {"first", "second"} <= {each["query_text"] for each in former}


def test_a_pool_is_blind(filled: httpx.Client) -> None:
    body = {"query_text": QUERY, "settings": SETTINGS, "depth": 5}
    answer = filled.post(f"{DEFAULT}/pool", json=body)
    assert answer.status_code == 200, answer.text
    pool = answer.json()
    assert {name for each in pool["documents"] for name in each} == {
        "document_key",
        "title",
        "content",
    }
    found = [each["document_key"] for each in pool["documents"]]
    separate = [ranked(filled, **each) for each in SETTINGS]
    assert set(found) == set().union(*separate) and len(found) == len(set(found)) == pool["total"]
    orders = {tuple(found)}
    for seed in range(1, 4):
        shuffled = filled.post(f"{DEFAULT}/pool", json={**body, "seed": seed}).json()["documents"]
        orders.add(tuple(each["document_key"] for each in shuffled))
    assert len(orders) > 1
    judge(filled, {"query_text": QUERY, "document_key": found[0], "grade": 2})
    later = filled.post(f"{DEFAULT}/pool", json=body).json()
    assert [each["document_key"] for each in later["documents"]] == found[1:]
    assert (later["judged"], later["total"]) == (1, len(found))


def ranked(client: httpx.Client, **settings: Any) -> list[str]:
    body = {"query": QUERY, "max_results": 5, "per_document": 1, **settings}
    hits = client.post("/v1/collections/handbook/search", json=body).json()["hits"]
    return [hit["document_key"] for hit in hits]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([], "settings"),
        ([{}, {"legs": ["guess"]}], "settings.1.legs"),
        ([{"query": "another"}], "query"),
        ([{"max_results": 3}], "max_results"),
        ([{"unheard": 3}], "unheard"),
    ],
)
def test_settings_that_no_search_has(filled: httpx.Client, settings: Any, told: str) -> None:
    answer = filled.post(f"{DEFAULT}/pool", json={"query_text": QUERY, "settings": settings})
    assert answer.status_code == 422 and told in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("POST", SETS, {"name": "default"}, 409, "default"),
        ("POST", SETS, {"name": ""}, 422, "name"),
        ("POST", SETS, {"name": "x", "origin": "guess"}, 422, "origin"),
        ("GET", f"{SETS}/none", None, 404, "none"),
        ("DELETE", f"{SETS}/none", None, 404, "none"),
        ("GET", f"{DEFAULT}/queries?version=999", None, 404, "999"),
        ("GET", f"{DEFAULT}/judgements?guess=1", None, 422, "guess"),
        ("GET", f"{DEFAULT}/judgements?query_key=a&query_text=b", None, 422, "query_text"),
        ("PUT", f"{DEFAULT}/queries", {"queries": []}, 422, "queries"),
        (
            "PUT",
            f"{DEFAULT}/queries",
            {"queries": [{"query_key": "k", "query_text": text} for text in "ab"]},
            422,
            "twice",
        ),
        ("GET", "/v1/collections/none/golden-sets", None, 404, "none"),
    ],
)
def test_refused(
    filled: httpx.Client, method: str, path: str, body: Any, status: int, told: str
) -> None:
    answer = filled.request(method, path, json=body)
    assert answer.status_code == status and told in answer.json()["detail"]


@pytest.mark.parametrize(
    "judgement",
    [
        {"document_key": "keys/1", "grade": 1},
        {"query_text": "a", "query_key": "b", "document_key": "keys/1", "grade": 1},
        {"query_key": "unheard", "document_key": "keys/1", "grade": 1},
        {"query_text": "a", "document_key": "keys/1", "grade": 101},
        {"query_text": "a", "document_key": "keys/1"},
    ],
)
def test_judgements_that_cannot_be_used(filled: httpx.Client, judgement: dict[str, Any]) -> None:
    assert judge(filled, judgement).status_code == 422


def test_a_set_is_dropped(filled: httpx.Client) -> None:
    assert filled.post(SETS, json={"name": "other", "origin": "synthetic"}).status_code == 201
    assert filled.delete(f"{SETS}/other").status_code == 204
    assert [each["name"] for each in filled.get(SETS).json()["golden_sets"]] == ["default"]
