"""Why keyword search ranks as it does."""

import json
import random

import psycopg
import pytest
from bm25 import Reference
from statements import failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

ARGUMENTS = "'c', %s, %s, %s, keyword_operator => %s, field_weights => %s"
EXPLAIN = f"select * from retrieval.explain_keyword_search({ARGUMENTS})"
SEARCH = f"select * from retrieval.keyword_search({ARGUMENTS})"


@pytest.fixture
def reference(sql: psycopg.Cursor) -> Reference:
    """The collection c: two hundred chunks of common and rare words in all fields."""
    chosen = random.Random(3)

    def words(most: int) -> str:
        ranks = (int(80 ** chosen.random()) - 1 for _ in range(chosen.randrange(most)))
        return " ".join(f"w{rank}" for rank in ranks)

    sql.execute("select retrieval.create_collection('c', 'simple')")
    put(
        sql,
        "c",
        *(
            {
                "document_key": str(number),
                "title": words(3),
                "metadata": {"even": number % 2 == 0},
                "chunks": [{"content": words(20), "context": words(4)}],
            }
            for number in range(200)
        ),
    )
    sql.execute("delete from retrieval.chunks where mod(chunk_id, 9) = 0")
    return Reference(sql, "c")


CALLS = [
    ("w1", None, 10, "or", None),
    ("w0 w1 w2", None, 10, "or", None),
    ("w3 w3 w3 w40", None, 5, "or", None),
    ("w0 w1 w2", None, 100, "and", None),
    ("w5 w9", {"even": True}, 10, "or", None),
    ("w5 w9 w0", None, 20, "or", {"title": 3, "context": 2}),
    ("w5 w9 w0", None, 20, "or", {"content": 0}),
    ("w4* -w0", None, 10, "or", None),
    ('"w0 w1" w2', None, 10, "or", None),
    (" ".join(f"w{n}" for n in range(80)), None, 10, "or", None),
    (" ".join(f"w{n % 3}" for n in range(900)), None, 10, "or", None),
]


@pytest.mark.parametrize("call", CALLS)
def test_contributions_add_up(sql: psycopg.Cursor, reference: Reference, call: tuple) -> None:
    query, wanted, most, operator, weights = call
    parameters = [query, json.dumps(wanted or {}), most, operator, weights and json.dumps(weights)]
    hits = sql.execute(SEARCH, parameters).fetchall()
    rows = sql.execute(EXPLAIN, parameters).fetchall()
    assert hits
    assert len(rows) == len(hits) * len({row.lexeme for row in rows})
    fields = [(weights or {}).get(name, 1) for name in ("title", "context", "content")]
    for hit in hits:
        own = [row for row in rows if row.chunk_id == hit.chunk_id]
        assert {(row.keyword_rank, row.document_key, row.score) for row in own} == {
            (hit.keyword_rank, hit.document_key, hit.score)
        }
        assert sum(row.contribution for row in own) == pytest.approx(hit.score, abs=1e-9)
        contributions = [row.contribution for row in own]
        assert contributions == sorted(contributions, reverse=True)
        for row in own:
            assert 0 <= row.contribution <= row.bound
            once = reference.contribution(row.lexeme, row.chunk_id, fields)
            assert row.contribution == pytest.approx(row.query_frequency * once, abs=1e-9)
            labels = reference.postings[row.lexeme].get(row.chunk_id, [])
            assert [row.title_frequency, row.context_frequency, row.content_frequency] == [
                labels.count(label) for label in "ABD"
            ]
            assert row.length == reference.length[row.chunk_id]
    for row in rows:
        assert row.document_frequency == len(reference.postings[row.lexeme])
        assert row.inverse_document_frequency == pytest.approx(reference.idf(row.lexeme), abs=1e-9)


@pytest.mark.parametrize("constants", [(1.2, 0.75), (0, 0.75), (3, 0), (2, 1)])
@pytest.mark.parametrize("weights", [None, {"title": 7}, {"title": 0.2, "content": 0.1}])
def test_no_contribution_passes_its_bound(
    sql: psycopg.Cursor,
    reference: Reference,
    weights: dict[str, float] | None,
    constants: tuple[float, float],
) -> None:
    query = " ".join(f"w{n}" for n in range(60))
    parameters = [query, None, 1000, "or", weights and json.dumps(weights), *constants]
    explain = f"select * from retrieval.explain_keyword_search({ARGUMENTS}, k1 => %s, b => %s)"
    rows = sql.execute(explain, parameters).fetchall()
    fields = [(weights or {}).get(name, 1) for name in ("title", "context", "content")]
    for row in rows:
        own = reference.contribution(row.lexeme, row.chunk_id, fields, *constants)
        assert row.contribution == pytest.approx(row.query_frequency * own, abs=1e-9)
    assert len({row.chunk_id for row in rows}) > 100
    assert all(row.contribution <= row.bound for row in rows)
    # a bound that nobody comes near would be of no use
    reached = {row.lexeme for row in rows if row.contribution > 0.5 * row.bound}
    assert len(reached) > (30 if weights is None else 5)


def test_how_often_the_query_says_it(sql: psycopg.Cursor, reference: Reference) -> None:
    rows = sql.execute(EXPLAIN, ["w1 w2 w1 w1 w2", None, 1, "or", None]).fetchall()
    assert {(row.lexeme, row.query_frequency) for row in rows} == {("w1", 3), ("w2", 2)}


def test_without_hits_the_words_alone(sql: psycopg.Cursor, reference: Reference) -> None:
    nowhere = json.dumps({"missing": 1})
    rows = sql.execute(EXPLAIN, ["w1 w2 unheard", nowhere, 10, "or", None]).fetchall()
    assert {row.lexeme for row in rows} == {"w1", "w2"}
    for row in rows:
        assert row.document_frequency == len(reference.postings[row.lexeme])
        assert row.bound > 0
        hit = (row.keyword_rank, row.chunk_id, row.document_key, row.score, row.contribution)
        assert hit == (None,) * 5
    assert sql.execute(EXPLAIN, ["unheard", None, 10, "or", None]).fetchall() == []
    assert sql.execute(EXPLAIN, ["", None, 10, "or", None]).fetchall() == []
    assert sql.execute(EXPLAIN, [None, None, 10, "or", None]).fetchall() == []


def test_the_collections_weights(sql: psycopg.Cursor, reference: Reference) -> None:
    weights = '{"title": 4}'
    expected = sql.execute(EXPLAIN, ["w1 w2", None, 10, "or", weights]).fetchall()
    assert expected != sql.execute(EXPLAIN, ["w1 w2", None, 10, "or", None]).fetchall()
    sql.execute("select retrieval.set_field_weights('c', %s)", [weights])
    assert sql.execute(EXPLAIN, ["w1 w2", None, 10, "or", None]).fetchall() == expected


@pytest.mark.parametrize(
    ("arguments", "sqlstate"),
    [
        ("'x', 'w1'", "42704"),
        ("'c', 'w1', max_results => 0", "22023"),
        ("'c', 'w1', keyword_operator => 'xor'", "22023"),
        ("'c', 'w1', '{\"$a\": 1}'", "22023"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, reference: Reference, arguments: str, sqlstate: str
) -> None:
    error = failure(sql, f"select * from retrieval.explain_keyword_search({arguments})")
    assert error.sqlstate == sqlstate
    assert value(sql, "select 1") == 1
