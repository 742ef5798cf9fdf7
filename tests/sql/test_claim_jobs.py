"""Jobs are claimed, lost, given back, halved and finished."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from statements import Session, column, failure, put, value
from vectors import create_space, embed, put_chunks

CLAIM = "select * from retrieval.claim_jobs('{}', maximum_chunks => {})"
JOBS = "select chunk_ids, state, attempts, worker from retrieval.jobs order by chunk_ids"


def claim(session: Session, worker: str = "w", maximum_chunks: int = 512) -> list[Any]:
    return session.execute(CLAIM.format(worker, maximum_chunks)).fetchall()


def claimed_chunks(session: Session, worker: str = "w", maximum_chunks: int = 512) -> list[int]:
    jobs = claim(session, worker, maximum_chunks)
    return sorted(chunk for job in jobs for chunk in job.chunk_ids)


def expire(session: Session) -> None:
    """What has been claimed is not heard of again."""
    session.execute("update retrieval.jobs set run_after = now() where state = 'running'")


def fill(session: Session, count: int) -> list[int]:
    """The collection c with the active space s, and jobs for all of its chunks."""
    session.execute("select retrieval.create_collection('c')")
    create_space(session, "s", 2)
    session.execute("select retrieval.activate_space('c', 's')")
    documents = ({"document_key": f"{n:05}", "content": f"text {n}"} for n in range(count))
    return [row.chunk_id for row in put(session, "c", *documents)]


def test_as_many_jobs_as_fill_a_batch(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, 200)
    assert claimed_chunks(sql, maximum_chunks=65) == chunks[:128]
    assert claimed_chunks(sql, maximum_chunks=1) == chunks[128:192]
    (job,) = claim(sql)
    assert (job.collection_name, job.space_name, job.attempts) == ("c", "s", 1)
    assert job.chunk_ids == chunks[192:]
    assert claim(sql) == []


def test_an_active_space_comes_before_others(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, 130)
    for name in ("building", "retired"):
        create_space(sql, name, 2)
    sql.execute("select retrieval.retire_space('c', 'retired')")
    assert claimed_chunks(sql, maximum_chunks=1000) == chunks
    # from the other end than retrieval.missing_embeddings
    building = [claim(sql, maximum_chunks=1) for _ in range(3)]
    assert [job.space_name for (job,) in building] == ["building"] * 3
    assert [job.chunk_ids[0] for (job,) in building] == [chunks[128], chunks[64], chunks[0]]
    assert claim(sql) == []


def test_names_and_numbers_are_checked(sql: psycopg.Cursor) -> None:
    fill(sql, 1)
    put_other = "select retrieval.create_collection('d')"
    sql.execute(put_other)
    call = "select * from retrieval.claim_jobs({})"
    assert sql.execute(call.format("'w', 'd'")).fetchall() == []
    for arguments, state in {
        "'w', 'x'": "42704",
        "'w', 'c', 'x'": "42704",
        "''": "22023",
        "null": "22023",
        "'w', maximum_chunks => 0": "22023",
        "'w', lease => null": "22023",
    }.items():
        assert failure(sql, call.format(arguments)).sqlstate == state
    assert len(sql.execute(call.format("'w', 'c', 's'")).fetchall()) == 1


def test_nobody_waits_and_no_job_is_given_twice(
    connect: Callable[..., psycopg.Connection],
) -> None:
    first, second = connect(), connect(lock_timeout="1s")
    chunks = fill(first, 2000)
    with first.transaction():
        mine = claimed_chunks(first, "first", 64)
        theirs = claimed_chunks(second, "second", 64)
    assert len(theirs) == 64 and not set(mine) & set(theirs)
    rest = [*mine, *theirs]
    while more := claimed_chunks(first, "first"):
        rest += more
    assert sorted(rest) == chunks


def test_a_lease_that_has_passed_comes_back_alone(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, 128)
    put(sql, "c", {"document_key": "new", "content": "words"})
    assert claimed_chunks(sql, "killed", 128) == chunks
    expire(sql)
    # after what nobody has tried; and each by itself
    sql.execute("update retrieval.jobs set run_after = now() + '1 day' where attempts = 0")
    assert [claimed_chunks(sql) for _ in range(3)] == [chunks[:64], chunks[64:], []]
    assert sql.execute(JOBS).fetchone() == (chunks[:64], "running", 2, "w")


def test_a_lease_is_renewed_and_given_back(sql: psycopg.Cursor) -> None:
    fill(sql, 128)
    claim(sql, "w", 64)
    claim(sql, "other", 64)
    renew = "select retrieval.extend_jobs('w', '1 hour')"
    until = "select run_after > now() + '30 minutes' from retrieval.jobs where worker = %s"
    assert value(sql, renew) == 1
    assert (value(sql, until, ["w"]), value(sql, until, ["other"])) == (True, False)
    assert value(sql, "select retrieval.release_jobs('w')") == 1
    states = "select state, attempts, worker from retrieval.jobs order by 1, 2"
    assert sql.execute(states).fetchall() == [("pending", 0, None), ("running", 1, "other")]
    assert value(sql, renew) == 0
    assert value(sql, "select retrieval.release_jobs('other', '1 hour')") == 1
    assert len(claim(sql)) == 1


def test_only_what_is_missing_is_to_be_embedded(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, 4)
    embed(sql, "s", chunks[:1], [[1, 0]])
    sql.execute("delete from retrieval.chunks where chunk_id = %s", [chunks[1]])
    ids = [job.job_id for job in claim(sql)]
    rows = sql.execute("select * from retrieval.job_chunks(%s)", [ids]).fetchall()
    assert [(row.chunk_id, row.content) for row in rows] == [
        (chunk, f"text {n}") for n, chunk in enumerate(chunks) if n > 1
    ]
    assert sql.execute("select * from retrieval.job_chunks('{}')").fetchall() == []


def test_a_text_that_changed_meanwhile_is_embedded_again(
    connect: Callable[..., psycopg.Connection],
) -> None:
    worker, writer = connect(), connect(lock_timeout="100ms")
    chunks = fill(worker, 3)
    ids = [job.job_id for job in claim(worker)]
    rows = worker.execute("select * from retrieval.job_chunks(%s)", [ids]).fetchall()
    change = "update retrieval.chunks set content = 'changed' where chunk_id = %s"
    writer.execute(change, [chunks[0]])
    given = [[row.chunk_id for row in rows], [row.text_hash for row in rows]]
    with worker.transaction():
        same = column(worker, "select * from retrieval.unchanged_chunks('c', %s, %s)", given)
        assert same == chunks[1:]
        with pytest.raises(psycopg.errors.LockNotAvailable):
            writer.execute(change, [chunks[1]])
        embed(worker, "s", same, [[1, 0]] * 2)
        assert value(worker, "select retrieval.finish_jobs(%s)", [ids]) == 1
    assert claimed_chunks(worker) == chunks[:1]
    assert column(worker, "select chunks from retrieval.finished_jobs") == [2]
    writer.execute(change, [chunks[1]])
    assert claimed_chunks(worker) == chunks[1:2]


@pytest.mark.parametrize("how", ["an error", "a crash"])
def test_halving_finds_the_chunk_at_fault(sql: psycopg.Cursor, how: str) -> None:
    chunks = fill(sql, 128)
    poison, rounds = chunks[77], 0
    while jobs := claim(sql):
        rounds += 1
        ids = [job.job_id for job in jobs]
        held = [chunk for job in jobs for chunk in job.chunk_ids]
        if poison not in held:
            embed(sql, "s", held, [[1, 0]] * len(held))
            assert value(sql, "select retrieval.finish_jobs(%s)", [ids]) == 0
        elif how == "a crash":
            expire(sql)
        else:
            for job_id in ids:
                sql.execute("select retrieval.fail_job(%s, 'a poem')", [job_id])
    assert sql.execute(JOBS).fetchall() == [([poison], "failed", 3, None)]
    missing = column(sql, "select chunk_id from retrieval.missing_embeddings('c', 's')")
    assert missing == [poison]
    assert rounds < 30
    (failed,) = sql.execute("select * from retrieval.failed_jobs()").fetchall()
    reasons = {"an error": "a poem", "a crash": "the worker stopped while embedding it"}
    assert (failed.document_key, failed.chunk_id) == ("00077", poison)
    assert (failed.error, failed.position) == (reasons[how], 0)


def test_what_fails_for_other_reasons_is_tried_later(sql: psycopg.Cursor) -> None:
    fill(sql, 2)
    fail = "select retrieval.fail_job(job_id, 'busy', '1 hour') from retrieval.jobs"
    for expected in ("pending", "pending", "halved"):
        assert claim(sql) != []
        assert column(sql, fail) == [expected]
        assert claim(sql) == []
        sql.execute("update retrieval.jobs set run_after = now()")
    assert value(sql, "select retrieval.fail_job(0, 'there is none')") is None


def test_failed_jobs_are_retried(sql: psycopg.Cursor) -> None:
    (chunk,) = fill(sql, 1)
    sql.execute("select retrieval.fail_job(job_id, 'no') from retrieval.jobs")
    assert claim(sql) == []
    sql.execute("select retrieval.create_collection('d')")
    assert value(sql, "select retrieval.retry_jobs('d')") == 0
    assert value(sql, "select retrieval.retry_jobs('c', 's')") == 1
    assert sql.execute(JOBS).fetchall() == [([chunk], "pending", 0, None)]
    assert value(sql, "select retrieval.retry_jobs()") == 0
    for call in ("retry_jobs('x')", "retry_jobs('c', 'x')", "failed_jobs('x')", "count_jobs('x')"):
        assert failure(sql, f"select * from retrieval.{call}").sqlstate == "42704"


def test_counts(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, 200)
    create_space(sql, "t", 2)
    sql.execute("select retrieval.retire_space('c', 't')")
    (first, *_) = claim(sql, maximum_chunks=64)
    sql.execute(
        "select retrieval.fail_job(job_id, 'no') from retrieval.jobs"
        " where cardinality(chunk_ids) = 8"
    )
    embed(sql, "s", first.chunk_ids, [[1, 0]] * 64)
    sql.execute("select retrieval.finish_jobs(%s)", [[first.job_id]])
    claim(sql, maximum_chunks=64)
    sql.execute(
        "insert into retrieval.jobs (space_id, chunk_ids, state, run_after)"
        " select space_id, array[chunk], 'failed', 'infinity'"
        " from retrieval.spaces, unnest(array[0, %s]) chunk where name = 's'",
        [chunks[0]],
    )
    (row,) = sql.execute("select * from retrieval.count_jobs()").fetchall()
    assert row[:6] == ("c", "s", "active", 64 + 8, 64, 1)
    assert row.oldest == value(sql, "select now()")
    assert row.per_minute == pytest.approx(64 / 5)
    assert sql.execute("select * from retrieval.count_jobs('c')").fetchall() == [row]


def test_a_space_that_is_dropped_meanwhile(sql: psycopg.Cursor) -> None:
    put_chunks(sql, 1)
    create_space(sql, "s", 2)
    ids = [job.job_id for job in claim(sql)]
    sql.execute("select retrieval.drop_space('c', 's')")
    assert sql.execute("select * from retrieval.job_chunks(%s)", [ids]).fetchall() == []
    assert value(sql, "select retrieval.finish_jobs(%s)", [ids]) == 0
    assert value(sql, "select retrieval.release_jobs('w')") == 0
