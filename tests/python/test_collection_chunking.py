"""How documents are cut is chosen for a collection or a call, and remembered."""

import asyncio
from pathlib import Path

import pytest
from command_line import Run

from retrieval import (
    AsyncRetriever,
    Chunking,
    Document,
    HashingEmbedder,
    NotFound,
    Retriever,
)
from retrieval.chunking import STRATEGIES
from retrieval.chunking.grammars import grammar

TEXT = "One sentence here. Another sentence there. A third one too. The last one."
DOCUMENT = Document("text", TEXT)
SENTENCES = Chunking("sentence", 6)


def cut(retriever: Retriever, collection: str = "handbook") -> list[str]:
    hits = retriever.search(collection, "one sentence", legs=["semantic"])
    around = retriever.neighbouring_chunks(hits[0].chunk_id, before=10, after=10)
    return [each.content for each in around]


def test_a_changed_chunking_cuts_again(retriever: Retriever) -> None:
    sentences = [f"{each.rstrip('.')}." for each in TEXT.split(". ")]
    assert retriever.ingest("handbook", DOCUMENT).added == 1
    assert cut(retriever) == [TEXT]
    retriever.set_chunking("handbook", SENTENCES)
    assert retriever.ingest("handbook", DOCUMENT).updated == 1
    assert cut(retriever) == sentences
    assert retriever.ingest("handbook", DOCUMENT).unchanged == 1
    assert retriever.ingest("handbook", DOCUMENT, chunking=Chunking("whole")).updated == 1
    assert cut(retriever) == [TEXT]
    assert retriever.ingest("handbook", DOCUMENT).updated == 1
    assert cut(retriever) == sentences
    retriever.set_chunking("handbook", None)
    assert retriever.ingest("handbook", DOCUMENT).updated == 1
    assert cut(retriever) == [TEXT]


def test_collections_tell_what_was_chosen(retriever: Retriever) -> None:
    retriever.create_collection("aside", chunking=SENTENCES)
    assert {each.name: each.chunking for each in retriever.collections()} == {
        "aside": {"strategy": "sentence", "maximum_tokens": 6},
        "handbook": None,
    }
    retriever.ingest("aside", DOCUMENT)
    assert len(cut(retriever, "aside")) == 4
    with pytest.raises(NotFound, match="nothing"):
        retriever.set_chunking("nothing", SENTENCES)


def test_the_callers_transaction_is_used(retriever: Retriever) -> None:
    with retriever.engine.connect() as connection:
        retriever.set_chunking("handbook", SENTENCES, connection=connection)
        retriever.ingest("handbook", DOCUMENT, connection=connection)
        connection.rollback()
    assert [(each.chunking, each.chunks) for each in retriever.collections()] == [(None, 0)]


def test_awaited(database_url: str) -> None:
    async def use() -> None:
        async with await AsyncRetriever.open(database_url, embedder=HashingEmbedder()) as opened:
            await opened.create_collection("handbook", chunking=Chunking("whole"))
            await opened.set_chunking("handbook", SENTENCES)
            assert (await opened.ingest("handbook", DOCUMENT)).chunks == 4
            assert (await opened.ingest("handbook", DOCUMENT, chunking=Chunking())).chunks == 1
            (summary,) = await opened.collections()
            assert summary.chunking == SENTENCES.as_json()

    asyncio.run(use())


# The command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "page.md").write_text("# A\n\nOne two three.\n\n# B\n\nFour.")
    monkeypatch.chdir(tmp_path)
    return tmp_path


OPTIONS = ["--chunker", "sentence", "--chunk-tokens", "6"]


def test_ingest_keeps_it_with_a_new_collection(command: Run, folder: Path) -> None:
    ingest = ["ingest", "handbook", "text.txt", "--json"]
    assert command(*ingest, *OPTIONS).json["chunks"] == 4
    assert command(*ingest).json["unchanged"] == 1
    assert command(*ingest, "--chunker", "whole").json["chunks"] == 1
    assert command(*ingest).json["chunks"] == 4
    assert "strategy sentence, maximum_tokens 6" in command("collections").out
    assert "cut anew" in command("set-chunking", "handbook", "--chunk-tokens", "9").out
    (listed,) = command("collections", "--json").json
    assert listed["chunking"] == {"strategy": "auto", "maximum_tokens": 9}
    command("set-chunking", "handbook")
    assert command("collections", "--json").json[0]["chunking"] is None
    assert "strategy auto" in command("collections").out


@pytest.mark.parametrize("name", ["ingest", "set-chunking", "chunk"])
def test_wrong_options(command: Run, folder: Path, name: str) -> None:
    arguments = [name, *(["c", "text.txt"] if name == "ingest" else ["text.txt"])]
    assert command(*arguments, "--chunker", "words").code == 2
    error = command(*arguments, "--chunk-tokens", "2", "--chunk-overlap", "2").error
    assert error == "overlap_tokens must be less than maximum_tokens, 2, not 2"


def test_chunk_previews(cli: Run, folder: Path) -> None:
    shown = cli("chunk", "text.txt", *OPTIONS, "--json").json
    assert [(each["start"], each["end"], each["tokens"]) for each in shown][:2] == [
        (0, 18, 5),
        (19, 42, 6),
    ]
    assert all(TEXT[each["start"] : each["end"]] == each["content"] for each in shown)
    printed = cli("chunk", "page.md", "--chunk-tokens", "6").out
    assert printed.splitlines()[0].split() == [
        "position",
        "start",
        "end",
        "tokens",
        "context",
        "content",
    ]
    assert "# B Four." in printed
    assert "does not exist" in cli("chunk", "missing.md").error


def test_chunk_compares(cli: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {each["strategy"]: each for each in cli("chunk", "text.txt", "--compare", "--json").json}
    assert list(rows) == list(STRATEGIES)
    assert {each["ends_with_sentence"] for each in rows.values()} == {1.0}
    assert rows["whole"] | {"strategy": ""} == {
        "strategy": "",
        "chunks": 1,
        "tokens_p50": 20,
        "tokens_p95": 20,
        "tokens_max": 20,
        "ends_with_sentence": 1.0,
        "failure": None,
    }
    printed = cli("chunk", "text.txt", "--compare", "--chunk-tokens", "5", "--chunker", "fixed").out
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines()}
    assert lines["whole"] == ["1", "20", "20", "20", "100%"]
    assert int(lines["fixed"][0]) >= 4 and int(lines["fixed"][3]) == 5
    (folder / "a.py").write_text("x = 1\n")
    monkeypatch.setattr("retrieval.chunking.grammars.import_module", missing)
    grammar.cache_clear()
    failed = cli("chunk", "a.py", "--compare")
    assert failed.code == 0 and "code: cutting python needs tree-sitter-python" in failed.err


def missing(name: str) -> None:
    raise ImportError(name)
