"""Hybrid search is reciprocal rank fusion, reproduced here from the ranks of its legs."""

from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, put, vector

WORDS = ["ant", "bee", "cat", "dog", "elk", "fox"]
QUERY = vector([1, 0.5, -0.2])


@pytest.fixture
def collection(sql: psycopg.Cursor) -> dict[str, int]:
    """Eighty chunks of random words and vectors."""
    sql.execute("select retrieval.create_collection('c')")
    chosen = np.random.default_rng(11)
    rows = put(
        sql,
        "c",
        *(
            {
                "document_key": f"{n:02}",
                "content": " ".join(chosen.choice(WORDS, size=chosen.integers(1, 9))),
                "metadata": {"n": n},
            }
            for n in range(80)
        ),
    )
    chunks = [row.chunk_id for row in rows]
    vectors = [vector(row) for row in chosen.normal(size=(80, 3))]
    sql.execute("select retrieval.create_space('c', 's', 'm', 3)")
    sql.execute("select retrieval.put_embeddings('c', 's', %s, %s::halfvec[])", [chunks, vectors])
    sql.execute("select retrieval.build_index('c', 's')")
    sql.execute("select retrieval.activate_space('c', 's')")
    return {row.document_key: row.chunk_id for row in rows}


def hybrid(
    sql: psycopg.Cursor, text: str | None, embedding: str | None, **options: Any
) -> list[Any]:
    named = "".join(f", {name} => %({name})s" for name in options)
    options = {name: Jsonb(v) if isinstance(v, dict) else v for name, v in options.items()}
    return sql.execute(
        f"select * from retrieval.hybrid_search('c', %(text)s, %(embedding)s{named})",
        {"text": text, "embedding": embedding, **options},
    ).fetchall()


def legs(
    sql: psycopg.Cursor, text: str, metadata_filter: dict | None, candidates: int
) -> tuple[dict, dict]:
    """Each leg's rank and score of a chunk."""
    condition = None if metadata_filter is None else Jsonb(metadata_filter)
    return tuple(
        {
            hit.chunk_id: (hit[-2], hit.score)
            for hit in sql.execute(
                f"select * from retrieval.{function}('c', %s, %s, %s)",
                [query, condition, candidates],
            )
        }
        for function, query in (("keyword_search", text), ("semantic_search", QUERY))
    )


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_results": 1},
        {"max_results": 100},
        {"weights": {"keyword": 0.3, "semantic": 2}},
        {"weights": {"keyword": 3}},
        {"weights": {"semantic": 0}},
        {"weights": {"keyword": 0}},
        {"rrf_k": 1},
        {"rrf_k": 1000, "weights": {}},
        {"candidates": 5, "max_results": 3},
        {"candidates": 1, "max_results": 8},
        {"metadata_filter": {"n": {"$gte": 40}}, "candidates": 10},
        {"metadata_filter": {"n": {"$lt": 3}}},
    ],
)
def test_fusion_from_ranks(sql: psycopg.Cursor, options: dict[str, Any]) -> None:
    max_results = options.get("max_results", 10)
    candidates = max(options.get("candidates", 100), max_results)
    weights = {"keyword": 1, "semantic": 1} | options.get("weights", {})
    k = options.get("rrf_k", 60)
    keyword, semantic = legs(sql, "ant or bee fox", options.get("metadata_filter"), candidates)
    expected = {
        chunk: sum(
            weights[name] / (k + leg[chunk][0])
            for name, leg in (("keyword", keyword), ("semantic", semantic))
            if chunk in leg
        )
        for chunk in keyword.keys() | semantic.keys()
    }
    order = sorted(expected, key=lambda chunk: (-expected[chunk], chunk))[:max_results]
    found = hybrid(sql, "ant or bee fox", QUERY, **options)
    assert [hit.chunk_id for hit in found] == order
    for hit in found:
        assert hit.score == pytest.approx(expected[hit.chunk_id], rel=1e-12)
        assert (hit.keyword_rank, hit.keyword_score) == keyword.get(hit.chunk_id, (None, None))
        assert (hit.semantic_rank, hit.semantic_score) == semantic.get(hit.chunk_id, (None, None))


@pytest.mark.usefixtures("collection")
def test_one_leg_alone(sql: psycopg.Cursor) -> None:
    keyword, semantic = legs(sql, "cat", None, 10)
    found = hybrid(sql, "cat", None)
    assert [hit.chunk_id for hit in found] == list(keyword)
    assert {hit.semantic_rank for hit in found} == {None}
    found = hybrid(sql, None, QUERY)
    assert [hit.chunk_id for hit in found] == list(semantic)
    assert {hit.keyword_score for hit in found} == {None}
    assert [hit.chunk_id for hit in hybrid(sql, "zebra", QUERY)] == list(semantic)


def test_a_collection_without_a_space(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", {"document_key": "a", "content": "ant"})
    assert [hit.document_key for hit in hybrid(sql, "ant", None)] == ["a"]
    error = failure(sql, "select * from retrieval.hybrid_search('c', 'ant', '[1,0,0]')")
    assert error.sqlstate == "55000"


def test_ties_go_by_chunk_id(sql: psycopg.Cursor, collection: dict[str, int]) -> None:
    # first in one leg and absent from the other: the same score twice
    put(
        sql,
        "c",
        {"document_key": "word", "content": "zebra"},
        {"document_key": "vector", "content": "x"},
    )
    chunks = dict(
        sql.execute(
            "select document_key, chunk_id from retrieval.chunks"
            " join retrieval.documents using (collection_id, document_id)"
        ).fetchall()
    )
    sql.execute(
        "select retrieval.put_embeddings('c', 's', %s, %s::halfvec[])",
        [[chunks["vector"], chunks["word"]], [QUERY, vector([-1, -0.5, 0.2])]],
    )
    found = hybrid(sql, "zebra", QUERY, candidates=1, max_results=1)
    assert [hit.chunk_id for hit in found] == [min(chunks["word"], chunks["vector"])]
    both = hybrid(sql, "zebra", QUERY, candidates=2, max_results=2)
    assert both[0].score == both[1].score
    assert [hit.chunk_id for hit in both] == sorted([chunks["word"], chunks["vector"]])


def test_the_filter_comes_before_the_cut(sql: psycopg.Cursor, collection: dict[str, int]) -> None:
    last = hybrid(sql, "cat", QUERY, max_results=80)[-1]
    for legs_asked in (("cat", QUERY), (None, QUERY)):
        (hit,) = hybrid(
            sql, *legs_asked, metadata_filter=last.metadata, candidates=1, max_results=1
        )
        assert hit.chunk_id == last.chunk_id


@pytest.mark.usefixtures("collection")
def test_every_word_demanded(sql: psycopg.Cursor) -> None:
    found = hybrid(sql, "cat dog", None, keyword_operator="and", max_results=80)
    assert 0 < len(found) < len(hybrid(sql, "cat dog", None, max_results=80))
    assert all("cat" in hit.content and "dog" in hit.content for hit in found)


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("arguments", "sqlstate", "named"),
    [
        ("'c'", "22004", "query_text or query_embedding"),
        ("'c', null, null", "22004", "query_text or query_embedding"),
        ("'x', 'a'", "42704", "collection x"),
        ("'c', 'a', max_results => 0", "22023", "max_results"),
        ("'c', 'a', max_results => null", "22023", "max_results"),
        ("'c', 'a', candidates => 0", "22023", "candidates"),
        ("'c', 'a', candidates => 10001", "22023", "candidates"),
        ("'c', 'a', rrf_k => 0", "22023", "rrf_k"),
        ("'c', 'a', keyword_operator => 'not'", "22023", "keyword_operator"),
        ("'c', null, '[1,0]'", "22023", "2 dimensions"),
        ("'c', null, '[0,0,0]'", "22023", "zeros"),
        ("'c', null, '[1,0,0]', space => 'x'", "42704", "space x"),
        ("'c', null, '[1,0,0]', signature => '{\"a\": 1}'", "22023", "another model"),
        ("'c', 'a', weights => null", "22023", "weights"),
        ("'c', 'a', weights => '[]'", "22023", "weights"),
        ("'c', 'a', weights => '{\"sparse\": 1}'", "22023", "sparse"),
        ("'c', 'a', weights => '{\"keyword\": -1}'", "22023", "keyword"),
        ("'c', 'a', weights => '{\"keyword\": \"1\"}'", "22023", "keyword"),
        ("'c', 'a', weights => '{\"keyword\": null}'", "22023", "keyword"),
        ("'c', 'a', weights => '{\"keyword\": 0, \"semantic\": 0}'", "22023", "all be 0"),
        ("'c', 'a', weights => '{\"keyword\": 1e400}'", "22", ""),
        ("'c', 'a', metadata_filter => '{\"$x\": 1}'", "22023", "$x"),
    ],
)
def test_unusable_arguments(sql: psycopg.Cursor, arguments: str, sqlstate: str, named: str) -> None:
    error = failure(sql, f"select * from retrieval.hybrid_search({arguments})")
    assert error.sqlstate.startswith(sqlstate)
    assert named in str(error).splitlines()[0]


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize("prepare", [True, False])
def test_the_same_at_every_call(sql: psycopg.Cursor, prepare: bool) -> None:
    search = "select chunk_id, score from retrieval.hybrid_search('c', %s, %s, %s)"
    arguments = ["ant bee", QUERY, Jsonb({"n": {"$lt": 20}})]
    first = sql.execute(search, arguments).fetchall()
    assert len(first) == 10
    for _ in range(25):
        assert sql.execute(search, arguments, prepare=prepare).fetchall() == first
    assert len(column(sql, "select * from retrieval.hybrid_search('c', 'ant', %s)", [QUERY])) == 10
