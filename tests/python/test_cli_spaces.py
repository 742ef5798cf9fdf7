"""`retrieval spaces …`: each command, its JSON, and what it says to a mistake."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from command_line import Run

from retrieval import HashingEmbedder, Retriever
from retrieval.cli import phases
from retrieval.embedding.hashing import HASHING_EMBEDDERS
from retrieval.spaces import tune
from retrieval.spaces.steps import IndexProgress

PNG = b"\x89PNG\r\n\x1a\n"
DOCUMENTS = 80
WORDS = [
    *("amber", "basil", "cedar", "delta", "ember", "fjord", "grove"),
    *("heron", "inlet", "jetty", "kelp", "larch", "maple", "nectar"),
]


def words(number: int) -> str:
    """Some words in an order of their own, and one that no other document has."""
    return " ".join([*random.Random(number).choices(WORDS, k=6), f"unique{number}"])


@pytest.fixture
def filled(command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a database whose collection handbook holds 80 short texts."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(DOCUMENTS):
        (docs / f"{number}.txt").write_text(words(number))
    monkeypatch.chdir(tmp_path)
    assert command("ingest", "handbook", "docs").code == 0
    return command


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Queries in a file, one of them in another script, with a blank line between."""
    path = tmp_path / "questions.txt"
    path.write_text("amber basil\n\n  unique3 heron\n湯の温度\n", encoding="utf-8")
    return path


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Forty judged queries in the format of BEIR, some of them words of what they should find."""
    folder = tmp_path / "judged"
    folder.mkdir()
    with (folder / "queries.jsonl").open("w") as queries, (folder / "qrels.tsv").open("w") as qrels:
        qrels.write("query-id\tcorpus-id\tscore\n")
        for number in range(40):
            queries.write(json.dumps({"_id": f"q{number}", "text": words(number)[-25:]}) + "\n")
            qrels.write(f"q{number}\tdocs/{number}.txt\t1\n")
    return folder


def listed(run: Run) -> dict[str, dict[str, Any]]:
    """The spaces of the collection, by name."""
    return {each["name"]: each for each in run("spaces", "list", "handbook", "--json").json}


def states(run: Run) -> dict[str, str]:
    return {name: each["state"] for name, each in listed(run).items()}


def done(run: Run, *arguments: str) -> str:
    """The output of a command that succeeds."""
    result = run("spaces", *arguments)
    assert result.code == 0, result.err
    return result.out


# list


def test_spaces_are_listed(filled: Run) -> None:
    heading, row = done(filled, "list", "handbook").splitlines()
    assert heading.split()[:6] == ["name", "kind", "state", "model", "dimensions", "metric"]
    assert heading.split()[6:] == ["index", "embeddings", "missing", "size"]
    assert row.split()[:9] == (
        ["hashing", "dense", "active", "hashing", "64", "cosine", "hnsw", str(DOCUMENTS), "0"]
    )
    assert row.endswith("kB")
    (space,) = filled("spaces", "list", "handbook", "--json").json
    assert space.pop("bytes") > 0
    assert space == {
        "name": "hashing",
        "kind": "dense",
        "modality": "text",
        "state": "active",
        "model": "hashing",
        "dimensions": 64,
        "metric": "cosine",
        "index_method": "hnsw",
        "quantization": "half",
        "index_options": {},
        "search_options": {},
        "alignment": None,
        "has_query_adapter": False,
        "embeddings": DOCUMENTS,
        "missing": 0,
        "indexed": True,
    }


def test_a_collection_without_a_space(filled: Run) -> None:
    done(filled, "drop", "handbook", "hashing", "--force")
    result = filled("spaces", "list", "handbook")
    assert (result.code, result.out) == (0, "")
    assert result.err == "collection handbook has no space\n"
    assert filled("spaces", "list", "handbook", "--json").json == []


# from create to drop


def test_the_life_of_a_space(filled: Run, database_url: str) -> None:
    created = done(filled, "create", "handbook", "--model", "hashing:32", "--space", "small")
    assert created == (
        "space small was created; go on with: retrieval spaces fill handbook small\n"
    )
    assert "hnsw, not built" in done(filled, "list", "handbook")
    assert "80 of the chunks" in filled("spaces", "activate", "handbook", "small").error
    assert done(filled, "fill", "handbook", "small") == "80 chunks embedded\n"
    assert done(filled, "fill", "handbook", "small") == "0 chunks embedded\n"
    assert done(filled, "build", "handbook", "small", "--memory", "64MB") == (
        "the index was built\n"
    )
    assert done(filled, "build", "handbook", "small") == "there was nothing to build\n"
    assert done(filled, "activate", "handbook", "small") == "space small is active\n"
    assert states(filled) == {"small": "active", "hashing": "shadow"}
    assert filled("search", "handbook", "unique3", "--leg", "semantic", "--json").json
    assert done(filled, "rollback", "handbook") == "space hashing is active again\n"
    done(filled, "retire", "handbook", "small")
    (Path("docs") / "new.txt").write_text("A new one.")
    assert filled("ingest", "handbook", "docs").code == 0
    assert listed(filled)["small"]["missing"] == 1
    resumed = done(filled, "resume", "handbook", "small")
    assert resumed.splitlines()[1].endswith("retrieval spaces fill handbook small")
    assert done(filled, "fill", "handbook", "small") == "1 chunks embedded\n"
    assert "active one" in filled("spaces", "drop", "handbook", "hashing").error
    assert done(filled, "drop", "handbook", "small") == "space small was dropped\n"
    assert done(filled, "drop", "handbook", "hashing", "--force")
    assert states(filled) == {}


@pytest.mark.parametrize("kind", ["sparse", "multivector"])
def test_a_space_of_another_kind(filled: Run, kind: str) -> None:
    done(filled, "create", "handbook", "--model", "hashing", "--kind", kind, "--space", kind)
    assert done(filled, "fill", "handbook", kind) == "80 chunks embedded\n"
    done(filled, "build", "handbook", kind)
    done(filled, "activate", "handbook", kind)
    assert done(filled, "fill", "handbook", "--kind", kind) == "0 chunks embedded\n"
    done(filled, "migrate", "handbook", "--model", "hashing:48", "--kind", kind, "--space", "other")
    assert states(filled) == {"hashing": "active", "other": "active", kind: "shadow"}
    assert done(filled, "rollback", "handbook", "--kind", kind) == f"space {kind} is active again\n"
    assert listed(filled)[kind]["kind"] == kind


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (["--metric", "l2"], {"metric": "l2", "index_method": "hnsw"}),
        (["--index-method", "none"], {"index_method": "none", "indexed": True}),
        (["--quantization", "bit"], {"quantization": "bit", "index_method": "hnsw"}),
        (
            ["--index-method", "ivfflat", "--index-option", "lists=4"],
            {"index_method": "ivfflat", "index_options": {"lists": 4}},
        ),
        (
            ["--index-option", "m=8", "--index-option", "ef_construction=40"],
            {"index_options": {"m": 8, "ef_construction": 40}},
        ),
        (["--dimensions", "24"], {"dimensions": 24, "model": "hashing:24"}),
    ],
)
def test_a_space_is_made_as_asked(filled: Run, arguments: list[str], made: dict[str, Any]) -> None:
    done(filled, "create", "handbook", "--model", "hashing", "--space", "other", *arguments)
    done(filled, "fill", "handbook", "other")
    done(filled, "build", "handbook", "other")
    assert listed(filled)["other"].items() >= made.items()


def test_a_build_that_the_server_has_no_memory_for(filled: Run, database_url: str) -> None:
    done(filled, "create", "handbook", "--model", "hashing:32", "--space", "small")
    done(filled, "fill", "handbook", "small")
    result = filled("spaces", "build", "handbook", "small", "--memory", "much")
    assert result.code == 1 and result.err.splitlines()[-1].startswith(
        'error: invalid value for parameter "maintenance_work_mem": "much"'
    )
    assert done(filled, "build", "handbook", "small") == "the index was built\n"


def test_progress_is_on_the_error_stream(filled: Run) -> None:
    done(filled, "create", "handbook", "--model", "hashing:32", "--space", "small")
    assert "embedding" in filled("spaces", "fill", "handbook", "small").err
    assert "building the index" in filled("spaces", "build", "handbook", "small").err


def test_the_server_is_asked_how_far_an_index_is(
    filled: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build waits for a transaction that writes; meanwhile its phase can be seen."""
    monkeypatch.setattr(phases, "POLL_SECONDS", 0.01)
    done(filled, "create", "handbook", "--model", "hashing:32", "--space", "small")
    done(filled, "fill", "handbook", "small")
    seen: list[IndexProgress] = []
    with Retriever.open(database_url) as retriever, psycopg.connect(database_url) as writer:
        writer.execute("delete from retrieval.embeddings_2 where false")

        def ask() -> IndexProgress | None:
            progress = retriever.spaces.index_progress("handbook", "small")
            if progress is not None:
                seen.append(progress)
            if progress is not None and progress.phase.startswith("waiting"):
                writer.rollback()
            return progress

        with phases.Phases(ask) as show:
            show(phases.BUILDING, 0, 1)
            assert retriever.spaces.build_index("handbook", "small")
            show(phases.BUILDING, 1, 1)
        assert any(each.phase.startswith("waiting for writers") for each in seen)
        assert retriever.spaces.index_progress("handbook", "small") is None


# estimate


def test_an_estimate(command: Run) -> None:
    arguments = ["estimate", "1000000", "--dimensions", "384"]
    heading, *rows = done(command, *arguments).splitlines()
    assert heading.split()[:3] == ["index", "quantization", "table"]
    assert len(rows) == 5 and all("GB" in row or "MB" in row for row in rows)
    estimates = command("spaces", *arguments, "--json").json
    assert estimates[1].keys() == (
        {"index_method", "quantization", "heap_bytes", "index_bytes", "build_memory_bytes"}
    )
    larger = command("spaces", *arguments, "--index-option", "m=48", "--json").json
    assert larger[1]["index_bytes"] > estimates[1]["index_bytes"]
    assert larger[3] == estimates[3]
    of_model = command("spaces", "estimate", "1000", "--model", "hashing:384", "--json").json
    assert of_model == command("spaces", "estimate", "1000", "--dimensions", "384", "--json").json
    of_default = command("spaces", "estimate", "1000", "--json").json  # RETRIEVAL_MODEL
    assert of_default[0]["heap_bytes"] < of_model[0]["heap_bytes"]


# tune


def test_tune_stores_the_cheapest_and_draws_the_curve(filled: Run, tmp_path: Path) -> None:
    result = filled("spaces", "tune", "handbook", "--recall", "0.9", "--sample", "20")
    lines = result.out.splitlines()
    assert result.code == 0 and "measuring" in result.err
    assert lines[0] == "space hashing (hnsw), 20 chunks as queries"
    assert lines[1].split() == ["effort", "oversampling", "recall@10", "ms"]
    (chosen,) = [line.split() for line in lines if line.endswith("chosen")]
    assert float(chosen[2]) >= 0.9
    assert lines[-3] == "stored with the space"
    assert lines[-2].startswith("measured on ") and lines[-2].endswith("when there are many more")
    assert lines[-1] == "the curve is in tuning-handbook-hashing.png"
    assert (tmp_path / "tuning-handbook-hashing.png").read_bytes().startswith(PNG)
    assert listed(filled)["hashing"]["search_options"] == {"search_effort": int(chosen[0])}


def test_tune_as_json_and_without_consequences(
    filled: Run, questions: Path, tmp_path: Path
) -> None:
    drawn = tmp_path / "curve.of.it"
    arguments = ["--queries", str(questions), "--dry-run", "--plot", str(drawn), "--json"]
    tuning = filled("spaces", "tune", "handbook", *arguments).json
    measurements = tuning.pop("measurements")
    chosen = tuning.pop("chosen")
    assert tuning.pop("chunks") == listed(filled)["hashing"]["embeddings"]
    assert tuning == {
        "space": "hashing",
        "index_method": "hnsw",
        "target_recall": 0.98,
        "queries": 3,
        "real_queries": True,
        "stored": False,
        "plot": str(drawn),
    }
    assert chosen in measurements and len(measurements) == 13
    assert chosen.keys() == {"search_effort", "oversampling", "recall", "milliseconds"}
    assert drawn.read_bytes().startswith(PNG)
    assert listed(filled)["hashing"]["search_options"] == {}


def test_tune_of_an_index_of_signs(filled: Run) -> None:
    arguments = ["--model", "hashing:128", "--quantization", "bit", "--space", "signs"]
    done(filled, "migrate", "handbook", *arguments)
    tuned = filled("spaces", "tune", "handbook", "--space", "signs", "--sample", "10", "--json")
    assert {each["oversampling"] for each in tuned.json["measurements"]} == {1, 2, 4, 8, 16, 32}
    stored = listed(filled)["signs"]["search_options"]
    assert stored == {key: tuned.json["chosen"][key] for key in ("search_effort", "oversampling")}


def test_a_recall_that_nothing_reaches(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of two dimensions tell four groups of chunks apart, and no more."""
    monkeypatch.setattr(tune, "OVERSAMPLINGS", (1,))
    for number in range(DOCUMENTS, 200):  # fewer would be searched exactly
        (Path("docs") / f"{number}.txt").write_text(words(number))
    assert filled("ingest", "handbook", "docs").code == 0
    arguments = ["--model", "hashing:2", "--quantization", "bit"]
    done(filled, "migrate", "handbook", *arguments)
    result = filled("spaces", "tune", "handbook", "--recall", "1", "--sample", "60")
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith(
        "error: no setting of space hashing:2 reaches recall 1.0; the best is 0."
    )
    assert "chosen" not in result.out and "tuning-handbook-hashing:2.png" in result.out


# migrate, compare, align


def test_migrate_moves_and_says_how_to_return(filled: Run, questions: Path) -> None:
    result = filled(
        "spaces", "migrate", "handbook", "--model", "hashing:32", "--queries", str(questions)
    )
    lines = result.out.splitlines()
    assert result.code == 0 and "building the index" in result.err
    assert lines[0] == "space hashing:32: 80 chunks embedded"
    assert lines[1].startswith("3 queries; overlap@10 ")
    assert lines[2] == "space hashing:32 is active"
    assert lines[3] == (
        "space hashing is kept in step; to return to it: retrieval spaces rollback handbook; "
        "to remove it: retrieval spaces drop handbook hashing"
    )
    assert states(filled) == {"hashing:32": "active", "hashing": "shadow"}
    again = done(filled, "migrate", "handbook", "--model", "hashing:32")
    assert again.splitlines() == (
        ["space hashing:32: 0 chunks embedded", "space hashing:32 is active"]
    )


def test_migrate_as_json(filled: Run, judged: Path) -> None:
    arguments = ["--model", "hashing:256", "--judgements", str(judged), "--drop-former"]
    migration = filled("spaces", "migrate", "handbook", *arguments, "--json").json
    comparison = migration.pop("comparison")
    assert migration == {
        "space": "hashing:256",
        "former": "hashing",
        "embedded": 80,
        "activated": True,
        "dropped": "hashing",
    }
    assert comparison.keys() == {"queries", "overlap", "former_ndcg", "new_ndcg"}
    assert comparison["queries"] == 40
    assert 0 < comparison["former_ndcg"] < comparison["new_ndcg"] <= 1
    assert states(filled) == {"hashing:256": "active"}


def test_migrate_without_activation(filled: Run) -> None:
    arguments = ["--model", "hashing", "--dimensions", "16", "--space", "tiny", "--no-activate"]
    text = done(filled, "migrate", "handbook", *arguments)
    assert text.splitlines()[-1] == "to search it: retrieval spaces activate handbook tiny"
    assert states(filled) == {"hashing": "active", "tiny": "building"}


def test_migrate_says_why_nothing_was_compared(filled: Run, questions: Path) -> None:
    arguments = ["--model", "hashing", "--kind", "sparse", "--space", "s"]
    result = filled("spaces", "migrate", "handbook", *arguments, "--queries", str(questions))
    assert result.err.splitlines()[-1] == "not compared: there was no other active space"
    arguments = ["--model", "hashing:99", "--kind", "sparse", "--space", "t"]
    result = filled("spaces", "migrate", "handbook", *arguments, "--queries", str(questions))
    assert result.err.splitlines()[-1] == "not compared: only dense spaces are"
    assert "retrieval spaces rollback handbook --kind sparse;" in result.out


def test_compare(filled: Run, questions: Path, judged: Path) -> None:
    done(filled, "migrate", "handbook", "--model", "hashing:32", "--no-activate")
    names = ["handbook", "hashing", "hashing:32"]
    asked = done(filled, "compare", *names, "--queries", str(questions))
    assert asked.startswith("3 queries; overlap@10 0.")
    judged_lines = done(filled, "compare", *names, "--judgements", str(judged)).splitlines()
    assert judged_lines[1].startswith("nDCG@10 hashing 0.")
    same = ["handbook", "hashing", "hashing", "--queries", str(questions), "--json"]
    assert filled("spaces", "compare", *same).json == (
        {"queries": 3, "overlap": 1.0, "former_ndcg": None, "new_ndcg": None}
    )


def test_align_says_what_it_loses(filled: Run) -> None:
    arguments = ["align", "handbook", "--model", "hashing:32", "--sample", "60"]
    lines = done(filled, *arguments).splitlines()
    assert lines[0] == (
        "space hashing:32-aligned: 60 chunks embedded, 20 carried over from hashing"
    )
    assert lines[1].startswith("measured on 12 held-out chunks: cosine to their true embeddings 0.")
    assert lines[2] == "to search it: retrieval spaces activate handbook hashing:32-aligned"
    assert "already exists" in filled("spaces", *arguments).err.splitlines()[-1]
    aligned = filled("spaces", *arguments, "--space", "b", "--source", "hashing", "--json").json
    assert aligned.keys() == (
        {"space", "source", "sample", "held_out", "cosine", "overlap", "carried"}
    )
    details = listed(filled)["b"]["alignment"]
    assert (details["source"], details["cosine"]) == ("hashing", aligned["cosine"])


# adapt


class Turned(HashingEmbedder):
    """Embeds queries away from what answers them, each pair of axes by the same angle."""

    def embed_query(self, text: str) -> Any:
        pairs = super().embed_query(text).reshape(-1, 2)
        turn = np.array([[np.cos(1.2), np.sin(1.2)], [-np.sin(1.2), np.cos(1.2)]])
        return (pairs @ turn).reshape(-1).astype(np.float32)

    def embed_documents(self, texts: Sequence[str], **options: Any) -> Any:
        return HashingEmbedder(self.dimensions).embed_documents(texts)


def test_an_adapter_that_does_not_win_is_not_kept(filled: Run, judged: Path) -> None:
    text = done(filled, "adapt", "handbook", "--judgements", str(judged))
    assert text == (
        "space hashing, 40 judged queries: not kept, as no gain on held-out queries is certain\n"
    )
    adapted = filled("spaces", "adapt", "handbook", "--judgements", str(judged), "--json").json
    assert (adapted["space"], adapted["queries"], adapted["kept"]) == ("hashing", 40, False)
    assert done(filled, "drop-adapter", "handbook") == "there was no query adapter\n"


def test_an_adapter_that_wins(filled: Run, judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HASHING_EMBEDDERS, "dense", Turned)
    done(filled, "migrate", "handbook", "--model", "hashing:16", "--space", "turned")
    arguments = ["adapt", "handbook", "--judgements", str(judged), "--space", "turned"]
    lines = done(filled, *arguments).splitlines()
    assert lines[0].startswith("space turned, 40 judged queries: kept; nDCG@10 of held-out queries")
    assert lines[1] == ("to remove it: retrieval spaces drop-adapter handbook --space turned")
    adapted = filled("spaces", *arguments, "--json").json
    assert adapted["kept"] and 0 < adapted["least_gain"] < adapted["gain"]
    assert listed(filled)["turned"]["has_query_adapter"]
    assert done(filled, "drop-adapter", "handbook", "--space", "turned") == (
        "the query adapter was dropped\n"
    )
    assert not listed(filled)["turned"]["has_query_adapter"]


# mistakes


MISTAKES: list[tuple[list[str], str]] = [
    (["list", "nowhere"], "collection nowhere does not exist"),
    (["create", "nowhere", "--model", "hashing"], "collection nowhere does not exist"),
    (["create", "handbook", "--model", "hashing"], "space hashing already exists"),
    (["create", "handbook", "--model", "/no/model"], "/no/model"),
    (["create", "handbook", "--model", "hashing:x"], "number of dimensions"),
    (["create", "handbook", "--model", "hashing:8", "--dimensions", "9"], "dimensions=9"),
    (["create", "handbook", "--model", "hashing", "--dimensions", "-1"], "dimensions"),
    (["create", "handbook", "--model", "hashing:5000"], "dimensions must be between 1 and"),
    (["create", "handbook", "--model", "hashing", "--kind", "fuzzy"], "not 'fuzzy'"),
    (["create", "handbook", "--model", "hashing:9", "--metric", "angle"], "metric"),
    (["create", "handbook", "--model", "hashing:9", "--index-method", "gin"], "index_method"),
    (["create", "handbook", "--model", "hashing:9", "--space", "a/b"], "'a/b' is not usable"),
    (["create", "handbook", "--model", "hashing:9", "--index-option", "m"], "not 'm'"),
    (["create", "handbook", "--model", "hashing:9", "--index-option", "m=x"], "not 'm=x'"),
    (["create", "handbook", "--model", "hashing:9", "--index-option", "m=1"], "m must be"),
    (["create", "handbook", "--model", "hashing:9", "--index-option", "n=1"], "n"),
    (["fill", "handbook", "other"], "space other does not exist in collection handbook"),
    (["fill", "handbook", "--kind", "sparse"], "there is no active sparse space"),
    (["fill", "handbook", "--kind", "fuzzy"], "not 'fuzzy'"),
    (["build", "nowhere"], "collection nowhere does not exist"),
    (["build", "handbook", "other"], "space other does not exist"),
    (["activate", "handbook", "other"], "space other does not exist"),
    (["rollback", "handbook"], "no former 'dense' space"),
    (["rollback", "nowhere"], "collection nowhere does not exist"),
    (["retire", "handbook", "hashing"], "space hashing is the active one"),
    (["resume", "handbook", "other"], "space other does not exist"),
    (["drop", "handbook", "other"], "space other does not exist"),
    (["estimate", "0", "--dimensions", "8"], "chunks must be between 1 and"),
    (["estimate", "9", "--dimensions", "0"], "dimensions must be between 1 and"),
    (["estimate", "9", "--dimensions", "8", "--index-option", "m=999"], "between 2 and 100"),
    (["estimate", "99999999999999999999", "--dimensions", "8"], "out of range"),
    (["tune", "handbook", "--recall", "1.5"], "recall must be above 0 and at most 1"),
    (["tune", "handbook", "--recall", "nan"], "recall must be above 0 and at most 1"),
    (["tune", "handbook", "--sample", "0"], "sample must be between 1 and"),
    (["tune", "handbook", "--space", "other"], "space other does not exist"),
    (["tune", "handbook", "--plot", "docs"], "--plot docs is a folder"),
    (["tune", "handbook", "--plot", "no/curve.png"], "the folder no does not exist"),
    (["tune", "handbook", "--queries", "no.txt"], "no.txt cannot be read (No such file"),
    (["migrate", "handbook", "--model", "/no/model"], "/no/model"),
    (["migrate", "nowhere", "--model", "hashing:32"], "collection nowhere does not exist"),
    (["migrate", "handbook", "--model", "hashing", "--kind", "sparse"], "another name"),
    (["migrate", "handbook", "--model", "hashing:32", "--space", "hashing"], "does not fit"),
    (["migrate", "handbook", "--model", "hashing:9", "--queries", "docs"], "docs cannot be"),
    (["migrate", "handbook", "--model", "hashing:9", "--queries", "empty"], "no query"),
    (["migrate", "handbook", "--model", "hashing:9", "--queries", "latin"], "not UTF-8"),
    (
        ["migrate", "handbook", "--model", "h", "--queries", "a", "--judgements", "b"],
        "not both",
    ),
    (
        ["migrate", "handbook", "--model", "h", "--no-activate", "--drop-former"],
        "--drop-former needs",
    ),
    (["migrate", "handbook", "--model", "hashing:9", "--judgements", "docs"], "must hold"),
    (["compare", "handbook", "hashing", "hashing"], "give --queries or --judgements"),
    (["compare", "handbook", "hashing", "other", "--queries", "good"], "other does not exist"),
    (["align", "handbook", "--model", "hashing:32", "--source", "other"], "does not exist"),
    (["align", "handbook", "--model", "hashing:32", "--sample", "0"], "sample must be"),
    (["adapt", "handbook", "--judgements", "docs"], "docs must hold queries.jsonl"),
    (["adapt", "handbook", "--judgements", "nowhere"], "nowhere must hold queries.jsonl"),
    (["drop-adapter", "handbook", "--space", "other"], "space other does not exist"),
]


def test_a_mistake_is_one_line(filled: Run) -> None:
    """On one collection, which none of them changes."""
    Path("good").write_text("key")
    Path("empty").write_text("\n \n")
    Path("latin").write_bytes("Äpfel".encode("latin-1"))
    for arguments, named in MISTAKES:
        assert named in filled("spaces", *arguments).error, arguments
    assert states(filled) == {"hashing": "active"}


def test_too_few_chunks_to_align_leave_nothing(filled: Run) -> None:
    result = filled("spaces", "align", "handbook", "--model", "hashing:32", "--sample", "49")
    assert result.code == 1
    assert result.err.splitlines()[-1] == "error: an alignment needs 50 pairs or more, not 49"
    assert states(filled) == {"hashing": "active"}


def test_a_space_that_cannot_be_tuned(filled: Run) -> None:
    done(filled, "create", "handbook", "--model", "hashing:32", "--space", "small")
    assert "has no index yet" in filled("spaces", "tune", "handbook", "--space", "small").error
    done(filled, "create", "handbook", "--model", "hashing:16", "--index-method", "none")
    error = filled("spaces", "tune", "handbook", "--space", "hashing:16").error
    assert error == "space hashing:16 is searched exactly: there is nothing to tune"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["list"],
        ["create", "handbook"],
        ["create", "handbook", "--model", "hashing", "--dimensions", "many"],
        ["estimate", "many"],
        ["tune", "handbook", "--recall", "high"],
        ["migrate", "handbook"],
        ["compare", "handbook", "hashing"],
        ["adapt", "handbook"],
        ["drop", "handbook", "hashing", "--nonsense"],
    ],
)
def test_wrong_usage_of_spaces(cli: Run, arguments: list[str]) -> None:
    result = cli("spaces", *arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage: retrieval spaces" in result.err


COMMANDS = [
    *("list", "create", "fill", "build", "activate", "rollback", "retire", "resume", "drop"),
    *("estimate", "tune", "migrate", "compare", "align", "adapt", "drop-adapter"),
]


def test_every_command_on_spaces_explains_itself(cli: Run) -> None:
    shown = cli("spaces", "--help").out
    for name in COMMANDS:
        assert name in shown
        explained = cli("spaces", name, "--help")
        assert explained.code == 0 and "--database-url" in explained.out


@pytest.mark.parametrize("arguments", [["list", "c"], ["estimate", "9"], ["rollback", "c"]])
def test_spaces_without_a_database(cli: Run, arguments: list[str]) -> None:
    error = cli("spaces", *arguments, "--database-url", "postgresql://u@127.0.0.1:1/d").error
    assert error.startswith("PostgreSQL cannot be reached: ")


# search and ingest


def test_search_effort(filled: Run) -> None:
    arguments = ["search", "handbook", "unique3", "--leg", "semantic", "--json"]
    assert filled(*arguments, "--search-effort", "100").json == filled(*arguments).json
    assert "search_effort" in filled(*arguments, "--search-effort", "0").error
    assert "search_effort" in filled(*arguments, "--search-effort", "9999").error


def test_ingest_warns_of_a_space_that_it_cannot_write(filled: Run, database_url: str) -> None:
    with psycopg.connect(database_url) as session:
        session.execute(
            "select retrieval.create_space('handbook', 'gone', model => '/no/model', "
            "dimensions => 64)"
        )
    (Path("docs") / "new.txt").write_text("A new one.")
    result = filled("ingest", "handbook", "docs")
    assert result.code == 0 and result.out.startswith("1 added")
    (warning,) = [each for each in result.err.splitlines() if each.startswith("warning: ")]
    assert warning.startswith("warning: space gone (building) was left out: ")
    assert "/no/model" in warning
    report = filled("ingest", "handbook", "docs", "--json").json
    assert len(report["warnings"]) == 1
