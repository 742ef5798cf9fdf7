import os
import re
import subprocess
import sys

import pytest

from retrieval.demo.corpus import python_documentation
from retrieval.demo.questions import EXPECTED, QUESTIONS
from retrieval.document import Document

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
KINDS = {"module", "class", "function", "method", "topic"}
DIGEST = """
from hashlib import sha256
from retrieval.demo.corpus import python_documentation
print(sha256(repr(python_documentation()).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return python_documentation()


@pytest.fixture(scope="module")
def by_key(documents: list[Document]) -> dict[str, Document]:
    return {document.key: document for document in documents}


def test_there_are_enough_documents_of_every_kind(documents: list[Document]) -> None:
    kinds = [document.metadata["kind"] for document in documents]
    assert len(documents) >= 2000
    assert set(kinds) == KINDS
    assert all(kinds.count(kind) >= 50 for kind in KINDS)


def test_no_name_and_no_text_comes_twice(documents: list[Document]) -> None:
    assert len({document.key for document in documents}) == len(documents)
    assert len({document.content for document in documents}) == len(documents)


def test_every_document_is_complete(documents: list[Document]) -> None:
    for document in documents:
        assert set(document.metadata) == {"module", "kind", "name", "python"}
        assert all(document.metadata.values())
        assert document.title
        assert document.source == f"pydoc:{document.metadata['name']}"
        assert len(document.content) >= 20


def test_no_text_holds_an_address_or_a_control_character(documents: list[Document]) -> None:
    for document in documents:
        text = f"{document.title}\n{document.content}"
        assert not ADDRESS.search(text), document.key
        assert not CONTROL.search(text), document.key


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("asyncio.sleep", "function"),
        ("bisect.bisect_left", "function"),
        ("collections.abc.Mapping", "class"),
        ("concurrent.futures.ThreadPoolExecutor", "class"),
        ("open", "function"),
        ("os.path.join", "function"),
        ("str.islower", "method"),
        ("threading.Timer", "class"),
        ("topic:assert", "topic"),
        ("unittest", "module"),
        ("unittest.TestCase.assertRaises", "method"),
        ("urllib.parse.urlsplit", "function"),
    ],
)
def test_objects_have_the_names_that_users_know(
    by_key: dict[str, Document], key: str, kind: str
) -> None:
    assert by_key[key].metadata["kind"] == kind


@pytest.mark.parametrize(
    "key",
    ["_bisect.bisect_left", "asyncio.tasks.sleep", "posixpath.join", "random.Random.choice"],
)
def test_an_object_has_no_second_name(by_key: dict[str, Document], key: str) -> None:
    assert key not in by_key


def test_titles_show_how_to_call(by_key: dict[str, Document]) -> None:
    assert by_key["threading.Timer"].title == (
        "threading.Timer(interval, function, args=None, kwargs=None)"
    )
    assert by_key["json.dumps"].title is not None
    assert by_key["json.dumps"].title.endswith(", ...)")
    assert by_key["topic:assert"].title == 'The "assert" statement'


def test_a_chapter_does_not_repeat_the_topics_inside_it(by_key: dict[str, Document]) -> None:
    assert by_key["topic:if"].content not in by_key["topic:compound"].content
    assert "topic:else" not in by_key


def test_two_runs_agree_and_are_silent() -> None:
    first, second = _digest("1"), _digest("2")
    assert first.stdout == second.stdout
    assert re.fullmatch(r"[0-9a-f]{64}\n", first.stdout)
    assert first.stderr == second.stderr == ""


def _digest(hash_seed: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-W", "error", "-c", DIGEST]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def test_the_answers_to_the_questions_are_there(by_key: dict[str, Document]) -> None:
    assert set(EXPECTED) == set(QUESTIONS)
    assert not frozenset().union(*EXPECTED.values()) - by_key.keys()
