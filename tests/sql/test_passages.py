"""Hits that are neighbours become the stretch of text that they are part of."""

import random
from itertools import pairwise, takewhile
from typing import Any

import psycopg
import pytest
from statements import failure, put

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

PASSAGES = "select * from retrieval.passages('c', %s, %s, %s, %s)"

TEXT = "Größe und Maß. 日本語の文章。 An emoji 🦊 and é. "
HEADINGS = [[], ["A"], ["A", "B"], ["A", "B", "C"], ["A", "Bb"], ["B"]]


def passages(
    sql: psycopg.Cursor,
    chunk_ids: list[int],
    scores: list[float] | None = None,
    before: int = 0,
    after: int = 0,
) -> list[Any]:
    return sql.execute(PASSAGES, [chunk_ids, scores, before, after]).fetchall()


def cut(content: str, *offsets: tuple[int, int], contexts: tuple[str, ...] = ()) -> list[Any]:
    """Chunks of a document at these offsets."""
    return [
        {
            "content": content[start:end],
            "start_offset": start,
            "end_offset": end,
            "context": contexts[n] if contexts else "",
        }
        for n, (start, end) in enumerate(offsets)
    ]


def store(sql: psycopg.Cursor, **documents: dict[str, Any]) -> dict[str, list[int]]:
    """The collection c with these documents; returns their chunks by key."""
    sql.execute("select retrieval.create_collection('c')")
    rows = put(sql, "c", *({"document_key": key, **each} for key, each in documents.items()))
    return {key: [row.chunk_id for row in rows if row.document_key == key] for key in documents}


# Random documents, against sets of positions


def random_document(chosen: random.Random) -> dict[str, Any]:
    """Chunks that overlap or leave gaps; some documents have one without offsets."""
    content = TEXT * chosen.randint(1, 9)
    starts = sorted(chosen.sample(range(len(content) - 12), chosen.randint(1, 12)))
    offsets = [(start, start + chosen.randint(0, 12)) for start in starts]
    contexts = tuple(
        " > ".join(chosen.choice(HEADINGS)) + chosen.choice(["", "\nOf > this."]) for _ in offsets
    )
    chunks = cut(content, *offsets, contexts=contexts)
    if chosen.random() < 0.3:
        del chosen.choice(chunks)[chosen.choice(["start_offset", "end_offset"])]
    return {"content": content, "title": chosen.choice(["T", None]), "chunks": chunks}


def runs(positions: set[int]) -> list[list[int]]:
    """Consecutive numbers, together."""
    found: list[list[int]] = []
    for position in sorted(positions):
        if found and found[-1][-1] == position - 1:
            found[-1].append(position)
        else:
            found.append([position])
    return found


def expected_passage(document: dict[str, Any], positions: list[int]) -> dict[str, Any]:
    pieces = [document["chunks"][n] for n in positions]
    starts = [piece.get("start_offset") for piece in pieces]
    ends = [piece.get("end_offset") for piece in pieces]
    if None in starts or None in ends:
        start = end = None
        content = "\n".join(piece["content"] for piece in pieces)
    else:
        start, end = min(starts), max(ends)
        content = document["content"][start:end]
    levels = zip(*(piece["context"].split("\n")[0].split(" > ") for piece in pieces), strict=False)
    shared = takewhile(lambda level: len(set(level)) == 1, levels)
    return {
        "title": document["title"],
        "context": " > ".join(level[0] for level in shared),
        "first_position": positions[0],
        "last_position": positions[-1],
        "start_offset": start,
        "end_offset": end,
        "content": content,
    }


def expected_passages(
    documents: dict[str, dict[str, Any]],
    chunks: dict[str, list[int]],
    hits: dict[int, float],
    before: int,
    after: int,
) -> list[dict[str, Any]]:
    found = []
    for key, document in documents.items():
        numbers = [n for n, chunk in enumerate(chunks[key]) if chunk in hits]
        covered = {p for n in numbers for p in range(n - before, n + after + 1)}
        for run in runs(covered):
            inside = [n for n in run if 0 <= n < len(chunks[key])]
            hit_ids = [chunks[key][n] for n in inside if n in numbers]
            found.append(
                expected_passage(document, inside)
                | {"document_key": key, "hit_ids": hit_ids}
                | {"score": max(hits[each] for each in hit_ids)}
            )
    return sorted(found, key=lambda each: (-each["score"], min(each["hit_ids"])))


@pytest.mark.newest
def test_random_documents(sql: psycopg.Cursor) -> None:
    chosen = random.Random(3)
    documents = {f"{n}": random_document(chosen) for n in range(12)}
    chunks = store(sql, **documents)
    everything = [chunk for each in chunks.values() for chunk in each]
    for _ in range(60):
        ids = chosen.sample(everything, chosen.randint(1, len(everything)))
        hits = {chunk: float(chosen.randint(0, 6)) for chunk in ids}
        before, after = chosen.choice([(0, 0), (1, 1), (2, 0), (0, 3), (20, 20)])
        found = passages(sql, ids, list(hits.values()), before, after)
        expected = expected_passages(documents, chunks, hits, before, after)
        said = [{name: getattr(row, name) for name in expected[0]} for row in found]
        assert said == expected
        without = passages(sql, ids, None, before, after)
        assert {(row.document_key, row.content, None) for row in found} == {
            (row.document_key, row.content, row.score) for row in without
        }
        first = [min(ids.index(each) for each in row.hit_ids) for row in without]
        assert first == sorted(first)


# Decisions


CONTENT = "One one.  Two two.  Three.  Four four.  Five."
OFFSETS = [(0, 8), (10, 18), (20, 26), (28, 38), (40, 45)]


@pytest.fixture
def chunks(sql: psycopg.Cursor) -> list[int]:
    """A document of five chunks."""
    document = {
        "content": CONTENT,
        "title": "Numbers",
        "metadata": {"n": 5},
        "chunks": cut(CONTENT, *OFFSETS),
    }
    return store(sql, numbers=document)["numbers"]


@pytest.mark.parametrize(
    ("hits", "before", "after", "spans"),
    [
        ([1], 0, 0, [(1, 1)]),
        ([1, 2], 0, 0, [(1, 2)]),
        ([1, 3], 0, 0, [(1, 1), (3, 3)]),
        ([1, 3], 0, 1, [(1, 4)]),
        ([1, 3], 1, 0, [(0, 3)]),
        ([0, 4], 1, 1, [(0, 1), (3, 4)]),
        ([0, 4], 1, 2, [(0, 4)]),
        ([2], 9, 9, [(0, 4)]),
        ([2], 2**31 - 1, 2**31 - 1, [(0, 4)]),
        ([0, 1, 2, 3, 4], 0, 0, [(0, 4)]),
    ],
)
def test_neighbours_are_one_passage(
    sql: psycopg.Cursor,
    chunks: list[int],
    hits: list[int],
    before: int,
    after: int,
    spans: list[tuple[int, int]],
) -> None:
    found = passages(sql, [chunks[n] for n in hits], None, before, after)
    assert [(row.first_position, row.last_position) for row in found] == spans
    for row, (first, last) in zip(found, spans, strict=True):
        start, end = OFFSETS[first][0], OFFSETS[last][1]
        assert (row.start_offset, row.end_offset) == (start, end)
        assert row.content == CONTENT[start:end]


def test_a_passage_says_where_it_is_from(sql: psycopg.Cursor, chunks: list[int]) -> None:
    (row,) = passages(sql, [chunks[3], chunks[2]], [0.25, 0.5])
    assert (row.document_key, row.title, row.metadata) == ("numbers", "Numbers", {"n": 5})
    assert (row.score, row.hit_ids) == (0.5, [chunks[2], chunks[3]])
    assert row.content == "Three.  Four four."


def test_best_first_then_by_the_smallest_hit(sql: psycopg.Cursor, chunks: list[int]) -> None:
    given = [chunks[4], chunks[2], chunks[0]]
    for scores, order in (([1, 2, 3], [0, 2, 4]), ([1, 1, 1], [0, 2, 4]), ([2, 1, 1], [4, 0, 2])):
        found = passages(sql, given, scores)
        assert [row.first_position for row in found] == order
    assert [row.first_position for row in passages(sql, given)] == [4, 2, 0]
    assert [row.hit_ids for row in passages(sql, [*given, chunks[3]])] == [
        chunks[2:],
        chunks[:1],
    ]


def test_documents_are_not_merged(sql: psycopg.Cursor) -> None:
    stored = store(sql, a={"content": "a"}, b={"content": "b"})
    found = passages(sql, stored["a"] + stored["b"], [1, 2], 5, 5)
    assert [(row.document_key, row.content) for row in found] == [("b", "b"), ("a", "a")]


def test_positions_may_have_gaps(sql: psycopg.Cursor, chunks: list[int]) -> None:
    """A chunk that is gone parts its neighbours, and its text is still the document's."""
    sql.execute("delete from retrieval.chunks where chunk_id = %s", [chunks[2]])
    found = passages(sql, [chunks[1], chunks[3]])
    assert [row.content for row in found] == ["Two two.", "Four four."]
    (row,) = passages(sql, [chunks[1], chunks[3]], None, 0, 1)
    assert row.content == CONTENT[10:]


@pytest.mark.parametrize("lacking", ["start_offset", "end_offset"])
def test_without_offsets(sql: psycopg.Cursor, lacking: str) -> None:
    pieces = cut(CONTENT, *OFFSETS)
    del pieces[1][lacking]
    chunks = store(sql, d={"content": CONTENT, "chunks": pieces})["d"]
    first, second = passages(sql, [*chunks[:2], *chunks[3:]])
    assert (first.content, first.start_offset, first.end_offset) == (
        "One one.\nTwo two.",
        None,
        None,
    )
    assert (second.content, second.start_offset, second.end_offset) == (CONTENT[28:], 28, 45)


def test_offsets_into_a_text_that_is_not_stored(sql: psycopg.Cursor) -> None:
    chunks = store(sql, d={"chunks": cut(CONTENT, *OFFSETS)})["d"]
    (row,) = passages(sql, chunks[1:3])
    assert (row.content, row.start_offset, row.end_offset) == ("Two two.\nThree.", None, None)


def test_a_document_that_is_only_a_title(sql: psycopg.Cursor) -> None:
    chunks = store(sql, d={"title": "Only", "chunks": cut("", (0, 0))})["d"]
    (row,) = passages(sql, chunks)
    assert (row.title, row.content, row.start_offset, row.end_offset) == ("Only", "", 0, 0)


def test_the_context_is_what_all_share(sql: psycopg.Cursor) -> None:
    expected = {
        ("A > B", "A > B"): "A > B",
        ("A > B", "A > C"): "A",
        ("A > B > C", "A > B", "A > B > D"): "A > B",
        ("A", "A > B"): "A",
        ("A", "B"): "",
        ("A > B", "C > B"): "",
        ("AB > C", "A > C"): "",
        ("", "A"): "",
        ("", ""): "",
        ("A > B > C", "A > X > C"): "A",
        ("Straße > é", "Straße > e"): "Straße",
    }
    expected |= {contexts[::-1]: shared for contexts, shared in expected.items()}
    documents = {
        repr(each): {
            "content": "xyz",
            "chunks": cut("xyz", *pairwise(range(len(each) + 1)), contexts=each),
        }
        for each in expected
    }
    chunks = store(sql, **documents)
    for contexts, shared in expected.items():
        (row,) = passages(sql, chunks[repr(contexts)])
        assert (contexts, row.context) == (contexts, shared)


def test_the_context_is_that_of_the_neighbours_too(sql: psycopg.Cursor) -> None:
    pieces = cut("abc", *pairwise(range(4)), contexts=("A > B", "A > B", "A"))
    chunks = store(sql, d={"content": "abc", "chunks": pieces})["d"]
    for after, context in ((0, "A > B"), (1, "A")):
        (row,) = passages(sql, chunks[1:2], None, 1, after)
        assert row.context == context


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("before => -1", "before must be 0 or more, not -1"),
        ("after => -1", "after must be 0 or more, not -1"),
        ("before => null", "before must be 0 or more, not null"),
        ("after => null", "after must be 0 or more, not null"),
    ],
)
def test_unusable_counts(
    sql: psycopg.Cursor, chunks: list[int], arguments: str, message: str
) -> None:
    error = failure(sql, f"select * from retrieval.passages('c', %s, {arguments})", [chunks])
    assert error.sqlstate == "22023"
    assert error.diag.message_primary == message


def test_a_search_and_its_passages(sql: psycopg.Cursor) -> None:
    """In one statement."""
    pieces = cut(CONTENT, *OFFSETS)
    store(sql, d={"content": CONTENT, "chunks": pieces}, e={"content": "two"}, f={"content": "x"})
    found = sql.execute(
        """select p.document_key, p.content
           from (select array_agg(h.chunk_id) as chunk_ids, array_agg(h.score) as scores
                 from retrieval.keyword_search('c', 'two three') h) a
           cross join retrieval.passages('c', a.chunk_ids, a.scores) p"""
    ).fetchall()
    assert sorted(found) == [("d", "Two two.  Three."), ("e", "two")]
