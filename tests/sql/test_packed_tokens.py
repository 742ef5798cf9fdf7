"""Token embeddings leave the database as bytes, and are the same vectors again."""

import numpy as np
import psycopg
from statements import failure, vector
from vectors import create_space, halves, put_chunks

from retrieval.reranking.late_interaction import max_sim_scores, unpacked_tokens


def test_vectors_come_back(sql: psycopg.Cursor) -> None:
    chunks = put_chunks(sql, 6)
    create_space(sql, "tokens", 5, kind="multivector")
    chosen = np.random.default_rng(7)
    documents = [chosen.normal(size=(tokens, 5)) for tokens in (1, 3, 2, 128, 40)]
    sql.execute(
        "select retrieval.put_token_embeddings('c', 'tokens', %s, %s, %s::halfvec[])",
        [
            chunks[:5],
            list(map(len, documents)),
            [vector(token) for token in np.concatenate(documents).tolist()],
        ],
    )
    asked = [chunks[4], chunks[5], chunks[0], chunks[3], -1]
    rows = sql.execute(
        "select * from retrieval.packed_tokens('c', %s, 'tokens')", [asked]
    ).fetchall()
    assert [row.chunk_id for row in rows] == [chunks[0], chunks[3], chunks[4]]
    for row, document in zip(rows, (documents[0], documents[3], documents[4]), strict=True):
        unpacked = unpacked_tokens(row.vectors, row.tokens)
        assert unpacked.dtype == np.float32
        np.testing.assert_array_equal(unpacked, halves(document))


def test_scores_are_those_of_max_sim(sql: psycopg.Cursor) -> None:
    chunks = put_chunks(sql, 20)
    space = create_space(sql, "tokens", 8, kind="multivector")
    chosen = np.random.default_rng(8)
    documents = [chosen.normal(size=(chosen.integers(1, 9), 8)) for _ in chunks]
    sql.execute(
        "select retrieval.put_token_embeddings('c', 'tokens', %s, %s, %s::halfvec[])",
        [
            chunks,
            list(map(len, documents)),
            [vector(token) for token in np.concatenate(documents).tolist()],
        ],
    )
    query = halves(chosen.normal(size=(4, 8)))
    expected = sql.execute(
        """select t.chunk_id, retrieval.max_sim(%s::halfvec[], t.embeddings) as score
           from retrieval.token_embeddings t where t.space_id = %s order by score desc""",
        [[vector(token) for token in query.tolist()], space],
    ).fetchall()
    rows = sql.execute(
        "select * from retrieval.packed_tokens('c', %s, 'tokens')", [chunks]
    ).fetchall()
    scores = max_sim_scores(query, [unpacked_tokens(row.vectors, row.tokens) for row in rows])
    order = np.argsort(-scores, kind="stable")
    assert [rows[place].chunk_id for place in order] == [row.chunk_id for row in expected]
    np.testing.assert_allclose(scores[order], [row.score for row in expected], rtol=1e-5)


def test_only_of_multivector_spaces(sql: psycopg.Cursor) -> None:
    put_chunks(sql, 1)
    create_space(sql, "dense", 3)
    error = failure(sql, "select * from retrieval.packed_tokens('c', '{1}', 'dense')")
    assert (error.sqlstate, "is dense, not multivector" in str(error)) == ("22023", True)
    error = failure(sql, "select * from retrieval.packed_tokens('c', '{1}')")
    assert (error.sqlstate, "no active multivector space" in str(error)) == ("55000", True)
