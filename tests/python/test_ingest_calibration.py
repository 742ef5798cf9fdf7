"""Ingestion calibrates a collection's space: when it is time to, and never at its own cost."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from retrieval import AsyncRetriever, Document, HashingEmbedder, Retriever

TOPICS = [f"topic{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200)]


def documents(count: int, first: int = 0) -> list[Document]:
    """Texts of ten words out of some themes, so that each is like a dozen others."""
    made = []
    for number in range(first, first + count):
        chosen = random.Random(number)
        theme = TOPICS[20 * (number % 5) :][:20]
        made.append(Document(f"{number:04}", " ".join(chosen.sample(theme, 10))))
    return made


def calibrations(retriever: Retriever) -> list[dict[str, Any]]:
    """What is stored of calibrations, by space."""
    statement = "select settings -> 'calibration' from retrieval.collections"
    with retriever.engine.connect() as session:
        stored = session.scalar(text(statement))
    return list((stored or {}).values())


@pytest.fixture
def large(retriever: Retriever) -> Iterator[Retriever]:
    """A collection that ingestion has calibrated."""
    assert retriever.ingest("handbook", documents(100)).warnings == []
    yield retriever


def test_the_first_filling_is_calibrated(large: Retriever) -> None:
    (stored,) = calibrations(large)
    said = large.calibrate("handbook", sample=50, store=False)
    assert (stored["chunks"], stored["weight"]) == (100, said.weight)
    assert said.sampled >= 20 and stored["agreement"] == said.agreement
    explained = large.explain("handbook", TOPICS[0])
    assert [leg["weight_from"] for leg in explained["legs"]] == ["default", "calibration"]


def test_it_is_calibrated_again_when_it_has_doubled(large: Retriever) -> None:
    (first,) = calibrations(large)
    large.ingest("handbook", documents(99, first=100))
    assert calibrations(large) == [first]
    large.ingest("handbook", documents(1, first=199))
    (second,) = calibrations(large)
    assert second["chunks"] == 200 and second["at"] > first["at"]


def test_another_model_is_calibrated_before_it_is_searched(large: Retriever) -> None:
    large.spaces.migrate("handbook", HashingEmbedder(16), space="other")
    assert len(calibrations(large)) == 2
    explained = large.explain("handbook", TOPICS[0])
    assert [(leg["space"], leg["weight_from"]) for leg in explained["legs"]] == [
        (None, "default"),
        ("other", "calibration"),
    ]


def test_a_run_that_changes_nothing_does_not_calibrate(large: Retriever) -> None:
    large.set_ranking("handbook")
    with large.engine.begin() as session:
        session.execute(text("update retrieval.collections set settings = '{}'"))
    large.ingest("handbook", documents(100))
    assert calibrations(large) == []


def test_a_small_collection_is_not_calibrated(retriever: Retriever) -> None:
    retriever.ingest("handbook", documents(99))
    assert calibrations(retriever) == []
    retriever.ingest("handbook", documents(1, first=99))
    assert len(calibrations(retriever)) == 1


def test_chunks_that_sql_wrote_count(retriever: Retriever) -> None:
    with retriever.engine.begin() as session:
        session.execute(
            text("select retrieval.put_documents('handbook', cast(:documents as jsonb))"),
            {"documents": _as_json(documents(100))},
        )
    assert retriever.ingest("handbook", []).chunks == 0
    assert len(calibrations(retriever)) == 1


def _as_json(given: list[Document]) -> str:
    parts = (f'{{"document_key": "{each.key}", "content": "{each.content}"}}' for each in given)
    return f"[{','.join(parts)}]"


def test_it_can_be_switched_off(retriever: Retriever, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_CALIBRATE", "false")
    retriever.ingest("handbook", documents(100))
    assert calibrations(retriever) == []


def test_the_space_of_a_new_model_is_calibrated_of_its_own(large: Retriever) -> None:
    large.spaces.migrate("handbook", HashingEmbedder(16))
    large.ingest("handbook", documents(1, first=100))
    assert [each["chunks"] for each in calibrations(large)] == [100, 100]
    large.ingest("handbook", documents(99, first=101))
    assert [each["chunks"] for each in calibrations(large)] == [100, 200]


def test_what_cannot_be_calibrated_is_not_tried_each_time(
    retriever: Retriever, database_url: str
) -> None:
    """Without words that others share, nothing is said and nothing is stored."""
    alone = [Document(f"{n}", f"word{n}x") for n in range(100)]
    assert retriever.ingest("handbook", alone).warnings == []
    assert calibrations(retriever) == []
    retriever.ingest("handbook", documents(99, first=200))
    assert calibrations(retriever) == []
    retriever.ingest("handbook", documents(1, first=300))
    assert [each["chunks"] for each in calibrations(retriever)] == [200]


@pytest.mark.parametrize("own_transaction", [True, False])
def test_a_failure_costs_nothing_else(retriever: Retriever, own_transaction: bool) -> None:
    with retriever.engine.begin() as session:
        full = "alter table retrieval.collections add constraint is_full check (settings = '{}')"
        session.execute(text(full))
    if own_transaction:
        report = retriever.ingest("handbook", documents(100))
    else:
        with retriever.engine.begin() as session:
            report = retriever.ingest("handbook", documents(100), connection=session)
    assert (report.added, report.failures) == (100, [])
    (warning,) = report.warnings
    assert warning.startswith("space hashing was not calibrated: ") and "is_full" in warning
    assert retriever.collections()[0].documents == 100


def test_asynchronously(database_url: str) -> None:
    async def ingest() -> list[str]:
        embedder = HashingEmbedder()
        async with await AsyncRetriever.open(database_url, embedder=embedder) as retriever:
            await retriever.create_collection("handbook")
            return (await retriever.ingest("handbook", documents(100))).warnings

    assert asyncio.run(ingest()) == []
    with Retriever.open(database_url) as retriever:
        assert len(calibrations(retriever)) == 1
