"""What an attached table costs the application that writes it.

    python benchmarks/attached_table.py                 package descriptions that apt knows
    python benchmarks/attached_table.py --rows 50000

Each kind of write runs alone, on the same server, on a table of its own: first not attached, then
attached to a collection. Before a
time is printed the collection must equal the table: as many documents as rows, and nothing that
`refresh_table` would write.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
from corpus import load_texts
from servers import new_database, server_url

from retrieval.database import migration_sql

SINGLE = 1_000
ROUNDS = 3

Write = Callable[[psycopg.Connection, Sequence[str]], int]

TABLE = """
    drop table if exists packages;
    create table packages (
        id bigint primary key, name text, description text, section text, size integer,
        notes text)"""
ATTACH = """
    select retrieval.create_collection('packages');
    select retrieval.attach_table('packages', 'packages', 'id', 'name', 'description',
                                  '{section,size}')"""
ROW = "(id, name, description, section, size)"


def one_statement(connection: psycopg.Connection, texts: Sequence[str]) -> int:
    connection.execute(
        f"insert into packages {ROW} select n, 'package ' || n, text, 's' || n %% 50, n"
        " from unnest(%s::text[]) with ordinality t(text, n)",
        [list(texts)],
    )
    return len(texts)


def copied(connection: psycopg.Connection, texts: Sequence[str]) -> int:
    with connection.cursor().copy(f"copy packages {ROW} from stdin") as copy:
        for number, text in enumerate(texts, 1):
            copy.write_row((number, f"package {number}", text, f"s{number % 50}", number))
    return len(texts)


def single_rows(connection: psycopg.Connection, texts: Sequence[str]) -> int:
    for number, text in enumerate(texts[:SINGLE], 1):
        connection.execute(
            f"insert into packages {ROW} values (%s, %s, %s, %s, %s)",
            [number, f"package {number}", text, f"s{number % 50}", number],
        )
    return SINGLE


def updated(column: str) -> Write:
    def write(connection: psycopg.Connection, texts: Sequence[str]) -> int:
        for number in range(1, SINGLE + 1):
            connection.execute(
                f"update packages set {column} = {column} || ' again' where id = %s", [number]
            )
        return SINGLE

    return write


def deleted(connection: psycopg.Connection, texts: Sequence[str]) -> int:
    connection.execute("delete from packages")
    return len(texts)


# the last ones find the rows that were inserted
WRITES: dict[str, Write] = {
    "insert, one statement": one_statement,
    "COPY": copied,
    f"{SINGLE:,} single-row inserts": single_rows,
    f"{SINGLE:,} updates of a column that is not attached": updated("notes"),
    f"{SINGLE:,} updates of a metadata column": updated("section"),
    f"{SINGLE:,} updates of the content": updated("description"),
    "delete, one statement": deleted,
}


def check(connection: psycopg.Connection) -> None:
    """The collection must equal the table."""
    differing = connection.execute(
        "select count(*) from packages p full join retrieval.documents d"
        " on d.document_key = p.id::text where (p.name, p.description, p.section, p.size)"
        " is distinct from"
        " (d.title, d.content, d.metadata ->> 'section', (d.metadata ->> 'size')::integer)"
    ).fetchone()
    refreshed = connection.execute("select retrieval.refresh_table('packages')").fetchone()
    if differing != (0,) or refreshed != (0,):
        raise SystemExit(f"collection and table differ: {differing}, {refreshed}")


def measure(
    connection: psycopg.Connection, write: Write, texts: Sequence[str], attached: bool
) -> float:
    """Seconds of one write of a table that was just filled or is empty."""
    connection.execute(TABLE)
    if attached:
        connection.execute(ATTACH)
    if write not in (one_statement, copied, single_rows):
        one_statement(connection, texts)
    started = time.perf_counter()
    write(connection, texts)
    seconds = time.perf_counter() - started
    if attached:
        check(connection)
        connection.execute("drop table packages; select retrieval.drop_collection('packages')")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, help="a corpus.jsonl of BEIR")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--database-url", help="a server on which a database may be created")
    given = parser.parse_args()
    texts = [text.replace("\x00", "") for text in load_texts(given.corpus)][: given.rows]
    length = statistics.mean(map(len, texts))
    print(f"{len(texts):,} rows, {length:.0f} characters of content on average, ", end="")
    print(f"median of {ROUNDS} rounds\n")
    print("| write | alone | attached | factor | ms a row more |\n|---|---|---|---|---|")
    with (
        server_url(given.database_url) as url,
        new_database(url, "attached_table_benchmark") as connection,
    ):
        connection.execute(migration_sql())
        for name, write in WRITES.items():
            alone, beside = (
                statistics.median(
                    measure(connection, write, texts, attached) for _ in range(ROUNDS)
                )
                for attached in (False, True)
            )
            rows = SINGLE if "single" in name or "updates" in name else len(texts)
            print(
                f"| {name} | {alone:.2f} s | {beside:.2f} s | {beside / alone:.1f} |"
                f" {(beside - alone) / rows * 1000:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
