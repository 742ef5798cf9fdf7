"""Documents are deleted with everything that hangs on them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from statements import column, failure, put, value, wait_until_blocked

DELETE = "select retrieval.delete_documents('c', %s)"


def test_counts_what_there_was(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection(name) from unnest(array['c', 'd']) name")
    for name in ("c", "d"):
        put(sql, name, *({"document_key": key, "content": "words"} for key in ("a", "b", "'")))
    assert value(sql, DELETE, [["a", "'", "nobody", None]]) == 2
    assert column(sql, "select document_key from retrieval.keyword_search('c', 'words')") == ["b"]
    assert len(column(sql, "select * from retrieval.keyword_search('d', 'words')")) == 3
    assert value(sql, "select sum(chunk_count) from retrieval.chunk_statistics") == 4
    for nothing in ([], ["a"], None):
        assert value(sql, DELETE, [nothing]) == 0


def test_documents_without_chunks(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", {"document_key": "a", "chunks": []})
    assert value(sql, DELETE, [["a"]]) == 1


def test_an_unknown_collection(sql: psycopg.Cursor) -> None:
    assert failure(sql, "select retrieval.delete_documents('x', array['a'])").sqlstate == "42704"


def test_deleting_beside_a_writer_of_the_same_key(
    connect: Callable[..., psycopg.Connection],
) -> None:
    holder, deleter, writer, observer = (connect() for _ in range(4))
    holder.execute("select retrieval.create_collection('c')")
    put(holder, "c", {"document_key": "a", "content": "old"})
    with ThreadPoolExecutor(2) as threads:
        with holder.transaction():
            holder.execute("select from retrieval.chunks for update")
            deleting = threads.submit(value, deleter, DELETE, [["a"]])
            wait_until_blocked(observer, deleter)
            writing = threads.submit(put, writer, "c", {"document_key": "a", "content": "new"})
            wait_until_blocked(observer, writer)
        assert deleting.result() == 1
        writing.result()
    assert column(observer, "select content from retrieval.chunks") == ["new"]


def test_a_key_written_while_it_is_deleted(connect: Callable[..., psycopg.Connection]) -> None:
    writer, deleter, observer = connect(), connect(), connect()
    writer.execute("select retrieval.create_collection('c')")
    put(writer, "c", {"document_key": "a", "content": "old"})
    with ThreadPoolExecutor(1) as thread:
        with writer.transaction():
            put(writer, "c", {"document_key": "a", "content": "new"})
            deleting = thread.submit(value, deleter, DELETE, [["a"]])
            wait_until_blocked(observer, deleter)
        assert deleting.result() == 1
    assert column(observer, "select content from retrieval.chunks") == []
    assert value(observer, "select sum(chunk_count) from retrieval.chunk_statistics") == 0
