"""`tune`: settings are found on some queries, and judged on others."""

import functools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Run

from retrieval import Document, HashingEmbedder, Retriever
from retrieval.errors import InvalidInput
from retrieval.evaluation.split import part, split_judgements
from retrieval.evaluation.tuning import RankingTuning, tune
from retrieval.evaluation.tuning.current import ranking_space
from retrieval.evaluation.tuning.measured import Examination, Measured, RememberingReranker
from retrieval.evaluation.tuning.space import DEFAULTS, RankingSpace, shares
from retrieval.evaluation.tuning.verdict import verdict
from retrieval.golden_sets.judgements import Judgements
from retrieval.reranking import WordOverlapReranker

WORDS = ["amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jetty"]
DOCUMENTS = 30
# of the small hashing embedder, which mixes up what has the same common words
MEANING_ALONE = {"keyword": 0, "semantic": 1}
WORDS_ALONE = {"keyword": 1, "semantic": 0}


def common_words(number: int) -> str:
    return " ".join(random.Random(number).choices(WORDS, k=20))


def document(number: int) -> Document:
    content = f"{common_words(number)} unique{number}"
    return Document(key=f"d{number}", title=f"Page {number}", content=content)


JUDGEMENTS = Judgements(
    {f"q{n}": f"unique{n} {' '.join(WORDS[n % 5 : n % 5 + 5])}" for n in range(DOCUMENTS)},
    {f"q{n}": {f"d{n}": 1} for n in range(DOCUMENTS)},
)


@pytest.fixture(scope="module")
def opened(module_database_url: str) -> Iterator[Retriever]:
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("handbook")
        texts = (f"{common_words(n)} unique{n}" for n in range(DOCUMENTS))
        retriever.ingest(
            "handbook",
            [
                Document(key=f"d{n}", title=f"Page {n}", content=text)
                for n, text in enumerate(texts)
            ],
        )
        yield retriever


@pytest.fixture
def filled(opened: Retriever) -> Iterator[Retriever]:
    """A collection of 30 documents that is ranked by the defaults."""
    yield opened
    opened.set_ranking("handbook")
    opened.set_field_weights("handbook", None)


def without_times(tuning: RankingTuning) -> RankingTuning:
    def timeless(each: Any) -> Any:
        return each and replace(each, learned_latency=0.0, held_out_latency=None)

    return replace(
        tuning,
        trials=[replace(trial, latency=0.0) for trial in tuning.trials],
        current=timeless(tuning.current),
        chosen=timeless(tuning.chosen),
        stored=False,
    )


def test_what_is_proven_on_unseen_queries_is_kept(
    filled: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And neither searched for nor embedded are the held-out queries before all is decided."""
    filled.set_ranking("handbook", weights=MEANING_ALONE)
    stored = filled.collection("handbook").ranking
    dry = tune(filled, "handbook", judgements=JUDGEMENTS, trials=6, store=False)
    assert dry.kept and not dry.stored, dry
    assert filled.collection("handbook").ranking == stored

    asked: list[str] = []
    embedded: list[str] = []
    search, embed = Retriever.search, Retriever.embed

    @functools.wraps(search)
    def spied_search(self: Retriever, collection: str, query: str, **others: Any) -> Any:
        asked.append(query)
        return search(self, collection, query, **others)

    @functools.wraps(embed)
    def spied_embed(self: Retriever, collection: str, texts: Sequence[str], **others: Any) -> Any:
        embedded.extend(texts)
        return embed(self, collection, texts, **others)

    monkeypatch.setattr(Retriever, "search", spied_search)
    monkeypatch.setattr(Retriever, "embed", spied_embed)
    tuning = tune(filled, "handbook", judgements=JUDGEMENTS, trials=6)
    split = split_judgements(JUDGEMENTS, held_out=0.3, seed=0)
    held_out = set(split.held_out.queries.values())
    first = min(asked.index(query) for query in held_out)
    assert set(asked[:first]) == set(split.learned.queries.values())
    queries = list(split.held_out.queries.values())
    assert asked[first:] == 2 * [queries[0], *queries]  # the first one also before it is timed
    assert not held_out & set(embedded)

    assert without_times(tuning) == without_times(dry)  # the seed decides
    assert tuning.stored and tuning.reason.startswith("kept: on 9 held-out queries nDCG@10 rises")
    assert tuning.chosen is not None and tuning.difference is not None
    assert tuning.chosen.held_out == pytest.approx(
        tuning.current.held_out + tuning.difference.mean  # type: ignore[operator]
    )
    found = filled.search("handbook", "unique4 amber", per_document=1)
    chosen = filled.search("handbook", "unique4 amber", per_document=1, **tuning.chosen.arguments)
    assert found == chosen and found[0].document_key == "d4"
    filled.set_ranking("handbook")
    with filled.engine.begin() as connection:
        for statement in tuning.statements:
            connection.exec_driver_sql(statement)
    assert filled.search("handbook", "unique4 amber", per_document=1) == found


def test_what_cannot_be_better_is_not_kept(filled: Retriever) -> None:
    filled.set_ranking("handbook", weights=WORDS_ALONE)
    tuning = tune(filled, "handbook", judgements=JUDGEMENTS, trials=3)
    assert tuning.reason == (
        "not kept: of 3 settings tried, none is better than the current one on the queries to "
        "learn from"
    )
    assert not tuning.kept and not tuning.stored and tuning.chosen is None
    assert filled.collection("handbook").ranking == {"weights": WORDS_ALONE}


def test_a_limit_that_nothing_reaches_is_said(filled: Retriever) -> None:
    filled.set_ranking("handbook", weights=MEANING_ALONE)
    tuning = tune(filled, "handbook", judgements=JUDGEMENTS, trials=3, max_latency=0.001)
    assert "none answers 95 % of the searches within 0.001 ms; the fastest takes" in tuning.reason
    assert not any(trial.within_limit for trial in tuning.trials) and not tuning.stored


def test_too_few_queries(filled: Retriever) -> None:
    """Those that no document of the collection answers do not count."""
    other = {f"x{n}": {"elsewhere": 1} for n in range(40)}
    judgements = Judgements(
        {**part(JUDGEMENTS, ["q0", "q1"]).queries, **dict.fromkeys(other, "amber")},
        {"q0": {"d0": 1}, "q1": {"d1": 0}, **other},
    )
    with pytest.raises(InvalidInput, match=r"tuning needs 20 queries.* handbook, .*there are 1$"):
        tune(filled, "handbook", judgements=judgements)
    with pytest.raises(InvalidInput, match="trials must be at least 1"):
        tune(filled, "handbook", judgements=JUDGEMENTS, trials=0)
    with pytest.raises(InvalidInput, match=r"share of 0\.9 held out, 3 queries"):
        tune(filled, "handbook", judgements=JUDGEMENTS, held_out=0.9)


def test_the_current_setting_is_understood(filled: Retriever) -> None:
    """Its parameters, as arguments of a search, find what a search without them does."""
    filled.set_field_weights("handbook", {"title": 3, "content": 0.5})
    filled.set_ranking(
        "handbook",
        fusion="rrf",
        weights={"keyword": 0.3, "semantic": 0.9},
        rrf_k=7,
        candidates=60,
        k1=2,
        b=0.1,
        mmr_lambda=0.8,
        rerank={"model": "word-overlap", "candidates": 12},
    )
    space = ranking_space(filled, "handbook", "page", ("keyword", "semantic"), [])
    assert space.rerankers == ["word-overlap"]
    given = space.arguments(space.current)
    assert given["rerank_candidates"] == 12 and given["mmr_lambda"] == 0.8
    for query in ("page 3 amber", "unique7"):
        same = filled.search("handbook", query, **given), filled.search("handbook", query)
        first, second = ([(hit.chunk_id, hit.rerank_score) for hit in hits] for hits in same)
        assert first == second
    none = space.arguments({**space.current, "diverse": False, "reranker": None})
    assert none["rerank"] is False and none["mmr_lambda"] == 1


def test_weights_of_legs_stand_for_shares() -> None:
    legs = ["keyword", "semantic", "sparse"]
    for weights in ([0, 1, 0.25], [1, 0.5, 0], [0.4, 0.2, 1], [1, 1, 1]):
        given = dict(zip(legs, weights, strict=True))
        space = RankingSpace(legs, [], {**DEFAULTS, **shares(given, legs)})
        assert space.ranking(space.current)["weights"] == pytest.approx(given, abs=0.001)


def test_a_reranker_reads_each_pair_once(filled: Retriever) -> None:
    """The time that it takes counts all the same."""
    read: list[str] = []

    class Spied(WordOverlapReranker):
        def score(self, query: str, texts: Sequence[str]) -> Any:
            read.extend(texts)
            return super().score(query, texts)

    remembering = RememberingReranker(Spied())
    read.clear()
    first = remembering.score("amber", ["amber", "basil"])
    assert remembering.owed == 0
    again = remembering.score("amber", ["basil", "amber", "cedar"])
    assert read == ["amber", "basil", "cedar"] and remembering.owed > 0
    assert again.tolist() == [0, 1, 0] == [*reversed(first.tolist()), 0]
    examination = Examination(
        filled, "handbook", JUDGEMENTS, "nDCG@10", {"it": Spied()}, semantic=False
    )
    found = examination.measure({"legs": ["keyword"], "rerank": "it"}, ["q3"])
    assert found.scores == {"q3": 1.0} and found.milliseconds["q3"] > 0


def scores(values: Sequence[float], milliseconds: float = 5) -> Measured:
    queries = [str(number) for number in range(len(values))]
    return Measured(dict(zip(queries, values, strict=True)), dict.fromkeys(queries, milliseconds))


def test_the_verdict() -> None:
    random_numbers = np.random.default_rng(3)
    before = random_numbers.uniform(0.2, 0.8, 30)
    by_chance = before + random_numbers.normal(0.004, 0.1, 30)
    surely = before + random_numbers.uniform(0, 0.1, 30)

    def judged(values: Any, milliseconds: float = 5) -> Any:
        return verdict("nDCG@10", scores(before), scores(values, milliseconds), 20, seed=0)

    assert judged(surely).kept and "p < 0.001" in judged(surely).reason
    unsure = judged(by_chance)
    assert not unsure.kept and unsure.difference.p_value > 0.05
    assert "on 30 held-out queries is not significant" in unsure.reason
    assert judged(before).reason == "not kept: on 30 held-out queries it gains nothing"
    loses = judged(2 * before - surely)
    assert not loses.kept and "it loses 0.0" in loses.reason
    slow = judged(surely, 21)
    assert not slow.kept and slow.reason.endswith("which is over the limit of 20 ms")


def test_the_command(command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pages, judged = tmp_path / "pages", tmp_path / "judged"
    pages.mkdir()
    judged.mkdir()
    for number in range(20):
        (pages / f"{number}.txt").write_text(f"{common_words(number)} unique{number}")
    lines = [json.dumps({"_id": str(n), "text": f"unique{n}"}) for n in range(20)]
    (judged / "queries.jsonl").write_text("\n".join(lines))
    (judged / "qrels.tsv").write_text("\n".join(f"{n}\tpages/{n}.txt\t1" for n in range(20)))
    assert command("ingest", "handbook", "pages").code == 0
    arguments = ("tune", "handbook", "--judgements", "judged", "--trials", "2")
    result = command(*arguments, "--plot", ".")
    assert result.code == 0, result.err
    assert "2 settings tried on 9 queries" in result.out
    assert "not kept: of 2 settings tried, none is better" in result.out
    assert (tmp_path / "tuning-handbook.png").read_bytes().startswith(b"\x89PNG")
    told = command(*arguments, "--dry-run", "--json").json
    assert told["kept"] is False and len(told["trials"]) == 2
    assert command(*arguments, "--plot", "no/where").error == (
        "--plot no/where is neither a folder nor a .png in one"
    )
    assert "golden set default does not exist" in command("tune", "handbook").error
