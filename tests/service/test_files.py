"""Files that are sent to the service."""

import json
from typing import Any

import httpx
import pytest

from retrieval.loading import extra, uploads

COLLECTION = "/v1/collections/handbook"
FILES = f"{COLLECTION}/files"

Sent = list[tuple[str, bytes]]


def send(client: httpx.Client, files: Sent, **data: str) -> list[dict[str, Any]]:
    answer = client.post(FILES, files=[("files", each) for each in files], data=data)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def read(client: httpx.Client, key: str) -> dict[str, Any]:
    answer = client.get(f"{COLLECTION}/documents/{key}")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_files_are_stored_under_their_names(client: httpx.Client) -> None:
    files: Sent = [
        ("guide.md", b"---\nteam: docs\n---\n# Keys\n\nRotate them."),
        ("notes/plan.txt", "Schlüssel tauschen".encode("latin-1")),
        ("people.csv", b"key,name\nann,Ann\n,Bob\n"),
    ]
    metadata = {"year": 2026, "team": "security"}
    results = send(client, files, metadata=json.dumps(metadata))
    assert [(each["file"], each["document_key"], each["status"]) for each in results] == [
        ("guide.md", "guide.md", "added"),
        ("notes/plan.txt", "notes/plan.txt", "added"),
        ("people.csv", "ann", "added"),
        ("people.csv", "people.csv#3", "added"),
    ]
    guide = read(client, "guide.md")
    assert (guide["title"], guide["source"]) == ("Keys", "guide.md")
    assert guide["metadata"] == {"path": "guide.md", "type": "markdown", **metadata}
    assert read(client, "notes/plan.txt")["content"] == "Schlüssel tauschen"
    assert read(client, "ann")["source"] == "people.csv"
    again = send(client, files, metadata=json.dumps(metadata))
    assert {each["status"] for each in again} == {"unchanged"}
    changed = send(client, [("guide.md", b"# Keys\n\nRevoke them.")])
    assert changed[0]["status"] == "updated" and changed[0]["chunks"] == 1
    hits = client.post(f"{COLLECTION}/search", json={"query": "revoke"}).json()["hits"]
    assert hits[0]["document_key"] == "guide.md"


def test_what_cannot_be_read_is_named_and_the_rest_is_stored(client: httpx.Client) -> None:
    broken_lines = b'{"key": "ok", "content": "fine"}\n{"key": \n'
    files: Sent = [
        ("empty.csv", b""),
        ("broken.pdf", b"%PDF-1.7 and no more"),
        ("program.bin", b"\x7fELF\0\0\0"),
        ("photo.png", b"\x89PNG\r\n\x1a\n"),
        ("lines.jsonl", broken_lines),
        ("twice.txt", b"one"),
        ("twice.txt", b"two"),
        ("klingon.txt", b"fine as well"),
    ]
    results = send(client, files)
    reasons = {each["file"]: each["reason"] for each in results if each["status"] == "failed"}
    assert reasons.keys() == {
        "empty.csv",
        "broken.pdf",
        "program.bin",
        "photo.png",
        "lines.jsonl",
        "twice.txt",
    }
    assert "no document" in reasons["empty.csv"] or "empty" in reasons["empty.csv"]
    assert "a broken PDF" in reasons["broken.pdf"] and "NUL" in reasons["program.bin"]
    assert "image" in reasons["photo.png"] and reasons["lines.jsonl"].startswith("2: ")
    assert "first one counts" in reasons["twice.txt"]
    assert all(
        "/tmp" not in reason and "retrieval-upload" not in reason for reason in reasons.values()
    )
    stored = [each["document_key"] for each in results if each["status"] == "added"]
    assert stored == ["ok", "twice.txt", "klingon.txt"]
    assert read(client, "twice.txt")["content"] == "one"


def test_a_file_that_is_too_large(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_MAXIMUM_DOCUMENT_BYTES", "1000")
    large, small = send(client, [("large.txt", b"a " * 600), ("small.txt", b"a")])
    assert large["status"] == "failed" and "1,000 bytes" in large["reason"]
    assert small["status"] == "added"
    answer = client.post(FILES, files=[("files", ("a.txt", b"a" * 100_000))])
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/content-too-large")


def test_a_format_whose_package_is_not_installed(
    shared_client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(module: str) -> Any:
        raise ImportError(module)

    monkeypatch.setattr(extra, "import_module", missing)
    (result,) = send(shared_client, [("slides.pptx", b"PK")])
    assert result["status"] == "failed" and "retrieval[files]" in result["reason"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        (r"C:\Users\ann\..\plan.txt", "Users/ann/plan.txt"),
        ("a//./b.md", "a/b.md"),
        ("a\0b\n.txt", "a\\x00b\\x0a.txt"),
        ("Cafe\u0301.txt", "Café.txt"),
        ("..", ""),
        ("/", ""),
    ],
)
def test_a_name_leads_nowhere_else(given: str, name: str) -> None:
    assert uploads.upload_name(given) == name


def test_names_of_any_length_and_kind(client: httpx.Client) -> None:
    long = "ä" * 300 + ".md"
    results = send(client, [(long, b"# Long"), ("../up.md", b"# Up"), (".env", b"A=1")])
    assert [each["document_key"] for each in results] == [long, "up.md", ".env"]
    assert read(client, "up.md")["title"] == "Up"


@pytest.mark.parametrize(
    ("metadata", "named"),
    [("{", "not JSON"), ("[]", "must be an object"), ('{"a": "\\u0000"}', "NUL"), ("NaN", "JSON")],
)
def test_metadata_that_cannot_be(shared_client: httpx.Client, metadata: str, named: str) -> None:
    files = [("files", ("a.txt", b"a"))]
    answer = shared_client.post(FILES, files=files, data={"metadata": metadata})
    assert (answer.status_code, named in answer.json()["detail"]) == (422, True), answer.text


def test_forms_that_cannot_be(shared_client: httpx.Client) -> None:
    file = ("a.txt", b"a")
    unknown = shared_client.post(FILES, files=[("files", file)], data={"colour": "red"})
    assert unknown.status_code == 422 and "colour" in unknown.json()["detail"]
    without = shared_client.post(FILES, files=[("file", file)])
    assert without.status_code == 422 and "files" in without.json()["detail"]
    nameless = shared_client.post(FILES, files=[("files", (None, b"a"))])
    assert nameless.status_code == 422
    as_json = shared_client.post(FILES, json={"files": []})
    assert as_json.status_code == 415 and "multipart/form-data" in as_json.json()["detail"]
    for content in (b"", b"--x\r\n", b"--x\r\ncontent-disposition: form-data\r\n\r\na\r\n--x--"):
        headers = {"content-type": "multipart/form-data; boundary=x"}
        assert shared_client.post(FILES, content=content, headers=headers).status_code in (400, 422)
    headers = {"content-type": "multipart/form-data"}
    assert shared_client.post(FILES, content=b"a", headers=headers).status_code == 400
    answer = shared_client.post("/v1/collections/none/files", files=[("files", file)])
    assert answer.status_code == 404
