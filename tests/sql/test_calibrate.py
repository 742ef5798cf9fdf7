"""A space that knows what the words know counts like them, one that knows nothing hardly at all."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from hybrid import search
from psycopg.rows import namedtuple_row
from statements import failure, put, value, vector
from vectors import create_space, embed, halves

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

TOPICS, WORDS, LENGTH, COUNT = 8, 12, 10, 160
DIMENSIONS = TOPICS * WORDS
CALIBRATE = "select * from retrieval.calibrate('c', %s, sample => 24)"
STORED = "select settings -> 'calibration' from retrieval.collections where name = 'c'"


class Corpus:
    """Chunks of words of a topic each, with spaces that know them, half know them, and do not."""

    def __init__(self, session: psycopg.Connection) -> None:
        self.session = session
        numbers = np.random.default_rng(7)
        session.execute("select retrieval.create_collection('c')")
        words = numbers.integers(0, WORDS, size=(COUNT, LENGTH))
        words += (np.arange(COUNT) % TOPICS)[:, None] * WORDS
        rows = put(
            session,
            "c",
            *(
                {"document_key": f"{n:03}", "content": " ".join(f"w{word}" for word in words[n])}
                for n in range(COUNT)
            ),
        )
        self.chunks = [row.chunk_id for row in rows]
        known = np.eye(DIMENSIONS)[words].sum(axis=1)
        noise = numbers.normal(size=(COUNT, DIMENSIONS))
        self.vectors = {
            "words": halves(known),
            "middling": halves(known + 1.6 * noise),
            "noise": halves(noise),
        }
        for name, vectors in self.vectors.items():
            create_space(session, name, DIMENSIONS, index_method="none")
            embed(session, name, self.chunks, vectors.tolist())
        session.execute("select retrieval.activate_space('c', 'words')")

    def nearest(self, space: str, number: int) -> set[int]:
        """The ten nearest other chunks; each is a document."""
        vectors = self.vectors[space]
        lengths = np.linalg.norm(vectors, axis=1)
        scores = vectors @ vectors[number] / lengths
        scores[number] = -np.inf
        return {self.chunks[n] for n in np.argsort(-scores, kind="stable")[:10]}


@pytest.fixture(scope="module")
def corpus(module_database_url: str) -> Iterator[Corpus]:
    """The collection c in a database of its own."""
    with psycopg.connect(
        module_database_url, autocommit=True, row_factory=namedtuple_row
    ) as session:
        yield Corpus(session)


@pytest.mark.parametrize(
    ("space", "low", "high"), [("words", 1, 1), ("middling", 0.05, 0.9), ("noise", 0, 0.05)]
)
def test_agreement_is_the_weight(corpus: Corpus, space: str, low: float, high: float) -> None:
    sql = corpus.session
    with sql.transaction(force_rollback=True):
        (found,) = sql.execute(CALIBRATE, [space]).fetchall()
        sampled = sql.execute(
            "select chunk_id from retrieval.sample_embeddings('c', %s, 24)", [space]
        ).fetchall()
        shares = []
        for (chunk,) in sampled:
            alike = sql.execute(
                "select chunk_id from retrieval.more_like_this('c', example_chunk => %s)", [chunk]
            ).fetchall()
            assert len(alike) == 10
            near = corpus.nearest(space, corpus.chunks.index(chunk))
            shares.append(len(near & {row.chunk_id for row in alike}) / 10)
        assert (found.space_name, found.sampled) == (space, 24)
        assert found.agreement == pytest.approx(np.mean(shares), abs=0.02)  # halves may tie
        share = 0.5 * min(found.agreement / 0.3, 1) ** 3
        assert found.weight == pytest.approx(share / (1 - share), abs=5e-4)
        assert low <= found.weight <= high


def test_what_is_stored_is_what_searches_use(corpus: Corpus) -> None:
    sql = corpus.session
    ids = dict(sql.execute("select name, space_id from retrieval.spaces").fetchall())
    query = vector(corpus.vectors["words"][0])
    asked = {"query_text": "w1 w2", "query_embedding": query}

    def legs(**options: Any) -> list[tuple[float, str]]:
        ((explained,),) = search(sql, "explain_search", **asked, **options)
        return [(leg["weight"], leg["weight_from"]) for leg in explained["legs"]]

    with sql.transaction(force_rollback=True):
        # without a name the active one
        (first,) = sql.execute(CALIBRATE, [None]).fetchall()
        assert first.space_name == "words"
        (second,) = sql.execute(CALIBRATE, ["middling"]).fetchall()
        stored = value(sql, STORED)
        assert stored.keys() == {str(ids["words"]), str(ids["middling"])}
        said = stored[str(ids["middling"])]
        assert (said["weight"], said["agreement"]) == (second.weight, second.agreement)
        assert (said["chunks"], said["at"][:2]) == (COUNT, "20")
        assert legs() == [(1, "default"), (1, "calibration")]
        assert legs(space="middling") == [(1, "default"), (second.weight, "calibration")]
        assert legs(space="noise") == [(1, "default"), (0.7, "default")]
        # by whichever name the space comes
        named = value(
            sql,
            "select retrieval.explain_search('c', 'w1', query_embeddings => %s) -> 'legs' -> 1",
            [f'{{"middling": {query}}}'],
        )
        assert (named["weight"], named["weight_from"]) == (second.weight, "calibration")
        found = search(sql, "hybrid_search", **asked, space="middling")
        weights = {"keyword": 1, "semantic": second.weight}
        assert found == search(sql, "hybrid_search", **asked, space="middling", weights=weights)
        # set_ranking has the last word but that of the call, and leaves the rest in place
        sql.execute("select retrieval.set_ranking('c', weights => '{\"semantic\": 3}')")
        assert legs() == [(1, "default"), (3, "ranking")]
        assert legs(weights={"keyword": 2}) == [(2, "call"), (1, "call")]
        sql.execute("select retrieval.set_ranking('c')")
        assert value(sql, STORED) == stored
        assert legs() == [(1, "default"), (1, "calibration")]


def test_a_useless_space_alone_still_ranks(corpus: Corpus) -> None:
    """A weight of 0 beside the words is none by itself."""
    sql = corpus.session
    query = vector(corpus.vectors["noise"][5])
    with sql.transaction(force_rollback=True):
        sql.execute(
            "update retrieval.collections set settings = settings || jsonb_build_object("
            " 'calibration', jsonb_build_object((select space_id from retrieval.spaces"
            " where name = 'noise')::text, '{\"weight\": 0}'::jsonb))"
        )
        asked = {"query_embedding": query, "space": "noise"}
        nearest = search(sql, "semantic_search", **asked)
        found = search(sql, "hybrid_search", **asked)
        assert [hit.chunk_id for hit in found] == [hit.chunk_id for hit in nearest]
        ((explained,),) = search(sql, "explain_search", **asked)
        (leg,) = explained["legs"]
        assert (leg["weight"], leg["weight_from"]) == (1, "default")
        found = search(sql, "hybrid_search", **asked, query_text="w1 w2")
        words = search(sql, "hybrid_search", query_text="w1 w2")
        assert [hit.chunk_id for hit in found] == [hit.chunk_id for hit in words]


def test_store_false_says_it_only(corpus: Corpus) -> None:
    sql = corpus.session
    with sql.transaction(force_rollback=True):
        statement = "select * from retrieval.calibrate('c', 'words', 24, store => false)"
        (found,) = sql.execute(statement).fetchall()
        assert (found.weight, value(sql, STORED)) == (1, None)


def test_calibrated_again(corpus: Corpus) -> None:
    sql = corpus.session
    with sql.transaction(force_rollback=True):
        sql.execute(CALIBRATE, ["words"])
        sql.execute(CALIBRATE, ["noise"])
        before = value(sql, STORED)
        sql.execute("delete from retrieval.documents where document_key >= '100'")
        sql.execute(CALIBRATE, ["words"])
        after = value(sql, STORED)
        assert after.keys() == before.keys()
        changed = {key for key in after if after[key]["chunks"] != before[key]["chunks"]}
        assert {after[key]["chunks"] for key in changed} == {100}
        assert len(changed) == 1


# Too little to say anything


@pytest.mark.parametrize(("count", "weighed"), [(0, False), (10, False), (19, False), (24, True)])
def test_few_chunks_say_nothing(sql: psycopg.Cursor, count: int, weighed: bool) -> None:
    """Ten others must share a word, and twenty chunks have such."""
    sql.execute("select retrieval.create_collection('c')")
    rows = put(sql, "c", *({"document_key": f"{n:02}", "content": "ant"} for n in range(count)))
    create_space(sql, "s", 2)
    embed(sql, "s", [row.chunk_id for row in rows], [[1, n] for n in range(count)])
    sql.execute("select retrieval.activate_space('c', 's')")
    (found,) = sql.execute("select * from retrieval.calibrate('c')").fetchall()
    assert found.space_name == "s"
    assert found.sampled == (count if count > 10 else 0)
    assert (found.agreement is not None) == (count > 10)
    assert (found.weight is not None) == weighed == (value(sql, STORED) is not None)


def test_chunks_that_are_like_no_others_say_nothing(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    rows = put(sql, "c", *({"document_key": f"{n}", "content": f"w{n}"} for n in range(30)))
    create_space(sql, "s", 2)
    embed(sql, "s", [row.chunk_id for row in rows], [[1, n] for n in range(30)])
    found = sql.execute("select * from retrieval.calibrate('c', 's')").fetchone()
    assert found == ("s", 0, None, None)
    assert value(sql, STORED) is None


def test_the_rest_of_a_document_is_no_neighbour(sql: psycopg.Cursor) -> None:
    """Its chunks are near each other in every space, whatever that understands."""
    sql.execute("select retrieval.create_collection('c')")
    numbers = np.random.default_rng(3)
    rows = put(
        sql,
        "c",
        *(
            {
                "document_key": f"{n:02}",
                "chunks": [{"content": f"{'ant' if n < 20 else 'bee'} {m}"} for m in range(12)],
            }
            for n in range(40)
        ),
    )
    directions = numbers.normal(size=(40, 30))
    vectors = directions[np.arange(480) // 12] + 0.01 * numbers.normal(size=(480, 30))
    create_space(sql, "s", 30, index_method="none")
    embed(sql, "s", [row.chunk_id for row in rows], vectors.tolist())
    (found,) = sql.execute("select * from retrieval.calibrate('c', 's', 30)").fetchall()
    assert found.sampled == 30
    assert found.weight < 0.1


def test_unusable_arguments(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection(name) from unnest('{c,bare}'::text[]) name")
    create_space(sql, "s", 2)
    create_space(sql, "terms", 2, kind="sparse")
    sql.execute("select retrieval.activate_space('c', 's')")
    for arguments, sqlstate, message in (
        ("'x'", "42704", "collection x does not exist"),
        ("'c', 'x'", "42704", "space x does not exist"),
        ("'c', 'terms'", "22023", "space terms is sparse, not dense"),
        ("'c', sample => 0", "22023", "sample must be between 1 and 10000, not 0"),
        ("'c', sample => 10001", "22023", "sample must be between 1 and 10000, not 10001"),
        ("'c', sample => null", "22023", "sample must be between 1 and 10000, not null"),
        ("'bare'", "55000", "collection bare has no active space"),
    ):
        error = failure(sql, f"select * from retrieval.calibrate({arguments})")
        assert error.sqlstate == sqlstate
        assert message in error.diag.message_primary
