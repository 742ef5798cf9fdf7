"""Ingestion: what is stored, left alone or reported, and what an interruption leaves."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from retrieval import Document, HashingEmbedder, InvalidInput, Retriever
from retrieval.embedding import Embeddings
from retrieval.ingestion import fill, reading

KEYS = Document("keys", "Rotate a key every month.")
BACKUPS = Document("backups", "Copy the backups to another place.")


def rows(retriever: Retriever, statement: str) -> list[tuple[Any, ...]]:
    with retriever.engine.connect() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def chunk_ids(retriever: Retriever) -> list[tuple[Any, ...]]:
    return rows(retriever, "select chunk_id from retrieval.chunks order by 1")


def found(retriever: Retriever, query: str, **options: Any) -> list[str]:
    return [each.document_key for each in retriever.search("handbook", query, **options)]


def failed(retriever: Retriever, *documents: Document) -> dict[str, str]:
    """Ingest documents beside two good ones; returns what failed, in one line each."""
    report = retriever.ingest("handbook", [KEYS, *documents, BACKUPS])
    assert report.added == 2
    assert sorted(found(retriever, "key backups", legs=["keyword"])) == ["backups", "keys"]
    failures = {each.source: each.reason for each in report.failures}
    assert not any("\n" in reason for reason in failures.values())
    return failures


# Again


def test_unchanged_documents_are_left_alone(retriever: Retriever) -> None:
    documents = [KEYS, Document("dated", "x", metadata={"b": 1, "a": [1.5, None, "é"]})]
    assert retriever.ingest("handbook", documents).added == 2
    before = chunk_ids(retriever)
    same = Document("dated", "x", metadata={"a": (1.5, None, "é"), "b": 1})
    report = retriever.ingest("handbook", [KEYS, same])
    assert (report.unchanged, report.done, report.chunks) == (2, 2, 0)
    assert chunk_ids(retriever) == before


@pytest.mark.parametrize(
    "change",
    [
        {"content": "y"},
        {"title": "T"},
        {"source": "s"},
        {"metadata": {"a": 2}},
        {"text_config": "german"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_is_stored(retriever: Retriever, change: dict[str, Any]) -> None:
    base: dict[str, Any] = {"key": "k", "content": "x", "metadata": {"a": 1}}
    retriever.ingest("handbook", Document(**base))
    assert retriever.ingest("handbook", Document(**base | change)).updated == 1
    assert retriever.ingest("handbook", Document(**base | change)).unchanged == 1


def test_a_changed_document_replaces_its_chunks(retriever: Retriever) -> None:
    long = "\n\n".join(f"Paragraph {n} is about walruses and other things." for n in range(50))
    first = retriever.ingest("handbook", [KEYS, Document("animals", long)])
    assert first.chunks > 3
    report = retriever.ingest("handbook", [KEYS, Document("animals", "Otters now.")])
    assert (report.updated, report.unchanged, report.chunks) == (1, 1, 1)
    assert found(retriever, "walruses", legs=["keyword"]) == []
    assert found(retriever, "otters", legs=["keyword"]) == ["animals"]
    assert len(chunk_ids(retriever)) == 2
    assert rows(retriever, "select count(*) from retrieval.embeddings") == [(2,)]
    assert rows(retriever, "select * from retrieval.statistics_drift('handbook')") == []


def test_a_changed_file_replaces_its_chunks(
    retriever: Retriever, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "docs" / "animals.md"
    file.parent.mkdir()
    file.write_text("# Walruses\n\nThey swim.")
    assert retriever.ingest("handbook", "docs").added == 1
    assert retriever.ingest("handbook", ["docs", file]).unchanged == 1
    file.write_text("# Otters\n\nThey swim.")
    assert retriever.ingest("handbook", Path("docs")).updated == 1
    assert found(retriever, "walruses", legs=["keyword"]) == []
    assert found(retriever, "otters", legs=["keyword"]) == ["docs/animals.md"]


def test_a_file_that_was_only_touched_is_unchanged(retriever: Retriever, tmp_path: Path) -> None:
    file = tmp_path / "keys.md"
    file.write_text("Rotate a key.")
    assert retriever.ingest("handbook", file).added == 1
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert retriever.ingest("handbook", file).unchanged == 1
    # the time of a file is left out, but not what is merely called like it
    assert retriever.ingest("handbook", Document("k", "x", metadata={"modified": "a"})).added == 1
    again = Document("k", "x", metadata={"modified": "b"})
    assert retriever.ingest("handbook", again).updated == 1


# Files of many documents, and their languages


def test_a_file_of_many_documents(
    retriever: Retriever, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH_DOCUMENTS", 2)
    monkeypatch.chdir(tmp_path)
    lines = [f'{{"_id": "p{n}", "text": "Passage {n}.", "year": {2020 + n}}}' for n in range(5)]
    Path("corpus.jsonl").write_text("\n".join([*lines[:2], "{", *lines[2:], lines[0]]))
    seen: list[tuple[int, int]] = []
    report = retriever.ingest(
        "handbook", "corpus.jsonl", on_progress=lambda done, total: seen.append((done, total))
    )
    assert (report.added, report.chunks) == (5, 5)
    failures = {each.source: each.reason for each in report.failures}
    assert failures.keys() == {"corpus.jsonl#3", "p0"}
    assert failures["corpus.jsonl#3"].startswith("not JSON (")
    assert all(done <= total for done, total in seen) and seen[-1] == (7, 7)
    (hit,) = retriever.search("handbook", "passage", metadata_filter={"year": {"$gte": 2024}})
    assert hit.document_key == "p4" and hit.metadata["path"] == "corpus.jsonl"


def test_languages_are_detected_where_asked_for(retriever: Retriever, tmp_path: Path) -> None:
    german = "Rotieren Sie die Schlüssel jeden Monat und widerrufen Sie alte Schlüssel."
    (tmp_path / "a.txt").write_text(german)
    (tmp_path / "b.md").write_text("---\nlang: fr\n---\nLes clés.")
    documents = [tmp_path, Document("c", german), Document("d", "Kurz"), Document("e", "x", "y")]
    stated = "select metadata ->> 'language', text_config from retrieval.documents order by 1, 2"
    assert retriever.ingest("handbook", documents).added == 5
    assert rows(retriever, stated) == [("fr", "french"), *[(None, None)] * 4]
    assert retriever.ingest("handbook", documents, detect_language=True).updated == 2
    de, fr = ("de", "german"), ("fr", "french")
    assert rows(retriever, stated) == [de, de, fr, (None, None), (None, None)]
    assert found(retriever, "Schlüsseln", legs=["keyword"]) != []


def test_nothing_to_do(retriever: Retriever) -> None:
    assert retriever.ingest("handbook", []).done == 0
    assert retriever.ingest("handbook", iter(())).done == 0


def test_documents_without_text(retriever: Retriever) -> None:
    documents = [Document("nothing", ""), Document("blank", " \n"), Document("title", "", "Otters")]
    report = retriever.ingest("handbook", documents)
    assert (report.added, report.chunks) == (3, 1)
    assert found(retriever, "otters", legs=["keyword"]) == ["title"]
    assert retriever.ingest("handbook", documents).unchanged == 3


def test_progress_counts_documents(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reading, "BATCH_DOCUMENTS", 2)
    documents = [Document(f"d{n}", f"Number {n}.") for n in range(4)]
    seen: list[tuple[int, int]] = []
    retriever.ingest(
        "handbook",
        [*documents, tmp_path / "missing"],
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[0] == (0, 5) and seen[-1] == (5, 5)
    assert seen == sorted(seen) and any(0 < done < 5 for done, _ in seen)


# What cannot be stored


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (Document("", "x"), "a document_key must have 1 to 2000 bytes"),
        (Document("k" * 2001, "x"), "a document_key must have 1 to 2000 bytes"),
        (Document("nan", "x", metadata={"a": float("nan")}), "not JSON"),
        (Document("set", "x", metadata={"a": {1, 2}}), "not JSON"),
        (Document("keys of two kinds", "x", metadata={1: 1, "a": 2}), "not JSON"),  # type: ignore[dict-item]
        (Document("list", "x", metadata=[1]), "not JSON"),  # type: ignore[arg-type]
        (Document("nul", "x", metadata={"a": "b\0c"}), "Unicode"),
        (Document("surrogate", "x", metadata={"a": "\ud800"}), "surrogates"),
        (Document("title", "x", title="\ud800"), "surrogates"),
        (Document("title with nul", "x", title="a\0"), "Unicode"),
        (Document("language", "x", text_config="klingon"), "'klingon' does not exist"),
    ],
    ids=lambda value: value.key[:20] or "empty" if isinstance(value, Document) else "",
)
def test_a_refused_document_is_reported(
    retriever: Retriever, document: Document, reason: str
) -> None:
    failures = failed(retriever, document)
    assert failures.keys() == {document.key}
    assert reason in failures[document.key]


@pytest.mark.parametrize("key", ["a\0b", "a\ud800"])
def test_a_key_that_no_database_can_hold(retriever: Retriever, key: str) -> None:
    failures = failed(retriever, Document(key, "x"))
    assert failures == {repr(key): "a key cannot hold NUL or surrogates"}


def test_odd_text_is_made_storable(retriever: Retriever) -> None:
    content = "\ufeffwal\0rus\r\n\ud83e\uddad \ud800 cafe\u0301"
    assert retriever.ingest("handbook", Document("odd", content)).added == 1
    stored = rows(retriever, "select content from retrieval.documents where document_key = 'odd'")
    assert stored == [("walrus\n🦭 \ufffd café",)]
    assert found(retriever, "wal\0rus", legs=["keyword"]) == ["odd"]
    assert found(retriever, "cafe\u0301", legs=["keyword"]) == ["odd"]


def test_a_repeated_key_counts_once(retriever: Retriever) -> None:
    report = retriever.ingest("handbook", [KEYS, Document("keys", "Something else.")])
    assert report.added == 1
    assert [each.reason for each in report.failures] == [
        "given twice in one run; the first one counts"
    ]
    assert found(retriever, "rotate", legs=["keyword"]) == ["keys"]


def test_several_failures_in_several_batches(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reading, "BATCH_DOCUMENTS", 3)
    good = [Document(f"d{n}", f"Number {n}.") for n in range(8)]
    bad = [Document(f"b{n}", "x", text_config="klingon") for n in range(3)]
    mixed = [document for pair in zip(good[:3], bad, strict=True) for document in pair] + good[3:]
    (tmp_path / "binary.md").write_bytes(b"\x89PNG\x00\xff")
    report = retriever.ingest("handbook", [*mixed, tmp_path / "binary.md", tmp_path / "none.md"])
    assert (report.added, report.chunks) == (8, 8)
    failures = {Path(each.source).name: each.reason for each in report.failures}
    assert failures.keys() == {"b0", "b1", "b2", "binary.md", "none.md"}
    assert failures["none.md"] == "does not exist"
    assert "not text" in failures["binary.md"]
    assert retriever.ingest("handbook", good).unchanged == 8


def test_a_refused_change_leaves_the_document_as_it_was(retriever: Retriever) -> None:
    retriever.ingest("handbook", [KEYS])
    report = retriever.ingest("handbook", [Document("keys", "New.", text_config="klingon")])
    assert len(report.failures) == 1
    assert found(retriever, "rotate", legs=["keyword"]) == ["keys"]


# Interruptions


class Interrupted(HashingEmbedder):
    """Fails in the middle of the third batch."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error
        self.calls = 0

    def embed_documents(self, texts: Sequence[str], **options: Any) -> Embeddings:
        self.calls += 1
        if self.calls == 3:
            raise self.error
        return super().embed_documents(texts, **options)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("out of memory")], ids=repr)
def test_an_interruption_leaves_whole_documents(
    retriever: Retriever,
    database_url: str,
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "BATCH_DOCUMENTS", 4)
    long = "\n\n".join(f"Paragraph {n} is about walruses and other animals." for n in range(30))
    documents = [Document(f"d{n}", f"{long} {n}") for n in range(20)]
    embedder = Interrupted(error)
    with Retriever.open(database_url, embedder=embedder) as opened, pytest.raises(type(error)):
        opened.ingest("handbook", documents)
    assert_whole(retriever, stored=8)
    report = retriever.ingest("handbook", documents)
    assert (report.added, report.unchanged) == (12, 8)
    assert_whole(retriever, stored=20)


def assert_whole(retriever: Retriever, stored: int) -> None:
    """Every stored document has all of its chunks, every chunk its embedding."""
    summary = retriever.collections()[0]
    assert summary.documents == stored
    whole = (
        "select count(*) from retrieval.documents d where exists (select from retrieval.chunks c "
    )
    whole += "where c.document_id = d.document_id and c.end_offset = length(rtrim(d.content)))"
    assert rows(retriever, whole) == [(stored,)]
    for table in ("chunks", "embeddings"):
        assert rows(retriever, f"select count(*) from retrieval.{table}") == [(summary.chunks,)]
    assert rows(retriever, "select * from retrieval.statistics_drift('handbook')") == []


# Beside SQL


def test_chunks_written_by_sql_are_embedded(
    retriever: Retriever, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "MISSING_CHUNKS", 2)
    put = """
        select retrieval.put_documents('handbook', jsonb_agg(
            jsonb_build_object('document_key', 'sql' || n, 'content', 'Written by hand ' || n)))
        from generate_series(1, 5) n"""
    with psycopg.connect(database_url) as session:
        session.execute(put)
    assert found(retriever, "written", legs=["semantic"]) == []
    assert retriever.ingest("handbook", []).done == 0
    assert sorted(found(retriever, "written", legs=["semantic"])) == [
        f"sql{n}" for n in range(1, 6)
    ]
    # without a hash nothing says that it is unchanged
    assert retriever.ingest("handbook", [Document("sql1", "Written by hand 1")]).updated == 1


def test_the_index_is_built_once(retriever: Retriever) -> None:
    retriever.ingest("handbook", [KEYS])
    index = "select oid from pg_class where relname ~ '^embeddings_\\d+_index$'"
    before = rows(retriever, index)
    retriever.ingest("handbook", [BACKUPS])
    assert len(before) == 1 and rows(retriever, index) == before


def test_an_embedding_that_the_space_refuses(retriever: Retriever, database_url: str) -> None:
    """A model that returns zeros for one document costs that document only."""

    class Zeros(HashingEmbedder):
        def embed_documents(self, texts: Sequence[str], **options: Any) -> Embeddings:
            made = super().embed_documents(texts, **options)
            for row, content in enumerate(texts):
                if "zero" in content:
                    made[row] = 0
            return made

    with Retriever.open(database_url, embedder=Zeros()) as opened:
        failures = failed(opened, Document("z", "zero"))
    assert failures.keys() == {"z"}
    assert rows(retriever, "select * from retrieval.documents where document_key = 'z'") == []


def test_one_source_without_a_list(retriever: Retriever, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("otters")
    assert retriever.ingest("handbook", KEYS).added == 1
    assert retriever.ingest("handbook", str(tmp_path)).added == 1
    with pytest.raises(InvalidInput):
        retriever.delete("handbook", ["a\0"])
