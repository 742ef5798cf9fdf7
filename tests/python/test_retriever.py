"""Retriever: collections in its own or its caller's transaction."""

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from retrieval import (
    AlreadyExists,
    AsyncRetriever,
    CollectionSummary,
    Document,
    HashingEmbedder,
    InvalidInput,
    NotFound,
    NotReady,
    Retriever,
    SchemaMismatch,
)
from retrieval.database import open_engine

KEYS = Document("keys", "Rotate a key every month.", title="Keys", metadata={"year": 2026})
BACKUPS = Document("backups", "Copy the backups to another place.", metadata={"year": 2024})
LONG = Document(
    "long", "\n\n".join(f"Paragraph {n} speaks of topic{n} at length." for n in range(60))
)


def keys_of(hits: list[Any]) -> list[str]:
    return [hit.document_key for hit in hits]


# Collections


def test_collections_are_created_listed_and_dropped(retriever: Retriever) -> None:
    retriever.create_collection("aside", text_config="simple")
    retriever.ingest("handbook", [KEYS, BACKUPS])
    assert retriever.collections() == [
        CollectionSummary("aside", "simple", 0, 0, "hashing", "hashing", 64),
        CollectionSummary("handbook", "english", 2, 2, "hashing", "hashing", 64),
    ]
    retriever.drop_collection("handbook")
    assert [each.name for each in retriever.collections()] == ["aside"]
    with pytest.raises(NotFound, match="handbook"):
        retriever.search("handbook", "key")


def test_a_name_is_taken_once(retriever: Retriever) -> None:
    with pytest.raises(AlreadyExists, match="collection handbook already exists"):
        retriever.create_collection("handbook")


@pytest.mark.parametrize("name", ["", "a/b", "line\nbreak", "x" * 201, " a", "nul\0", "\ud800"])
def test_an_unusable_name_creates_nothing(retriever: Retriever, name: str) -> None:
    with pytest.raises(InvalidInput):
        retriever.create_collection(name)
    assert [each.name for each in retriever.collections()] == ["handbook"]


def test_a_collection_is_created_whole(retriever: Retriever) -> None:
    """Where its space cannot be, the collection is not either."""
    with pytest.raises(InvalidInput, match="dimensions"):
        retriever.create_collection("wide", embedder=HashingEmbedder(5000))
    with pytest.raises(InvalidInput, match="klingon"):
        retriever.create_collection("wide", text_config="klingon")
    assert [each.name for each in retriever.collections()] == ["handbook"]


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.search("nowhere", "key"),
        lambda r: r.search("nowhere", ""),
        lambda r: r.search("nowhere", "key", legs=["keyword"]),
        lambda r: r.ingest("nowhere", [KEYS]),
        lambda r: r.delete("nowhere", ["keys"]),
        lambda r: r.drop_collection("nowhere"),
        lambda r: r.search("handbook", "key", space="nowhere"),
    ],
)
def test_what_does_not_exist_is_named(
    retriever: Retriever, call: Callable[[Retriever], object]
) -> None:
    with pytest.raises(NotFound, match="nowhere") as caught:
        call(retriever)
    assert "\n" not in str(caught.value)


# Searching


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[Retriever]:
    """A retriever whose collection is only read."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("handbook")
        opened.ingest("handbook", [KEYS, BACKUPS, LONG])
        yield opened


@pytest.mark.parametrize("legs", [["keyword"], ["semantic"], ["keyword", "semantic"]])
def test_each_leg_finds_and_shows_its_rank(filled: Retriever, legs: list[str]) -> None:
    best = filled.search("handbook", "rotate a key", legs=legs)[0]
    assert (best.document_key, best.title, best.position) == ("keys", "Keys", 0)
    assert (best.content, best.metadata) == ("Rotate a key every month.", {"year": 2026})
    assert best.keyword_rank == (1 if "keyword" in legs else None)
    assert best.semantic_rank == (1 if "semantic" in legs else None)


def test_options_reach_the_database(filled: Retriever) -> None:
    def ask(**options: Any) -> list[str]:
        return keys_of(filled.search("handbook", "rotate backups", **options))

    assert ask(metadata_filter={"year": {"$lt": 2025}}) == ["backups"]
    assert len(ask(max_results=2)) == 2
    assert ask(legs=["keyword"], keyword_operator="and") == []
    assert ask(weights={"semantic": 0}, candidates=1, max_results=1, rrf_k=1) == ["backups"]
    vector = HashingEmbedder().embed_query("Rotate a key every month.")
    assert ask(legs=["semantic"], query_embedding=vector, space="hashing")[0] == "keys"


@pytest.mark.parametrize("query", ["", "   ", "\0", "\n\t"])
def test_an_empty_query_finds_nothing(filled: Retriever, query: str) -> None:
    assert filled.search("handbook", query) == []


def test_stop_words_alone_find_nothing_by_keyword(filled: Retriever) -> None:
    assert filled.search("handbook", "the of and", legs=["keyword"]) == []
    assert filled.search("handbook", "the of and")  # by meaning, anything is nearest


@pytest.mark.parametrize("query", ["key\0", "\ufeffkey\ud800", '"key', "key )(", "'key", "key \\"])
def test_odd_queries_are_searched_for_their_words(filled: Retriever, query: str) -> None:
    assert keys_of(filled.search("handbook", query, legs=["keyword"])) == ["keys"]


def test_a_long_query_is_no_problem(filled: Retriever) -> None:
    words = " ".join(f"word{n}" for n in range(1000))
    assert keys_of(filled.search("handbook", f"{words} rotate"))


@pytest.mark.parametrize("max_results", [0, -1, 1_000_000, 10**12])
def test_max_results_has_a_range(filled: Retriever, max_results: int) -> None:
    with pytest.raises(InvalidInput, match=r"max_results must be between|out of range") as caught:
        filled.search("handbook", "key", max_results=max_results)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"legs": []}, "not none"),
        ({"legs": ["smell"]}, "'smell'"),
        ({"metadata_filter": {"year": {"$near": 1}}}, "near"),
        ({"metadata_filter": {"year": object()}}, "JSON"),
        ({"metadata_filter": {"year": float("nan")}}, "JSON"),
        ({"metadata_filter": {"a": "\0"}}, "Unicode"),
        ({"metadata_filter": {"a": "\ud800"}}, "json"),
        ({"weights": {"sparse": 1}}, "sparse"),
        ({"candidates": 0}, "candidates"),
        ({"rrf_k": -1}, "rrf_k"),
        ({"keyword_operator": "xor"}, "xor"),
        ({"query_embedding": [1.0, 2.0]}, "2 dimensions"),
        ({"query_embedding": [float("nan")] * 64}, "NaN"),
        ({"query_embedding": [float("inf")] * 64}, "infinite"),
        ({"query_embedding": [1e9] * 64}, "out of range"),
        ({"query_embedding": [0.0] * 64}, "zero"),
        ({"query_embedding": []}, "dimension"),
        ({"query_embedding": [[1.0]]}, "float"),
        ({"query_embedding": ["a"] * 64}, "convert"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_unusable_options_are_named_in_one_line(
    filled: Retriever, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInput, match=named) as caught:
        filled.search("handbook", "key", **options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_neighbours_come_in_order(filled: Retriever) -> None:
    hit = filled.search("handbook", "topic30", legs=["keyword"], max_results=1)[0]
    around = filled.neighbouring_chunks(hit.chunk_id, before=1, after=2)
    assert [each.position for each in around] == [hit.position + n for n in (-1, 0, 1, 2)]
    for chunk in around:
        assert LONG.content[chunk.start_offset : chunk.end_offset] == chunk.content
    assert filled.neighbouring_chunks(-1) == []
    with pytest.raises(InvalidInput, match="before"):
        filled.neighbouring_chunks(hit.chunk_id, before=-1)


# A collection that SQL created


def test_without_a_space_words_alone_are_searched(retriever: Retriever, database_url: str) -> None:
    with psycopg.connect(database_url) as session:
        session.execute("select retrieval.create_collection('plain')")
    assert retriever.ingest("plain", [KEYS]).added == 1
    found = retriever.search("plain", "rotate a key")
    assert [(hit.document_key, hit.semantic_rank) for hit in found] == [("keys", None)]
    with pytest.raises(NotReady, match="plain has no active space"):
        retriever.search("plain", "key", legs=["semantic"])


def test_a_space_that_was_dropped_meanwhile(retriever: Retriever, database_url: str) -> None:
    retriever.ingest("handbook", [KEYS])
    retriever.search("handbook", "key")
    with psycopg.connect(database_url) as session:
        session.execute("select retrieval.drop_space('handbook', 'hashing', force => true)")
    assert retriever.search("handbook", "key")[0].semantic_rank is None


# Deleting


def test_deleted_documents_are_gone(retriever: Retriever) -> None:
    retriever.ingest("handbook", [KEYS, BACKUPS])
    assert retriever.delete("handbook", ["keys", "unknown"]) == 1
    assert keys_of(retriever.search("handbook", "rotate a key")) == ["backups"]
    assert retriever.delete("handbook", []) == 0
    assert retriever.ingest("handbook", [KEYS]).added == 1


# The caller's own transaction


def test_a_connection_is_neither_committed_nor_rolled_back(
    retriever: Retriever, database_url: str
) -> None:
    with retriever.engine.connect() as connection:
        use_everything(retriever, connection)
        assert connection.in_transaction()
        connection.rollback()
        assert [each.name for each in retriever.collections()] == ["handbook"]
        use_everything(retriever, connection)
        connection.commit()
    assert keys_of(retriever.search("other", "copy")) == ["backups"]


def use_everything(retriever: Retriever, connection: Connection | Session) -> None:
    """Every method once; leaves the collection `other` with one document."""
    connection.execute(text("create table marker ()"))
    retriever.create_collection("other", connection=connection)
    report = retriever.ingest("other", [KEYS, BACKUPS], connection=connection)
    assert report.added == 2
    hits = retriever.search("other", "key", connection=connection)
    retriever.neighbouring_chunks(hits[0].chunk_id, connection=connection)
    assert retriever.delete("other", ["keys"], connection=connection) == 1
    assert len(retriever.collections(connection=connection)) == 2
    retriever.create_collection("third", connection=connection)
    retriever.drop_collection("third", connection=connection)


def test_a_session_is_neither_committed_nor_rolled_back(retriever: Retriever) -> None:
    with Session(retriever.engine) as session:
        use_everything(retriever, session)
        session.rollback()
        assert [each.name for each in retriever.collections()] == ["handbook"]
        use_everything(retriever, session)
        session.commit()
    assert keys_of(retriever.search("other", "copy")) == ["backups"]


def test_a_failure_leaves_the_transaction_to_the_caller(retriever: Retriever) -> None:
    """A document that the database refuses is reported, and what went before is still there."""
    with retriever.engine.connect() as connection:
        connection.execute(text("create table marker ()"))
        report = retriever.ingest("handbook", [KEYS, Document("", "x")], connection=connection)
        assert (report.added, len(report.failures)) == (1, 1)
        connection.execute(text("select from marker"))
        connection.commit()
    assert keys_of(retriever.search("handbook", "key")) == ["keys"]


# Opening


def test_open_needs_the_schema(empty_database_url: str) -> None:
    with pytest.raises(SchemaMismatch, match="run: retrieval init"):
        Retriever.open(empty_database_url)


def test_a_driver_other_than_psycopg_is_replaced(database_url: str) -> None:
    url = database_url.replace("postgresql://", "postgresql+asyncpg://")
    with Retriever.open(url) as opened:
        assert opened.engine.url.drivername == "postgresql+psycopg"


def test_the_callers_engine(database_url: str) -> None:
    engine = open_engine(database_url)
    retriever = Retriever(engine, embedder=HashingEmbedder())
    retriever.create_collection("handbook")
    retriever.close()
    with psycopg.connect(database_url) as session:
        assert session.execute("select name from retrieval.collections").fetchall() == [
            ("handbook",)
        ]


# The asynchronous twin


def public_methods(kind: type) -> dict[str, Any]:
    found = inspect.getmembers(kind, lambda member: callable(member))
    return {name: method for name, method in found if not name.startswith("_")}


def test_both_retrievers_have_the_same_methods() -> None:
    ours, theirs = public_methods(Retriever), public_methods(AsyncRetriever)
    assert ours.keys() == theirs.keys()
    for name in ours:
        if inspect.isfunction(ours[name]):
            # these only make another retriever
            asks = name not in ("for_tenant", "at_least", "read_only", "with_statement_timeout")
            assert inspect.iscoroutinefunction(theirs[name]) == asks, name
        assert parameters(ours[name]) == parameters(theirs[name]), name
        assert ours[name].__doc__ == theirs[name].__doc__, name


def parameters(method: Any) -> list[tuple[Any, ...]]:
    """Names, kinds, defaults and types; of the type of `connection` each has its own."""
    hints = typing.get_type_hints(method)
    hints.pop("connection", None)
    return [
        (each.name, each.kind, each.default, hints.get(each.name))
        for each in inspect.signature(method).parameters.values()
    ] + [("return", hints.get("return"))]
