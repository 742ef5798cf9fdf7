"""Whatever writes chunks writes what is to be embedded, in the same transaction."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from statements import Session, column, failure, put, value, wait_until_blocked
from vectors import create_space, embed, put_chunks

QUEUE = """
select s.name, u.chunk_id from retrieval.jobs j join retrieval.spaces s using (space_id),
       unnest(j.chunk_ids) u(chunk_id)
where s.state <> 'retired' order by s.name, u.chunk_id
"""
MISSING = """
select s.name, m.chunk_id
from retrieval.spaces s join retrieval.collections n using (collection_id),
     retrieval.missing_embeddings(n.name, s.name, 1000000) m
where s.state <> 'retired' order by s.name, m.chunk_id
"""
ENQUEUE = "select retrieval.enqueue_missing('c')"


def queue(session: Session) -> list[Any]:
    return session.execute(QUEUE).fetchall()


def clear(session: Session) -> None:
    session.execute("delete from retrieval.jobs")


def collection(sql: psycopg.Cursor) -> None:
    """Two spaces, a retired one, and another collection."""
    sql.execute("select retrieval.create_collection(name) from unnest(array['c', 'other']) name")
    for name in ("a", "b", "old"):
        create_space(sql, name, 2)
    sql.execute("select retrieval.activate_space('c', 'a')")
    sql.execute("select retrieval.retire_space('c', 'old')")
    sql.execute("select retrieval.create_space('other', 'a', 'model', 2)")


def test_new_chunks_are_enqueued_for_each_written_space(sql: psycopg.Cursor) -> None:
    collection(sql)
    put(sql, "c", *({"document_key": f"{n}", "content": "words"} for n in range(150)))
    sql.execute("select retrieval.add_document('c', 'added', 'more words')")
    assert len(queue(sql)) == 2 * 151
    assert queue(sql) == sql.execute(MISSING).fetchall()
    sizes = column(sql, "select cardinality(chunk_ids) from retrieval.jobs order by 1")
    assert sizes == [1, 1, 22, 22, 64, 64, 64, 64]


def test_a_statement_aimed_at_two_collections_or_at_a_partition(sql: psycopg.Cursor) -> None:
    collection(sql)
    put(sql, "c", {"document_key": "k", "chunks": []})
    put(sql, "other", {"document_key": "k", "chunks": []})
    clear(sql)
    # before PostgreSQL 17 a partition has no identity of its own
    insert = """insert into {} (chunk_id, collection_id, document_id, position, content)
                overriding system value
                select -document_id, collection_id, document_id, {}, 'words'
                from retrieval.documents d {}"""
    sql.execute(insert.format("retrieval.chunks", 0, ""))
    assert [name for name, _ in queue(sql)] == ["a", "a", "b"]
    owner = value(sql, "select collection_id from retrieval.collections where name = 'c'")
    sql.execute("delete from retrieval.chunks")
    where = f"where d.collection_id = {owner}"
    sql.execute(insert.format(f"retrieval.chunks_{owner}", 1, where))
    assert [name for name, _ in queue(sql)] == ["a", "a", "a", "b", "b"]


def test_who_embeds_in_the_same_transaction_says_so(sql: psycopg.Cursor) -> None:
    collection(sql)
    say = "select set_config('retrieval.embedded_spaces', string_agg(space_id::text, ','), true)"
    sql.execute(f"{say} from retrieval.spaces where name = 'a'")
    put(sql, "c", {"document_key": "1", "content": "words"})
    assert [name for name, _ in queue(sql)] == ["b"]
    sql.execute(f"{say} from retrieval.spaces")
    put(sql, "c", {"document_key": "2", "content": "words"})
    assert len(queue(sql)) == 1
    sql.execute("select set_config('retrieval.embedded_spaces', '', true)")
    put(sql, "c", {"document_key": "3", "content": "words"})
    assert [name for name, _ in queue(sql)] == ["a", "b", "b"]


def test_a_new_space_and_a_resumed_one_want_every_chunk(sql: psycopg.Cursor) -> None:
    chunks = put_chunks(sql, 130)
    assert queue(sql) == []
    create_space(sql, "s", 2)
    assert queue(sql) == [("s", chunk) for chunk in chunks]
    sql.execute("select retrieval.retire_space('c', 's')")
    assert value(sql, "select count(*) from retrieval.jobs") == 0
    embed(sql, "s", chunks[:100], [[1, 0]] * 100)
    sql.execute("select retrieval.resume_space('c', 's')")
    assert queue(sql) == [("s", chunk) for chunk in chunks[100:]]
    sql.execute("select retrieval.resume_space('c', 's')")
    assert len(queue(sql)) == 30


def test_changed_chunks_are_enqueued_again(sql: psycopg.Cursor) -> None:
    collection(sql)
    rows = put(sql, "c", *({"document_key": f"{n}", "content": "words"} for n in range(3)))
    first, second = (row.chunk_id for row in rows[:2])
    for space in ("a", "b", "old"):
        embed(sql, space, [first, second], [[1, 0]] * 2)
    clear(sql)
    sql.execute("update retrieval.chunks set metadata = '{\"n\": 1}'")
    assert queue(sql) == []
    change = "update retrieval.documents set title = 'new' where document_key = any(%s)"
    sql.execute(change, [["0", "2"]])
    # the third one was never embedded: what had enqueued it still does
    assert queue(sql) == [("a", first), ("b", first)]


def test_new_text_is_another_chance(sql: psycopg.Cursor) -> None:
    collection(sql)
    (row,) = put(sql, "c", {"document_key": "k", "content": "words"})
    sql.execute("select retrieval.fail_job(job_id, 'no') from retrieval.jobs")
    assert column(sql, "select state from retrieval.jobs") == ["failed", "failed"]
    sql.execute("update retrieval.chunks set context = 'new'")
    assert queue(sql) == [("a", row.chunk_id), ("b", row.chunk_id)]
    states = sql.execute("select state, attempts, error from retrieval.jobs").fetchall()
    assert states == [("pending", 0, None)] * 2


def test_queue_and_truth_are_brought_together(sql: psycopg.Cursor) -> None:
    collection(sql)
    rows = put(sql, "c", *({"document_key": f"{n:03}", "content": "words"} for n in range(200)))
    assert value(sql, ENQUEUE) == 0
    chunks = [row.chunk_id for row in rows]
    embed(sql, "a", chunks[:150], [[1, 0]] * 150)
    assert value(sql, ENQUEUE) == 0
    jobs = "select count(*) from retrieval.jobs join retrieval.spaces using (space_id)"
    assert value(sql, f"{jobs} where name = 'a'") == 2  # of four
    clear(sql)
    sql.execute("delete from retrieval.embeddings where chunk_id = %s", [chunks[0]])
    assert value(sql, "select retrieval.enqueue_missing('c', 'a')") == 51
    assert queue(sql) == [("a", chunk) for chunk in [chunks[0], *chunks[150:]]]
    assert value(sql, ENQUEUE) == 200
    assert queue(sql) == sql.execute(MISSING).fetchall()
    assert value(sql, "select retrieval.enqueue_missing('c', 'old')") == 0
    sql.execute("delete from retrieval.documents")
    assert value(sql, ENQUEUE) == 0
    assert queue(sql) == []


def test_names_that_do_not_exist(sql: psycopg.Cursor) -> None:
    collection(sql)
    for arguments in ("'x'", "'c', 'x'"):
        error = failure(sql, f"select retrieval.enqueue_missing({arguments})")
        assert error.sqlstate == "42704"


def test_jobs_go_with_their_space_and_collection(sql: psycopg.Cursor) -> None:
    collection(sql)
    put(sql, "c", {"document_key": "k", "content": "words"})
    put(sql, "other", {"document_key": "k", "content": "words"})
    sql.execute("select retrieval.drop_space('c', 'b')")
    assert len(queue(sql)) == 2
    sql.execute("select retrieval.drop_collection('other')")
    assert [name for name, _ in queue(sql)] == ["a"]


def test_a_space_created_beside_a_writer_misses_nothing(
    connect: Callable[..., psycopg.Connection],
) -> None:
    writer, creator, observer = connect(), connect(), connect()
    writer.execute("select retrieval.create_collection('c')")
    with ThreadPoolExecutor(1) as thread:
        with writer.transaction():
            put(writer, "c", {"document_key": "k", "content": "words"})
            creating = thread.submit(create_space, creator, "s", 2)
            wait_until_blocked(observer, creator)
        creating.result()
    assert len(queue(observer)) == 1


def test_a_space_resumed_beside_a_writer_misses_nothing(
    connect: Callable[..., psycopg.Connection],
) -> None:
    writer, other, observer = connect(), connect(), connect()
    put_chunks(writer, 1)
    create_space(writer, "s", 2)
    writer.execute("select retrieval.retire_space('c', 's')")
    with ThreadPoolExecutor(1) as thread:
        with writer.transaction():
            put(writer, "c", {"document_key": "k", "content": "words"})
            resuming = thread.submit(other.execute, "select retrieval.resume_space('c', 's')")
            wait_until_blocked(observer, other)
        resuming.result()
    assert len(queue(observer)) == 2


def test_a_space_dropped_beside_a_writer(connect: Callable[..., psycopg.Connection]) -> None:
    writer, dropper, observer = connect(), connect(), connect()
    writer.execute("select retrieval.create_collection('c')")
    drop = "select retrieval.drop_space('c', 's')"
    with ThreadPoolExecutor(1) as thread:
        create_space(writer, "s", 2)
        with writer.transaction():
            (row,) = put(writer, "c", {"document_key": "before", "content": "words"})
            dropping = thread.submit(dropper.execute, drop)
            wait_until_blocked(observer, dropper)
            embed(writer, "s", [row.chunk_id], [[1, 0]])  # and no deadlock
        dropping.result()

        create_space(writer, "s", 2)
        with dropper.transaction():
            dropper.execute(drop)
            writing = thread.submit(put, writer, "c", {"document_key": "k", "content": "words"})
            wait_until_blocked(observer, writer)
        assert len(writing.result()) == 1
        create_space(writer, "s", 2)
        embed(writer, "s", column(writer, "select chunk_id from retrieval.chunks"), [[1, 0]] * 2)
        with dropper.transaction():
            dropper.execute(drop)
            change = "update retrieval.chunks set content = 'changed'"
            changing = thread.submit(writer.execute, change)
            wait_until_blocked(observer, writer)
        changing.result()
    assert queue(observer) == []


def test_workers_are_woken_when_there_was_nothing_to_do(
    connect: Callable[..., psycopg.Connection],
) -> None:
    listener, writer = connect(), connect()
    writer.execute("select retrieval.create_collection('c')")
    space = create_space(writer, "s", 2)
    listener.execute("listen retrieval_jobs")

    def heard() -> list[str]:
        listener.execute("select")
        return [each.payload for each in listener.notifies(timeout=0.05)]

    put(writer, "c", {"document_key": "1", "content": "words"})
    assert heard() == [str(space)]
    put(writer, "c", {"document_key": "2", "content": "words"})
    assert heard() == []
    clear(writer)
    put(writer, "c", {"document_key": "3", "content": "words"})
    assert heard() == [str(space)]
