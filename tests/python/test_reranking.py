"""Rerankers, and searches whose hits they order again."""

import asyncio
import math
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from command_line import Run

from retrieval import (
    AsyncRetriever,
    CrossEncoderReranker,
    Document,
    HashingEmbedder,
    Hit,
    InvalidInput,
    ModelUnavailable,
    Reranker,
    Retriever,
    WordOverlapReranker,
)
from retrieval.embedding.embedder import Floats
from retrieval.reranking import DEFAULT_RERANKER, create_reranker
from retrieval.search import rerank_hits
from retrieval.search.rerank import reranked_text

# of many lengths, so that the library sorts them within its batches
TEXTS = [f"the key{' every month' * (number % 5)} {number}" for number in range(12)]


# Cross-encoders


@pytest.fixture(scope="module")
def reranker(tiny_cross_encoder: Path) -> CrossEncoderReranker:
    return CrossEncoderReranker(str(tiny_cross_encoder), batch_size=5)


def test_scores_are_those_of_the_model_in_the_order_of_the_texts(
    reranker: CrossEncoderReranker, tiny_cross_encoder: Path
) -> None:
    from sentence_transformers import CrossEncoder

    scores = reranker.score("how to rotate the key", TEXTS)
    assert (scores.dtype, scores.shape) == (np.float32, (len(TEXTS),))
    assert len(set(scores.round(4))) > 6
    model = CrossEncoder(str(tiny_cross_encoder), device="cpu")
    alone = [model.predict([("how to rotate the key", text)])[0] for text in TEXTS]
    assert np.allclose(scores, alone, atol=1e-5)


def test_query_and_text_have_their_sides(reranker: CrossEncoderReranker) -> None:
    one, other = reranker.score("key", ["bread"]), reranker.score("bread", ["key"])
    assert not np.allclose(one, other, atol=1e-3)


def test_no_texts_need_no_model() -> None:
    assert CrossEncoderReranker("/no/such/folder").score("key", []).shape == (0,)


def test_what_is_beyond_the_model_is_cut(reranker: CrossEncoderReranker) -> None:
    """32 tokens: [CLS] key [SEP], 28 of the text, [SEP]."""
    read, cut, shorter = reranker.score(
        "key", ["cat " * 28, "cat " * 28 + "dog " * 50, "cat " * 27]
    )
    assert read == pytest.approx(cut, abs=1e-5)
    assert read != pytest.approx(shorter, abs=1e-5)
    long_query = reranker.score("key " * 200, ["cat", "bread"])
    assert long_query[0] != pytest.approx(long_query[1], abs=1e-5)


def test_threads_may_share_a_reranker(tiny_cross_encoder: Path) -> None:
    """They load it once, and the lengths of one do not pad those of another."""
    shared = CrossEncoderReranker(str(tiny_cross_encoder))
    queries = ["key " * (1 + number % 9) for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda query: shared.score(query, TEXTS), queries))
    for query, scores in zip(queries, together, strict=True):
        assert np.allclose(shared.score(query, TEXTS), scores, atol=1e-5)


def test_a_model_as_transformers_stores_it(
    reranker: CrossEncoderReranker, tiny_cross_encoder: Path
) -> None:
    other = CrossEncoderReranker(str(tiny_cross_encoder.parent / "backbone"))
    assert np.allclose(other.score("key", TEXTS), reranker.score("key", TEXTS), atol=1e-5)


def test_loading_writes_nothing(tiny_cross_encoder: Path) -> None:
    """And nothing is loaded before it is needed."""
    program = (
        "import sys, retrieval\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
        f"retrieval.CrossEncoderReranker({str(tiny_cross_encoder)!r}).score('key', ['cat'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Models that are none


def reason(model: str | Path) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        create_reranker(str(model)).score("key", ["cat"])
    message = str(caught.value)
    assert "\n" not in message and str(model) in message
    return message


def test_a_missing_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer(*_: Any, **__: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", no_answer)
    assert "hub cannot be reached (no network)" in reason("maker/model")
    assert reason("/no/such/folder").endswith(
        "there is no such folder. What would serve: the path of a folder that holds a "
        "cross-encoder model of sentence-transformers"
    )


@pytest.mark.parametrize("kind", ["dense", "sparse", "multi_vector"])
def test_a_model_of_another_kind(kind: str, request: pytest.FixtureRequest) -> None:
    """The library would open it, with a classifier of random weights."""
    folder = request.getfixturevalue(f"tiny_{kind}_model")
    named = kind.replace("_", "")
    assert f"it holds a {named} model, which embeds and scores no pairs" in reason(folder)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    assert f"{tmp_path}: it holds no cross-encoder model" in reason(tmp_path)


def test_a_model_with_several_labels(tmp_path: Path) -> None:
    """As those that tell entailment from contradiction."""
    assert "gives a pair 3 labels and no single score" in reason(
        tiny_models.build_classifier(tmp_path, labels=3)
    )


def test_a_batch_has_a_size() -> None:
    with pytest.raises(InvalidInput, match="batch_size must be at least 1, not 0"):
        CrossEncoderReranker(batch_size=0)


# By name, and without a model


def test_create_reranker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert create_reranker().model == create_reranker(DEFAULT_RERANKER).model == DEFAULT_RERANKER
    assert type(create_reranker("word-overlap")) is WordOverlapReranker
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    named = create_reranker("mine")
    assert type(named) is CrossEncoderReranker and named.model == str(tmp_path / "mine")
    assert all(isinstance(create_reranker(each), Reranker) for each in ("mine", "word-overlap"))


def test_word_overlap() -> None:
    overlap = WordOverlapReranker()
    texts = ["Keys rotate.", "ROTATE: the key, the key", "", "how to rotate a key"]
    assert overlap.score("rotate the Key", texts).tolist() == pytest.approx([1 / 3, 1, 0, 2 / 3])
    assert overlap.score("?!", texts).tolist() == [0, 0, 0, 0]
    assert overlap.score("key", []).shape == (0,)


# Hits


def hit(number: int, **fields: Any) -> Hit:
    given = {"title": None, "content": f"content {number}"} | fields
    return Hit(number, number, f"key {number}", position=0, metadata={}, score=1 / number, **given)


def order(scores: Sequence[float]) -> list[tuple[int, float | None]]:
    hits = [hit(number) for number in range(1, len(scores) + 1)]
    return [(each.chunk_id, each.rerank_score) for each in rerank_hits(hits, scores)]


def test_hits_are_ordered_by_their_scores() -> None:
    assert order([0.1, -3.0, 7.5]) == [(3, 7.5), (1, 0.1), (2, -3.0)]
    assert order([]) == []


def test_ties_keep_their_order() -> None:
    assert [number for number, _ in order([0.5, 1, 0.5, 1, 0.0, 0.5])] == [2, 4, 1, 3, 6, 5]


@pytest.mark.parametrize("unusable", [math.nan, math.inf, -math.inf])
def test_hits_without_a_score_come_last_and_none_is_lost(unusable: float) -> None:
    expected = [(4, 0.0), (2, -9.0), (1, None), (3, None)]
    assert order([unusable, -9.0, unusable, 0.0]) == expected
    assert order([unusable] * 3) == [(1, None), (2, None), (3, None)]


def test_everything_else_of_a_hit_stays() -> None:
    given = hit(1, keyword_rank=3, semantic_score=0.5, rerank_score=9.0)
    (found,) = rerank_hits([given], np.array([0.25], dtype=np.float32))
    assert (found.rerank_score, found.score, found.keyword_rank) == (0.25, 1.0, 3)
    assert given.rerank_score == 9.0
    assert rerank_hits([given], [math.nan])[0].rerank_score is None


@pytest.mark.parametrize("scores", [[1.0], [1.0, 2.0, 3.0], [[1.0, 2.0]]])
def test_each_hit_needs_a_score(scores: Any) -> None:
    with pytest.raises(InvalidInput, match="cannot order 2 hits"):
        rerank_hits([hit(1), hit(2)], scores)


def test_title_and_content_are_read() -> None:
    assert reranked_text(hit(1, title="Keys")) == "Keys\ncontent 1"
    assert reranked_text(hit(1, title="Keys", content="")) == "Keys"
    assert reranked_text(hit(1)) == "content 1"


# Searches

# the more of its words a text shares with the query, the less often it says them
DOCUMENTS = [
    Document("often", "key key key key key key key key"),
    Document("twice", "rotate the key"),
    Document("title", "every month", title="Rotate the key safely"),
    Document("other", "bread and butter"),
]
QUERY = "rotate key safely"
BEST = ["title", "twice", "often", "other"]


class Recorder:
    """Scores by word overlap and notes what it was given, and in which thread."""

    model = "recorder"

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.threads: set[int] = set()

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        self.calls.append((query, list(texts)))
        self.threads.add(threading.get_ident())
        return WordOverlapReranker().score(query, texts)


def keys_of(hits: Sequence[Hit]) -> list[str]:
    return [each.document_key for each in hits]


@pytest.fixture
def filled(retriever: Retriever) -> Retriever:
    assert retriever.ingest("handbook", DOCUMENTS).added == 4
    return retriever


def test_hits_of_a_search_are_ordered_again(filled: Retriever) -> None:
    hits = filled.search("handbook", QUERY, rerank="word-overlap")
    assert keys_of(hits) == BEST
    assert [each.rerank_score for each in hits] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    scores = {each.chunk_id: each.score for each in filled.search("handbook", QUERY)}
    assert {each.chunk_id: each.score for each in hits} == scores


@pytest.mark.parametrize("rerank", [None, False])
def test_without_a_reranker_nothing_changes(filled: Retriever, rerank: bool | None) -> None:
    hits = filled.search("handbook", QUERY, rerank=rerank)
    assert hits == filled.search("handbook", QUERY)
    assert all(each.rerank_score is None for each in hits)


def test_more_are_fetched_than_are_returned(filled: Retriever) -> None:
    """The best one is not among the first of the search by one word."""
    options: dict[str, Any] = {"legs": ["semantic"], "max_results": 1}
    vector = HashingEmbedder().embed_query(DOCUMENTS[0].content)
    assert keys_of(filled.search("handbook", QUERY, query_embedding=vector, **options)) == ["often"]
    recorder = Recorder()
    hits = filled.search("handbook", QUERY, query_embedding=vector, rerank=recorder, **options)
    assert keys_of(hits) == ["title"]
    ((query, texts),) = recorder.calls
    assert (query, len(texts)) == (QUERY, 4) and "Rotate the key safely\nevery month" in texts


def test_how_many_are_fetched(filled: Retriever) -> None:
    filled.ingest("handbook", [Document(f"more {n}", f"key {n}") for n in range(60)])

    def read(**options: int) -> int:
        recorder = Recorder()
        filled.search("handbook", "key", rerank=recorder, **options)
        return len(recorder.calls[0][1])

    assert read() == read(max_results=3) == 50
    assert read(max_results=55) == 55
    assert read(max_results=3, rerank_candidates=3) == 3
    assert read(rerank_candidates=60) == 60


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rerank_candidates": 9}, "between max_results, which is 10, and 10000, not 9"),
        ({"rerank_candidates": 10_001}, "rerank_candidates .* not 10001"),
        ({"max_results": 0}, "max_results must be between 1 and 10000, not 0"),
        ({"result_offset": -1}, "result_offset must be 0 or more, not -1"),
        ({"result_offset": 41}, "at most rerank_candidates, which is 50, not 51"),
        ({"result_offset": 5, "rerank_candidates": 14}, "which is 14, not 15"),
        ({"max_results": 10_001}, "max_results must be between 1 and 10000, not 10001"),
        ({"rerank": 3}, "rerank must be a bool, a name or a Reranker, not 3"),
        ({"query": "", "query_embedding": [1.0] * 64}, "rerank needs the text of the query"),
    ],
)
def test_unusable_options_are_named(filled: Retriever, options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        filled.search("handbook", **({"query": "key", "rerank": "word-overlap"} | options))


class Fixed:
    """Gives the scores that it was made with, however many texts there are."""

    model = "fixed"

    def __init__(self, *scores: float) -> None:
        self.scores = scores

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        return np.array(self.scores, dtype=np.float32)


@pytest.mark.parametrize("scores", [(1, 1, 1, 1), (math.nan,) * 4])
def test_no_hit_is_lost_and_ties_keep_the_order_of_the_search(
    filled: Retriever, scores: tuple[float, ...]
) -> None:
    hits = filled.search("handbook", QUERY, rerank=Fixed(*scores))
    assert keys_of(hits) == keys_of(filled.search("handbook", QUERY))


@pytest.mark.parametrize("count", [0, 3, 5])
def test_a_reranker_that_loses_a_text_is_named(filled: Retriever, count: int) -> None:
    named = rf"reranker fixed: scores of shape \({count},\) cannot order 4 hits"
    with pytest.raises(InvalidInput, match=named):
        filled.search("handbook", QUERY, rerank=Fixed(*[1.0] * count))


def test_pages_are_cut_after_reranking(filled: Retriever) -> None:
    recorder = Recorder()
    pages = [
        filled.search("handbook", QUERY, max_results=2, result_offset=start, rerank=recorder)
        for start in (0, 2, 4)
    ]
    assert [keys_of(page) for page in pages] == [BEST[:2], BEST[2:], []]
    assert recorder.calls[0] == recorder.calls[1] == recorder.calls[2]
    (best,) = filled.search("handbook", QUERY, max_results=1, result_offset=3, rerank=recorder)
    assert best.document_key == BEST[3] and best.contributions


def test_nothing_found_is_nothing_to_score(filled: Retriever) -> None:
    recorder = Recorder()
    assert filled.search("handbook", " ", rerank=recorder) == []
    assert filled.search("handbook", "zebra", legs=["keyword"], rerank=recorder) == []
    assert recorder.calls == []


def test_a_cross_encoder_is_loaded_once_and_kept(
    filled: Retriever, tiny_cross_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retrieval.reranking import cross_encoder

    loaded: list[str] = []
    load = cross_encoder.load_encoder

    def noted(model: str, *others: Any) -> Any:
        loaded.append(model)
        return load(model, *others)

    monkeypatch.setattr(cross_encoder, "load_encoder", noted)
    monkeypatch.setenv("RETRIEVAL_RERANKER", str(tiny_cross_encoder))
    named = filled.search("handbook", QUERY, rerank=str(tiny_cross_encoder))
    assert filled.search("handbook", QUERY, rerank=True) == named
    assert loaded == [str(tiny_cross_encoder)]
    texts = [reranked_text(each) for each in named]
    scores = CrossEncoderReranker(str(tiny_cross_encoder)).score(QUERY, texts)
    assert [each.rerank_score for each in named] == pytest.approx(scores.tolist(), abs=1e-5)
    assert sorted(scores, reverse=True) == pytest.approx(scores.tolist(), abs=1e-5)


def test_a_reranker_that_cannot_be_loaded(filled: Retriever) -> None:
    with pytest.raises(ModelUnavailable, match="there is no such folder"):
        filled.search("handbook", "key", rerank="/no/such/folder")


def test_the_callers_connection_stays_usable(filled: Retriever) -> None:
    with filled.engine.connect() as connection:
        found = filled.search("handbook", QUERY, rerank="word-overlap", connection=connection)
        assert keys_of(found) == BEST
        with pytest.raises(ModelUnavailable):
            filled.search("handbook", "key", rerank="/no", connection=connection)
        assert filled.search("handbook", "key", connection=connection)


def test_asynchronously_the_model_runs_in_a_thread(filled: Retriever, database_url: str) -> None:
    recorder = Recorder()

    async def use() -> list[Hit]:
        embedder = HashingEmbedder()
        async with await AsyncRetriever.open(database_url, embedder=embedder) as retriever:
            with pytest.raises(InvalidInput, match="rerank_candidates"):
                await retriever.search("handbook", "key", rerank=recorder, rerank_candidates=1)
            return await retriever.search("handbook", QUERY, max_results=2, rerank=recorder)

    assert keys_of(asyncio.run(use())) == BEST[:2]
    assert recorder.threads and threading.get_ident() not in recorder.threads
    assert filled.search("handbook", QUERY, max_results=2, rerank=recorder)
    assert recorder.calls[0] == recorder.calls[1]


# The command line


def test_the_command_line_shows_the_score(
    command: Run, filled: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ("search", "handbook", QUERY, "-n", "2")
    lines = command(*ask, "--rerank", "word-overlap").out.splitlines()
    assert lines[0].startswith("1. Rotate the key safely  title  ")
    assert lines[0].endswith("), reranked 1.0000")
    assert "reranked" not in command(*ask).out
    monkeypatch.setenv("RETRIEVAL_RERANKER", "word-overlap")
    hits = command(*ask, "--rerank", "default", "--json").json
    assert [each["document_key"] for each in hits] == BEST[:2]
    assert hits[0]["rerank_score"] == 1


def test_the_command_line_names_what_is_wrong(command: Run, filled: Retriever) -> None:
    failed = command("search", "handbook", "key", "--rerank", "/no/such/folder")
    assert "'/no/such/folder' cannot be loaded: there is no such folder" in failed.error
