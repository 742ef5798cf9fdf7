"""Settings are read from what a user types, and searched with."""

from pathlib import Path
from typing import Any

import pytest

from retrieval import InvalidInput, WordOverlapReranker
from retrieval.evaluation.search_settings import SearchSettings

SEMANTIC = {"legs": ["semantic"]}


def test_settings_are_named_or_name_themselves(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"legs": ["semantic"]}', encoding="utf-8")
    text = '{"legs": ["semantic"]}'
    assert SearchSettings.read("default") == SearchSettings("default", {})
    assert SearchSettings.read(f"s={text}") == SearchSettings("s", SEMANTIC)
    assert SearchSettings.read(text) == SearchSettings(text, SEMANTIC)
    assert SearchSettings.read(str(path)) == SearchSettings("mine", SEMANTIC)
    assert SearchSettings.read(f"other={path}") == SearchSettings("other", SEMANTIC)
    with_equals = '{"query": 1, "a=b": 2}'
    with pytest.raises(InvalidInput, match="'query' is not one of"):
        SearchSettings.read(with_equals)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s={", "not valid JSON"),
        ('s={"rrf_k": NaN}', "not valid JSON"),
        ("s=nowhere.json", "neither"),
        ("nowhere", "neither"),
        ('={"rrf_k": 60}', "cannot be called"),
        ('s={"max_results": 5}', "settings s: 'max_results'"),
        ('s={"leg": ["keyword"]}', "settings s: 'leg'"),
    ],
)
def test_unusable_settings_are_named(given: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        SearchSettings.read(given)


def test_a_file_holds_an_object(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InvalidInput, match="not a JSON object"):
        SearchSettings.read(str(tmp_path / "list.json"))


class Asked:
    """Notes what is searched with."""

    def search(self, collection: str, query: str, **arguments: Any) -> list[Any]:
        self.arguments = arguments
        return []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, {"max_results": 100, "per_document": 1}),
        ({"per_document": 2}, {"max_results": 100, "per_document": 2}),
        ({"rerank": True}, {"max_results": 50, "per_document": 1}),
        ({"rerank": True, "rerank_candidates": 20}, {"max_results": 20, "per_document": 1}),
        ({"rerank": True, "rerank_candidates": 200}, {"max_results": 100, "per_document": 1}),
    ],
)
def test_documents_are_found_once_and_no_more_are_reranked_than_usual(
    arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    asked = Asked()
    SearchSettings("s", arguments).find(asked, "c", "q", 100)  # type: ignore[arg-type]
    assert asked.arguments == arguments | expected


def test_a_collection_may_rerank_by_itself() -> None:
    default = {"model": "m", "candidates": 30}
    assert SearchSettings().depth(100, default) == 30
    assert SearchSettings().depth(10, default) == 10
    assert SearchSettings().depth(100, {"model": "m"}) == 50
    assert SearchSettings("s", {"rerank": False}).depth(100, default) == 100
    assert SearchSettings("s", {"rerank_candidates": 60}).depth(100, default) == 60


def test_arguments_are_kept_as_json() -> None:
    settings = SearchSettings("s", {"legs": {"semantic"}, "rerank": WordOverlapReranker()})
    assert settings.as_json() == {"legs": ["semantic"], "rerank": WordOverlapReranker().model}
