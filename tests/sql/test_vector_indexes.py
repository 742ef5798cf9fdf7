"""What the indexes do with the effort given: HNSW, IVFFlat, and the index of signs."""

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import column, failure, value, vector
from vectors import create_space, embed, fill, halves, put_chunks, scores

COUNT, DIMENSIONS = 3000, 32
SEARCH = """select * from retrieval.semantic_search(
                'c', %s, %s, %s, space => %s, search_effort => %s)"""
SPACES = {
    "graph": {"index_options": {"m": 3, "ef_construction": 8}},
    "lists": {"index_method": "ivfflat", "index_options": {"lists": 40}},
    "signs": {"quantization": "bit"},
    "sign_lists": {
        "index_method": "ivfflat",
        "quantization": "bit",
        "index_options": {"lists": 20},
    },
}
DEFINITION = """select pg_get_indexdef(to_regclass('retrieval.embeddings_' || space_id || '_index'))
                from retrieval.spaces where name = %s"""

SCANS = "select pg_stat_get_xact_numscans(%s::regclass)"


class Corpus:
    """Some thousand chunks of the collection c and a space for each kind of index."""

    def __init__(self, session: psycopg.Connection) -> None:
        self.session = session
        numbers = np.random.default_rng(5)
        self.vectors = halves(numbers.normal(size=(COUNT, DIMENSIONS)))
        self.queries = halves(numbers.normal(size=(20, DIMENSIONS)))
        self.chunks = np.array(put_chunks(session, COUNT))
        for name, arguments in SPACES.items():
            create_space(session, name, DIMENSIONS, **arguments)
            embed(session, name, self.chunks.tolist(), self.vectors.tolist())
            session.execute("select retrieval.build_index('c', %s)", [name])
        session.execute("analyze")

    def exact(self, query: np.ndarray, count: int) -> list[int]:
        order = np.argsort(-scores("cosine", self.vectors, query), kind="stable")
        return self.chunks[order[:count]].tolist()

    def recall(self, space: str, effort: int | None, count: int = 10) -> float:
        found = 0
        for query in self.queries:
            rows = self.session.execute(SEARCH, [vector(query), None, count, space, effort])
            chunks = {row.chunk_id for row in rows}
            assert len(chunks) == count
            found += len(chunks & set(self.exact(query, count)))
        return found / count / len(self.queries)


@pytest.fixture(scope="module")
def corpus(module_database_url: str) -> Iterator[Corpus]:
    """Some thousand chunks with four indexes, which the planner takes wherever it can."""
    with psycopg.connect(
        module_database_url, row_factory=namedtuple_row, autocommit=True
    ) as session:
        filled = Corpus(session)
        session.execute("set enable_seqscan = off")
        yield filled


@pytest.mark.parametrize(
    ("space", "low", "high"), [("graph", 1, 1000), ("lists", 1, 40), ("sign_lists", 1, 20)]
)
def test_recall_rises_with_effort(corpus: Corpus, space: str, low: int, high: int) -> None:
    little, much = corpus.recall(space, low), corpus.recall(space, high)
    assert little < 0.8
    assert much > little + 0.15
    if space == "lists":  # every list was looked at
        assert much == 1


def test_the_spaces_effort_is_used_unless_a_call_says(corpus: Corpus) -> None:
    sql = corpus.session
    with sql.transaction(force_rollback=True):
        by_default = corpus.recall("graph", None)
        set_options(sql, "graph", {"search_effort": 1})
        least = corpus.recall("graph", None)
        assert least == corpus.recall("graph", 1) < by_default
        assert corpus.recall("graph", 1000) > least
        set_options(sql, "graph", {})
        assert corpus.recall("graph", None) == by_default


def test_recall_rises_with_oversampling(corpus: Corpus) -> None:
    sql = corpus.session
    with sql.transaction(force_rollback=True):
        recalls = []
        for oversampling in (1, 5, 40):
            set_options(sql, "signs", {"search_effort": 400, "oversampling": oversampling})
            recalls.append(corpus.recall("signs", None))
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.7
    assert recalls[2] > 0.85


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("filtered", [True, False])
def test_scores_are_those_of_the_stored_embeddings(
    corpus: Corpus, space: str, filtered: bool
) -> None:
    condition = Jsonb({"n": {"$gte": 100}}) if filtered else None
    for query in corpus.queries[:5]:
        rows = corpus.session.execute(SEARCH, [vector(query), condition, 30, space, 40]).fetchall()
        numbers = [row.metadata["n"] for row in rows]
        expected = scores("cosine", corpus.vectors[numbers], query)
        assert [row.score for row in rows] == pytest.approx(expected.tolist(), abs=1e-4)
        assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)
        assert len(rows) == 30
        assert not filtered or min(numbers) >= 100


def test_every_index_is_walked(corpus: Corpus) -> None:
    sql = corpus.session
    ids = dict(sql.execute("select name, space_id from retrieval.spaces").fetchall())
    for space in SPACES:
        with sql.transaction():
            index = [f"retrieval.embeddings_{ids[space]}_index"]
            before = value(sql, SCANS, index)
            for query in corpus.queries[:5]:
                sql.execute(SEARCH, [vector(query), None, 5, space, 10])
            assert value(sql, SCANS, index) == before + 5


# IVFFlat


@pytest.mark.parametrize(("count", "lists"), [(0, 1), (900, 1), (2500, 2)])
def test_lists_follow_the_rows(sql: psycopg.Cursor, count: int, lists: int) -> None:
    vectors = halves(np.random.default_rng(1).normal(size=(count, 2)) + 3)
    fill(sql, vectors, index_method="ivfflat")
    assert f"lists='{lists}'" in value(sql, DEFINITION, ["s"])


def test_lists_as_given(sql: psycopg.Cursor) -> None:
    vectors = halves(np.random.default_rng(1).normal(size=(100, 4)))
    fill(sql, vectors, index_method="ivfflat", index_options={"lists": 7}, metric="l2")
    definition = value(sql, DEFINITION, ["s"])
    assert "using ivfflat (((embedding)::halfvec(4)) halfvec_l2_ops)" in definition.lower()
    assert "lists='7'" in definition


def test_the_index_of_signs(sql: psycopg.Cursor) -> None:
    fill(sql, np.eye(4), quantization="bit", metric="inner_product")
    definition = value(sql, DEFINITION, ["s"])
    assert "((binary_quantize(embedding))::bit(4)) bit_hamming_ops" in definition


def test_rows_that_came_after_the_lists_are_found(sql: psycopg.Cursor) -> None:
    vectors = halves(np.random.default_rng(2).normal(size=(60, 4)))
    chunks = put_chunks(sql, 60)
    create_space(sql, "s", 4, index_method="ivfflat", index_options={"lists": 5})
    embed(sql, "s", chunks[:30], vectors[:30].tolist())
    sql.execute("select retrieval.build_index('c', 's')")
    embed(sql, "s", chunks[30:], vectors[30:].tolist())
    sql.execute("set local enable_seqscan = off")
    found = column(sql, SEARCH, [vector(vectors[40]), None, 1, "s", 5])
    assert found == chunks[40:41]


# set_search_options


def set_options(sql: psycopg.Cursor | psycopg.Connection, space: str, options: dict) -> None:
    sql.execute("select retrieval.set_search_options('c', %s, %s)", [space, Jsonb(options)])


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        ("graph", {"search_effort": 0}, "search_effort must be between 1 and 1000, not 0"),
        ("graph", {"search_effort": 1001}, "search_effort must be between 1 and 1000, not 1001"),
        ("graph", {"search_effort": 1.5}, "search_effort must be a whole number, not 1.5"),
        ("graph", {"search_effort": None}, "search_effort must be a whole number, not null"),
        ("graph", {"effort": 5}, "'effort'"),
        ("graph", {"oversampling": 5}, "'oversampling'"),
        ("lists", {"search_effort": 32769}, "search_effort must be between 1 and 32768"),
        ("signs", {"oversampling": 0}, "oversampling must be between 1 and 100, not 0"),
        ("signs", {"oversampling": 101}, "oversampling must be between 1 and 100, not 101"),
        ("signs", None, "search_options must be an object"),
        ("signs", [], "search_options must be an object"),
    ],
)
def test_unusable_options(corpus: Corpus, space: str, options: dict, message: str) -> None:
    error = failure(
        corpus.session,
        "select retrieval.set_search_options('c', %s, %s)",
        [space, Jsonb(options)],
    )
    assert error.sqlstate == "22023"
    assert message in error.diag.message_primary


def test_options_of_an_unknown_space(corpus: Corpus) -> None:
    for name in ("x", "", None):
        statement = "select retrieval.set_search_options('c', %s, '{}')"
        assert failure(corpus.session, statement, [name]).sqlstate == "42704"


@pytest.mark.parametrize(
    ("space", "effort", "maximum"),
    [("graph", 0, 1000), ("graph", 1001, 1000), ("signs", -1, 1000), ("lists", 32769, 32768)],
)
def test_an_effort_out_of_range(corpus: Corpus, space: str, effort: int, maximum: int) -> None:
    query = vector(corpus.queries[0])
    for error in (
        failure(corpus.session, SEARCH, [query, None, 10, space, effort]),
        failure(
            corpus.session,
            "select * from retrieval.hybrid_search("
            "'c', null, %s, space => %s, search_effort => %s)",
            [query, space, effort],
        ),
    ):
        assert error.sqlstate == "22023"
        message = f"search_effort must be between 1 and {maximum}, not {effort}"
        assert error.diag.message_primary == message
