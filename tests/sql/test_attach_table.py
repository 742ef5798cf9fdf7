"""A collection follows its table: through every statement, and never in its way."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import errors
from statements import column, failure, value, wait_until_blocked
from vectors import create_space, embed

TABLE = """
    create table hotels (
        id integer primary key, name text, description text, notes text, city text, stars integer,
        price numeric, opened timestamptz not null default '2020-01-01 12:00+02');
    insert into hotels (id, name, description, city, stars, price) values
        (1, 'Harbour House', 'A view of the sea', 'Lisbon', 4, 140),
        (2, 'Bergruh', 'Quiet mountain hotel', 'Zermatt', 5, 420.50),
        (3, null, 'Nameless rooms', null, null, null),
        (4, 'Textless', null, 'Munich', 3, 110);
    select retrieval.create_collection('c')"""
ATTACH = """select retrieval.attach_table('public.hotels', collection => 'c', key => 'id',
    title => 'name', content => 'description', metadata => '{city,stars,price,opened}')"""
DOCUMENTS = """
    select d.document_key, d.title, d.content, d.metadata,
           array(select c.content from retrieval.chunks c
                 where c.document_id = d.document_id order by c.position) as chunks
    from retrieval.documents d order by d.document_key"""
FOUND = "select document_key from retrieval.keyword_search('c', %s) order by 1"
STATES = "select sqlstate from retrieval.attached_table_failures order by failure_id"
FAILURES = "select operation, sqlstate, document_key from retrieval.attached_table_failures"


def stored(session: Any) -> list[Any]:
    return [tuple(row) for row in session.execute(DOCUMENTS)]


def expected(session: Any) -> list[Any]:
    """The documents that the table's rows are, worked out from the rows."""
    rows = session.execute("select * from hotels order by id::text").fetchall()
    documents = []
    for row in rows:
        price = row.price if row.price is None else json.loads(str(row.price))
        metadata = {"city": row.city, "stars": row.stars, "price": price}
        metadata["opened"] = row.opened.astimezone(None).isoformat() and value(
            session,
            "select to_char(%s::timestamptz at time zone 'UTC', %s)",
            [row.opened, 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'],
        )
        content = row.description or ""
        chunks = [content.strip()] if content or row.name else []
        documents.append((str(row.id), row.name, content, metadata, chunks))
    return documents


@pytest.fixture
def attached(sql: psycopg.Cursor) -> psycopg.Cursor:
    """A session with a small table that is attached to the collection c."""
    sql.execute(TABLE)
    assert value(sql, ATTACH) == 4
    return sql


def warnings_of(session: psycopg.Connection) -> list[str]:
    """Collects the messages that a session is sent."""
    messages: list[str] = []
    session.add_notice_handler(lambda notice: messages.append(notice.message_primary or ""))
    return messages


def test_the_back_fill(attached: psycopg.Cursor) -> None:
    assert stored(attached) == expected(attached)
    joined = """select h.name from retrieval.keyword_search('c', 'sea') k
                join hotels h on h.id = k.document_key::integer"""
    assert column(attached, joined) == ["Harbour House"]
    assert column(attached, "select distinct source from retrieval.documents") == ["public.hotels"]
    assert value(attached, "select sum(chunk_count) from retrieval.chunk_statistics") == 4


STATEMENTS = [
    "insert into hotels values (9, 'New', 'Words of the new', null, 'Nice', 2, 80)",
    "insert into hotels (id, name, description) select g, 'N' || g, repeat('w ', g) from"
    " generate_series(10, 30) g",
    "update hotels set description = 'Other words' where id = 1",
    "update hotels set name = 'Other' where stars > 3",
    "update hotels set name = null, description = null where id = 2",
    "update hotels set price = price * 2, stars = null",
    "update hotels set opened = opened + interval '1 day' where id < 3",
    "update hotels set notes = 'n'",
    "update hotels set id = id + 100",
    "update hotels set id = id + 1",
    "update hotels set id = 6 - id",
    "update hotels set id = 77, description = 'moved and changed' where id = 2",
    "update hotels set id = 5 where id = 9",
    "delete from hotels where id in (1, 3)",
    "delete from hotels",
    "delete from hotels where false",
    "truncate hotels",
    "insert into hotels (id, name) values (1, 'Upserted'), (50, 'Inserted')"
    " on conflict (id) do update set name = excluded.name",
    "insert into hotels (id, name) values (1, 'x') on conflict do nothing",
    "merge into hotels h using (values (1, 'M'), (60, 'M')) v(id, name) on h.id = v.id"
    " when matched and h.stars = 4 then delete when not matched then insert (id, name)"
    " values (v.id, v.name)",
    "with gone as (delete from hotels where id = 1 returning *)"
    " insert into hotels select 200 + id, name, description from gone",
    "with x as (update hotels set name = 'x' where id = 1) update hotels set name = 'y'"
    " where id = 2",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_after_any_statement(attached: psycopg.Cursor, statement: str) -> None:
    attached.execute(
        "set constraints all immediate; alter table hotels drop constraint hotels_pkey,"
        " add unique (id)"
        if "id + 1" in statement or "6 - id" in statement
        else "select"
    )
    if "id + 1" in statement or "6 - id" in statement:
        # one row after the other would collide
        attached.execute("alter table hotels drop constraint hotels_id_key")
    attached.execute(statement)
    assert stored(attached) == expected(attached)
    assert column(attached, FAILURES) == []
    assert value(attached, "select retrieval.refresh_table('hotels')") == 0


def test_after_copy(attached: psycopg.Cursor) -> None:
    with attached.copy("copy hotels (id, name, description) from stdin") as copy:
        for number in range(100, 400):
            copy.write_row((number, f"Name {number}", f"word{number}"))
    assert stored(attached) == expected(attached)
    assert column(attached, FOUND, ["word222"]) == ["222"]


def test_after_a_rollback(attached: psycopg.Cursor) -> None:
    before = stored(attached)
    with attached.connection.transaction() as transaction:
        attached.execute("update hotels set description = 'gone'; truncate hotels")
        assert stored(attached) == []
        raise psycopg.Rollback(transaction)
    assert stored(attached) == before == expected(attached)


def test_random_statements(attached: psycopg.Cursor) -> None:
    random.seed(7)
    for _ in range(30):
        one, other = random.sample(range(1, 12), 2)
        attached.execute(
            random.choice(
                [
                    f"insert into hotels (id, name) values ({one}, 'n{other}')"
                    " on conflict do nothing",
                    f"update hotels set description = 'd{other}' where id % 3 = {one % 3}",
                    f"update hotels set id = {other} where id = {one}"
                    f" and not exists (select from hotels where id = {other})",
                    f"delete from hotels where id = {one}",
                    f"update hotels set stars = {other} where id <> {one}",
                ]
            )
        )
        assert stored(attached) == expected(attached)


def test_what_does_not_matter_writes_nothing(attached: psycopg.Cursor) -> None:
    rows = """select array_agg((d.ctid, c.ctid, c.chunk_id)::text order by c.chunk_id)
              from retrieval.chunks c join retrieval.documents d using (document_id)"""
    before = value(attached, rows)
    attached.execute("update hotels set notes = 'x', name = name, price = price")
    assert value(attached, rows) == before


def test_embeddings_stay_where_the_text_stays(attached: psycopg.Cursor) -> None:
    create_space(attached, "s", 2)
    missing = "select chunk_id from retrieval.missing_embeddings('c', 's')"
    embed(attached, "s", column(attached, missing), [[1, 0]] * 4)
    attached.execute("update hotels set stars = 1; update hotels set id = id + 1000")
    assert column(attached, missing) == []
    assert stored(attached) == expected(attached)
    attached.execute("update hotels set description = 'New text' where id = 1001")
    assert len(column(attached, missing)) == 1


def test_long_content_in_several_columns(sql: psycopg.Cursor) -> None:
    sql.execute(TABLE)
    sql.execute("update hotels set notes = %s where id < 3", ["Sentences follow. " * 60])
    sql.execute(
        """select retrieval.attach_table('hotels', 'c', 'id', content => '{description,notes}',
                                         maximum_chunk_length => 300)"""
    )
    content = "A view of the sea\n\n" + "Sentences follow. " * 60
    assert value(sql, "select content from retrieval.documents where document_key = '1'") == content
    chunks = column(
        sql,
        """select c.content from retrieval.chunks c join retrieval.documents d using (document_id)
           where d.document_key = '1' order by position""",
    )
    assert max(map(len, chunks)) <= 300 and len(chunks) > 3
    assert " ".join(" ".join(chunks).split()) == " ".join(content.split())


@pytest.mark.parametrize(
    ("columns", "key", "row", "expected_key", "join"),
    [
        (
            "id uuid primary key",
            "id",
            "'7e57ab1e-0000-4000-8000-000000000000'",
            "7e57ab1e-0000-4000-8000-000000000000",
            "t.id = k.document_key::uuid",
        ),
        (
            "country text, number integer, primary key (country, number)",
            "{country,number}",
            "'P \"T\"', 7",
            '["P \\"T\\"", 7]',
            "t.country = k.document_key::jsonb ->> 0"
            " and t.number = (k.document_key::jsonb ->> 1)::integer",
        ),
        (
            '"the key" text primary key',
            "the key",
            "'a/b ü'",
            "a/b ü",
            't."the key" = k.document_key',
        ),
        (
            "day date not null unique",
            "day",
            "'2026-03-01'",
            "2026-03-01",
            "t.day = k.document_key::date",
        ),
    ],
)
def test_keys_of_any_kind(
    sql: psycopg.Cursor, columns: str, key: str, row: str, expected_key: str, join: str
) -> None:
    sql.execute("select retrieval.create_collection('c'); set datestyle = 'German'")
    sql.execute(f"create table things ({columns}, words text)")
    sql.execute("select retrieval.attach_table('things', 'c', %s, content => 'words')", [key])
    sql.execute(f"insert into things values ({row}, 'the words')")
    assert column(sql, "select document_key from retrieval.documents") == [expected_key]
    joined = f"select t.words from retrieval.keyword_search('c', 'words') k join things t on {join}"
    assert column(sql, joined) == ["the words"]
    sql.execute("update things set words = 'others'")
    assert column(sql, FOUND, ["others"]) == [expected_key]
    assert value(sql, "select retrieval.refresh_table('things')") == 0
    sql.execute("delete from things")
    assert column(sql, "select document_key from retrieval.documents") == []


def test_columns_of_any_type(sql: psycopg.Cursor) -> None:
    sql.execute(
        """select retrieval.create_collection('c');
           create type mood as enum ('calm', 'loud');
           create domain percent as integer check (value <= 100);
           create table things (id integer primary key, words text, m mood, p percent, j json,
                                tags text[], "od'd %s" boolean, here point, twice integer
                                generated always as (id * 2) stored);
           select retrieval.attach_table('things', 'c', 'id', title => 'm', content => 'words',
               metadata => array['m', 'p', 'j', 'tags', 'od''d %s', 'here', 'twice']);
           insert into things (id, words, m, p, j, tags, "od'd %s", here)
           values (1, 'w', 'calm', 5, '{"a": [1]}', '{x,y}', true, '(1,2)');
           update things set tags = null, j = '{"a": [2]}'"""
    )
    assert column(sql, FAILURES) == []
    document = sql.execute("select title, metadata from retrieval.documents").fetchone()
    assert document == (
        "calm",
        {
            "m": "calm",
            "p": 5,
            "j": {"a": [2]},
            "tags": None,
            "od'd %s": True,
            "here": "(1,2)",
            "twice": 2,
        },
    )


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "named"),
    [
        ("'hotels', 'x', 'id', 'name'", "42704", "collection x"),
        ("'nothing', 'c', 'id', 'name'", "42P01", "nothing"),
        ("null, 'c', 'id', 'name'", "22023", "table_name"),
        ("'hotels', 'c', 'ident', 'name'", "42703", "ident"),
        ("'hotels', 'c', 'id', 'nom'", "42703", "nom"),
        ("'hotels', 'c', 'id', 'name', '{description,wrong}'", "42703", "wrong"),
        ("'hotels', 'c', 'id', 'name', metadata => '{city,lost}'", "42703", "lost"),
        ("'hotels', 'c', 'ctid', 'name'", "42703", "ctid"),
        ("'hotels', 'c', 'opened', 'name'", "22023", "opened"),
        ("'hotels', 'c', 'city', 'name'", "22023", "city"),
        ("'hotels', 'c', null, 'name'", "22023", "key"),
        ("'hotels', 'c', 'id'", "22023", "title or content"),
        ("'hotels', 'c', 'id', 'name', maximum_chunk_length => 0", "22023", "maximum_chunk_length"),
        ("'seen', 'c', 'id', 'name'", "42809", "seen"),
        ("'retrieval.documents', 'c', 'document_id', 'title'", "42809", "documents"),
    ],
)
def test_what_cannot_be_attached(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, named: str
) -> None:
    sql.execute(TABLE + "; create view seen as select * from hotels")
    error = failure(sql, f"select retrieval.attach_table({arguments})")
    assert error.sqlstate == sqlstate and named in str(error)
    assert value(sql, "select count(*) from retrieval.attached_tables") == 0


def test_attaching_twice(attached: psycopg.Cursor) -> None:
    error = failure(attached, ATTACH)
    assert error.sqlstate == "42710" and "public.hotels" in str(error)
    attached.execute("select retrieval.create_collection('d')")
    assert value(attached, ATTACH.replace("'c'", "'d'")) == 4
    attached.execute("update hotels set description = 'twice' where id = 1")
    assert value(attached, "select count(*) from retrieval.documents where content = 'twice'") == 2


def test_detaching_and_attaching_again(attached: psycopg.Cursor) -> None:
    assert value(attached, "select retrieval.detach_table('hotels')") == 1
    assert (
        value(
            attached,
            "select count(*) from pg_trigger where tgrelid = 'hotels'::regclass"
            " and not tgisinternal",
        )
        == 0
    )
    attached.execute(
        "update hotels set description = 'while away' where id = 1; delete from hotels where id = 2"
    )
    assert column(attached, FOUND, ["away"]) == [] and column(attached, FOUND, ["mountain"]) == [
        "2"
    ]
    for function in ("detach_table", "refresh_table"):
        assert failure(attached, f"select retrieval.{function}('hotels')").sqlstate == "42704"
    ids = "select array_agg(chunk_id order by chunk_id) from retrieval.chunks"
    before = value(attached, ids)
    assert value(attached, ATTACH) == 2
    assert stored(attached) == expected(attached)
    assert len(set(before) & set(value(attached, ids))) == 2
    assert value(attached, "select retrieval.detach_table('hotels', 'c', true)") == 1
    assert stored(attached) == []


def test_a_table_with_another_name(attached: psycopg.Cursor) -> None:
    attached.execute(
        "create schema other; alter table hotels set schema other;"
        " alter table other.hotels rename to inns;"
        " insert into other.inns (id, name) values (7, 'Seven')"
    )
    assert column(attached, FOUND, ["seven"]) == ["7"]
    assert value(attached, "select retrieval.refresh_table('other.inns')") == 0
    assert value(attached, "select retrieval.detach_table('other.inns')") == 1


def test_a_dropped_table_can_be_made_and_attached_again(attached: psycopg.Cursor) -> None:
    attached.execute(
        "drop table hotels; create table hotels (id integer primary key, name text);"
        " insert into hotels values (1, 'Other')"
    )
    attached.execute("select retrieval.attach_table('hotels', 'c', 'id', 'name')")
    assert column(attached, "select title from retrieval.documents") == ["Other"]


def test_documents_of_others_are_left_alone(attached: psycopg.Cursor) -> None:
    attached.execute("select retrieval.add_document('c', 'file', 'of a file')")
    attached.execute("truncate hotels; select retrieval.refresh_table('hotels')")
    assert column(attached, "select document_key from retrieval.documents") == ["file"]
    attached.execute("select retrieval.add_document('c', '9', 'of a file')")
    attached.execute("insert into hotels (id, name) values (9, 'x')")
    assert column(attached, STATES) == ["23505"]
    assert column(attached, "select content from retrieval.documents") == ["of a file"] * 2


# Never in the way


def test_a_row_that_cannot_be_stored(attached: psycopg.Cursor) -> None:
    attached.execute("select retrieval.detach_table('hotels')")
    attached.execute("alter table hotels alter id type text")
    attached.execute(ATTACH)
    messages = warnings_of(attached.connection)
    attached.execute(
        "insert into hotels (id, name) select repeat(%s, n), 'of many' from"
        " unnest(array[1, 2, 5000, 4]) n",
        ["x"],
    )
    assert attached.rowcount == 4
    assert "documents_key_check" in messages[0]
    assert column(attached, FOUND, ["many"]) == []
    assert attached.execute(FAILURES).fetchall() == [("insert", "23514", None)]
    assert value(attached, "select retrieval.refresh_table('hotels')") == 3
    assert column(attached, FOUND, ["many"]) == ["x", "xx", "xxxx"]
    ((operation, state, key),) = attached.execute(FAILURES).fetchall()
    assert (operation, state) == ("refresh", "23514") and set(key) == {"x"}
    attached.execute("delete from hotels where length(id) = 5000")
    assert value(attached, "select retrieval.refresh_table('hotels')") == 0
    assert column(attached, FAILURES) == []


def test_a_renamed_column(attached: psycopg.Cursor) -> None:
    attached.execute("alter table hotels rename description to about")
    attached.execute("insert into hotels (id, about) values (9, 'words')")
    attached.execute("delete from hotels where id = 1")
    assert column(attached, STATES) == ["42703"]
    assert column(attached, FOUND, ["sea"]) == []
    attached.execute("select retrieval.detach_table('hotels')")
    attached.execute(ATTACH.replace("'description'", "'about'"))
    assert column(attached, FOUND, ["words"]) == ["9"]


def test_a_dropped_collection(attached: psycopg.Cursor) -> None:
    messages = warnings_of(attached.connection)
    attached.execute("alter table hotels disable trigger user")  # as if they could not be dropped
    attached.execute("select retrieval.drop_collection('c')")
    attached.execute(
        "insert into hotels (id) values (9); update hotels set name = 'x'; truncate hotels"
    )
    assert messages == []
    assert value(attached, "select count(*) from retrieval.attached_tables") == 0
    assert (
        value(
            attached,
            "select count(*) from pg_trigger where tgrelid = 'hotels'::regclass"
            " and not tgisinternal",
        )
        == 0
    )


@pytest.fixture
def sessions(connect: Callable[..., psycopg.Connection]) -> Iterator[list[psycopg.Connection]]:
    """Three sessions on a database where the table is attached."""
    opened = [connect() for _ in range(3)]
    opened[0].execute(TABLE)
    opened[0].execute(ATTACH)
    yield opened


def test_a_collection_that_is_dropped_meanwhile(sessions: list[psycopg.Connection]) -> None:
    dropper, writer, observer = sessions
    messages = warnings_of(writer)
    with ThreadPoolExecutor(1) as thread:
        with dropper.transaction():
            # another reader of the table keeps the triggers in place
            with observer.transaction():
                observer.execute("select from hotels")
                dropper.execute("select retrieval.drop_collection('c')")
            waiting = thread.submit(writer.execute, "insert into hotels (id) values (9)")
            wait_until_blocked(observer, writer)
        assert waiting.result().rowcount == 1
    writer.execute("insert into hotels (id) values (10)")
    assert messages == []
    assert value(observer, "select count(*) from hotels") == 6


def test_nothing_is_waited_for_for_long(sessions: list[psycopg.Connection]) -> None:
    holder, writer, observer = sessions
    messages = warnings_of(writer)
    with holder.transaction():
        holder.execute("select from retrieval.documents where document_key = '1' for update")
        writer.execute("update hotels set description = 'in time' where id = 1")
    assert "lock timeout" in messages[0]
    assert column(observer, "select description from hotels where id = 1") == ["in time"]
    assert column(observer, FOUND, ["sea"]) == ["1"]
    assert value(observer, "select retrieval.refresh_table('hotels')") == 1
    assert stored(observer) == expected(observer)


def test_a_writer_without_any_rights(sessions: list[psycopg.Connection]) -> None:
    owner, writer, _ = sessions
    role = f"writer_{threading.get_native_id()}"
    owner.execute(
        f"create role {role}; grant select, insert, update, delete, truncate on hotels to {role}"
    )
    try:
        writer.execute(f"set role {role}")
        messages = warnings_of(writer)
        writer.execute("insert into hotels (id, name) values (9, 'Nine')")
        writer.execute(
            "update hotels set name = 'Ten' where id = 9; delete from hotels where id = 1"
        )
        assert messages == []
        denied = failure(writer, "select retrieval.refresh_table('hotels')")
        assert isinstance(denied, errors.InsufficientPrivilege)
        writer.execute("reset role")
        assert stored(owner) == expected(owner)
    finally:
        owner.execute(f"drop owned by {role}; drop role {role}")


def test_only_the_owner_may_use_the_trigger(sessions: list[psycopg.Connection]) -> None:
    owner, other, _ = sessions
    role = f"other_{threading.get_native_id()}"
    owner.execute(
        f"create role {role}; grant usage on schema retrieval to {role};"
        f" grant create on schema public to {role}"
    )
    try:
        other.execute(f"set role {role}; create table forged (id integer primary key, name text)")
        trigger = """create trigger t after insert on forged referencing new table as new_rows
                     for each statement execute function retrieval._follow_table('1')"""
        assert isinstance(failure(other, trigger), errors.InsufficientPrivilege)
        other.execute("reset role")
    finally:
        owner.execute(f"drop owned by {role}; drop role {role}")


def test_casts_of_others_are_not_run(attached: psycopg.Cursor) -> None:
    attached.execute(
        """create type pair as (a integer, b text);
           create function cast_pair(pair) returns text language plpgsql as
               $$ begin raise exception 'run as %', current_user; end $$;
           create cast (pair as text) with function cast_pair(pair);
           alter table hotels alter city type pair using row(1, city)::pair,
               alter notes type pair using null, alter name type pair using row(2, name)::pair;
           update hotels set name = row(3, 'x')::pair where id = 1"""
    )
    assert column(attached, FAILURES) == []
    title, city = attached.execute(
        "select title, metadata ->> 'city' from retrieval.documents where document_key = '1'"
    ).fetchone()
    assert (title, city) == ("(3,x)", "(1,Lisbon)")


# Beside writers


def test_writers_of_many_rows_at_once(sessions: list[psycopg.Connection]) -> None:
    sessions[0].execute("insert into hotels (id) select generate_series(10, 40)")

    def write(number: int) -> None:
        for repeat in range(8):
            text = f"w{number}r{repeat}"
            sessions[number].execute(
                "update hotels set description = %s where id %% 3 <> %s", [text, number]
            ) if repeat % 2 else sessions[number].execute(
                "update hotels set description = %s where id = %s", [text, 10 + repeat]
            )

    def refresh() -> None:
        for _ in range(8):
            sessions[2].execute("select retrieval.refresh_table('hotels')")

    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(write, 0), threads.submit(write, 1), threads.submit(refresh)]
        for each in running:
            each.exception()
    for each in running[:2]:
        error = each.exception()
        assert error is None or isinstance(error, errors.DeadlockDetected)
    sessions[0].execute("select retrieval.refresh_table('hotels')")
    assert stored(sessions[0]) == expected(sessions[0])


def test_a_row_written_while_it_is_refreshed(sessions: list[psycopg.Connection]) -> None:
    writer, refresher, observer = sessions
    writer.execute(
        "alter table hotels disable trigger user;"
        " update hotels set description = 'unseen'; alter table hotels enable trigger user"
    )
    with ThreadPoolExecutor(1) as thread:
        with writer.transaction():
            writer.execute("update hotels set description = 'newest' where id = 1")
            waiting = thread.submit(value, refresher, "select retrieval.refresh_table('hotels')")
            wait_until_blocked(observer, refresher)
        assert waiting.result() == 3
    assert stored(observer) == expected(observer)
    assert column(observer, FOUND, ["newest"]) == ["1"]


def test_filling_later_in_pieces(sql: psycopg.Cursor) -> None:
    sql.execute(TABLE)
    assert value(sql, ATTACH.replace("key =>", "back_fill => false, key =>")) == 0
    sql.execute("insert into hotels (id, name) values (5, 'Five')")
    assert column(sql, "select document_key from retrieval.documents") == ["5"]
    pieces = [value(sql, "select retrieval.refresh_table('hotels', 'c', 3)") for _ in range(3)]
    assert pieces == [3, 1, 0]
    assert stored(sql) == expected(sql)
