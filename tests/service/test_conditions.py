"""ETags: reading what is known already, and writing only over what was seen."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

DOCUMENTS = "/v1/collections/handbook/documents"
DOCUMENT = f"{DOCUMENTS}/keys"


def put(client: httpx.Client, content: str, key: str = "keys", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(f"{DOCUMENTS}/{key}", json={"content": content}, headers=named)


def tag(client: httpx.Client) -> str:
    answer = client.get(DOCUMENT)
    assert answer.status_code == 200
    return answer.headers["etag"]


def test_an_etag_changes_with_every_change(client: httpx.Client, database_url: str) -> None:
    put(client, "words")
    first = tag(client)
    assert first[0] == first[-1] == '"' and len(first) > 20
    put(client, "words")
    assert tag(client) == first
    seen = {first}
    client.put(DOCUMENT, json={"content": "words", "title": "Title"})
    seen.add(tag(client))
    client.put(DOCUMENT, json={"content": "words", "title": "Title", "metadata": {"a": 1}})
    seen.add(tag(client))
    put(client, "words")
    seen.add(tag(client))
    # what SQL writes is seen as well, and so is a document that was deleted and is as it was
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update retrieval.documents set source = 'sql'")
    seen.add(tag(client))
    client.delete(DOCUMENT)
    put(client, "words")
    seen.add(tag(client))
    assert len(seen) == 6


def test_what_is_known_is_not_sent(client: httpx.Client) -> None:
    put(client, "words")
    known = tag(client)
    for header in (known, f'"other", {known}', f"W/{known}", "*"):
        answer = client.get(DOCUMENT, headers={"if-none-match": header})
        assert (answer.status_code, answer.content) == (304, b""), header
        assert answer.headers["etag"] == known
    assert client.get(DOCUMENT, headers={"if-none-match": '"other"'}).status_code == 200
    put(client, "other words")
    assert client.get(DOCUMENT, headers={"if-none-match": known}).status_code == 200


def test_a_put_over_what_was_seen(client: httpx.Client) -> None:
    put(client, "words")
    seen = tag(client)
    assert put(client, "mine", if_match=seen).status_code == 200
    late = put(client, "theirs", if_match=seen)
    assert (late.status_code, late.json()["type"]) == (412, "/problems/condition-failed")
    assert late.json()["detail"] == "document keys is stored as another version"
    assert client.get(DOCUMENT).json()["content"] == "mine"
    # even where it would change nothing
    assert put(client, "mine", if_match=seen).status_code == 412
    assert put(client, "mine", if_match=f'{seen}, "b", {tag(client)}').status_code == 200
    # a weak tag does not say which bytes are meant
    assert put(client, "theirs", if_match=f"W/{tag(client)}").status_code == 412
    assert put(client, "any", if_match="*").status_code == 200
    assert put(client, "none", if_none_match=tag(client)).status_code == 412
    assert put(client, "none", if_none_match=seen).status_code == 200


def test_a_put_where_nothing_is(client: httpx.Client) -> None:
    assert put(client, "words", if_match="*").status_code == 412
    assert put(client, "words", if_match='"a"').json()["detail"] == "document keys is not stored"
    assert put(client, "words", if_none_match="*").status_code == 201
    assert put(client, "words", if_none_match="*").status_code == 412
    missing = "/v1/collections/none/documents/a"
    answer = client.put(missing, json={"content": "a"}, headers={"if-none-match": "*"})
    assert answer.status_code == 404


def test_a_delete_of_what_was_seen(client: httpx.Client) -> None:
    put(client, "words")
    seen = tag(client)
    put(client, "other words")
    assert client.delete(DOCUMENT, headers={"if-match": seen}).status_code == 412
    assert client.delete(DOCUMENT, headers={"if-match": tag(client)}).status_code == 204
    assert client.delete(DOCUMENT, headers={"if-match": "*"}).status_code == 412


@pytest.mark.parametrize("header", ["", "a", '"a" "b"', '"a",', "*, *", 'w/"a"', '"\u00ff'])
def test_what_is_no_etag(shared_client: httpx.Client, header: str) -> None:
    value = header.encode("latin-1")
    for method, name in (("GET", "If-None-Match"), ("PUT", "If-Match"), ("DELETE", "If-Match")):
        body = {"content": "a"} if method == "PUT" else None
        put(shared_client, "words")
        answer = shared_client.request(method, DOCUMENT, json=body, headers={name: value})
        assert answer.status_code == 422, (method, header)
        assert name in answer.json()["detail"]


@pytest.mark.parametrize("exists", [True, False], ids=["changed", "created"])
def test_of_many_at_once_one_succeeds(client: httpx.Client, exists: bool) -> None:
    if exists:
        put(client, "words")
    headers = {"if_match": tag(client)} if exists else {"if_none_match": "*"}

    def send(number: int) -> int:
        return put(client, f"words of {number}", **headers).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(send, range(8)))
    winner = 200 if exists else 201
    assert sorted(statuses) == [winner] + [412] * 7
    content = client.get(DOCUMENT).json()["content"]
    assert content == f"words of {statuses.index(winner)}"
    chunks = client.get("/v1/collections/handbook/chunks").json()["chunks"]
    assert [each["content"] for each in chunks] == [content]
