"""Ingestion: vectors that exist already, pruning, dry runs, and what is under way at once."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Run
from sqlalchemy import text

from retrieval import Chunking, Document, HashingEmbedder, NotReady, Retriever
from retrieval.chunking import chunk
from retrieval.ingestion import reading, run

KEYS = Document("keys", "Rotate a key every month.")


def rows(retriever: Retriever, statement: str) -> list[tuple[Any, ...]]:
    with retriever.engine.connect() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def stored(retriever: Retriever) -> list[str]:
    found = rows(retriever, "select document_key from retrieval.documents order by 1")
    return [key for (key,) in found]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("docs/a.md", "docs/b.md", "docs/deep/c.md", "docs2/d.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"This is {name}.")
    return tmp_path


# Pruning


def test_what_vanished_is_pruned_and_nothing_else(retriever: Retriever, here: Path) -> None:
    retriever.ingest("handbook", ["docs", "docs2", KEYS])
    (here / "docs/a.md").unlink()
    (here / "docs/deep/c.md").unlink()
    (here / "docs2/d.md").unlink()
    assert retriever.ingest("handbook", "docs").pruned == 0
    report = retriever.ingest("handbook", here / "docs", prune=True)
    assert (report.pruned, report.unchanged, report.failures) == (2, 1, [])
    assert stored(retriever) == ["docs/b.md", "docs2/d.md", "keys"]
    assert rows(retriever, "select * from retrieval.statistics_drift('handbook')") == []


def test_what_cannot_be_read_is_not_pruned(retriever: Retriever, here: Path) -> None:
    retriever.ingest("handbook", ["docs", "docs2"])
    (here / "docs/b.md").write_bytes(b"\x00\x01\x02")
    (here / "docs/a.md").unlink()
    report = retriever.ingest("handbook", ["docs", "docs2/d.md"], prune=True)
    assert [each.source for each in report.failures] == ["docs/b.md"]
    assert report.pruned == 1
    (here / "docs").rename(here / "elsewhere")
    report = retriever.ingest("handbook", ["docs"], prune=True)
    assert "does not exist" in report.failures[0].reason and report.pruned == 0
    assert stored(retriever) == ["docs/b.md", "docs/deep/c.md", "docs2/d.md"]


# Dry runs


def test_a_dry_run_lists_and_stores_nothing(retriever: Retriever, here: Path) -> None:
    retriever.ingest("handbook", ["docs", KEYS])
    before = rows(retriever, "select document_id, content_hash from retrieval.documents order by 1")
    (here / "docs/a.md").unlink()
    (here / "docs/b.md").write_text("Another text.")
    report = retriever.ingest("handbook", ["docs", "docs2"], prune=True, dry_run=True)
    assert [(each.document_key, each.action) for each in report.changes] == [
        ("docs/b.md", "update"),
        ("docs2/d.md", "add"),
        ("docs/a.md", "prune"),
    ]
    assert (report.added, report.updated, report.unchanged, report.pruned) == (1, 1, 1, 1)
    assert report.chunks == 2
    after = rows(retriever, "select document_id, content_hash from retrieval.documents order by 1")
    assert after == before


def test_a_dry_run_of_a_new_collection_leaves_none(command: Run, here: Path) -> None:
    result = command("ingest", "fresh", "docs", "--dry-run")
    assert result.out.splitlines() == [
        "would add docs/a.md",
        "would add docs/b.md",
        "would add docs/deep/c.md",
        "3 added, 0 updated, 0 unchanged, 0 failed; 3 chunks written"
        " (dry run: nothing was written)",
    ]
    assert command("collections", "--json").json == []
    assert command("ingest", "fresh", "docs").code == 0
    (here / "docs/a.md").unlink()
    listed = command("ingest", "fresh", "docs", "--prune", "--dry-run", "--json").json
    assert listed["changes"] == [{"document_key": "docs/a.md", "action": "prune"}]
    assert "1 pruned" in command("ingest", "fresh", "docs", "--prune").out


# Vectors that exist already


def test_a_given_embedding_is_stored_as_it_is(retriever: Retriever) -> None:
    vector = np.zeros(64)
    vector[3] = 1
    long = "One sentence about otters. " * 2_000
    assert retriever.ingest("handbook", [Document("otters", long, embedding=vector), KEYS]).added
    (found,) = rows(
        retriever,
        "select c.content, e.embedding::text from retrieval.embeddings e"
        " join retrieval.chunks c using (chunk_id) join retrieval.documents d using (document_id)"
        " where d.document_key = 'otters'",
    )
    assert found == (long, str(vector.astype(int).tolist()).replace(" ", ""))
    again = Document("otters", long, embedding=vector.tolist())
    assert retriever.ingest("handbook", again).unchanged == 1
    assert retriever.ingest("handbook", Document("otters", long, embedding=-vector)).updated == 1
    assert retriever.ingest("handbook", Document("otters", "Short.")).updated == 1


@pytest.mark.parametrize(
    ("embedding", "reason"),
    [
        ([1.0, 2.0], "its embedding has 2 dimensions, space hashing has 64"),
        (np.ones((64, 1)), "its embedding has 64 x 1 dimensions"),
        ([float("nan")] * 64, "not a number from -65504"),
        (["a"] * 64, "not a list of numbers"),
        (1.0, "its embedding has no dimensions"),
        ([0.0] * 64, "all zeros"),
        ([1e9] * 64, "not a number from -65504"),
    ],
    ids=["short", "matrix", "nan", "text", "number", "zero", "too large"],
)
def test_an_unfit_embedding_is_reported(retriever: Retriever, embedding: Any, reason: str) -> None:
    report = retriever.ingest("handbook", [Document("bad", "x", embedding=embedding), KEYS])
    assert [each.source for each in report.failures] == ["bad"]
    assert reason in report.failures[0].reason and report.added == 1


def test_an_embedding_needs_a_space_that_is_searched(retriever: Retriever) -> None:
    with retriever.engine.begin() as session:
        session.execute(text("select retrieval.create_collection('words')"))
    report = retriever.ingest("words", Document("a", "x", embedding=[1.0]))
    assert "no space of dense ones is searched" in report.failures[0].reason


def test_a_document_of_too_many_chunks_is_reported(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "MOST_CHUNKS", 10)
    words = Chunking("fixed", maximum_tokens=1)
    documents = [Document("long", "word " * 11), KEYS, Document("short", "word " * 10)]
    report = retriever.ingest("handbook", documents, chunking=words)
    assert [(each.source, each.reason) for each in report.failures] == [
        ("long", "it would be cut into more than 10 chunks")
    ]
    assert stored(retriever) == ["keys", "short"]


# Under way at once


def test_an_iterator_is_read_as_it_is_stored(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH_DOCUMENTS", 5)
    ahead = []

    def documents() -> Iterator[Document]:
        for number in range(50):
            ahead.append(number - len(stored(retriever)))
            yield Document(f"{number:02}", f"Number {number}.")

    totals: list[int] = []
    report = retriever.ingest(
        "handbook", documents(), on_progress=lambda done, total: totals.append(total)
    )
    assert report.added == 50 and totals[-1] == 50
    # one batch read, one embedded, one stored
    assert max(ahead) <= 15


def test_the_one_at_fault_is_found_among_many(retriever: Retriever) -> None:
    documents = [Document(f"{number:03}", f"Number {number}.") for number in range(200)]
    documents[77] = Document("077", "x", title="a\0b")
    documents[140] = Document("140", "x", text_config="klingon")
    report = retriever.ingest("handbook", documents)
    assert (report.added, report.chunks) == (198, 198)
    assert sorted(each.source for each in report.failures) == ["077", "140"]
    pairs = rows(
        retriever,
        "select count(*) from retrieval.embeddings e join retrieval.chunks c using (chunk_id)"
        " where c.content like 'Number%'",
    )
    assert pairs == [(198,)]
    vectors = dict(
        rows(
            retriever,
            "select c.content, e.embedding::text from retrieval.embeddings e"
            " join retrieval.chunks c using (chunk_id)",
        )
    )
    expected = HashingEmbedder().embed_documents(["Number 199."])[0]
    found = np.array(vectors["Number 199."].strip("[]").split(","), dtype=float)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_interruption_while_embedding_keeps_what_was_stored(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH_DOCUMENTS", 5)
    documents = [Document(f"{number:02}", f"Number {number}.") for number in range(20)]
    embedder = HashingEmbedder()

    def interrupted(texts: list[str], **options: Any) -> Any:
        if "Number 10." in texts:
            raise KeyboardInterrupt
        return HashingEmbedder().embed_documents(texts)

    monkeypatch.setattr(embedder, "embed_documents", interrupted)
    other = Retriever(retriever.engine, embedder=embedder)
    with pytest.raises(KeyboardInterrupt):
        other.ingest("handbook", documents)
    assert stored(retriever) == [f"{number:02}" for number in range(10)]
    report = retriever.ingest("handbook", documents)
    assert (report.unchanged, report.added) == (10, 10)


def test_a_failing_model_fails_the_run(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = HashingEmbedder()

    def fails(texts: list[str], **options: Any) -> Any:
        raise NotReady("the model is away")

    monkeypatch.setattr(embedder, "embed_documents", fails)
    other = Retriever(retriever.engine, embedder=embedder)
    with pytest.raises(NotReady, match="away"):
        other.ingest("handbook", [KEYS])
    assert stored(retriever) == []


def test_a_large_batch_is_stored_in_two_transactions_at_once(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LARGE_BATCH", 4)
    inside = threading.Barrier(2, timeout=30)
    put_batch = run.put_batch

    def meet(*arguments: Any) -> None:
        inside.wait()  # alone, a transaction would wait here for ever
        put_batch(*arguments)

    monkeypatch.setattr(run, "put_batch", meet)
    documents = [Document(f"{number}", f"Number {number}.") for number in range(9)]
    report = retriever.ingest("handbook", documents)
    assert (report.added, report.chunks, len(stored(retriever))) == (9, 9, 9)
    assert rows(retriever, "select count(*) from retrieval.embeddings") == [(9,)]
    assert rows(retriever, "select * from retrieval.statistics_drift('handbook')") == []
