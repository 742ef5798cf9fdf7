"""The worker embeds what the queue holds; the command line shows what that is."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest
from command_line import Run
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from retrieval import (
    AsyncRetriever,
    Document,
    Embedder,
    HashingEmbedder,
    ModelUnavailable,
    NotFound,
    Retriever,
    SparseHashingEmbedder,
    Worker,
    orm,
)
from retrieval.embedding import Embeddings, MultiVectorHashingEmbedder
from retrieval.worker import Stopped, StopSignals, chores, work
from retrieval.worker.backoff import LONGEST_SECONDS, Backoff

MISSING = "select count(*) from retrieval.missing_embeddings('handbook', null)"


class Counting(HashingEmbedder):
    """Remembers what it was asked for; a text that says so is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []
        self.fails_with: Callable[[str], Exception | None] = lambda _: None

    def embed_documents(self, texts: Sequence[str], **options: Any) -> Embeddings:
        self.asked.append(list(texts))
        for each in texts:
            if (error := self.fails_with(each)) is not None:
                raise error
        return super().embed_documents(texts, **options)


def sql(retriever: Retriever, statement: str, **parameters: Any) -> Any:
    with retriever.engine.begin() as session:
        result = session.execute(text(statement), parameters)
        return result.scalar() if result.returns_rows else None


def add(retriever: Retriever, *contents: str) -> None:
    for content in contents:
        add = "select retrieval.add_document('handbook', :content, :content)"
        sql(retriever, add, content=content)


def run(retriever: Retriever, embedder: Embedder | None = None, **options: Any) -> int:
    return Worker(retriever.engine, embedder=embedder, **options).run(once=True)


def test_what_sql_writes_is_embedded(retriever: Retriever) -> None:
    add(retriever, *(f"text {n}" for n in range(5)))
    for kind, embedder in {
        "sparse": SparseHashingEmbedder(),
        "tokens": MultiVectorHashingEmbedder(),
    }.items():
        retriever.spaces.create("handbook", embedder, space=kind)
    waiting = {each.space: (each.state, each.pending) for each in retriever.jobs("handbook")}
    assert waiting == {
        "hashing": ("active", 5),
        "sparse": ("building", 5),
        "tokens": ("building", 5),
    }
    counting = Counting()
    assert run(retriever, counting) == 15
    assert [sorted(texts) for texts in counting.asked] == [[f"text {n}" for n in range(5)]]
    summaries = retriever.spaces.summaries("handbook")
    assert {each.name: (each.missing, each.indexed) for each in summaries} == {
        "hashing": (0, True),
        "sparse": (0, False),
        "tokens": (0, True),
    }
    (counts, *_) = retriever.jobs()
    assert (counts.pending, counts.running, counts.failed, counts.oldest) == (0, 0, 0, None)
    assert counts.per_minute == 1
    hits = retriever.search("handbook", "text 3", legs=["semantic"])
    assert hits[0].document_key == "text 3"
    assert run(retriever, counting) == 0


def test_ingestion_writes_no_jobs_but_does_what_is_left(retriever: Retriever) -> None:
    retriever.ingest("handbook", [Document("a", "one"), Document("b", "two")])
    assert retriever.jobs() == []
    add(retriever, "three")
    retriever.ingest("handbook", [Document("c", "four")])
    assert retriever.jobs() == [] and sql(retriever, MISSING) == 0
    with retriever.engine.connect() as session:
        retriever.ingest("handbook", [Document("d", "five")], connection=session)
        session.execute(text("select retrieval.add_document('handbook', 'e', 'six')"))
        session.commit()
    (counts,) = retriever.jobs()
    assert counts.pending == 1
    assert retriever.spaces.fill("handbook") == 1
    assert retriever.jobs() == []


@pytest.mark.parametrize("error", [RuntimeError("poison in the text"), ModelUnavailable("busy")])
def test_one_text_that_fails_does_not_stop_the_others(
    retriever: Retriever,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    caplog.set_level(logging.INFO, "retrieval.worker")
    monkeypatch.setattr(work, "RETRY_SECONDS", 0)
    content = "\n\n".join(f"paragraph {n} " * 150 for n in range(20))
    sql(retriever, "select retrieval.add_document('handbook', 'long', :content)", content=content)
    add(retriever, "before", "after")
    counting = Counting()
    counting.fails_with = lambda text: error if "paragraph 7 " in text else None
    assert run(retriever, counting) == 21
    (failed,) = retriever.failed_jobs("handbook")
    assert (failed.document_key, failed.position, failed.error) == ("long", 7, str(error))
    assert sql(retriever, MISSING) == 1
    assert "poison" not in caplog.text and "paragraph" not in caplog.text

    counting.fails_with = lambda _: None
    assert run(retriever, counting) == 0
    assert retriever.retry_jobs("handbook") == 1
    assert run(retriever, counting) == 1
    assert retriever.failed_jobs() == [] and sql(retriever, MISSING) == 0


def test_a_vector_that_the_database_refuses(retriever: Retriever) -> None:
    class Zero(HashingEmbedder):
        def embed_documents(self, texts: Sequence[str], **options: Any) -> Embeddings:
            vectors = super().embed_documents(texts, **options)
            vectors[[text == "zero" for text in texts]] = 0
            return vectors

    add(retriever, "one", "zero", "two")
    assert run(retriever, Zero()) == 2
    (failed,) = retriever.failed_jobs()
    assert failed.document_key == "zero"


def test_a_model_that_is_down_costs_no_attempts(
    retriever: Retriever, caplog: pytest.LogCaptureFixture
) -> None:
    add(retriever, "one", "two")
    counting = Counting()
    counting.fails_with = lambda _: ModelUnavailable("the server cannot be reached")
    with pytest.raises(ModelUnavailable, match="space hashing"):
        run(retriever, counting)
    assert len(counting.asked) == 2  # the texts, and the probe
    assert sql(retriever, "select sum(attempts) from retrieval.jobs where state = 'pending'") == 0
    assert caplog.text.count("left_alone") == 1
    assert 'error="the server cannot be reached"' in caplog.text
    counting.fails_with = lambda _: None
    assert run(retriever, counting) == 2


def test_a_model_that_is_not_here_is_left_to_others(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    add(retriever, "one")
    create = "select retrieval.create_space('handbook', 'theirs', '/no/such/model', 8)"
    sql(retriever, create)
    with pytest.raises(ModelUnavailable, match="space theirs"):
        run(retriever)
    assert {each.space: each.pending for each in retriever.jobs()} == {"hashing": 0, "theirs": 1}
    assert caplog.text.count("left_alone") == 1


def test_only_one_collection(retriever: Retriever) -> None:
    retriever.create_collection("other", embedder=HashingEmbedder())
    add(retriever, "one")
    sql(retriever, "select retrieval.add_document('other', 'two', 'two')")
    assert run(retriever, collection="other") == 1
    assert [each.pending for each in retriever.jobs("handbook")] == [1]
    with pytest.raises(NotFound, match="nowhere"):
        run(retriever, collection="nowhere")


def test_what_escaped_the_queue_is_found(retriever: Retriever) -> None:
    add(retriever, "one", "two")
    sql(retriever, "delete from retrieval.jobs")
    assert run(retriever) == 2


def test_a_text_that_changes_while_it_is_embedded(retriever: Retriever) -> None:
    add(retriever, "old", "other")

    class Slow(Counting):
        def embed_documents(self, texts: Sequence[str], **options: Any) -> Embeddings:
            if not self.asked:
                sql(retriever, "update retrieval.chunks set content = 'new' where content = 'old'")
            return super().embed_documents(texts, **options)

    slow = Slow()
    run(retriever, slow)
    assert slow.asked == [["old", "other"], ["new"]]
    hits = retriever.search("handbook", "new", legs=["semantic"], max_results=1)
    assert hits[0].content == "new" and hits[0].score == pytest.approx(1, abs=1e-2)


def test_a_long_batch_keeps_its_lease(retriever: Retriever) -> None:
    add(retriever, "one")
    seen: list[bool] = []

    class Slow(HashingEmbedder):
        def embed_documents(self, texts: Sequence[str], **options: Any) -> Embeddings:
            for _ in range(3):
                time.sleep(0.15)
                seen.append(bool(sql(retriever, "select run_after > now() from retrieval.jobs")))
            return super().embed_documents(texts, **options)

    run(retriever, Slow(), lease_seconds=0.2)
    assert seen == [True] * 3


def test_a_migration_beside_a_worker(retriever: Retriever) -> None:
    documents = [Document(f"{n}", f"text {n}") for n in range(400)]
    retriever.ingest("handbook", documents)
    stop = StopSignals()
    worker = Worker(retriever.engine, maximum_chunks=64, poll_seconds=0.05, stop=stop)

    def work_until_stopped() -> None:
        with suppress(Stopped):
            worker.run()

    working = Thread(target=work_until_stopped)
    working.start()
    assert retriever.spaces.migrate("handbook", HashingEmbedder(32)).activated
    retriever.spaces.retire("handbook", "hashing")
    add(retriever, "one more")
    deadline = time.monotonic() + 10
    while sql(retriever, "select count(*) from retrieval.jobs"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stop.requested = True
    working.join()
    spaces = {
        each.name: (each.state, each.missing) for each in retriever.spaces.summaries("handbook")
    }
    assert spaces == {"hashing:32": ("active", 0), "hashing": ("retired", 1)}


def test_chores_that_fail_are_said(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise NotFound("the index is gone")

    monkeypatch.setattr(chores, "build_index_steps", fail)
    add(retriever, "one")
    assert run(retriever) == 1
    assert "event=chore_failed" in caplog.text and '"the index is gone"' in caplog.text


def test_waiting_grows_up_to_a_limit() -> None:
    backoff = Backoff()
    waits = [backoff.fail() for _ in range(40)]
    assert 0.5 <= waits[0] <= 1 and LONGEST_SECONDS / 2 <= waits[-1] <= LONGEST_SECONDS
    assert 0 < backoff.left <= LONGEST_SECONDS


def test_jobs_are_read_in_other_ways(retriever: Retriever, database_url: str) -> None:
    add(retriever, "one", "two")
    with Session(retriever.engine) as session:
        jobs = session.scalars(select(orm.Job).order_by(orm.Job.job_id)).all()
        assert [(job.state, job.attempts, len(job.chunk_ids)) for job in jobs] == [
            ("pending", 0, 1)
        ] * 2
        assert jobs[0].space.collection.name == "handbook"
        session.execute(select(orm.call("fail_job", job_id=jobs[0].job_id, error="no")))
        assert [each.failed for each in retriever.jobs(connection=session)] == [1]

        async def ask() -> None:
            async with await AsyncRetriever.open(database_url) as other:
                assert [(each.pending, each.failed) for each in await other.jobs()] == [(2, 0)]
                assert await other.failed_jobs("handbook", max_results=1) == []
                assert await other.retry_jobs("handbook", "hashing") == 0

        asyncio.run(ask())
    run(retriever)
    with Session(retriever.engine) as session:
        assert session.scalars(select(orm.FinishedJobs)).one().chunks == 2


def test_commands(command: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Retriever.open(database_url) as retriever:
        retriever.create_collection("handbook", embedder=HashingEmbedder())
        assert "nothing waits" in command("jobs").err
        add(retriever, "one", "two")
        sql(retriever, "select retrieval.fail_job(min(job_id), 'not this') from retrieval.jobs")
    listed = command("jobs", "handbook").out
    assert listed.split("\n")[1].split()[:6] == ["handbook", "hashing", "active", "1", "0", "1"]
    (counts,) = command("jobs", "--json").json
    assert (counts["pending"], counts["failed"]) == (1, 1)
    assert "not this" in command("jobs", "--failed").out
    (failed,) = command("jobs", "handbook", "--failed", "--json").json
    assert failed["document_key"] == "one"
    assert command("jobs", "retry", "handbook").out == "1 jobs are due again\n"
    assert command("jobs", "nowhere").error.startswith("collection nowhere does not exist")
    assert command("jobs", "--wrong").code == 2

    monkeypatch.setenv("RETRIEVAL_LOG_FORMAT", "text")
    done = command("worker", "--once", "--batch", "1")
    assert done.code == 0 and done.out == ""
    assert all(each.startswith("time=") for each in done.err.splitlines())
    assert done.err.count("event=embedded collection=handbook space=hashing jobs=1 chunks=1") == 2
    assert command("jobs", "--failed").err == "nothing has failed\n"
    assert command("worker", "--once", "--collection", "x").code == 1
