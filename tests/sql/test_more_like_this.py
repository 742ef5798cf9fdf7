"""What is like a document is what BM25 says of its most telling words."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from bm25 import Reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

names = (f"alike {number}" for number in itertools.count())

SEARCH = """
    select * from retrieval.more_like_this(
        %(collection)s, %(document)s, %(filter)s, %(max_results)s, %(terms)s, %(chunk)s,
        %(weights)s)"""
FIELDS = ("title", "context", "content")


def alike(
    sql: psycopg.Cursor,
    collection: str,
    document: str | None = None,
    chunk: int | None = None,
    max_results: int = 10,
    terms: int = 25,
    weights: dict[str, float] | None = None,
    metadata_filter: dict[str, Any] | None = None,
) -> list[Any]:
    parameters = {
        "collection": collection,
        "document": document,
        "chunk": chunk,
        "max_results": max_results,
        "terms": terms,
        "weights": None if weights is None else Jsonb(weights),
        "filter": None if metadata_filter is None else Jsonb(metadata_filter),
    }
    return sql.execute(SEARCH, parameters).fetchall()


def telling(reference: Reference, own: set[int], example: set[int], terms: int) -> list[str]:
    """The lexemes of an example by tf · idf, of those that a chunk of no own document holds."""
    weights = {
        lexeme: sum(len(held.get(chunk, [])) for chunk in example) * reference.idf(lexeme)
        for lexeme, held in reference.postings.items()
        if held.keys() & example and held.keys() - own
    }
    return sorted(weights, key=lambda lexeme: (-weights[lexeme], lexeme.encode()))[:terms]


WORDS = ["a", "b", "the", "fox", "foxes", "running", "o'neill", "back\\slash", "機器學習", "naïve"]
WRITTEN = st.lists(st.sampled_from(WORDS), max_size=15).map(" ".join)
DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.one_of(st.none(), WRITTEN),
            "metadata": st.fixed_dictionaries({"n": st.integers(0, 1)}),
            "chunks": st.lists(
                st.fixed_dictionaries({"content": WRITTEN, "context": st.just("")}),
                min_size=1,
                max_size=3,
            ),
        }
    ),
    min_size=1,
    max_size=7,
)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    documents=DOCUMENTS,
    text_config=st.sampled_from(["simple", "english"]),
    terms=st.sampled_from([1, 3, 64]),
    max_results=st.sampled_from([1, 3, 100]),
    by_chunk=st.booleans(),
    fields=st.sampled_from([None, (3, 1, 0.5), (0, 1, 1), (1, 1, 0)]),
    wanted=st.sampled_from([{}, {"n": 1}]),
)
@pytest.mark.newest
def test_random_documents(
    sql: psycopg.Cursor,
    documents: list[dict[str, Any]],
    text_config: str,
    terms: int,
    max_results: int,
    by_chunk: bool,
    fields: tuple[float, float, float] | None,
    wanted: dict[str, int],
) -> None:
    name = next(names)
    sql.execute("select retrieval.create_collection(%s, %s)", [name, text_config])
    rows = put(sql, name, *({**each, "document_key": str(n)} for n, each in enumerate(documents)))
    reference = Reference(sql, name)
    own = {row.chunk_id for row in rows if row.document_key == "0"}
    example = {min(own)} if by_chunk else own
    words = dict.fromkeys(telling(reference, own, example, terms), 1)
    scored = reference.search(words, fields or (1, 1, 1), **wanted)
    expected = [hit for hit in scored if hit[0] not in own][:max_results]
    found = alike(
        sql,
        name,
        *((None, min(own)) if by_chunk else ("0", None)),
        max_results=max_results,
        terms=terms,
        weights=fields and dict(zip(FIELDS, fields, strict=True)),
        metadata_filter=wanted or None,
    )
    assert [hit.chunk_id for hit in found] == [chunk_id for chunk_id, _ in expected]
    assert [hit.score for hit in found] == pytest.approx([s for _, s in expected], abs=1e-9)
    for rank, hit in enumerate(found, start=1):
        assert (hit.keyword_rank, hit.keyword_score) == (rank, hit.score)


@pytest.fixture(scope="module")
def corpus(module_database_url: str) -> Iterator[tuple[psycopg.Cursor, Reference, list[set[int]]]]:
    """The collection big: two thousand documents of words as rare as Zipf says; their chunks."""
    chosen = random.Random(6)
    frequencies = [1 / (rank + 3) for rank in range(2000)]
    documents: list[dict[str, Any]] = []
    for number in range(2000):
        words = chosen.choices(range(2000), frequencies, k=chosen.randrange(3, 120))
        text = " ".join(f"w{word}" for word in words)
        documents.append(
            {
                "document_key": str(number),
                "title": text[:10],
                "content": text,
                "metadata": {"m": number % 5},
            }
        )
    with psycopg.connect(module_database_url, row_factory=namedtuple_row) as session:
        session.execute("select retrieval.create_collection('big', 'simple')")
        owned: list[set[int]] = [set() for _ in documents]
        for row in put(session, "big", *documents):
            owned[int(row.document_key)].add(row.chunk_id)
        session.commit()
        session.execute("analyze retrieval.chunks")
        yield session.cursor(), Reference(session, "big"), owned


@pytest.mark.parametrize("terms", [2, 9, 16, 25, 64])
@pytest.mark.parametrize("fields", [None, (0, 2, 1)])
def test_what_is_found_is_what_scoring_everything_finds(
    corpus: tuple[psycopg.Cursor, Reference, list[set[int]]],
    terms: int,
    fields: tuple[float, float, float] | None,
) -> None:
    sql, reference, owned = corpus
    chosen = random.Random(terms)
    scans = "select pg_stat_get_xact_numscans('retrieval.chunks_1'::regclass)"
    before = value(sql, scans)
    for document in chosen.sample(range(2000), 3):
        own = owned[document]
        words = dict.fromkeys(telling(reference, own, own, terms), 1)
        for max_results, wanted in ((1, {}), (10, {}), (10, {"m": 3}), (200, {})):
            scored = reference.search(words, fields or (1, 1, 1), **wanted)
            expected = [hit for hit in scored if hit[0] not in own][:max_results]
            found = alike(
                sql,
                "big",
                str(document),
                max_results=max_results,
                terms=terms,
                weights=fields and dict(zip(FIELDS, fields, strict=True)),
                metadata_filter=wanted,
            )
            assert [hit.chunk_id for hit in found] == [chunk_id for chunk_id, _ in expected]
            scores = [score for _, score in expected]
            assert [hit.score for hit in found] == pytest.approx(scores, abs=1e-9)
    # however many words: an index proposes the chunks
    assert value(sql, scans) == before


ANIMALS = {
    "fox": ["The red fox hunts voles. A fox digs a den.", "Weather: rain and wind."],
    "vixen": ["A vixen is a female fox. The den is hers."],
    "storm": ["Wind and rain make a storm. The rain never ends."],
    "other": ["A page on something else."],
}


@pytest.fixture
def animals(sql: psycopg.Cursor) -> dict[str, list[int]]:
    """The collection c of a few documents; their chunks."""
    sql.execute("select retrieval.create_collection('c')")
    documents = (
        {
            "document_key": key,
            "chunks": [{"content": part} for part in parts],
            "metadata": {"k": key},
        }
        for key, parts in ANIMALS.items()
    )
    chunks: dict[str, list[int]] = {key: [] for key in ANIMALS}
    for row in put(sql, "c", *documents):
        chunks[row.document_key].append(row.chunk_id)
    return chunks


def test_a_document_and_one_chunk_of_it(sql: psycopg.Cursor, animals: dict[str, list[int]]) -> None:
    assert {hit.document_key for hit in alike(sql, "c", "fox")} == {"vixen", "storm"}
    first, second = animals["fox"]
    assert [hit.document_key for hit in alike(sql, "c", chunk=first)] == ["vixen"]
    assert [hit.document_key for hit in alike(sql, "c", chunk=second)] == ["storm"]
    assert [hit.document_key for hit in alike(sql, "c", "fox", terms=1)] == ["vixen"]
    condition = {"k": {"$ne": "vixen"}}
    found = alike(sql, "c", "fox", metadata_filter=condition)
    assert [hit.document_key for hit in found] == ["storm"]


@pytest.mark.usefixtures("animals")
def test_nothing_shares_a_word(sql: psycopg.Cursor) -> None:
    assert alike(sql, "c", "other") == []
    put(sql, "c", {"document_key": "empty", "content": "the"})
    assert alike(sql, "c", "empty") == []


@pytest.mark.usefixtures("animals")
def test_the_collections_field_weights_count(sql: psycopg.Cursor) -> None:
    put(sql, "c", {"document_key": "titled", "title": "fox", "content": "unlike"})
    before = {hit.document_key: hit.score for hit in alike(sql, "c", "fox")}
    sql.execute("select retrieval.set_field_weights('c', '{\"title\": 5}')")
    after = {hit.document_key: hit.score for hit in alike(sql, "c", "fox")}
    assert after["titled"] > before["titled"]
    assert after["vixen"] == before["vixen"]


def test_the_lexemes_index_is_used(sql: psycopg.Cursor) -> None:
    owner = value(sql, "select retrieval.create_collection('c')")
    put(
        sql,
        "c",
        *({"document_key": str(n), "content": f"word{n % 500} common"} for n in range(3000)),
    )
    sql.execute("analyze retrieval.chunks")
    scans = "select pg_stat_get_xact_numscans(%s::regclass)"
    index = [f"retrieval.chunks_{owner}_lexemes_idx"]
    before = value(sql, scans, index)
    assert [hit.document_key for hit in alike(sql, "c", "7", terms=1, max_results=5)] == [
        str(500 * n + 7) for n in range(1, 6)
    ]
    assert value(sql, scans, index) == before + 1


@pytest.mark.usefixtures("animals")
@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("'c'", "22023", "either example_document or example_chunk must be given"),
        ("'c', 'fox', example_chunk => 1", "22023", "either example_document or example_chunk"),
        ("'c', 'wolf'", "42704", "document wolf does not exist in collection c"),
        ("'c', example_chunk => 999999", "42704", "chunk 999999 does not exist in collection c"),
        ("'x', 'fox'", "42704", "collection x does not exist"),
        ("'c', 'fox', terms => 0", "22023", "terms must be between 1 and 64"),
        ("'c', 'fox', terms => 65", "22023", "terms must be between 1 and 64"),
        ("'c', 'fox', max_results => 0", "22023", "max_results must be between"),
        ("'c', 'fox', '[]'", "22023", "filter"),
        ("'c', 'fox', field_weights => '{\"body\": 1}'", "22023", "field_weights: field"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, message: str
) -> None:
    error = failure(sql, f"select * from retrieval.more_like_this({arguments})")
    assert error.sqlstate == sqlstate
    assert message in error.diag.message_primary
