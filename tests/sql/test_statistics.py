"""The statistics that BM25 needs are what counting the chunks would give, whatever happened."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from statements import Session, column, failure, put, value, wait_until_blocked

WORDS = [
    *"abcdefghij",
    "running",
    "runs",
    "the",
    "\u673a\u5668",
    "\u5b66\u4e60\u5f88",
    "x-y",
    "it's",
]

CHUNK_DIFFERENCES = """
    select collection_id, text_config, sum(chunks) as chunks, sum(length) as length from (
        select collection_id, text_config, chunk_count as chunks, total_length as length
        from retrieval.chunk_statistics
        union all
        select collection_id, text_config, -1, -length from retrieval.chunks) s
    group by 1, 2 having sum(chunks) <> 0 or sum(length) <> 0"""

LEXEME_DIFFERENCES = """
    with counted as (
        select c.collection_id, l.lexeme, count(*) as frequency,
               max(cardinality(l.positions)) as most,
               min(c.length::real / cardinality(l.positions))::real as least
        from retrieval.chunks c, unnest(c.lexemes) l group by 1, 2),
    kept as (
        select collection_id, lexeme, sum(document_frequency) as frequency,
               max(maximum_frequency) as most,
               min(minimum_length_ratio) as least
        from retrieval.lexeme_statistics group by 1, 2 having sum(document_frequency) <> 0)
    select collection_id, lexeme, to_jsonb(k) as kept, to_jsonb(c) as counted
    from kept k full join counted c using (collection_id, lexeme)
    where k.frequency is distinct from c.frequency or k.most < c.most or k.least > c.least"""


def assert_exact(session: Session) -> None:
    assert session.execute(CHUNK_DIFFERENCES).fetchall() == []
    assert session.execute(LEXEME_DIFFERENCES).fetchall() == []


class Mix:
    """Random statements on two collections."""

    def __init__(self, sql: psycopg.Cursor, seed: int) -> None:
        self.sql = sql
        self.random = random.Random(seed)
        self.ids = {
            name: value(sql, "select retrieval.create_collection(%s)", [name]) for name in "cd"
        }
        self.name = "c"

    def text(self) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randrange(12)))

    def some(self, table: str) -> str:
        """A condition that about a third of the rows of the collection fulfil."""
        remainder = self.random.randrange(3)
        return f"collection_id = {self.ids[self.name]} and mod({table}_id, 3) = {remainder}"

    def put(self) -> None:
        keys = self.random.sample(range(12), self.random.randrange(1, 5))
        documents = [
            {
                "document_key": str(key),
                "title": self.text(),
                "text_config": self.random.choice([None, None, "simple"]),
                "chunks": [
                    {"content": self.text(), "context": self.text()}
                    for _ in range(self.random.randrange(4))
                ],
            }
            for key in keys
        ]
        put(self.sql, self.name, *documents)

    def insert(self) -> None:
        self.sql.execute(
            f"""insert into retrieval.chunks (collection_id, document_id, position, content)
                select collection_id, document_id, 1 + coalesce((
                    select max(position) from retrieval.chunks c
                    where c.document_id = d.document_id), 0), %s
                from retrieval.documents d where {self.some("document")}""",
            [self.text()],
        )

    def update(self) -> None:
        self.sql.execute(
            f"update retrieval.chunks set content = %s where {self.some('chunk')}", [self.text()]
        )

    def update_partition(self) -> None:
        table = f"chunks_{self.ids[self.name]}"
        self.sql.execute(
            f"update retrieval.{table} set context = content where {self.some('chunk')}"
        )

    def update_documents(self) -> None:
        self.sql.execute(
            f"""update retrieval.documents set title = %s, text_config = %s
                where {self.some("document")}""",
            [self.text(), self.random.choice([None, "simple", "german"])],
        )

    def delete(self) -> None:
        self.sql.execute(f"delete from retrieval.chunks where {self.some('chunk')}")

    def delete_cascading(self) -> None:
        self.sql.execute(f"delete from retrieval.documents where {self.some('document')}")

    def delete_documents(self) -> None:
        self.sql.execute("select retrieval.delete_documents(%s, array['1', '2', '3'])", [self.name])

    def truncate(self) -> None:
        self.sql.execute(f"truncate retrieval.chunks_{self.ids[self.name]} cascade")

    def undo(self) -> None:
        self.sql.execute("savepoint before_some")
        for statement in self.random.choices(
            [self.put, self.update, self.delete, self.truncate, self.fold], k=3
        ):
            statement()
        self.sql.execute("rollback to savepoint before_some")

    def refresh(self) -> None:
        self.sql.execute("select retrieval.refresh_statistics(%s)", [self.name])

    def fold(self) -> None:
        self.sql.execute("select retrieval._fold_statistics(%s, 0)", [self.ids[self.name]])

    def run(self, steps: int) -> None:
        often = [
            self.put,
            self.insert,
            self.update,
            self.update_partition,
            self.update_documents,
            self.delete,
        ]
        rare = [
            self.delete_cascading,
            self.delete_documents,
            self.truncate,
            self.undo,
            self.refresh,
            self.fold,
        ]
        for _ in range(steps):
            self.name = self.random.choice("cd")
            self.random.choice(often * 3 + rare)()
            assert_exact(self.sql)


@pytest.mark.parametrize("seed", range(6))
def test_after_any_mix_of_statements(sql: psycopg.Cursor, seed: int) -> None:
    mix = Mix(sql, seed)
    mix.run(40)
    mix.put()
    assert value(sql, "select count(*) from retrieval.chunks") > 0


def test_the_comparison_is_not_blind(sql: psycopg.Cursor) -> None:
    mix = Mix(sql, 1)
    mix.run(5)
    put(sql, "c", {"document_key": "k", "content": "words of some length"})
    for damage in (
        "update retrieval.chunk_statistics set total_length = total_length + 1",
        "delete from retrieval.lexeme_statistics where lexeme = 'word'",
        "update retrieval.lexeme_statistics set maximum_frequency = 0",
        "update retrieval.lexeme_statistics set minimum_length_ratio = 1e9",
    ):
        sql.execute("savepoint before_damage")
        sql.execute(damage)
        with pytest.raises(AssertionError):
            assert_exact(sql)
        sql.execute("rollback to savepoint before_damage")
    assert_exact(sql)


def test_a_chunk_moved_to_another_collection(sql: psycopg.Cursor) -> None:
    ids = Mix(sql, 1).ids
    for name in "cd":
        put(sql, name, {"document_key": "k", "content": f"words in {name}"})
    target = value(
        sql, "select document_id from retrieval.documents where collection_id = %s", [ids["d"]]
    )
    sql.execute(
        "update retrieval.chunks set collection_id = %s, document_id = %s, position = 5"
        " where collection_id = %s",
        [ids["d"], target, ids["c"]],
    )
    assert column(sql, "select content from retrieval.keyword_search('d', 'c')") == ["words in c"]
    assert_exact(sql)


@pytest.mark.parametrize("table", ["chunks", "documents"])
def test_truncating_the_parent(sql: psycopg.Cursor, table: str) -> None:
    Mix(sql, 1).run(5)
    sql.execute(f"truncate retrieval.{table} cascade")
    assert_exact(sql)
    assert column(sql, "select * from retrieval.chunk_statistics") == []


def test_metadata_changes_count_nothing(sql: psycopg.Cursor) -> None:
    Mix(sql, 1).run(5)
    rows = "select count(*) from retrieval.chunk_statistics"
    before = value(sql, rows)
    sql.execute("""update retrieval.documents set metadata = '{"a": 1}'""")
    assert value(sql, rows) == before


def test_many_statements_are_folded(sql: psycopg.Cursor) -> None:
    Mix(sql, 1)
    for number in range(520):
        put(sql, "c", {"document_key": str(number % 3), "content": f"word{number}"})
    assert value(sql, "select count(*) from retrieval.chunk_statistics") < 550
    assert_exact(sql)


def test_an_unknown_collection(sql: psycopg.Cursor) -> None:
    assert failure(sql, "select retrieval.refresh_statistics('x')").sqlstate == "42704"


# Several sessions


def fold(session: psycopg.Connection) -> None:
    session.execute(
        "select retrieval._fold_statistics(collection_id, 0) from retrieval.collections"
    )


def document(key: str) -> dict[str, str]:
    return {"document_key": key, "content": f"some words of {key}"}


def test_writers_do_not_wait_for_each_other(connect: Callable[..., psycopg.Connection]) -> None:
    first, second, third = (connect("300ms") for _ in range(3))
    first.execute("select retrieval.create_collection('c')")
    put(first, "c", document("old"))
    with first.transaction():
        put(first, "c", document("one"))
        fold(first)
        with second.transaction():
            put(second, "c", document("two"))
            fold(second)
            put(third, "c", document("three"))
            third.execute("select retrieval.delete_documents('c', array['old'])")
            fold(third)
            assert_exact(third)
    assert_exact(first)
    fold(first)
    assert value(first, "select sum(chunk_count) from retrieval.chunk_statistics") == 3
    assert value(first, "select count(*) from retrieval.chunk_statistics") == 1
    assert_exact(first)


def test_a_writer_that_gives_up_leaves_nothing(connect: Callable[..., psycopg.Connection]) -> None:
    first, second = connect("300ms"), connect("300ms")
    first.execute("select retrieval.create_collection('c')")
    with first.transaction(force_rollback=True):
        put(first, "c", document("one"))
        put(second, "c", document("two"))
        fold(second)
    fold(second)
    assert value(second, "select sum(chunk_count) from retrieval.chunk_statistics") == 1
    assert_exact(second)


def test_a_repeatable_read_writer_beside_a_fold(connect: Callable[..., psycopg.Connection]) -> None:
    first, second = connect("300ms"), connect("300ms")
    first.execute("select retrieval.create_collection('c')")
    put(first, "c", document("old"))
    put(first, "c", document("older"))
    first.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with first.transaction():
        assert_exact(first)
        fold(second)
        put(second, "c", document("two"))
        put(first, "c", document("one"))
        fold(first)
        assert_exact(first)
        assert len(column(first, "select * from retrieval.keyword_search('c', 'words')")) == 3
    assert value(second, "select sum(chunk_count) from retrieval.chunk_statistics") == 4
    assert_exact(second)


def test_refreshing_waits_for_writers(connect: Callable[..., psycopg.Connection]) -> None:
    writer, refresher, observer = connect(), connect(), connect()
    writer.execute("select retrieval.create_collection('c')")
    with ThreadPoolExecutor(1) as thread:
        with writer.transaction():
            put(writer, "c", document("one"))
            refreshing = thread.submit(
                refresher.execute, "select retrieval.refresh_statistics('c')"
            )
            wait_until_blocked(observer, refresher)
        refreshing.result()
    assert value(observer, "select sum(chunk_count) from retrieval.chunk_statistics") == 1
    assert_exact(observer)


def test_refreshing_with_an_old_snapshot_loses_nothing(
    connect: Callable[..., psycopg.Connection],
) -> None:
    refresher, writer = connect(), connect()
    refresher.execute("select retrieval.create_collection('c')")
    refresher.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    try:
        with refresher.transaction():
            refresher.execute("select count(*) from retrieval.chunks")
            put(writer, "c", document("one"))
            refresher.execute("select retrieval.refresh_statistics('c')")
    except psycopg.Error as error:
        assert error.sqlstate in ("40001", "25000", "25001", "55000", "0A000")
    assert_exact(writer)
