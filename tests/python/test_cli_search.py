"""The command line: searches with every option, their explanation, recommendations, calibration."""

import re
from typing import Any

import pytest
from command_line import Run
from every_kind import add_spaces

from retrieval import Document, HashingEmbedder, Retriever
from retrieval.cli.explanation import arithmetic

DOCUMENTS = [
    Document("jacket", "A warm jacket for the winter.", metadata={"team": "a"}),
    Document("copy", "A warm jacket for the winter!"),
    Document("boots", "Warm boots.", metadata={"team": "b"}),
    Document("fan", "A fan for the summer."),
]


@pytest.fixture(scope="module")
def filled_url(module_database_url: str) -> str:
    """A database whose collection has spaces of every kind, and which is only read."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("handbook")
        retriever.ingest("handbook", DOCUMENTS)
        add_spaces(retriever)
    return module_database_url


@pytest.fixture
def shop(cli: Run, filled_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on it."""
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", filled_url)
    return cli


def found(run: Run, *arguments: str) -> list[Any]:
    result = run("search", "handbook", *arguments, "--json")
    assert (result.code, result.err) == (0, "")
    hits: list[Any] = result.json
    return hits


def keys(hits: list[Any]) -> list[str]:
    return [hit["document_key"] for hit in hits]


# search


def test_every_option_arrives(shop: Run) -> None:
    legs = [f"--leg={leg}" for leg in ("keyword", "semantic", "sparse", "late_interaction")]
    weights = ["--weight", "keyword=2", "--weight", "small=0.5"]
    hits = found(shop, "warm jacket", *legs, *weights, "--also-space=small", "--fusion=rrf")
    assert hits[0]["late_interaction_rank"] == 1 and hits[0]["sparse_rank"] == 1
    assert hits[0]["score"] == pytest.approx(5.5 / 61)
    best = found(shop, "boots", "--rrf-k", "9", "--fusion", "rrf", "--candidates", "1", "-n", "1")
    assert best[0]["score"] == pytest.approx(0.17)
    assert len(found(shop, "warm jacket", "--duplicate-similarity", "0.99")) == 3
    whole = keys(found(shop, "warm jacket", "--per-document", "1"))
    assert keys(found(shop, "warm jacket", "--offset", "2", "-n", "2")) == whole[2:]
    (_, other) = found(shop, "warm jacket", "--mmr-lambda", "0.2", "-n", "2")
    assert other["document_key"] not in ("jacket", "copy")
    reach = ["--leg=keyword", "--leg=late_interaction", "--late-interaction=collection"]
    assert len(found(shop, "fan", *reach)) == 4
    assert found(shop, "warm", "--space", "small")[0]["semantic_rank"]
    words = ["--k1", "0", "--b", "1", "--field-weight", "title=0", "--leg", "keyword", "--explain"]
    (leg,) = shop("search", "handbook", "warm", *words, "--rerank", "none", "--json").json["legs"]
    assert (leg["k1"], leg["b"], leg["field_weights"]) == (0, 1, {"title": 0})


def test_boosts_change_the_order(shop: Run) -> None:
    boosts = '{"field": "team", "values": {"b": 10}}'
    assert keys(found(shop, "warm", "--boosts", boosts))[0] == "boots"
    assert keys(found(shop, "warm", "--boosts", f"[{boosts}]"))[0] == "boots"
    shown = shop("search", "handbook", "warm", "--boosts", boosts, "--explain")
    assert "   * 10.0000  team b\n" in shown.out


def test_hits_show_the_ranks_of_every_leg(shop: Run) -> None:
    lines = shop(
        "search", "handbook", "boots", "--leg", "keyword", "--leg", "sparse", "--also-space=small"
    ).out.splitlines()
    assert lines[0].startswith("1. boots  boots  ")
    assert lines[0].endswith("(keyword 1, sparse 1, small 1)")
    page = shop("search", "handbook", "warm", "--offset", "2").out
    assert page.startswith("3. ")


def test_the_explanation_is_a_table_and_sums(shop: Run) -> None:
    result = shop("search", "handbook", "warm jacket", "--explain", "-n", "2")
    assert (result.code, result.err) == (0, "")
    header, keyword, semantic, _, fused, _, *hits = result.out.splitlines()
    assert header.split() == ["leg", "space", "plan", "candidates", "weight", "from", "ms"]
    assert keyword.split()[:6] == ["keyword", "-", "index", "3", "1", "default"]
    assert [semantic.split()[n] for n in (0, 1, 3, 4)] == ["semantic", "hashing", "4", "0.7"]
    assert re.fullmatch(r"4 chunks fused by relative, \d+\.\d ms", fused)
    assert re.fullmatch(r"1\. (jacket|copy)  1\.7000  chunk \d+, position 0", hits[0])
    assert re.fullmatch(r"   \+ 1\.0000  keyword   rank 1, score \d\.\d{4}", hits[1])
    assert re.fullmatch(r"   \+ 0\.7000  semantic  rank 1, score 0\.\d{4}", hits[2])


def test_the_explanation_of_steps(shop: Run) -> None:
    options = ["--duplicate-similarity", "0.9", "--mmr-lambda", "0.5", "--fusion", "rrf"]
    lines = shop("search", "handbook", "warm jacket", "--explain", *options).out.splitlines()
    assert any(line.startswith("4 chunks fused by rrf with k 60") for line in lines)
    assert any(re.fullmatch(r"   in place of chunks \d+", line) for line in lines)
    assert sum(line.startswith("   chosen with ") for line in lines) == 3


def test_the_explanation_as_json(shop: Run) -> None:
    explained = shop("search", "handbook", "warm jacket", "--explain", "--json").json
    assert explained["fusion"] == "relative" and len(explained["hits"]) == 4
    nothing = shop("search", "handbook", "zebra", "--explain", "--leg", "keyword")
    assert (nothing.code, nothing.err) == (0, "nothing found\n")


def test_the_arithmetic_of_boosts() -> None:
    boosts = [
        {"field": "team", "value": "a", "factor": 2},
        {"field": ["at", "year"], "value": None, "factor": 1},
    ]
    legs = {
        "semantic": {"rank": 12, "score": 0.5, "contribution": 0.25},
        "words": {"rank": 1, "score": 7, "contribution": 0.5},
    }
    assert arithmetic({"legs": legs, "boosts": boosts}) == [
        "+ 0.5000  words     rank 1, score 7.0000",
        "+ 0.2500  semantic  rank 12, score 0.5000",
        "* 2.0000  team a",
        "* 1.0000  at.year, which is missing",
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--leg", "smell"], "legs must be some of"),
        (["--weight", "keyword"], "--weight takes LEG=NUMBER, as in keyword=2, not 'keyword'"),
        (["--weight", "keyword=much"], "--weight takes LEG=NUMBER"),
        (["--weight", "=1"], "--weight takes LEG=NUMBER"),
        (["--weight", "keyword=nan"], "--weight takes LEG=NUMBER"),
        (["--field-weight", "title"], "--field-weight takes FIELD=NUMBER, as in title=2"),
        (["--k1", "-1"], "k1 must be between 0 and 100, not -1"),
        (["--weight", "smell=1"], "weights: leg must be one of keyword, semantic"),
        (["--fusion", "mean"], "fusion must be one of"),
        (["--boosts", "{"], "--boosts is not JSON"),
        (["--boosts", "1"], "--boosts must be a JSON object or an array of them"),
        (["--offset", "96"], "result_offset + max_results must be at most candidates"),
        (["--candidates", "0"], "candidates must be between 1 and"),
        (["--also-space", "none"], "space none does not exist in collection handbook"),
        (["--explain", "--rerank", "word-overlap"], "--explain explains the search without"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_search_fails_in_one_line(shop: Run, arguments: list[str], named: str) -> None:
    assert named in shop("search", "handbook", "warm", *arguments).error


def test_a_leg_without_a_space(command: Run, retriever: Retriever) -> None:
    error = command("search", "handbook", "warm", "--leg", "sparse").error
    assert error == "leg sparse: collection handbook has no active sparse space"


# recommend


def test_recommend_shows_documents(shop: Run) -> None:
    lines = shop("recommend", "handbook", "jacket", "-n", "1").out.splitlines()
    assert lines[0].startswith("1. copy  copy  ") and lines[0].endswith("(semantic 1)")
    liked = shop("recommend", "handbook", "jacket", "boots", "--not", "copy", "--json").json
    assert keys(liked) == ["fan"]
    options = ["--filter", '{"team": "b"}', "--strategy", "best_score", "--space", "small"]
    assert keys(shop("recommend", "handbook", "jacket", *options, "--json").json) == ["boots"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere", "jacket"], "collection nowhere does not exist"),
        (["handbook", "nothing"], "document nothing does not exist in collection handbook"),
        (["handbook", "fan", "--not", "fan"], "both a positive and a negative example"),
        (["handbook", "fan", "--strategy", "best"], "strategy must be one of"),
    ],
)
def test_recommend_fails_in_one_line(shop: Run, arguments: list[str], named: str) -> None:
    assert named in shop("recommend", *arguments).error


def test_recommend_needs_a_key(cli: Run) -> None:
    assert cli("recommend", "handbook").code == 2


# calibrate


def test_calibrate_says_what_a_space_counts(command: Run, retriever: Retriever) -> None:
    words = [f"word{chr(97 + n)}" for n in range(24)]
    texts = (" ".join(words[n % 24 :] + words[: n % 24 - 24]) for n in range(0, 72, 3))
    documents = [Document(f"{n}", f"{text} {words[n % 3]}") for n, text in enumerate(texts)]
    retriever.ingest("handbook", documents)
    tried = command("calibrate", "handbook", "--dry-run")
    pattern = r"space hashing: \d+% of the nearest chunks of 24 are alike by words too; it counts "
    assert tried.code == 0 and re.match(pattern, tried.out)
    calibrated = command("calibrate", "handbook", "--space", "hashing", "--json").json
    assert calibrated.keys() == {"space_name", "sampled", "agreement", "weight"}
    assert command("calibrate", "handbook", "--sample", "5").out.startswith(
        "space hashing: 5 chunks of the sample share words with enough others, which are too few"
    )
    assert "collection nowhere does not exist" in command("calibrate", "nowhere").error
