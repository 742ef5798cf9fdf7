"""`retriever.spaces`: side by side, moved, resumed, measured; the same awaited."""

import asyncio
import csv
import inspect
import json
import random
import time
import typing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ortho_group
from sqlalchemy import text

from retrieval import (
    AlreadyExists,
    AsyncRetriever,
    DatabaseError,
    Document,
    HashingEmbedder,
    InvalidInput,
    ModelUnavailable,
    MultiVectorHashingEmbedder,
    NotFound,
    NotReady,
    Retriever,
    SpaceMismatch,
    SparseHashingEmbedder,
)
from retrieval.embedding.signature import Signature
from retrieval.golden_sets.async_golden_sets import AsyncGoldenSets
from retrieval.golden_sets.golden_sets import GoldenSets
from retrieval.golden_sets.judgements import Judgements, read_judgements, read_queries
from retrieval.ingestion import fill
from retrieval.spaces.async_spaces import AsyncSpaces
from retrieval.spaces.spaces import Spaces

WORDS = [
    *("amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jetty"),
    *("kelp", "larch", "maple", "nectar", "olive", "pearl", "quartz", "reed", "slate", "thyme"),
]


def document(number: int, version: int = 0) -> Document:
    """A short text with words of its own, some of which others share."""
    words = random.Random(number).choices(WORDS, k=8)
    return Document(f"{number}", " ".join([*words, f"unique{number}", f"version{version}"]))


DOCUMENTS = [document(number) for number in range(80)]


class Awaited:
    """An AsyncRetriever, or its spaces, whose methods are run to their end."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target, self._runner = target, runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if isinstance(found, AsyncSpaces):
            return Awaited(found, self._runner)
        if inspect.iscoroutinefunction(found):
            return lambda *given, **options: self._runner.run(found(*given, **options))
        return found


@pytest.fixture(params=["sync", "async"])
def either(request: pytest.FixtureRequest, database_url: str) -> Iterator[Any]:
    """A retriever of each sort, with the collection `handbook` of 80 documents."""
    if request.param == "sync":
        with Retriever.open(database_url, embedder=HashingEmbedder()) as retriever:
            yield filled(retriever)
        return
    with asyncio.Runner() as runner:
        opening = AsyncRetriever.open(database_url, embedder=HashingEmbedder())
        awaited = Awaited(runner.run(opening), runner)
        yield filled(awaited)
        awaited.close()


@pytest.fixture
def retriever(database_url: str) -> Iterator[Retriever]:
    """A retriever with the collection `handbook` of 80 documents."""
    with Retriever.open(database_url, embedder=HashingEmbedder()) as opened:
        yield filled(opened)


def filled(retriever: Any) -> Any:
    retriever.create_collection("handbook")
    assert retriever.ingest("handbook", DOCUMENTS).added == 80
    return retriever


def states(retriever: Any) -> dict[str, str]:
    return {each.name: each.state for each in retriever.spaces.summaries("handbook")}


def missing(retriever: Any) -> dict[str, int]:
    return {each.name: each.missing for each in retriever.spaces.summaries("handbook")}


def summary(retriever: Any, name: str) -> Any:
    (found,) = (each for each in retriever.spaces.summaries("handbook") if each.name == name)
    return found


def rows(retriever: Retriever, statement: str) -> list[Any]:
    with retriever.engine.connect() as session:
        return list(session.execute(text(statement)))


def partition(retriever: Retriever) -> str:
    """The table of the newest space's embeddings."""
    return f"embeddings_{rows(retriever, 'select max(space_id) from retrieval.spaces')[0][0]}"


def answered(retriever: Any, query: str = "unique3") -> str:
    """The first hit by meaning."""
    found: str = retriever.search("handbook", query, legs=["semantic"])[0].document_key
    return found


# migration


def test_there_and_back(either: Any) -> None:
    spaces = either.spaces
    seen: list[tuple[str, int, int]] = []
    migration = spaces.migrate(
        "handbook",
        HashingEmbedder(32),
        queries=["amber basil", "unique7"],
        on_progress=lambda *progress: seen.append(progress),
    )
    assert (migration.space, migration.former) == ("hashing:32", "hashing")
    assert (migration.embedded, migration.activated) == (80, True)
    assert migration.comparison.queries == 2 and 0 < migration.comparison.overlap <= 1
    assert migration.comparison.former_ndcg is None
    assert seen == [
        *(("embedding", 0, 80), ("embedding", 80, 80)),
        *(("building the index", 0, 1), ("building the index", 1, 1)),
    ]
    assert states(either) == {"hashing:32": "active", "hashing": "shadow"}
    assert summary(either, "hashing:32").indexed
    assert answered(either) == "3"
    assert spaces.rollback("handbook") == "hashing"
    assert states(either) == {"hashing": "active", "hashing:32": "shadow"}
    assert answered(either) == "3"
    again = spaces.migrate("handbook", HashingEmbedder(32))
    assert (again.embedded, again.former, again.comparison) == (0, "hashing", None)
    spaces.drop("handbook", "hashing")
    with pytest.raises(NotReady, match="no former 'dense' space"):
        spaces.rollback("handbook")


def test_without_activation_it_is_only_prepared(either: Any) -> None:
    migration = either.spaces.migrate(
        "handbook",
        HashingEmbedder(32),
        space="next",
        index_method="ivfflat",
        index_options={"lists": 3},
        activate=False,
    )
    assert (migration.space, migration.activated) == ("next", False)
    assert states(either) == {"hashing": "active", "next": "building"}
    assert summary(either, "next").index_options == {"lists": 3}
    either.spaces.activate("handbook", "next")
    assert answered(either) == "3"


class Interrupted(Exception):
    """What a test does in the middle."""


def interrupt(number: int) -> Callable[[str, int, int], None]:
    """Progress that raises on its n-th call."""
    calls = iter(range(100))

    def progress(phase: str, done: int, total: int) -> None:
        if next(calls) == number:
            raise Interrupted(phase)

    return progress


def test_an_interrupted_migration_goes_on(either: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each sign of progress; what was embedded by then is not embedded again."""
    monkeypatch.setenv("RETRIEVAL_EMBEDDING_CACHE_BYTES", "0")
    monkeypatch.setattr(fill, "MISSING_CHUNKS", 40)
    left = {0: 80, 1: 40, 2: 0, 3: 0, 4: 0}  # embedding at 0, 40, 80; index begun, built
    for number, remaining in left.items():
        space = f"attempt {number}"
        migrate = partial(either.spaces.migrate, "handbook", HashingEmbedder(32), space=space)
        before = {name: state for name, state in states(either).items() if state == "active"}
        with pytest.raises(Interrupted):
            migrate(on_progress=interrupt(number))
        assert before.items() <= states(either).items()
        assert states(either)[space] == "building"
        assert answered(either) == "3"
        assert missing(either)[space] == remaining
        migration = migrate()
        assert (migration.embedded, migration.activated) == (remaining, True)
        assert states(either)[space] == "active"
        assert missing(either)[space] == 0 and summary(either, space).indexed
        assert answered(either) == "3"


def test_a_retired_space_is_migrated_to_again(retriever: Retriever) -> None:
    retriever.spaces.migrate("handbook", HashingEmbedder(32))
    retriever.spaces.rollback("handbook")
    retriever.spaces.retire("handbook", "hashing:32")
    retriever.ingest("handbook", [document(0, version=1), document(99)])
    assert missing(retriever) == {"hashing": 0, "hashing:32": 2}
    assert retriever.spaces.migrate("handbook", HashingEmbedder(32)).embedded == 2


def test_a_migration_into_a_space_of_something_else(retriever: Retriever) -> None:
    with pytest.raises(SpaceMismatch, match="hashing:32 does not fit space hashing"):
        retriever.spaces.migrate("handbook", HashingEmbedder(32), space="hashing")
    with pytest.raises(InvalidInput, match="give the new space another name"):
        retriever.spaces.migrate("handbook", SparseHashingEmbedder())
    with pytest.raises(InvalidInput, match="with index_method hnsw, not ivfflat"):
        retriever.spaces.migrate("handbook", HashingEmbedder(), index_method="ivfflat")
    with pytest.raises(NotFound, match="nowhere"):
        retriever.spaces.migrate("nowhere", HashingEmbedder(32))
    with pytest.raises(NotFound, match="other"):
        retriever.spaces.compare("handbook", "hashing", "other", ["amber"])
    with pytest.raises(InvalidInput, match="no query"):
        retriever.spaces.compare("handbook", "hashing", "hashing", [])
    assert states(retriever) == {"hashing": "active"}


def test_only_dense_spaces_are_compared(retriever: Retriever) -> None:
    retriever.spaces.migrate("handbook", SparseHashingEmbedder(), space="sparse")
    with pytest.raises(InvalidInput, match="only dense spaces are compared; sparse is sparse"):
        retriever.spaces.compare("handbook", "hashing", "sparse", ["amber"])


# several kinds


STORED = """
select space_id, chunk_id from retrieval.embeddings
union all select space_id, chunk_id from retrieval.sparse_embeddings
union all select space_id, chunk_id from retrieval.token_embeddings
"""
IN_STEP = f"""
select s.name, count(c.chunk_id) filter (where e.chunk_id is null) as missing,
       (select count(*) from ({STORED}) o where o.space_id = s.space_id) - count(c.chunk_id)
           as surplus
from retrieval.spaces s
join retrieval.chunks c using (collection_id)
left join ({STORED}) e using (space_id, chunk_id)
group by s.space_id, s.name
"""


def test_several_kinds_stay_in_step(either: Any, database_url: str) -> None:
    either.create_collection("kinds")
    for name, embedder in (
        ("sparse", SparseHashingEmbedder()),
        ("tokens", MultiVectorHashingEmbedder(32)),
    ):
        assert either.spaces.create("kinds", embedder, space=name) == name
    long = Document("long", "\n\n".join(f"{document(n).content} " * 8 for n in range(20)))
    either.ingest("kinds", [*DOCUMENTS[:20], long])
    either.spaces.activate("kinds", "sparse")
    either.spaces.activate("kinds", "tokens")

    def in_step() -> int:
        found = either.spaces.summaries("kinds")
        assert {(each.kind, each.state) for each in found} == (
            {("dense", "active"), ("sparse", "active"), ("multivector", "active")}
        )
        assert {each.missing for each in found} == {0}
        (embeddings,) = {each.embeddings for each in found}
        with Retriever.open(database_url) as plain:
            stored = [row for row in rows(plain, IN_STEP) if row.name != "hashing"]
        assert [(row.missing, row.surplus) for row in stored] == [(0, 0), (0, 0)]
        return int(embeddings)

    before = in_step()
    assert before > 21
    changed = [document(0, version=1), Document("long", document(50).content)]
    assert either.ingest("kinds", changed).updated == 2
    after = in_step()
    assert after == 21
    assert either.delete("kinds", ["1", "2"]) == 2
    assert in_step() == after - 2
    assert either.search("kinds", "unique5", legs=["semantic"])[0].document_key == "5"


def test_a_shadow_is_written_and_a_retired_space_is_not(either: Any) -> None:
    either.spaces.migrate("handbook", HashingEmbedder(32))
    either.ingest("handbook", [document(100), document(0, version=1)])
    assert missing(either) == {"hashing:32": 0, "hashing": 0}
    either.spaces.retire("handbook", "hashing")
    either.ingest("handbook", [document(101)])
    assert missing(either) == {"hashing:32": 0, "hashing": 1}
    with pytest.raises(NotReady, match="1 of the chunks"):
        either.spaces.activate("handbook", "hashing")
    either.spaces.resume("handbook", "hashing")
    assert either.spaces.fill("handbook", "hashing") == 1
    assert either.spaces.fill("handbook", "hashing") == 0
    either.spaces.activate("handbook", "hashing")


def test_a_space_without_its_model(retriever: Retriever, database_url: str) -> None:
    with retriever.engine.begin() as session:
        create = "select retrieval.create_space('handbook', 'gone', model => '/no/model', "
        session.execute(text(f"{create} dimensions => 100)"))
    report = retriever.ingest("handbook", [document(100)])
    (warning,) = report.warnings
    assert warning.startswith("space gone (building) was left out: ") and "/no/model" in warning
    assert (report.added, report.failures) == (1, [])
    assert missing(retriever) == {"hashing": 0, "gone": 81}
    retriever.spaces.retire("handbook", "gone")
    assert retriever.ingest("handbook", [document(101)]).warnings == []
    with retriever.engine.begin() as session:
        session.execute(
            text("update retrieval.spaces set model = '/no/model' where state = 'active'")
        )
    with Retriever.open(database_url) as other, pytest.raises(ModelUnavailable, match="/no/model"):
        other.ingest("handbook", [document(102)])


# the embedding cache


class Counting(HashingEmbedder):
    """Knows how many texts it embedded."""

    embedded = 0

    def embed_documents(self, texts: Sequence[str], **options: Any) -> Any:
        self.embedded += len(texts)
        return super().embed_documents(texts, **options)


@pytest.fixture
def counting(database_url: str) -> Iterator[tuple[Retriever, Counting]]:
    """A retriever with two empty collections, and the embedder of both."""
    embedder = Counting()
    with Retriever.open(database_url, embedder=embedder) as opened:
        opened.create_collection("one")
        opened.create_collection("two")
        yield opened, embedder


def test_equal_texts_are_embedded_once(counting: tuple[Retriever, Counting]) -> None:
    retriever, embedder = counting
    content = DOCUMENTS[0].content
    retriever.ingest("one", [Document("a", content), Document("b", content), DOCUMENTS[1]])
    assert embedder.embedded == 2
    retriever.ingest("one", [Document("c", content)])
    retriever.ingest("two", [Document("a", content)])
    assert embedder.embedded == 2
    retriever.delete("one", ["a", "b", "c"])
    retriever.ingest("one", [Document("a", content)])
    retriever.ingest("one", [Document("a", DOCUMENTS[2].content)])
    assert embedder.embedded == 3
    vectors = rows(retriever, "select embedding::text from retrieval.embeddings")
    assert len(vectors) == 3 and len(set(vectors)) == 3
    hit = retriever.search("two", content, legs=["semantic"])[0]
    assert hit.score == pytest.approx(1, abs=1e-3)


def test_another_space_of_the_same_model_takes_from_the_cache(
    counting: tuple[Retriever, Counting],
) -> None:
    retriever, embedder = counting
    retriever.ingest("one", DOCUMENTS)
    retriever.spaces.migrate("one", embedder, space="again", index_method="none")
    assert embedder.embedded == 80
    retriever.spaces.migrate("one", HashingEmbedder(64, max_tokens=64), space="other")
    assert embedder.embedded == 80
    hashes = "select count(distinct signature_hash), count(*) from retrieval.embedding_cache"
    assert [tuple(row) for row in rows(retriever, hashes)] == [(2, 160)]


def test_without_a_cache(
    counting: tuple[Retriever, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVAL_EMBEDDING_CACHE_BYTES", "0")
    retriever, embedder = counting
    content = DOCUMENTS[0].content
    retriever.ingest("one", [Document("a", content), Document("b", content)])
    assert embedder.embedded == 1
    retriever.ingest("two", [Document("a", content)])
    assert embedder.embedded == 2
    assert rows(retriever, "select from retrieval.embedding_cache") == []


def test_the_cache_is_trimmed(
    counting: tuple[Retriever, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever, embedder = counting
    retriever.ingest("one", DOCUMENTS[:40])
    assert len(rows(retriever, "select from retrieval.embedding_cache")) == 40
    monkeypatch.setenv("RETRIEVAL_EMBEDDING_CACHE_BYTES", "5000")
    retriever.ingest("one", DOCUMENTS[40:])
    left = len(rows(retriever, "select from retrieval.embedding_cache"))
    assert 0 < left < 40
    retriever.ingest("two", DOCUMENTS)
    assert 80 < embedder.embedded <= 160 - left


@pytest.mark.parametrize("kind", [SparseHashingEmbedder, MultiVectorHashingEmbedder])
def test_every_kind_comes_out_of_the_cache_as_it_went_in(retriever: Retriever, kind: Any) -> None:
    table = "sparse_embeddings" if kind is SparseHashingEmbedder else "token_embeddings"
    column = "embedding" if kind is SparseHashingEmbedder else "embeddings"
    for space in ("first", "second"):
        retriever.spaces.create("handbook", kind(), space=space)
        assert retriever.spaces.fill("handbook", space) == 80
    stored = rows(retriever, f"select chunk_id, {column}::text from retrieval.{table} order by 1")
    assert len(stored) == 160
    assert stored[::2] == stored[1::2]
    assert (
        len(rows(retriever, "select distinct signature_hash from retrieval.embedding_cache")) == 2
    )


# indexes


def test_memory_that_the_server_refuses_leaves_the_space_usable(either: Any) -> None:
    either.spaces.create("handbook", HashingEmbedder(32), space="next")
    either.spaces.fill("handbook", "next")
    build = partial(either.spaces.build_index, "handbook", "next")
    for wrong in ("much", "1PB"):
        with pytest.raises(InvalidInput, match="maintenance_work_mem") as caught:
            build(memory=wrong)
        assert "\n" not in str(caught.value)
    assert not summary(either, "next").indexed
    assert build(memory="64MB") is True
    assert build() is False
    either.spaces.activate("handbook", "next")
    assert answered(either) == "3"


def test_memory_that_the_machine_does_not_have(retriever: Retriever) -> None:
    """Parallel workers share it, so that the server asks for all of it at once."""
    retriever.spaces.create("handbook", HashingEmbedder(32), space="next")
    retriever.spaces.fill("handbook", "next")
    with retriever.engine.begin() as session:
        session.execute(
            text(f"alter table retrieval.{partition(retriever)} set (parallel_workers = 2)")
        )
    with pytest.raises(DatabaseError, match="build again with less memory") as caught:
        retriever.spaces.build_index("handbook", "next", memory="1TB")
    assert "\n" not in str(caught.value)
    assert missing(retriever)["next"] == 0 and not summary(retriever, "next").indexed
    settings = rows(
        retriever, "select current_setting('maintenance_work_mem'), current_schemas(false)"
    )
    assert settings[0][0] == "64MB" and "retrieval" not in settings[0][1]
    assert retriever.spaces.build_index("handbook", "next", memory="64MB")
    retriever.spaces.activate("handbook", "next")
    assert answered(retriever) == "3"


def test_an_index_in_the_callers_transaction(either: Any) -> None:
    either.spaces.create("handbook", HashingEmbedder(32), space="next")
    either.spaces.fill("handbook", "next")
    if isinstance(either, Awaited):
        either._runner.run(build_and_undo(either._target))
    else:
        with either.engine.connect() as connection:
            options = {"connection": connection}
            assert either.spaces.build_index("handbook", "next", memory="32MB", **options)
            assert connection.scalar(text("show maintenance_work_mem")) == "64MB"
            assert not either.spaces.build_index("handbook", "next", **options)
            with pytest.raises(InvalidInput, match="maintenance_work_mem"):
                either.spaces.build_index("handbook", "hashing", memory="much", **options)
            connection.rollback()
    assert not summary(either, "next").indexed


async def build_and_undo(retriever: AsyncRetriever) -> None:
    async with retriever.engine.connect() as connection:
        options = {"connection": connection}
        assert await retriever.spaces.build_index("handbook", "next", memory="32MB", **options)
        assert await connection.scalar(text("show maintenance_work_mem")) == "64MB"
        await connection.rollback()


def test_nobody_waits_for_a_build(retriever: Retriever) -> None:
    """What a build in a transaction would not let happen: a chunk is stored while it goes on."""
    retriever.spaces.create("handbook", HashingEmbedder(32), space="next")
    retriever.spaces.fill("handbook", "next")
    with ThreadPoolExecutor() as threads, retriever.engine.connect() as writer:
        writer.execute(text(f"delete from retrieval.{partition(retriever)}"))  # holds it back
        build = threads.submit(retriever.spaces.build_index, "handbook", "next")
        while retriever.spaces.index_progress("handbook", "next") is None and not build.done():
            time.sleep(0.01)
        assert retriever.ingest("handbook", [document(100)]).added == 1
        assert not build.done()
        writer.rollback()
        assert build.result()
    assert summary(retriever, "next").indexed and missing(retriever)["next"] == 0


def test_an_index_that_was_left_invalid_is_replaced(retriever: Retriever) -> None:
    retriever.spaces.migrate("handbook", HashingEmbedder(32))
    with retriever.engine.begin() as session:
        session.execute(
            text(
                "update pg_index set indisvalid = false where indexrelid = (select "
                "format('retrieval.embeddings_%s_index', max(space_id))::regclass "
                "from retrieval.spaces)"
            )
        )
    assert not summary(retriever, "hashing:32").indexed
    assert retriever.spaces.build_index("handbook", "hashing:32")
    assert summary(retriever, "hashing:32").indexed


def test_progress_of_a_space_of_any_kind(either: Any) -> None:
    either.spaces.create("handbook", SparseHashingEmbedder(), space="sparse")
    assert either.spaces.index_progress("handbook", "sparse") is None
    with pytest.raises(NotFound, match="other"):
        either.spaces.index_progress("handbook", "other")
    with pytest.raises(NotReady, match="no active sparse space"):
        either.spaces.index_progress("handbook", kind="sparse")


# tune


def test_tune(either: Any) -> None:
    seen: list[tuple[str, int, int]] = []
    tuning = either.spaces.tune(
        "handbook", recall=0.9, sample=30, on_progress=lambda *each: seen.append(each)
    )
    assert seen == [("measuring", 25, 30), ("measuring", 30, 30)]
    assert (tuning.space, tuning.index_method, tuning.queries) == ("hashing", "hnsw", 30)
    assert tuning.stored and not tuning.real_queries
    assert tuning.chosen in tuning.measurements and tuning.chosen.recall >= 0.9
    assert summary(either, "hashing").search_options == (
        {"search_effort": tuning.chosen.search_effort}
    )
    real = either.spaces.tune("handbook", queries=["amber", "unique9"], store=False)
    assert real.real_queries and not real.stored and real.queries == 2


def test_tune_of_lists(retriever: Retriever) -> None:
    retriever.spaces.migrate(
        "handbook", HashingEmbedder(32), index_method="ivfflat", index_options={"lists": 6}
    )
    tuning = retriever.spaces.tune("handbook", sample=20)
    assert [each.search_effort for each in tuning.measurements] == [1, 2, 4, 6]
    assert tuning.measurements[-1].recall == 1
    assert tuning.chosen is not None and tuning.stored


def test_what_cannot_be_tuned(retriever: Retriever) -> None:
    for recall in (0, -1, 1.01, float("nan")):
        with pytest.raises(InvalidInput, match="recall must be above 0 and at most 1"):
            retriever.spaces.tune("handbook", recall=recall)
    with pytest.raises(InvalidInput, match="sample must be between 1 and"):
        retriever.spaces.tune("handbook", sample=0)
    retriever.create_collection("empty")
    with pytest.raises(InvalidInput, match="no index yet"):
        retriever.spaces.tune("empty")
    retriever.ingest("empty", [])
    with pytest.raises(InvalidInput, match="no embedding to try"):
        retriever.spaces.tune("empty")
    retriever.spaces.migrate("handbook", SparseHashingEmbedder(), space="sparse")
    with pytest.raises(InvalidInput, match="sparse"):
        retriever.spaces.tune("handbook", "sparse")


# align


class Rotated(HashingEmbedder):
    """The same model, seen from another side."""

    model = "rotated"
    turn = ortho_group.rvs(64, random_state=5).astype(np.float32)

    @property
    def signature(self) -> Signature:
        return super().signature

    def embed_query(self, text: str) -> Any:
        return super().embed_query(text) @ self.turn


def test_a_rotation_is_found_and_loses_nothing(either: Any) -> None:
    """With fewer texts than dimensions a rotation is not determined: 200 are ingested first."""
    either.ingest("handbook", [document(number) for number in range(80, 300)])
    seen: list[str] = []
    aligned = either.spaces.align(
        "handbook",
        Rotated(),
        sample=250,
        on_progress=lambda phase, done, total: seen.append(phase),
    )
    assert (aligned.space, aligned.source) == ("rotated-aligned", "hashing")
    assert (aligned.sample, aligned.held_out, aligned.carried) == (250, 50, 50)
    assert aligned.cosine > 0.99 and aligned.overlap > 0.9
    assert set(seen) == {"embedding the sample", "carrying over", "building the index"}
    made = summary(either, "rotated-aligned")
    assert (made.state, made.missing, made.indexed) == ("building", 0, True)
    assert made.alignment == {
        "source": "hashing",
        "sample": 250,
        "held_out": 50,
        "cosine": aligned.cosine,
        "overlap": aligned.overlap,
    }
    assert states(either)["hashing"] == "active"


def test_searches_in_an_aligned_space(database_url: str, retriever: Retriever) -> None:
    retriever.spaces.align("handbook", Rotated(), space="aligned", sample=60)
    retriever.spaces.activate("handbook", "aligned")
    with Retriever.open(database_url, embedder=Rotated()) as other:
        assert answered(other, DOCUMENTS[3].content) == "3"
        assert other.ingest("handbook", [document(200)]).added == 1
        assert answered(other, document(200).content) == "200"
        assert missing(other)["aligned"] == 0


def test_what_cannot_be_aligned(retriever: Retriever) -> None:
    with pytest.raises(InvalidInput, match="50 pairs or more, not 20"):
        retriever.spaces.align("handbook", Rotated(), sample=20)
    with pytest.raises(InvalidInput, match="only dense spaces"):
        retriever.spaces.align("handbook", SparseHashingEmbedder())
    with pytest.raises(NotFound, match="other"):
        retriever.spaces.align("handbook", Rotated(), source="other")
    with pytest.raises(AlreadyExists, match="space hashing already exists"):
        retriever.spaces.align("handbook", Rotated(), space="hashing")
    with pytest.raises(Interrupted):
        retriever.spaces.align("handbook", Rotated(), on_progress=interrupt(2))
    assert states(retriever) == {"hashing": "active"}


# adapt


class Turned(HashingEmbedder):
    """Embeds queries away from what answers them, each pair of axes by the same angle."""

    def embed_query(self, text: str) -> Any:
        pairs = super().embed_query(text).reshape(-1, 2)
        turn = np.array([[np.cos(1.2), np.sin(1.2)], [-np.sin(1.2), np.cos(1.2)]])
        return (pairs @ turn).reshape(-1).astype(np.float32)

    def embed_documents(self, texts: Sequence[str], **options: Any) -> Any:
        return HashingEmbedder(self.dimensions).embed_documents(texts)


def judged(count: int = 60) -> Judgements:
    """Questions of three words each, and the document that they come from."""
    queries = {f"q{n}": " ".join(document(n).content.split()[4:9]) for n in range(count)}
    return Judgements(queries, {f"q{n}": {f"{n}": 1, "not there": 1} for n in range(count)})


def test_an_adapter_is_kept_where_it_wins(either: Any, database_url: str) -> None:
    with Retriever.open(database_url, embedder=Turned(16)) as other:
        other.spaces.migrate("handbook", Turned(16), space="turned")
    either.spaces.activate("handbook", "hashing")
    refused = either.spaces.adapt("handbook", judged())
    assert not refused.kept and refused.gain is None
    assert not summary(either, "hashing").has_query_adapter
    with Retriever.open(database_url, embedder=Turned(16)) as other:
        adapted = other.spaces.adapt("handbook", judged(), space="turned")
        assert (adapted.space, adapted.queries, adapted.kept) == ("turned", 60, True)
        assert adapted.gain is not None and adapted.least_gain is not None
        assert 0 < adapted.least_gain < adapted.gain
        before = found_by(other)
        assert other.spaces.drop_adapter("handbook", "turned")
        assert found_by(other) < before
        assert not other.spaces.drop_adapter("handbook", "turned")


def found_by(retriever: Retriever) -> int:
    """How many of the judged questions find their document."""
    return sum(
        query.removeprefix("q")
        in {
            hit.document_key
            for hit in retriever.search("handbook", asked, legs=["semantic"], space="turned")
        }
        for query, asked in judged().queries.items()
    )


def test_what_cannot_be_adapted(retriever: Retriever) -> None:
    with pytest.raises(InvalidInput, match="30 judged queries or more, not 29"):
        retriever.spaces.adapt("handbook", judged(29))
    nowhere = Judgements({"q": "amber"}, {"q": {"not there": 1}})
    with pytest.raises(InvalidInput, match="no document that the judgements name"):
        retriever.spaces.adapt("handbook", nowhere)
    retriever.spaces.create("handbook", HashingEmbedder(32), space="l2", metric="l2")
    with pytest.raises(InvalidInput, match="cosine"):
        retriever.spaces.adapt("handbook", judged(), space="l2")


# estimate


def test_an_estimate_by_index(either: Any) -> None:
    estimates = either.spaces.estimate(1_000_000, 384, index_options={"m": 16})
    assert [(each.index_method, each.quantization) for each in estimates] == [
        ("none", "half"),
        ("hnsw", "half"),
        ("hnsw", "bit"),
        ("ivfflat", "half"),
        ("ivfflat", "bit"),
    ]
    assert estimates[0].index_bytes == 0 < estimates[2].index_bytes < estimates[1].index_bytes
    with pytest.raises(InvalidInput, match="dimensions must be between 1 and"):
        either.spaces.estimate(10, 0)


# questions


def write(folder: Path, queries: str | bytes, judgements: str | bytes, name: str) -> Path:
    (folder / name).parent.mkdir(exist_ok=True)
    for path, content in ((folder / "queries.jsonl", queries), (folder / name, judgements)):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


QUERY = json.dumps({"_id": "q1", "text": 'say "amber'}) + "\n"


@pytest.mark.parametrize("name", ["qrels.tsv", "qrels/test.tsv"])
@pytest.mark.parametrize("heading", ["", "query-id\tcorpus-id\tscore\n", "\ufeffquery\tkey\tn\r\n"])
def test_judgements_are_read(tmp_path: Path, name: str, heading: str) -> None:
    unjudged = json.dumps({"_id": "q2", "text": "basil"}) + "\n\n"
    judgements = f'{heading}q1\t"keys\t2\nq1\tother\t0\n\nq3\tkeys\t1\n'
    read = read_judgements(write(tmp_path, QUERY + unjudged, judgements, name))
    assert read.queries == {"q1": 'say "amber'}
    assert read.relevance == {"q1": {'"keys': 2, "other": 0}}


@pytest.mark.parametrize(
    ("queries", "judgements", "named"),
    [
        (QUERY, "q1\tkeys\t1\nq1\tkeys\n", "qrels.tsv, line 2: not query id"),
        (QUERY, "q1\tkeys\n", "qrels.tsv, line 1: not query id"),
        (QUERY, "q1\tkeys\t1\nq1\tother\thigh\n", "line 2"),
        (QUERY, "q1\tkeys\t1\nq1\tother\t--1\n", "line 2"),
        (QUERY, "q1\tkeys\t1\nq1\tother\t²\n", "line 2"),
        (QUERY, "q1\tkeys\t1\nq1\tother\t1.5\n", "line 2"),
        (QUERY, b"q1\t\xff\t1\n", "qrels.tsv is not UTF-8 text"),
        (QUERY, "q1\t" + "k" * 200_000 + "\t1\n", "qrels.tsv cannot be read (field larger"),
        (QUERY, "q9\tkeys\t1\n", "no query with a judgement"),
        (QUERY, "", "no query with a judgement"),
        ("", "q1\tkeys\t1\n", "no query with a judgement"),
        ("amber\n", "q1\tkeys\t1\n", 'line 1: not an object with "_id" and "text"'),
        (QUERY + '{"_id": "q2"}', "q1\tkeys\t1\n", "queries.jsonl, line 2"),
        (QUERY + "[1]", "q1\tkeys\t1\n", "queries.jsonl, line 2"),
        (b"\xff", "q1\tkeys\t1\n", "queries.jsonl is not UTF-8 text"),
    ],
)
def test_judgements_that_are_none(
    tmp_path: Path, queries: str | bytes, judgements: str | bytes, named: str
) -> None:
    csv.field_size_limit(131_072)  # of the process: loading large CSV files raises it
    with pytest.raises(InvalidInput) as caught:
        read_judgements(write(tmp_path, queries, judgements, "qrels.tsv"))
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_queries_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "queries.txt"
    path.write_text("\ufeffamber\r\n\n  湯の温度 \n", encoding="utf-8")
    assert read_queries(path) == ["amber", "湯の温度"]
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_queries(tmp_path)


# twins


def public(kind: type) -> dict[str, Any]:
    return {name: each for name, each in vars(kind).items() if not name.startswith("_")}


def parameters(method: Any) -> list[tuple[Any, ...]]:
    """Names, kinds, defaults and types; of the type of `connection` each has its own."""
    hints = typing.get_type_hints(method)
    hints.pop("connection", None)
    return [
        (each.name, each.kind, each.default, hints.get(each.name))
        for each in inspect.signature(method).parameters.values()
    ] + [hints["return"]]


@pytest.mark.parametrize(("kind", "twin"), [(Spaces, AsyncSpaces), (GoldenSets, AsyncGoldenSets)])
def test_the_twins_have_the_same_methods(kind: type, twin: type) -> None:
    ours, theirs = public(kind), public(twin)
    assert list(ours) == list(theirs)
    for name in ours:
        assert inspect.isfunction(ours[name]) and inspect.iscoroutinefunction(theirs[name]), name
        assert parameters(ours[name]) == parameters(theirs[name]), name
        assert ours[name].__doc__ == theirs[name].__doc__, name
