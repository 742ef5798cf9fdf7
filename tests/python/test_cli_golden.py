"""`retrieval golden …`: files, edits and judging from a terminal."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Result, Run

KEYWORD = 'keyword={"legs": ["keyword"]}'
SEMANTIC = 'semantic={"legs": ["semantic"]}'
Answer = Callable[..., Result]


@pytest.fixture
def filled(command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command beside the collection c of three short texts."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in (("a", "round wheel"), ("b", "steel wheel"), ("c", "a wave of the sea")):
        (docs / f"{name}.txt").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert command("ingest", "c", "docs").code == 0
    return command


@pytest.fixture
def answer(filled: Run, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Runs a command that is given these answers, one a line."""

    def run(answers: str, *arguments: str) -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{each}\n" for each in answers)))
        return filled(*arguments)

    return run


def test_files_come_in_and_go_out(filled: Run, tmp_path: Path) -> None:
    topics, qrels = tmp_path / "topics", tmp_path / "qrels"
    topics.write_text("1\tround wheel\n2\tthe sea\n3\tround wheel\n")
    qrels.write_text("1 0 docs/a.txt 2\n2 0 docs/c.txt 1\n2 0 lost 1\n3 0 docs/b.txt 1\n")
    files = ("--topics", "topics", "--qrels", "qrels")
    load = ("golden", "import", "c", *files)
    missing = filled(*load, "--merge-duplicates").error
    assert missing.startswith("judged, but not in collection c: document 'lost' (")
    assert filled("golden", "list", "c").err == "collection c has no golden set\n"
    assert "queries '1', '3' have the same text" in filled(*load, "--skip-missing").error
    done = filled(*load, "--skip-missing", "--merge-duplicates")
    assert done.out.startswith("2 queries and 3 judgements are in golden set default, version 2")
    assert "1 judgements skipped" in done.out and "1 queries merged" in done.out
    assert "give a folder, or both" in filled("golden", "import", "c", "docs", *files).error
    (listed,) = filled("golden", "list", "c", "--json").json
    assert (listed["name"], listed["queries"], listed["judgements"]) == ("default", 2, 3)
    assert "default  human   2        2        3" in filled("golden", "list", "c").out
    shown = filled("golden", "show", "c", "--json").json
    assert shown[0] == {"query": "1", "judged": 2, "relevant": 2, "text": "round wheel"}
    assert "docs/a.txt  2" in filled("golden", "show", "c", "--query", "1").out
    assert "has no query 9" in filled("golden", "show", "c", "--query", "9").error
    assert filled("golden", "delete", "c", "2").out.endswith("in version 3 without them\n")
    exported = filled("golden", "export", "c", "out", "--version", "2")
    assert exported.out == "version 2 of golden set default is in out: 2 queries, 3 judgements\n"
    assert filled("golden", "import", "c", "out", "--set", "again", "--json").json["queries"] == 2
    assert filled("golden", "drop", "c", "again").out == "golden set again was dropped\n"
    assert "golden set again does not exist" in filled("golden", "drop", "c", "again").error


def test_a_query_is_added_and_changed(filled: Run) -> None:
    add = ("golden", "add", "c", "a wheel")
    assert filled(*add, "--relevant", "docs/a.txt", "--relevant", "lost=2").code == 1
    assert filled("golden", "list", "c", "--json").json == []
    filled(*add, "--relevant", "docs/a.txt", "--relevant", "docs/b.txt=3", "--judge", "ann")
    done = filled(*add, "--take-back", "docs/b.txt", "--relevant", "docs/c.txt=0")
    assert done.out == "query 1 of golden set default: 2 documents graded\n"
    rows = filled("golden", "show", "c", "--query", "1", "--json").json
    assert [(row["document"], row["grade"], row["judge"]) for row in rows] == [
        ("docs/a.txt", 1, "ann"),
        ("docs/c.txt", 0, None),
    ]


def test_judging_while_searching(answer: Answer, filled: Run) -> None:
    judge = ("golden", "judge", "c", "round wheel", "--settings", KEYWORD)
    first = answer(["7", "3", "s"], *judge)
    assert "1 of 2: a.txt  docs/a.txt\n   round wheel" in first.out
    assert first.err == "7: not an answer\n"
    assert first.out.endswith("1 documents graded in golden set default\n")
    again = answer(["q"], *judge)
    assert "1. docs/a.txt has grade 3" in again.out and "1 of 1:" in again.out
    ended = answer([], *judge)
    assert ended.code == 0 and ended.out.endswith("0 documents graded in golden set default\n")
    assert "is not one of" in filled(*judge[:-1], 'x={"fusions": 1}').error


def test_a_blind_pool_is_judged_and_gone_on_with(
    answer: Answer, filled: Run, tmp_path: Path
) -> None:
    pool = ("golden", "pool", "c", "--settings", KEYWORD, "--settings", SEMANTIC)
    assert "golden set default does not exist" in filled(*pool).error
    (tmp_path / "queries.txt").write_text("wheel\nsea\n")
    first = answer(["1", "1", "q"], *pool, "--queries", "queries.txt")
    assert "query 1 of 2: wheel" in first.out and "1 of 3:" in first.out
    # who found it, where and with which score is not shown
    assert "keyword" not in first.out and "semantic" not in first.out and "0." not in first.out
    rest = answer(["0"] * 4, *pool)
    assert "1 of 1:" in rest.out and "query 2 of 2: sea" in rest.out
    assert rest.out.endswith("4 documents graded in golden set default\n")
    shown = filled("golden", "show", "c", "--json").json
    assert [(row["judged"], row["relevant"]) for row in shown] == [(3, 2), (3, 0)]
    assert answer([], *pool).out == "0 documents graded in golden set default\n"
    assert json.loads(filled("golden", "list", "c", "--json").out)[0]["judgements"] == 6
