"""The page's files as they are served; what the page does is in test_page."""

import re
from pathlib import Path

import httpx
import pytest

from retrieval.service.routes.page import FILES, FOLDER

TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}


def test_every_file_has_its_type(shared_client: httpx.Client) -> None:
    assert len(FILES) > 20
    for name in FILES:
        answer = shared_client.get(f"/page/{name}")
        assert answer.status_code == 200 and answer.content == (FOLDER / name).read_bytes()
        assert answer.headers["content-type"].split(";")[0] == TYPES[name.rpartition(".")[2]]


def test_the_page_is_at_the_root(shared_client: httpx.Client) -> None:
    answer = shared_client.get("/")
    assert answer.content == (FOLDER / "index.html").read_bytes()
    head = shared_client.head("/")
    assert head.status_code == 200 and not head.content
    assert head.headers["content-length"] == str(len(answer.content))
    refused = shared_client.post("/")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")


def test_what_a_browser_has_is_not_sent_again(shared_client: httpx.Client) -> None:
    for path in ("/", "/page/search.js"):
        first = shared_client.get(path)
        assert first.headers["cache-control"] == "no-cache"
        again = shared_client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        other = shared_client.get(path, headers={"If-None-Match": '"other"'})
        assert other.status_code == 200


@pytest.mark.parametrize(
    "name", ["none.js", "", "../app.py", "%2e%2e/app.py", "..%2fapp.py", "/etc/passwd", "styles"]
)
def test_nothing_else_is_served(shared_client: httpx.Client, name: str) -> None:
    answer = shared_client.get(f"/page/{name}")
    assert answer.status_code == 404 and answer.json()["type"] == "/problems/unknown-path"


def test_the_page_asks_nobody_else_and_runs_nothing_inline() -> None:
    for file in (Path(FOLDER / name) for name in FILES):
        text = file.read_text(encoding="utf-8")
        foreign = re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}\S*", text)
        assert foreign in ([], ['http://www.w3.org/2000/svg"']), file
        assert not re.search(r"\.innerHTML|insertAdjacentHTML|outerHTML|\beval\(", text), file
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
