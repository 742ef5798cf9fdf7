"""Measures, by hand; what is no measure; intervals, tests and splits."""

from math import log2

import pytest

from retrieval import InvalidInput
from retrieval.evaluation.measures import (
    DEFAULT_MEASURES,
    answerable,
    depth_of,
    measure_names,
    measure_rankings,
)
from retrieval.evaluation.significance import confidence_interval, holm, paired_difference
from retrieval.evaluation.split import split_judgements
from retrieval.golden_sets.judgements import Judgements


def test_measures_are_those_of_a_calculation_by_hand() -> None:
    relevance = {"q": {"a": 2, "b": 1, "c": 0, "d": 1, "e": -1}, "nothing": {"a": 1}}
    found = measure_rankings(relevance, {"q": ["c", "a", "x", "b", "e", "a"], "other": ["a"]})
    gain = 2 / log2(3) + 1 / log2(5)
    best = 2 / log2(2) + 1 / log2(3) + 1 / log2(4)
    expected = [gain / best, 1 / 2, 2 / 3, (1 / 2 + 2 / 4) / 3, 2 / 10, 1]
    assert list(found["q"].values()) == pytest.approx(expected)
    assert list(found["q"]) == list(DEFAULT_MEASURES)
    assert found["nothing"] == dict.fromkeys(DEFAULT_MEASURES, 0.0)


def test_the_order_is_kept_where_keys_would_order_otherwise() -> None:
    for ranked in (["b", "a"], ["a", "b"]):
        found = measure_rankings({"q": {"a": 1}}, {"q": ranked}, ["MRR@10", "RR@10"])
        assert set(found["q"].values()) == {1 / (1 + ranked.index("a"))}


def test_a_query_without_a_relevant_document_is_not_answerable() -> None:
    relevance = {"none": {"a": 0, "b": -1}, "one": {"a": 1}, "empty": {}}
    judgements = Judgements({key: key for key in (*relevance, "unjudged")}, relevance)
    assert answerable(judgements) == ["one"]
    assert measure_rankings(relevance, {"none": ["a"]}, ["AP"])["none"] == {"AP": 0}


def test_a_measure_has_one_name_and_a_depth() -> None:
    assert measure_names(["MRR@10", "RR@10", "MAP", "Recall@50"]) == ["RR@10", "AP", "R@50"]
    assert depth_of(["P@10", "R@50"]) == 50
    assert depth_of(["P@10", "AP"]) == 100


@pytest.mark.parametrize(
    "name",
    [
        *("", "foo", "nDCG@ten", "P", "P@0", "P@-1", "R@10001", "ERR@10", "NumRet", "AP(rel=0)"),
        *("nDCG(dcg='exp-log2')@10", "alpha_nDCG@10", "AP; AP"),
    ],
)
def test_what_is_no_measure_is_named(name: str) -> None:
    with pytest.raises(InvalidInput, match="measure"):
        measure_names([name])


def test_a_grade_beyond_counting_is_refused() -> None:
    with pytest.raises(InvalidInput, match="query q, document a: grade 999999999"):
        measure_rankings({"q": {"a": 999_999_999}}, {"q": ["a"]}, ["AP"])


def test_an_interval_is_around_the_mean_and_repeats_itself() -> None:
    values = [0.1, 0.9, 0.4, 0.5, 0.3, 0.8]
    interval = confidence_interval(values, seed=1)
    assert interval is not None and interval.low < 0.5 < interval.high
    assert interval == confidence_interval(values, seed=1)
    assert confidence_interval([0.5]) is None
    constant = confidence_interval([0.5, 0.5])
    assert constant is not None and (constant.low, constant.high) == (0.5, 0.5)


def test_p_values_are_those_of_all_signs() -> None:
    """Of n gains that are all positive, 2 of the 2^n ways to sign them are as far from 0."""
    gained = paired_difference([0.1, 0.2, 0.3, 0.4], [0.2, 0.4, 0.4, 0.6])
    assert gained.p_value == pytest.approx(2 / 2**4)
    assert gained.mean == pytest.approx(0.15)
    assert paired_difference([0.1, 0.2], [0.1, 0.2]).p_value == 1
    mixed = paired_difference([0.0, 0.0, 0.0], [0.1, 0.1, -0.3])
    assert mixed.p_value == pytest.approx(1)  # of the sums -5, -3, -3, -1, 1, 3, 3, 5: this is -1
    one = paired_difference([0.1], [0.4])
    assert (one.interval, one.p_value) == (None, None)


def test_several_p_values_are_adjusted() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1, 1]
    assert holm([0.2]) == [0.2]


@pytest.mark.parametrize("held_out", [0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("shared", [True, False])
def test_a_split_loses_nothing_and_shares_no_query(held_out: float, shared: bool) -> None:
    keys = [f"q{number}" for number in range(20)]
    relevance = {key: {"d" if shared else f"d{key}": 1} for key in keys}
    judgements = Judgements({key: key for key in keys}, relevance)
    split = split_judgements(judgements, held_out=held_out, seed=3)
    assert split.disjoint != shared
    sizes = len(split.learned.queries), len(split.held_out.queries)
    assert sum(sizes) == 20 and min(sizes) >= 1
    assert split.learned.queries.keys().isdisjoint(split.held_out.queries)
    assert abs(sizes[1] / 20 - held_out) <= 0.1
    assert split == split_judgements(judgements, held_out=held_out, seed=3)


def test_documents_that_queries_share_are_on_one_side() -> None:
    relevance = {f"q{n}": {f"d{n // 2}": 1, "judged by all": 0} for n in range(12)}
    judgements = Judgements({key: key for key in relevance}, relevance)
    split = split_judgements(judgements, held_out=0.5)
    assert split.disjoint
    sides = [
        {key for grades in side.relevance.values() for key, grade in grades.items() if grade}
        for side in (split.learned, split.held_out)
    ]
    assert sides[0].isdisjoint(sides[1])


def test_one_query_cannot_be_split() -> None:
    with pytest.raises(InvalidInput, match="one judged query"):
        split_judgements(Judgements({"q": "q"}, {"q": {"d": 1}}))
