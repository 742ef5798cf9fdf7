"""A collection is evaluated, from the library and the command line, and the runs are kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import Run

from retrieval import (
    Document,
    HashingEmbedder,
    InvalidInput,
    NotFound,
    Retriever,
    SearchSettings,
    evaluate,
)
from retrieval.evaluation.changes import compare_evaluations
from retrieval.evaluation.history import golden_set_of, previous, recorded_evaluations
from retrieval.evaluation.report import check_report, write_report
from retrieval.evaluation.report_html import html_report
from retrieval.evaluation.report_markdown import markdown_report
from retrieval.golden_sets.judgements import Judgements

ANIMALS = ("ant", "bee", "cat", "dog", "elk", "fox")
KEYWORD = SearchSettings("words", {"legs": ["keyword"]})
NOTHING = SearchSettings("nothing", {"legs": ["keyword"], "metadata_filter": {"n": 7}})
JUDGED = Judgements(
    {animal: animal for animal in ANIMALS} | {"gone": "ant <script>|$x_y$"},
    {animal: {animal: 1} for animal in ANIMALS} | {"gone": {"ant": 1, "deleted": 2}},
)


@pytest.fixture(scope="module")
def retriever(module_database_url: str) -> Iterator[Retriever]:
    """On the collection c, whose documents are each about one animal."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("c")
        opened.ingest("c", [Document(key=each, content=f"The {each} sleeps.") for each in ANIMALS])
        yield opened


def test_settings_are_measured_and_compared_with_the_first(retriever: Retriever) -> None:
    found = evaluate(
        retriever, "c", judgements=JUDGED, settings=[KEYWORD, NOTHING, SearchSettings()]
    )
    words, nothing, _ = found.settings
    assert words.measures["R@100"].mean == pytest.approx((6 + 0.5) / 7)
    assert words.measures["RR@10"].mean == 1
    assert words.queries["ant"].document_keys[0] == "ant"
    assert nothing.measures["nDCG@10"].mean == 0
    assert found.worst(1) == ["gone"]
    compared = found.differences[0]
    assert (compared.measure, compared.former, compared.latter) == ("nDCG@10", "words", "nothing")
    assert compared.difference.p_value == pytest.approx(2 / 2**7)
    assert compared.p_value == pytest.approx(4 / 2**7)  # the smaller of two
    assert found.warnings == [
        "1 of 7 relevant documents are not in the collection, and can never be found"
    ]
    assert (found.context["documents"], found.context["depth"]) == (6, 100)
    assert found.context["spaces"][0]["model"] == "hashing"
    kept = {each.evaluation_id: each for each in recorded_evaluations(retriever, "c")}
    assert kept[words.evaluation_id or 0].settings == {"legs": ["keyword"]}
    assert kept[nothing.evaluation_id or 0].mean("nDCG@10") == 0
    assert kept[words.evaluation_id or 0].queries == 7


def test_one_query_has_no_interval(retriever: Retriever) -> None:
    one = Judgements(
        {"a": "ant", "b": "bee", "c": "cat"}, {"a": {"ant": 1}, "b": {"bee": 0}, "c": {}}
    )
    found = evaluate(
        retriever, "c", judgements=one, settings=[KEYWORD, NOTHING], measures=["MRR"], store=False
    )
    assert found.warnings == [
        "one query: no interval",
        "2 queries without a relevant document are left out",
    ]
    assert found.settings[0].measures["RR"].interval is None
    assert found.differences[0].p_value is None
    assert found.settings[0].evaluation_id is None


class Synthetic:
    """Golden sets of a retriever, among them one that was made from the documents."""

    def list(self, collection: str) -> list[Any]:
        """Summaries."""
        return [SimpleNamespace(name="made", version=3, origin="synthetic")]

    def judgements(self, collection: str, name: str, version: int) -> Judgements:
        """Of the newest version."""
        assert (name, version) == ("made", 3)
        return JUDGED


def test_a_synthetic_golden_set_is_called_so(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retriever, "golden_sets", Synthetic(), raising=False)
    found = evaluate(retriever, "c", golden_set="made", settings=[KEYWORD], measures=["AP"])
    assert found.is_synthetic and found.warnings[0].startswith("the queries are synthetic")
    for report in (html_report(found), markdown_report(found)):
        assert "synthetic golden set made, version 3" in report
    (kept,) = recorded_evaluations(retriever, "c", "made")
    assert golden_set_of(kept) == "made v3 (synthetic)"
    with pytest.raises(NotFound, match="golden set default does not exist"):
        evaluate(retriever, "c")


def test_what_cannot_be_measured_is_said_and_not_kept(retriever: Retriever) -> None:
    before = len(recorded_evaluations(retriever, "c"))
    empty = Judgements({"a": "ant"}, {"a": {"ant": 0}})
    elsewhere = Judgements({"a": "ant"}, {"a": {"other": 1}})
    wrong = SearchSettings("wrong", {"fusion": "none"})
    no_list = SearchSettings("no list", {"legs": 3})
    for given, said in (
        ({"judgements": empty}, "no query with a relevant document"),
        ({"judgements": elsewhere}, "none of the 1 relevant documents is in collection c"),
        ({"settings": [KEYWORD, KEYWORD]}, "two settings are called words"),
        ({"settings": []}, "no settings"),
        ({"settings": [KEYWORD, wrong]}, "settings wrong: fusion"),
        ({"settings": [no_list]}, "settings no list"),
        ({"measures": []}, "no measure"),
        ({"depth": 5}, "depth must be from 100"),
    ):
        with pytest.raises(InvalidInput, match=said):
            evaluate(retriever, "c", **({"judgements": JUDGED} | given))  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="collection none"):
        evaluate(retriever, "none", judgements=JUDGED)
    assert len(recorded_evaluations(retriever, "c")) == before


def test_two_runs_are_compared_on_what_they_share(retriever: Retriever) -> None:
    fewer = Judgements({"ant": "ant", "bee": "bee"}, {"ant": {"ant": 1}, "bee": {"bee": 1}})
    runs = [
        evaluate(retriever, "c", judgements=judged, settings=[settings], measures=["AP"])
        for judged, settings in ((JUDGED, KEYWORD), (fewer, NOTHING), (JUDGED, KEYWORD))
    ]
    first, second, third = (run.settings[0].evaluation_id or 0 for run in runs)
    compared = compare_evaluations(retriever, "c", first, second)
    assert (compared.queries, compared.means) == (2, {"AP": (1, 0)})
    assert compared.differences["AP"].mean == -1
    said = " ".join(compared.remarks)
    assert "judgements" in said and "of 7 and 2 queries 2 are in both" in said
    assert "the settings differ" in compared.remarks and "corpora" not in said
    recorded = {each.evaluation_id: each for each in recorded_evaluations(retriever, "c")}
    before = previous(recorded[third], list(recorded.values()))
    assert before is not None and before.evaluation_id == first
    assert previous(recorded[second], list(recorded.values())) is None
    retriever.ingest("c", [Document(key="gnu", content="The gnu sleeps.")])
    later = evaluate(retriever, "c", judgements=JUDGED, settings=[KEYWORD], measures=["AP"])
    compared = compare_evaluations(retriever, "c", third, later.settings[0].evaluation_id or 0)
    assert compared.remarks[0] == "the corpora differ: 6 and 7 documents"
    retriever.delete("c", ["gnu"])
    with pytest.raises(NotFound, match="evaluation 0 does not exist in collection c"):
        compare_evaluations(retriever, "c", first, 0)


def test_reports_escape_what_they_show(retriever: Retriever, tmp_path: Path) -> None:
    hostile = SearchSettings("<script>|_$x$[bold]", KEYWORD.arguments)
    found = evaluate(
        retriever, "c", judgements=JUDGED, settings=[hostile, NOTHING], measures=["AP", "P@1"]
    )
    for suffix in ("md", "html", "json"):
        write_report(found, tmp_path / f"report.{suffix}")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in page and "&lt;script&gt;|$x_y$" in page
    assert page.count("data:image/svg+xml;base64,") == 3
    assert "http" not in page.replace("http-equiv", "")
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "<script" not in text and r"&lt;script&gt;\|\$x\_y\$" in text
    assert "| 1.000 [1.000, 1.000] |" in text
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["measures"] == ["AP", "P@1"]
    for path in ("report.txt", "nowhere/report.md", "."):
        with pytest.raises(InvalidInput, match="report"):
            check_report(tmp_path / path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """JUDGED as a folder."""
    lines = [json.dumps({"_id": key, "text": text}) for key, text in JUDGED.queries.items()]
    (tmp_path / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    rows = [
        f"{query}\t{key}\t{grade}"
        for query, grades in JUDGED.relevance.items()
        for key, grade in grades.items()
    ]
    (tmp_path / "qrels.tsv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def test_commands_evaluate_and_list(
    retriever: Retriever,
    cli: Run,
    folder: Path,
    module_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", module_database_url)
    given = ["--judgements", str(folder), "--settings", 'w[/b]={"legs": ["keyword"]}']
    done = cli(
        *("evaluate", "c", *given, "--settings", "default", "--measure", "MAP", "--worst", "2"),
        *("--report", str(folder / "report.md")),
    )
    assert done.code == 0, done.err
    assert "w[/b]" in done.out and "1.000 [" not in done.err
    assert "warning: 1 of 7 relevant documents" in done.err
    assert "the worst queries by AP of w[/b]" in done.out
    assert (folder / "report.md").exists()
    ids = done.out.partition("kept as evaluation ")[2].splitlines()[0].split(", ")
    listed = cli("evaluations", "c", "--plot", str(folder / "plot.png"))
    assert listed.code == 0 and "w[/b]" in listed.out
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    compared = cli("evaluations", "c", "--compare", *ids, "--json").json
    assert compared["queries"] == 7 and "AP" in compared["differences"]
    refused = cli("evaluate", "c", *given, "--report", str(folder / "none" / "report.md"))
    assert "does not exist" in refused.error
    assert "--set" in cli("evaluate", "--help").out
