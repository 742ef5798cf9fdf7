"""Golden sets from Python: files in and out, and what of them is refused."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from retrieval import AsyncRetriever, Document, HashingEmbedder, Retriever
from retrieval.errors import AlreadyExists, InvalidInput, NotFound
from retrieval.evaluation.pooling import pool
from retrieval.evaluation.search_settings import SearchSettings
from retrieval.golden_sets.judgements import Judgements, read_judgements, read_trec

QUERIES = {"q1": "round wheel", "q2": "steel frame", "q3": "never judged"}
RELEVANCE = {"q1": {"bicycle": 2, "cart": 0}, "q2": {"bicycle": 1}}


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[Retriever]:
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("c")
        texts = {"bicycle": "a round wheel on a frame", "cart": "a steel wheel", "sea": "a wave"}
        documents = [Document(key=key, content=text) for key, text in texts.items()]
        retriever.ingest("c", documents)
        yield retriever


@pytest.fixture
def connection(filled: Retriever) -> Iterator[Connection]:
    """A transaction on the database of the retriever, undone."""
    with filled.engine.connect() as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path, QUERIES, RELEVANCE)


def write(
    folder: Path, queries: dict[str, str], relevance: dict[str, dict[str, int]], split: str = "test"
) -> Path:
    (folder / "qrels").mkdir(exist_ok=True)
    lines = [json.dumps({"_id": key, "text": text}) for key, text in queries.items()]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    rows = [
        f"{key}\t{document}\t{grade}"
        for key in relevance
        for document, grade in relevance[key].items()
    ]
    (folder / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]))
    return folder


def test_a_folder_becomes_a_golden_set(
    filled: Retriever, connection: Connection, folder: Path
) -> None:
    golden = filled.golden_sets
    done = golden.import_folder("c", "g", folder, judge="ann", connection=connection)
    assert (done.queries, done.judgements, done.unjudged, done.skipped) == (2, 3, 1, 0)
    assert golden.judgements("c", "g", connection=connection) == Judgements(
        {"q1": "round wheel", "q2": "steel frame"}, RELEVANCE
    )
    again = golden.import_folder("c", "g", folder, judge="ann", connection=connection)
    assert again.version == done.version
    later = golden.import_folder("c", "g", folder, unjudged=True, connection=connection)
    assert later.version == done.version + 1
    assert golden.queries("c", "g", connection=connection) == QUERIES
    assert list(golden.queries("c", "g", done.version, connection=connection)) == ["q1", "q2"]
    assert {each.judge for each in golden.graded("c", "g", connection=connection)} == {"ann"}
    (listed,) = golden.list("c", connection=connection)
    assert (listed.name, listed.origin, listed.queries, listed.judgements) == ("g", "human", 3, 3)
    with pytest.raises(InvalidInput, match="golden set g is human, not clicks"):
        golden.import_folder("c", "g", folder, origin="clicks", connection=connection)


AWKWARD = {
    "a b": 'tabs\tand\n"lines" \u2028 of ünïcode, <top> ',
    "日本": "wheel\\n",
}


@pytest.mark.parametrize(
    ("format", "queries"), [("beir", {**QUERIES, **AWKWARD}), ("trec", {"7": "a  b\tc", **QUERIES})]
)
def test_what_is_exported_comes_back_as_it_was(
    filled: Retriever, connection: Connection, tmp_path: Path, format: str, queries: dict[str, str]
) -> None:
    golden = filled.golden_sets
    given = Judgements(queries, {**RELEVANCE, next(iter(queries)): {"sea": -1}})
    golden.create("c", "g", connection=connection)
    golden.put("c", "g", given, connection=connection)
    exported = golden.export_folder("c", "g", tmp_path, format=format, connection=connection)
    assert (exported.version, exported.queries) == (2, len(queries))
    if format == "beir":
        golden.import_folder("c", "h", tmp_path, unjudged=True, connection=connection)
        judged = golden.judgements("c", "g", connection=connection)
        assert read_judgements(tmp_path) == judged
    else:
        files = (tmp_path / "topics.tsv", tmp_path / "qrels.txt")
        golden.import_trec("c", "h", *files, unjudged=True, connection=connection)
    for read in (golden.queries, golden.judgements):
        assert read("c", "h", connection=connection) == read("c", "g", connection=connection)


@pytest.mark.parametrize(
    ("format", "query", "text", "message"),
    [
        ("trec", "a", "two\nlines", "query 'a' is not one line of plain text"),
        ("trec", "a", " edge", "query 'a' is not one line of plain text"),
        ("trec", "a", "a <top>", "query 'a' is not one line of plain text"),
        ("trec", "a b", "fine", "'a b' or of document 'sea' has a blank: export it as beir"),
        ("csv", "a", "fine", "format must be one of beir, trec, not 'csv'"),
    ],
)
def test_what_a_format_cannot_hold_is_not_written(
    filled: Retriever,
    connection: Connection,
    tmp_path: Path,
    format: str,
    query: str,
    text: str,
    message: str,
) -> None:
    golden = filled.golden_sets
    golden.create("c", "g", connection=connection)
    golden.put("c", "g", Judgements({query: text}, {query: {"sea": 1}}), connection=connection)
    with pytest.raises(InvalidInput, match=message):
        golden.export_folder("c", "g", tmp_path / "out", format=format, connection=connection)
    assert not (tmp_path / "out").exists()


def refused(
    filled: Retriever, connection: Connection, load: Callable[[], object], message: str
) -> None:
    """The load fails as said, and leaves nothing behind."""
    before = filled.golden_sets.list("c", connection=connection)
    with pytest.raises(InvalidInput, match=message), connection.begin_nested():
        load()
    assert filled.golden_sets.list("c", connection=connection) == before


def test_judgements_of_what_there_is_not(
    filled: Retriever, connection: Connection, tmp_path: Path
) -> None:
    golden = filled.golden_sets
    relevance = {"q1": {"bicycle": 1, "plane": 1}, "q2": {"ship": 1}, "q9": {"cart": 1}}
    write(tmp_path, QUERIES, relevance)
    refused(
        filled,
        connection,
        lambda: golden.import_folder("c", "g", tmp_path, connection=connection),
        "judged, but not among the queries: 'q9'",
    )
    del relevance["q9"]
    write(tmp_path, QUERIES, relevance)
    refused(
        filled,
        connection,
        lambda: golden.import_folder("c", "g", tmp_path, connection=connection),
        "judged, but not in collection c: documents 'plane', 'ship'",
    )
    done = golden.import_folder("c", "g", tmp_path, skip_missing=True, connection=connection)
    assert (done.queries, done.judgements, done.skipped, done.unjudged) == (1, 1, 2, 2)
    write(tmp_path, QUERIES, {"q2": {"ship": 1}})
    refused(
        filled,
        connection,
        lambda: golden.import_folder("c", "g", tmp_path, skip_missing=True, connection=connection),
        "there is no query with a judgement to import",
    )


def test_queries_of_the_same_text(
    filled: Retriever, connection: Connection, tmp_path: Path
) -> None:
    golden = filled.golden_sets
    twice = {"q1": "round wheel", "x": "round wheel"}
    relevance = {"q1": {"bicycle": 1, "cart": 2}, "x": {"bicycle": 3, "sea": 1}}
    write(tmp_path, twice, relevance, split="dev")
    load = {"split": "dev"}
    refused(
        filled,
        connection,
        lambda: golden.import_folder("c", "g", tmp_path, **load, connection=connection),
        "queries 'q1', 'x' have the same text: round wheel",
    )
    golden.create("c", "g", connection=connection)
    key = golden.add_query("c", "g", "round wheel", connection=connection)
    done = golden.import_folder(
        "c", "g", tmp_path, **load, merge_duplicates=True, connection=connection
    )
    assert (done.queries, done.judgements, done.merged) == (1, 3, 2)
    assert golden.judgements("c", "g", connection=connection) == Judgements(
        {key: "round wheel"}, {key: {"bicycle": 3, "cart": 2, "sea": 1}}
    )


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("topics", "1 no tab\n", "topics, line 1: not a query id, a tab and a text"),
        ("topics", "1\ta\n\n1\tb\n", "topics, line 3: query 1 has another text further up"),
        ("topics", "\n<top>\n<num> 1\n</top>", "topics, line 2: a topic without a <num> or a"),
        ("qrels", "1 0 cart 1\n1 0 cart\n", "qrels, line 2: not query id, iteration, document"),
        ("qrels", "1 0 cart one\n", "qrels, line 1: not query id"),
        (
            "qrels",
            "1 0 cart 1\n1 0 cart 2\n",
            "line 2: document cart has another grade for query 1",
        ),
        ("qrels", b"\xff\xfe", "qrels is not UTF-8 text"),
        ("qrels", None, "qrels cannot be read"),
        ("qrels.tsv", "1\tcart\n", "qrels.tsv, line 1: not query id, document key and grade"),
        ("qrels.tsv", "a\tb\tc\n1\tcart\t1\n1\tcart\t2\n", "line 3: document cart has another"),
        ("queries.jsonl", '{"_id": "1", "text": "b"}', "line 2: query 1 has another text"),
        ("queries.jsonl", r'{"_id": "2", "text": "\u0000"}', "line 2: a character that cannot"),
        ("queries.jsonl", r'{"_id": "2", "text": "\ud800"}', "line 2: a character that cannot"),
    ],
)
def test_wrong_lines_are_named(
    tmp_path: Path, file: str, content: str | bytes | None, message: str
) -> None:
    files = {
        "topics": "<top>\n<num> Number: 1\n<title> round\n wheel\n<desc> …\n</top>\n",
        "qrels": "1 0 cart 1\n",
        "queries.jsonl": '{"_id": "1", "text": "a"}\n',
        "qrels.tsv": "1\tcart\t1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert read_trec(tmp_path / "topics", tmp_path / "qrels") == Judgements(
        {"1": "round wheel"}, {"1": {"cart": 1}}
    )
    if content is None:
        (tmp_path / file).unlink()
    elif isinstance(content, bytes):
        (tmp_path / file).write_bytes(content)
    else:
        before = files[file] if file == "queries.jsonl" else ""
        (tmp_path / file).write_text(before + content)
    with pytest.raises(InvalidInput, match=message):
        read_trec(tmp_path / "topics", tmp_path / "qrels")
        read_judgements(tmp_path)


def test_grades_are_changed_and_taken_back(filled: Retriever, connection: Connection) -> None:
    golden = filled.golden_sets
    golden.create("c", "g", description="ours", connection=connection)
    with pytest.raises(AlreadyExists), connection.begin_nested():
        golden.create("c", "g", connection=connection)
    assert golden.judgements("c", "g", connection=connection) == Judgements({}, {})
    key = golden.add_query("c", "g", "wheel", connection=connection)
    golden.judge("c", "g", key, {"cart": 1, "sea": 0}, connection=connection)
    grades = {"cart": 2, "sea": None}
    assert golden.judge("c", "g", key, grades, judge="bob", connection=connection) == 3
    found = golden.judgements("c", "g", connection=connection)
    assert found.relevance == {key: {"cart": 2}}
    assert golden.judgements("c", "g", 2, connection=connection).relevance[key]["sea"] == 0
    golden.delete_queries("c", "g", [key], connection=connection)
    assert golden.queries("c", "g", connection=connection) == {}
    golden.drop("c", "g", connection=connection)
    with pytest.raises(NotFound, match="golden set g does not exist in collection c"):
        golden.judgements("c", "g", connection=connection)


def test_awaited(database_url: str) -> None:
    async def judged() -> Judgements:
        async with await AsyncRetriever.open(database_url, embedder=HashingEmbedder()) as retriever:
            await retriever.create_collection("c")
            await retriever.ingest("c", [Document(key="cart", content="wheel")])
            golden = retriever.for_tenant("").golden_sets
            await golden.create("c", "g")
            await golden.put("c", "g", Judgements({"1": "wheel"}, {"1": {"cart": 1}}))
            return await golden.judgements("c", "g")

    assert asyncio.run(judged()).relevance == {"1": {"cart": 1}}


def test_a_pool_is_what_all_settings_find_without_their_order(filled: Retriever) -> None:
    keyword = SearchSettings("keyword", {"legs": ["keyword"]})
    semantic = SearchSettings("semantic", {"legs": ["semantic"]})
    found = pool(filled, "c", "wheel", [keyword, semantic], depth=3)
    assert {each.document_key for each in found} == {"bicycle", "cart", "sea"}
    assert pool(filled, "c", "wheel", [semantic, keyword], depth=3) == found
    orders = {
        tuple(each.document_key for each in pool(filled, "c", "wheel", [semantic], 3, seed=seed))
        for seed in range(20)
    }
    assert len(orders) > 3
    kept = pool(filled, "c", "wheel", [keyword, semantic], 3, judged=["cart"])
    assert kept == [each for each in found if each.document_key != "cart"]
    with pytest.raises(InvalidInput, match="needs settings"):
        pool(filled, "c", "wheel", [], 3)
