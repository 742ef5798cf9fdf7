"""After fusion duplicates fall, documents get their share, the rest is diversified, a page cut."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hybrid import LEGS, arguments, create, expected, queries, search
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row
from statements import put, value, vector
from vectors import create_space, embed, put_chunks

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

STEPS = {
    "duplicate_similarity": [0, 0.9, 0.99, 1],
    "per_document": [1, 2, 5],
    "mmr_lambda": [0, 0.4, 1],
}


@pytest.fixture(scope="module")
def session(module_database_url: str) -> Iterator[psycopg.Connection]:
    """A session on a database with the collection c."""
    with psycopg.connect(
        module_database_url, autocommit=True, row_factory=namedtuple_row
    ) as opened:
        create(opened)
        yield opened


Scored = list[tuple[int, float]]


def stepped(session: psycopg.Connection, ranking: Scored, steps: dict[str, Any]) -> Scored:
    """What the functions that do one step each make of a ranking, in the order that is promised."""
    space = steps.get("space")
    if "duplicate_similarity" in steps:
        ranking = step(
            session,
            "collapse_duplicates('c', %s, %s, %s, %s)",
            ranking,
            steps["duplicate_similarity"],
            space,
        )
    if "per_document" in steps:
        documents = dict(
            session.execute("select chunk_id, document_id from retrieval.chunks").fetchall()
        )
        seen: Counter[int] = Counter()
        kept = []
        for id_, score in ranking:
            seen[documents[id_]] += 1
            if seen[documents[id_]] <= steps["per_document"]:
                kept.append((id_, score))
        ranking = kept
    if "mmr_lambda" in steps:
        ranking = step(
            session,
            "diversify('c', %s, %s, %s, 1000, %s)",
            ranking,
            steps["mmr_lambda"],
            space,
        )
    return ranking


def step(session: psycopg.Connection, call: str, ranking: Scored, *options: Any) -> Scored:
    ids, scores = [id_ for id_, _ in ranking], [score for _, score in ranking]
    rows = session.execute(f"select * from retrieval.{call}", [ids, scores, *options])
    return [(row.chunk_id, row.score) for row in rows]


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10**6),
    legs=st.sets(st.sampled_from(list(LEGS)), min_size=1, max_size=4),
    steps=st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in STEPS.items()}),
    space=st.sampled_from([None, "flat"]),
    page=st.sampled_from([(0, 10), (3, 10), (10, 10), (90, 10), (0, 200)]),
)
def test_random_steps(
    session: psycopg.Connection,
    seed: int,
    legs: set[str],
    steps: dict[str, Any],
    space: str | None,
    page: tuple[int, int],
) -> None:
    if space and "semantic" not in legs:
        steps["space"] = space
    asked = queries(seed, *legs)
    offset, count = page
    ranking = [(id_, s) for id_, s, _ in expected(session, asked, candidates=200)]
    found = search(
        session,
        "hybrid_search",
        **arguments(asked),
        **steps,
        candidates=200,
        result_offset=offset,
        max_results=count,
    )
    wanted = stepped(session, ranking, steps)[offset : offset + count]
    assert [hit.chunk_id for hit in found] == [id_ for id_, _ in wanted]
    assert [hit.score for hit in found] == pytest.approx([s for _, s in wanted], rel=1e-9)


# Filling up


@pytest.fixture
def uneven(sql: psycopg.Cursor) -> list[str]:
    """The collection c: a document whose hundred chunks come first, then thirty of two chunks."""
    sql.execute("select retrieval.create_collection('c')")
    keys = [f"{n:02}" for n in range(31)]
    rows = put(
        sql,
        "c",
        {"document_key": keys[0], "chunks": [{"content": f"ant ant {n}"} for n in range(100)]},
        *(
            {
                "document_key": key,
                "chunks": [{"content": f"ant{' bee' * int(key)} {n}"} for n in range(2)],
            }
            for key in keys[1:]
        ),
    )
    chunks = [row.chunk_id for row in rows]
    for name, kind in (("s", "dense"), ("tokens", "multivector")):
        create_space(sql, name, 2, kind=kind)
        embed(sql, name, chunks, [[1, int(row.document_key)] for row in rows], kind)
        sql.execute("select retrieval.activate_space('c', %s)", [name])
    return keys


LEG_QUERIES: dict[str, dict[str, Any]] = {
    "keyword": {"query_text": "ant"},
    "semantic": {"query_embedding": "[1,0]"},
    "tokens": {"query_tokens": '{"[1,0]"}'},
    "all": {"query_text": "ant", "query_embedding": "[1,0]", "query_tokens": '{"[1,0]"}'},
    "collection": {
        "query_text": "ant",
        "query_tokens": '{"[1,0]"}',
        "late_interaction": "collection",
    },
}


@pytest.mark.parametrize("legs", LEG_QUERIES)
def test_documents_fill_up_from_deeper_candidates(
    sql: psycopg.Cursor, uneven: list[str], legs: str
) -> None:
    asked = LEG_QUERIES[legs] | {"candidates": 10}
    for per_document, count in ((1, 5), (2, 9), (1, 40)):
        found = search(sql, "hybrid_search", **asked, per_document=per_document, max_results=count)
        documents = [hit.document_key for hit in found]
        assert documents == sorted(uneven * per_document)[:count]


@pytest.mark.usefixtures("uneven")
def test_depths_that_were_given_are_no_deeper(sql: psycopg.Cursor) -> None:
    options = {"per_document": 1, "max_results": 5, "candidates": 10}
    one = {"query_text": "ant", "leg_candidates": {"keyword": 7}}
    explained = value(
        sql,
        "select retrieval.explain_search('c', 'ant', per_document => 1, max_results => 5,"
        " leg_candidates => '{\"keyword\": 7}')",
    )
    assert [leg["candidates"] for leg in explained["legs"]] == [7]
    found = search(sql, "hybrid_search", **options, **one)
    assert [hit.document_key for hit in found] == ["00"]
    both = one | {"query_embedding": "[1,0]"}
    found = search(sql, "hybrid_search", **options, **both)
    assert len({hit.document_key for hit in found}) == len(found) == 5


@pytest.mark.usefixtures("uneven")
def test_only_the_first_page_is_filled_up(sql: psycopg.Cursor) -> None:
    """So no chunk is on two pages."""
    options = {"query_text": "ant", "per_document": 1, "max_results": 5, "candidates": 102}
    first = search(sql, "hybrid_search", **options)
    assert len(first) == 5
    assert search(sql, "hybrid_search", **options, result_offset=5) == []


def test_duplicates_fill_up(sql: psycopg.Cursor) -> None:
    """As far as finding them takes a moment."""
    chunks = put_chunks(sql, 2000)
    (other,) = put(sql, "c", {"document_key": "other", "content": "x y"})
    asked = {"query_text": "x", "duplicate_similarity": 0.9, "max_results": 2}
    found = search(sql, "hybrid_search", **asked)
    assert [hit.chunk_id for hit in found] == [chunks[0], other.chunk_id]
    for more, depth in (({}, 2001), ({"per_document": 9}, 1600)):
        ((explained,),) = search(sql, "explain_search", **asked, **more)
        assert explained["legs"][0]["candidates"] == depth
        assert explained["hits"][0]["duplicates"] == chunks[1 : min(depth, 2000)]


# Pages


@pytest.mark.parametrize(
    "steps",
    [
        {},
        {"fusion": "rrf"},
        {"fusion": "dbsf", "late_interaction": "collection"},
        {"mmr_lambda": 0.5},
        {"duplicate_similarity": 0.95},
        {"per_document": 1},
        {"duplicate_similarity": 0.95, "per_document": 2, "mmr_lambda": 0.3},
    ],
)
def test_pages_are_the_ranking(session: psycopg.Connection, steps: dict[str, Any]) -> None:
    options = arguments(queries(20, *LEGS)) | steps | {"candidates": 91}
    whole = search(session, "hybrid_search", **options, max_results=91)
    assert len({hit.chunk_id for hit in whole}) == len(whole) > 20
    for size, end in ((13, 91), (1, 3)):
        pages = [
            search(session, "hybrid_search", **options, max_results=size, result_offset=offset)
            for offset in range(0, end, size)
        ]
        assert [hit for page in pages for hit in page] == whole[:end]


def test_beyond_the_last_hit(session: psycopg.Connection) -> None:
    options = {"query_text": "ant", "candidates": 10000, "max_results": 10}
    assert search(session, "hybrid_search", **options, result_offset=9990) == []


# In their order


def test_the_order_of_the_steps(sql: psycopg.Cursor) -> None:
    """A duplicate falls before its document is counted, and before anything is diversified."""
    sql.execute("select retrieval.create_collection('c')")
    contents = {"a": ["ant ant ant", "ant ant bee"], "b": ["ant ant ant", "ant bee bee"]}
    rows = put(
        sql,
        "c",
        *(
            {"document_key": key, "chunks": [{"content": text} for text in texts]}
            for key, texts in contents.items()
        ),
    )
    create_space(sql, "s", 2)
    vectors = [[1, 0], [1, 0.1], [1, 0], [0, 1]]
    sql.execute(
        "select retrieval.put_embeddings('c', 's', %s, %s::halfvec[])",
        [[row.chunk_id for row in rows], [vector(each) for each in vectors]],
    )
    sql.execute("select retrieval.activate_space('c', 's')")
    a1, a2, b1, b2 = (row.chunk_id for row in rows)
    for steps, wanted in (
        ({}, [a1, b1, a2, b2]),
        ({"duplicate_similarity": 1}, [a1, a2, b2]),
        ({"per_document": 1}, [a1, b1]),
        ({"duplicate_similarity": 1, "per_document": 1}, [a1, b2]),
        ({"mmr_lambda": 0.2}, [a1, b2, b1, a2]),
        ({"mmr_lambda": 0.2, "duplicate_similarity": 1}, [a1, b2, a2]),
    ):
        found = search(sql, "hybrid_search", query_text="ant", **steps)
        assert [hit.chunk_id for hit in found] == wanted


def test_without_an_active_space(session: psycopg.Connection) -> None:
    """Only equal content is a duplicate then."""
    contents = dict(session.execute("select chunk_id, content from retrieval.chunks").fetchall())
    with session.transaction(force_rollback=True):
        session.execute("update retrieval.spaces set state = 'shadow'")
        for leg in ("keyword", "flat"):
            asked = arguments(queries(21, leg)) | {"max_results": 100}
            first: dict[str, int] = {}
            for hit in search(session, "hybrid_search", **asked):
                first.setdefault(contents[hit.chunk_id], hit.chunk_id)
            found = search(session, "hybrid_search", **asked, duplicate_similarity=0.5)
            assert [hit.chunk_id for hit in found] == list(first.values())
