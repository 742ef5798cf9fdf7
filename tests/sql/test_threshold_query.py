"""The tsquery that a chunk must match to score more than a threshold lets no such chunk out."""

import random
from itertools import accumulate, combinations

import psycopg
import pytest
from statements import value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

QUERY = "select retrieval._threshold_query(%s, %s::float8[], %s::float8[], %s, %s)"
MATCHED = """
    select s.number from unnest(%s::text[]) with ordinality s(lexemes, number)
    where s.lexemes::tsvector @@ %s::tsquery"""


def remainders(bounds: list[int]) -> list[int]:
    """The sums from each bound on."""
    return list(accumulate(reversed(bounds)))[::-1]


def threshold_query(
    sql: psycopg.Cursor, bounds: list[int], threshold: float, depth: int
) -> str | None:
    """The query on the words w0, w1, … with these bounds."""
    words = [f"'w{number}'" for number in range(len(bounds))]
    return value(sql, QUERY, [words, bounds, remainders(bounds), threshold, depth])


def matched(sql: psycopg.Cursor, subsets: list[tuple[int, ...]], query: str) -> set[int]:
    """The numbers of the sets of words that match."""
    lexemes = [" ".join(f"w{number}" for number in some) for some in subsets]
    return {row[0] - 1 for row in sql.execute(MATCHED, [lexemes, query])}


def bounds_of(count: int, chosen: random.Random) -> list[int]:
    """Bounds in descending order, some of them equal, some far apart."""
    kind = chosen.randrange(3)
    if kind == 0:
        return sorted((chosen.randrange(1, 5) for _ in range(count)), reverse=True)
    if kind == 1:
        return sorted((chosen.randrange(1, 1000) for _ in range(count)), reverse=True)
    return sorted((3 ** chosen.randrange(8) for _ in range(count)), reverse=True)


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("count", range(1, 11))
def test_no_set_of_words_is_lost(sql: psycopg.Cursor, count: int, depth: int) -> None:
    chosen = random.Random(f"{count} {depth}")
    subsets = [some for size in range(count + 1) for some in combinations(range(count), size)]
    for _ in range(12):
        bounds = bounds_of(count, chosen)
        sums = [sum(bounds[number] for number in some) for some in subsets]
        # between the sums, and exactly one of them
        for threshold in (chosen.choice(sums), chosen.random() * sum(bounds), 0):
            query = threshold_query(sql, bounds, threshold, depth)
            assert query is not None
            enough = {number for number, total in enumerate(sums) if total > threshold}
            assert enough <= matched(sql, subsets, query), (bounds, threshold, query)
            assert bool(enough) or query == ""


@pytest.mark.parametrize("count", range(1, 8))
def test_exact_where_depth_suffices(sql: psycopg.Cursor, count: int) -> None:
    chosen = random.Random(count)
    subsets = [some for size in range(count + 1) for some in combinations(range(count), size)]
    for _ in range(6):
        bounds = bounds_of(count, chosen)
        sums = [sum(bounds[number] for number in some) for some in subsets]
        threshold = chosen.choice(sums)
        query = threshold_query(sql, bounds, threshold, count)
        enough = {number for number, total in enumerate(sums) if total > threshold}
        assert query is not None
        assert matched(sql, subsets, query) == enough


def test_a_higher_threshold_lets_fewer_through(sql: psycopg.Cursor) -> None:
    bounds = [9, 8, 6, 5, 5, 3, 2, 1]
    subsets = [some for size in range(9) for some in combinations(range(8), size)]
    counts = [
        len(matched(sql, subsets, threshold_query(sql, bounds, threshold, 2) or ""))
        for threshold in range(0, 40, 4)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 255
    assert 0 < counts[-1] < 64


def test_everything_and_nothing(sql: psycopg.Cursor) -> None:
    assert threshold_query(sql, [3, 2, 1], -1, 2) is None
    assert threshold_query(sql, [3, 2, 1], 6, 2) == ""
    assert threshold_query(sql, [], 1, 2) == ""


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.7, 0.99])
def test_64_words(sql: psycopg.Cursor, depth: int, share: float) -> None:
    chosen = random.Random(64)
    bounds = bounds_of(64, chosen)
    threshold = share * sum(bounds)
    query = threshold_query(sql, bounds, threshold, depth)
    assert query is not None
    subsets = [tuple(range(64))]
    for _ in range(100):
        subsets.append(tuple(sorted(chosen.sample(range(64), chosen.randrange(1, 65)))))
    enough = {
        number
        for number, some in enumerate(subsets)
        if sum(bounds[word] for word in some) > threshold
    }
    assert 0 in enough
    assert enough <= matched(sql, subsets, query)
