"""A collection moves to another model and back while others search, ingest and delete."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from retrieval import Document, HashingEmbedder, Hit, Retriever

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = {"hashing": HashingEmbedder(), "hashing:32": HashingEmbedder(32)}
DOCUMENTS = 120
COUNTS = """
select s.name, s.state, (select count(*) from retrieval.embeddings e where e.space_id = s.space_id),
       (select count(*) from retrieval.chunks)
from retrieval.spaces s order by s.name
"""


def name(number: int) -> str:
    """A word that looks like no other."""
    return blake2b(str(number).encode(), digest_size=8).hexdigest()


def document(number: int, version: int = 0) -> Document:
    return Document(f"{number}", f"{name(number)} {name(number)[::-1]} version{version}")


class Others:
    """Threads that work on the collection until they are stopped; what fails is kept."""

    def __init__(self, *jobs: Callable[[], None]) -> None:
        self.failures: list[BaseException] = []
        self.rounds = dict.fromkeys(range(len(jobs)), 0)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number, job))
            for number, job in enumerate(jobs)
        ]

    def _run(self, number: int, job: Callable[[], None]) -> None:
        while not self._stop.is_set() and not self.failures:
            try:
                job()
            except BaseException as error:
                self.failures.append(error)
            self.rounds[number] += 1

    def __enter__(self) -> "Others":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]


def models_of(query: str, hits: Sequence[Hit]) -> set[str]:
    """The models by whose cosines every hit may have been scored."""
    fitting = set()
    for name, embedder in MODELS.items():
        question = embedder.embed_query(query)
        scores = embedder.embed_documents([hit.content for hit in hits]) @ question
        given = [hit.semantic_score for hit in hits]
        if np.allclose(scores, np.array(given, dtype=float), atol=5e-3):
            fitting.add(name)
    return fitting


def test_nobody_notices(database_url: str) -> None:
    with Retriever.open(database_url) as retriever, Retriever.open(database_url) as other:
        retriever.create_collection("c", embedder=HashingEmbedder())
        retriever.ingest("c", [document(number) for number in range(DOCUMENTS)])
        alive = {number: 0 for number in range(DOCUMENTS)}
        numbers = np.random.default_rng(7)

        def search() -> None:
            number = int(numbers.integers(40))  # these are never touched
            query = f"{name(number)} {name(number)[::-1]}"
            for legs in (["semantic"], ["keyword", "semantic"]):
                hits = other.search("c", query, legs=legs, max_results=10)
                assert len(hits) == 10
                assert hits[0].document_key == f"{number}"
                assert models_of(query, [hit for hit in hits if hit.semantic_score is not None])

        def write() -> None:
            changed = 40 + len(alive) % 30
            new = DOCUMENTS + len(alive)
            other.ingest("c", [document(changed, alive[changed] + 1), document(new)])
            alive[changed] += 1
            alive[new] = 0
            for number in (changed, new):
                hits = other.search(
                    "c", f"{name(number)} {name(number)[::-1]}", legs=["semantic"], max_results=1
                )
                assert [hit.document_key for hit in hits] == [f"{number}"]
                assert f"version{alive[number]}" in hits[0].content
            removed = 70 + len(alive) % 50
            if alive.pop(removed, None) is not None:
                assert other.delete("c", [f"{removed}"]) == 1
            hits = other.search("c", name(removed), legs=["semantic"])
            assert f"{removed}" not in [hit.document_key for hit in hits]

        with Others(search, write) as others:
            migrated = retriever.spaces.migrate("c", HashingEmbedder(32))
            assert (migrated.space, migrated.former, migrated.activated) == (
                "hashing:32",
                "hashing",
                True,
            )
            for expected in ("hashing", "hashing:32", "hashing"):
                before = dict(others.rounds)
                while any(others.rounds[job] < before[job] + 2 for job in before):
                    assert not others.failures
                assert retriever.spaces.rollback("c") == expected
        with retriever.engine.connect() as session:
            rows = session.execute(text(COUNTS)).all()
        assert [(name, state) for name, state, _, _ in rows] == [
            ("hashing", "active"),
            ("hashing:32", "shadow"),
        ]
        assert {embeddings for _, _, embeddings, _ in rows} == {len(alive)} == {rows[0][3]}


PROGRAM = """
import sys
from retrieval import HashingEmbedder, Retriever
from retrieval.ingestion import fill
fill.MISSING_CHUNKS = 10
def say(*phase):
    print(*phase, flush=True)
with Retriever.open(sys.argv[1]) as retriever:
    say("done", retriever.spaces.migrate("c", HashingEmbedder(32), on_progress=say))
"""


def migrate_until(database_url: str, line: str) -> str:
    """Migrate in a process of its own, and kill it when it says this."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database_url],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for said in process.stdout:
        if said.startswith(line):
            process.kill()
            break
    process.stdout.close()
    process.wait()
    return said


def test_killed_anywhere_it_ends_in_the_same_state(database_url: str) -> None:
    with Retriever.open(database_url) as retriever:
        retriever.create_collection("c", embedder=HashingEmbedder())
        retriever.ingest("c", [document(number) for number in range(DOCUMENTS)])
        for line in (
            "embedding 0 ",
            "embedding 20 ",
            f"embedding {DOCUMENTS - 10 - 20} ",
            "building the index 0",
            "building the index 1",
        ):
            said = migrate_until(database_url, line)
            assert said.startswith(line)
            (active,) = (each for each in retriever.spaces.summaries("c") if each.state == "active")
            assert active.name in MODELS and active.missing == 0
            assert retriever.search("c", name(7), legs=["semantic"])[0].document_key == "7"
        assert migrate_until(database_url, "nothing").startswith("done")
        former, new = sorted(retriever.spaces.summaries("c"), key=lambda each: each.name)
        assert (former.name, former.state, former.missing) == ("hashing", "shadow", 0)
        assert (new.name, new.state, new.missing, new.indexed) == ("hashing:32", "active", 0, True)
        assert new.embeddings == DOCUMENTS
        assert retriever.search("c", name(7), legs=["semantic"])[0].document_key == "7"


@pytest.mark.parametrize("line", ["embedding", "building the index 1"])
def test_an_interrupted_migration_disturbs_nobody(database_url: str, line: str) -> None:
    with Retriever.open(database_url) as retriever:
        retriever.create_collection("c", embedder=HashingEmbedder())
        retriever.ingest("c", [document(number) for number in range(DOCUMENTS)])
        migrate_until(database_url, line)
        assert retriever.ingest("c", [document(1, 1), document(DOCUMENTS)]).failures == []
        assert retriever.search("c", name(DOCUMENTS), legs=["semantic"], max_results=1)
        assert retriever.spaces.migrate("c", HashingEmbedder(32)).activated
        assert [each.missing for each in retriever.spaces.summaries("c")] == [0, 0]
