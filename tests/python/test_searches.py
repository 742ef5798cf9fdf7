"""Searches of both retrievers: every leg, what is made of them, and what is refused."""

import asyncio
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from every_kind import SMALL, SPARSE, TOKENS, add_spaces
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from retrieval import (
    AsyncRetriever,
    Document,
    DocumentHit,
    Embedder,
    HashingEmbedder,
    Hit,
    InvalidInput,
    MultiVectorHashingEmbedder,
    NotFound,
    NotReady,
    Retriever,
    SpaceMismatch,
    SparseHashingEmbedder,
    build_context,
    orm,
)
from retrieval.search import search_statements, searches
from retrieval.search.request import SearchRequest

DENSE = HashingEmbedder()
QUERY = "warm jacket"
EVERY = list(orm.LEGS)
PARTS = [
    f"Part {part} of the guide. " + "Wool is soft and dries slowly. " * 20 for part in range(3)
]
DOCUMENTS = [
    Document("jacket", "A warm jacket for the winter.", metadata={"price": 90, "team": "a"}),
    Document("parka", "A warm parka, longer than other coats.", metadata={"price": 200}),
    Document("copy", "A warm jacket for the cold winter.", metadata={"price": 95, "team": "b"}),
    Document("boots", "Warm boots.", metadata={"price": 120}),
    Document("guide", "\n\n".join(PARTS), title="Wool"),
    *(Document(f"fan {n}", f"A fan for the summer, number {n}.") for n in range(8)),
]


def keys_of(hits: list[Any]) -> list[str]:
    return [hit.document_key for hit in hits]


@pytest.fixture(scope="module")
def shop(module_database_url: str) -> Iterator[Retriever]:
    """A collection with spaces of every kind, and one without any; both are only read."""
    with Retriever.open(module_database_url, embedder=DENSE) as opened:
        opened.create_collection("handbook")
        opened.ingest("handbook", DOCUMENTS)
        add_spaces(opened)
        with opened.engine.begin() as session:
            session.execute(text("select retrieval.create_collection('plain')"))
        opened.ingest("plain", DOCUMENTS)
        yield opened


def found(shop: Retriever, statement: Any) -> list[Any]:
    with Session(shop.engine) as session:
        return list(session.execute(select(*statement.c)))


# One leg

LEGS_ALONE = {
    "keyword": lambda: orm.keyword_search("handbook", QUERY),
    "semantic": lambda: orm.semantic_search("handbook", DENSE.embed_query(QUERY)),
    "sparse": lambda: orm.sparse_search("handbook", SPARSE.embed_query(QUERY)),
    "late_interaction": lambda: orm.late_interaction_search("handbook", TOKENS.embed_query(QUERY)),
}


@pytest.mark.parametrize("leg", EVERY)
def test_a_leg_alone_is_its_own_search(shop: Retriever, leg: str) -> None:
    """The model of the active space embeds the query; the score is the leg's own."""
    hits = shop.search("handbook", QUERY, legs=[leg])
    expected = found(shop, LEGS_ALONE[leg]())
    assert [(hit.chunk_id, hit.score) for hit in hits] == [
        (row.chunk_id, row.score) for row in expected
    ]
    assert keys_of(hits[:2]) == ["jacket", "copy"] and hits[0].contributions == {}
    for other in EVERY:
        ranks = [getattr(hit, f"{other}_rank") for hit in hits]
        assert ranks == [number if other == leg else None for number in range(1, len(hits) + 1)]


@pytest.mark.parametrize("leg", EVERY)
@pytest.mark.parametrize(
    "option",
    [{"fusion": "rrf"}, {"per_document": 1}, {"result_offset": 0}, {"weights": {}}],
    ids=str,
)
def test_an_option_of_hybrid_search_makes_it_one(
    shop: Retriever, leg: str, option: dict[str, Any]
) -> None:
    alone = shop.search("handbook", QUERY, legs=[leg], max_results=3)
    hits = shop.search("handbook", QUERY, legs=[leg], max_results=3, **option)
    assert [hit.contributions[leg]["score"] for hit in hits] == [hit.score for hit in alone]
    weight = 0.7 if leg == "semantic" and "weights" not in option else 1
    assert hits[0].score == pytest.approx(weight / 61 if "fusion" in option else weight)


def test_the_only_leg_may_name_its_space(shop: Retriever) -> None:
    assert shop.search("handbook", QUERY, legs=["sparse"], space="words")[0].sparse_rank == 1
    assert shop.search("handbook", QUERY, legs=["late_interaction"], space="tokens")
    with pytest.raises(InvalidInput, match="space words is sparse, not dense"):
        shop.search("handbook", QUERY, space="words")


# Several legs


def test_every_leg_takes_part(shop: Retriever) -> None:
    hits = shop.search(
        "handbook", QUERY, legs=EVERY, spaces=["small"], fusion="rrf", weights={"small": 2}
    )
    expected = orm.hybrid_search(
        "handbook",
        QUERY,
        DENSE.embed_query(QUERY),
        SPARSE.embed_query(QUERY),
        query_tokens=TOKENS.embed_query(QUERY),
        query_embeddings={"small": SMALL.embed_query(QUERY)},
        fusion="rrf",
        weights={"small": 2},
    )
    assert hits == [Hit(**row._mapping) for row in found(shop, expected)]
    best = hits[0]
    assert best.contributions.keys() == {*EVERY, "small"}
    assert best.score == pytest.approx(
        sum(each["contribution"] for each in best.contributions.values())
    )


def test_signatures_of_every_space_are_checked(
    shop: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another model embedded is refused, whichever leg it is for."""
    given: list[Mapping[str, Any]] = []

    def noted(*arguments: Any) -> search_statements.Statement:
        statement = search_statements.search_statement(*arguments)
        given.append(statement.parameters)
        return statement

    monkeypatch.setattr(searches, "search_statement", noted)
    shop.search("handbook", QUERY, legs=EVERY, spaces=["small"])
    (named,) = given
    assert named["signature"] == DENSE.signature.to_json()
    assert named["leg_signatures"] == {
        "sparse": SPARSE.signature.to_json(),
        "late_interaction": TOKENS.signature.to_json(),
        "small": SMALL.signature.to_json(),
    }


def test_queries_may_be_given(shop: Retriever) -> None:
    """Then no model is asked, and no text is needed."""
    given = {
        "query_embedding": DENSE.embed_query(QUERY),
        "query_sparse": SPARSE.embed_query(QUERY),
        "query_tokens": TOKENS.embed_query(QUERY),
    }
    by_model = shop.search("handbook", QUERY, legs=EVERY)
    assert shop.search("handbook", QUERY, legs=EVERY, **given) == by_model
    without_text = shop.search("handbook", "", legs=EVERY, **given)
    assert without_text[0].keyword_rank is None and without_text[0].late_interaction_rank == 1
    alone = shop.search("handbook", "", legs=["sparse"], query_sparse=given["query_sparse"])
    assert keys_of(alone[:2]) == ["jacket", "copy"]


def test_weights_are_those_of_the_space_unless_given(shop: Retriever) -> None:
    (best, *_) = shop.search("handbook", QUERY, max_results=1)
    assert best.score == pytest.approx(1.7)  # relative: the best of both, the space counting 0.7
    (best, *_) = shop.search("handbook", QUERY, max_results=1, weights={"keyword": 3})
    assert best.score == pytest.approx(4)


# Without a space


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weights": {"semantic": 2}},
        {"weights": {"keyword": 0, "semantic": 1}},
        {"leg_candidates": {"semantic": 5, "keyword": 50}},
        {"spaces": []},
    ],
    ids=str,
)
def test_words_alone_where_there_is_no_space(shop: Retriever, options: dict[str, Any]) -> None:
    hits = shop.search("plain", QUERY, **options)
    assert keys_of(hits) == keys_of(shop.search("plain", QUERY, legs=["keyword"]))
    assert hits[0].contributions.keys() == {"keyword"} and hits[0].score > 0
    assert keys_of(shop.search_documents("plain", QUERY, **options))[0] == "jacket"
    assert [leg["leg"] for leg in shop.explain("plain", QUERY, **options)["legs"]] == ["keyword"]


@pytest.mark.parametrize(
    ("legs", "named"),
    [
        (["semantic"], "leg semantic: collection plain has no active space"),
        (["keyword", "sparse"], "leg sparse: collection plain has no active sparse space"),
        (["semantic", "sparse"], "leg semantic: collection plain has no active space"),
        (["late_interaction"], "leg late_interaction: .* no active multivector space"),
    ],
)
def test_a_leg_without_a_space_is_named(shop: Retriever, legs: list[str], named: str) -> None:
    with pytest.raises(NotReady, match=named):
        shop.search("plain", QUERY, legs=legs)
    with pytest.raises(NotReady, match=named):
        shop.explain("plain", QUERY, legs=legs)


# What is refused


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"legs": ["smell"]}, "legs must be some of keyword, semantic, sparse, late_interaction"),
        ({"legs": "keyword"}, "legs must be a list of names, not a text"),
        ({"spaces": "small"}, "spaces must be a list of names, not a text"),
        ({"query_sparse": [1.0]}, "query_sparse is given, but sparse is not among the legs"),
        ({"query_tokens": [[1.0]]}, "query_tokens is given, but late_interaction is not"),
        ({"legs": ["keyword"], "query_embedding": [1.0]}, "semantic is not among the legs"),
        ({"legs": ["keyword"], "space": "small"}, "space is given, but no leg searches it"),
        ({"legs": ["sparse"], "per_document": 1, "space": "words"}, "no leg searches it"),
        (
            {"query": " ", "legs": ["semantic", "sparse"], "query_embedding": [1.0] * 64},
            "leg sparse has no query: .* query_sparse is not given",
        ),
        (
            {"query": " ", "query_embedding": [1.0] * 64, "spaces": ["small"]},
            "space small has no query",
        ),
        ({"weights": {"sparse": 1}}, "weights: leg sparse has no query"),
        ({"weights": {"smell": 1}}, "weights: leg must be one of keyword, semantic, not 'smell'"),
        ({"leg_candidates": {"keyword": 0}}, "leg_candidates: keyword"),
        ({"fusion": "mean"}, "fusion must be one of"),
        ({"late_interaction": "all"}, "late_interaction must be one of"),
        ({"mmr_lambda": 2}, "mmr_lambda must be between 0 and 1"),
        ({"duplicate_similarity": -1}, "duplicate_similarity must be between 0 and 1"),
        ({"per_document": 0}, "per_document must be between 1"),
        ({"result_offset": -1}, "result_offset must be 0 or more"),
        ({"result_offset": 95}, "result_offset . max_results must be at most candidates"),
        ({"boosts": {"field": float("nan")}}, "boosts is not JSON"),
        ({"query_embedding": [1.0]}, "1 dimensions"),
        ({"legs": ["sparse"], "query_sparse": [0.5]}, "query_sparse|dimensions"),
        ({"legs": ["late_interaction"], "query_tokens": [[0.5]]}, "query_tokens must be vectors"),
        ({"legs": ["late_interaction"], "query_tokens": []}, "query_tokens must hold a vector"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_refused_is_named_in_one_line(
    shop: Retriever, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInput, match=named) as caught:
        shop.search("handbook", **({"query": "key"} | options))
    assert "\n" not in str(caught.value)


def test_spaces_must_exist(shop: Retriever) -> None:
    with pytest.raises(NotFound, match="space none does not exist in collection handbook"):
        shop.search("handbook", QUERY, spaces=["none"])


@pytest.mark.parametrize("method", ["search", "search_documents", "explain"])
def test_an_unknown_argument_is_a_mistake(shop: Retriever, method: str) -> None:
    with pytest.raises(TypeError, match="colour"):
        getattr(shop, method)("handbook", QUERY, colour="red")


@pytest.mark.parametrize("method", ["search", "search_documents"])
def test_nothing_to_search_with_finds_nothing(shop: Retriever, method: str) -> None:
    assert getattr(shop, method)("handbook", " ", legs=EVERY) == []
    with pytest.raises(NotFound, match="nowhere"):
        getattr(shop, method)("nowhere", " ")


def test_nothing_to_search_with_explains_nothing(shop: Retriever) -> None:
    with pytest.raises(InvalidInput, match="nothing to explain"):
        shop.explain("handbook", " ")


# What is made of the candidates


def test_near_duplicates_fall(shop: Retriever) -> None:
    assert {"jacket", "copy"} < set(keys_of(shop.search("handbook", QUERY)))
    hits = shop.search("handbook", QUERY, duplicate_similarity=0.9)
    assert "jacket" in keys_of(hits) and "copy" not in keys_of(hits)


def test_documents_may_have_so_many_chunks(shop: Retriever) -> None:
    assert keys_of(shop.search("handbook", "wool dries")).count("guide") > 1
    assert keys_of(shop.search("handbook", "wool dries", per_document=1)).count("guide") == 1


def test_hits_are_diverse(shop: Retriever) -> None:
    assert keys_of(shop.search("handbook", QUERY, max_results=2)) == ["jacket", "copy"]
    diverse = shop.search("handbook", QUERY, max_results=2, mmr_lambda=0.3)
    assert keys_of(diverse)[0] == "jacket" and "copy" not in keys_of(diverse)


def test_pages_have_every_hit_once(shop: Retriever) -> None:
    whole = shop.search("handbook", QUERY, max_results=12)
    pages = [
        shop.search("handbook", QUERY, max_results=5, result_offset=start) for start in (0, 5, 10)
    ]
    assert [hit.chunk_id for page in pages for hit in page][:12] == [hit.chunk_id for hit in whole]


def test_late_interaction_scores_candidates_or_the_collection(shop: Retriever) -> None:
    legs = ["keyword", "late_interaction"]
    few = shop.search("handbook", "boots", legs=legs, max_results=50)
    assert keys_of(few) == ["boots"]
    every = shop.search("handbook", "boots", legs=legs, late_interaction="collection")
    assert len(every) == 10 and every[1].keyword_rank is None


def test_boosts_change_the_order(shop: Retriever) -> None:
    boosts = [{"field": "team", "values": {"b": 10}}]
    hits = shop.search("handbook", QUERY, boosts=boosts)
    assert keys_of(hits)[0] == "copy"
    explained = shop.explain("handbook", QUERY, boosts=boosts[0])["hits"][0]
    assert explained["boosts"] == [{"field": "team", "value": "b", "factor": 10}]
    assert keys_of(shop.search_documents("handbook", QUERY, boosts=boosts))[0] == "copy"


# The explanation, documents, and how a collection ranks


def test_the_explanation_is_of_the_search(shop: Retriever) -> None:
    options: dict[str, Any] = {"legs": EVERY, "spaces": ["small"], "mmr_lambda": 0.5}
    explained = shop.explain("handbook", QUERY, **options)
    hits = shop.search("handbook", QUERY, **options)
    assert [each["chunk_id"] for each in explained["hits"]] == [hit.chunk_id for hit in hits]
    assert [each["legs"] for each in explained["hits"]] == [hit.contributions for hit in hits]
    assert {leg["space"] for leg in explained["legs"]} == {
        None,
        "hashing",
        "words",
        "tokens",
        "small",
    }


@pytest.mark.parametrize("aggregation", [None, "max", "sum", "mean_of_best"])
def test_documents_are_found_by_their_chunks(shop: Retriever, aggregation: str | None) -> None:
    hits = shop.search("handbook", "wool guide", max_results=50)
    scores: dict[str, list[float]] = {}
    for hit in hits:
        scores.setdefault(hit.document_key, []).append(hit.score)
    expected = {
        "max": lambda given: given[0],
        "sum": sum,
        "mean_of_best": lambda given: sum(given[:3]) / 3,
    }[aggregation or "max"]
    found = shop.search_documents("handbook", "wool guide", aggregation=aggregation, max_results=3)
    assert len(found) == 3 and all(isinstance(each, DocumentHit) for each in found)
    best = found[0]
    assert (best.document_key, best.title) == ("guide", "Wool")
    assert best.score == pytest.approx(expected(scores["guide"]))
    assert best.chunk_ids == [hit.chunk_id for hit in hits if hit.document_key == "guide"]
    assert best.chunk_ids[0] == best.chunk_id


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"aggregation": "median"}, "aggregation must be one of"),
        ({"per_document": 1}, "per_document is for chunks"),
        ({"mmr_lambda": 0.5}, "mmr_lambda is for chunks"),
        ({"result_offset": 0}, "result_offset is for chunks"),
    ],
)
def test_documents_have_their_own_options(
    shop: Retriever, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInput, match=named):
        shop.search_documents("handbook", QUERY, **options)


def test_how_a_collection_ranks_is_set(retriever: Retriever) -> None:
    retriever.ingest("handbook", DOCUMENTS[:4])
    with retriever.engine.connect() as connection:
        retriever.set_ranking(
            "handbook", fusion="rrf", weights={"semantic": 2}, rrf_k=9, connection=connection
        )
        (best, *_) = retriever.search("handbook", QUERY, connection=connection)
        assert best.score == pytest.approx(0.1 + 2 / 10)
        connection.rollback()
    assert retriever.search("handbook", QUERY)[0].score == pytest.approx(1.7)
    with pytest.raises(InvalidInput, match="fusion"):
        retriever.set_ranking("handbook", fusion="mean")
    calibration = retriever.calibrate("handbook", sample=10)
    assert (calibration.space_name, calibration.weight) == ("hashing", None)


# Recommendations and passages


def chunk_of(shop: Retriever, key: str) -> int:
    """The first chunk of a document."""
    with Session(shop.engine) as session:
        chunk = select(orm.Chunk.chunk_id).join(orm.Chunk.document).join(orm.Document.collection)
        chunk = chunk.where(orm.Collection.name == "handbook", orm.Document.document_key == key)
        return int(session.scalars(chunk.order_by(orm.Chunk.position)).all()[0])


def test_recommendations(shop: Retriever) -> None:
    jacket, fan = chunk_of(shop, "jacket"), chunk_of(shop, "fan 0")
    assert keys_of(shop.recommend("handbook", [jacket], max_results=1)) == ["copy"]
    liked = shop.recommend("handbook", (jacket,), (fan,), strategy="best_score", max_results=1)
    assert keys_of(liked) == ["copy"] and liked[0].semantic_rank == 1
    documents = shop.recommend_documents("handbook", ["jacket"], ["boots"], max_results=1)
    assert keys_of(documents) == ["copy"]
    cheap = {"price": {"$lt": 93}}
    assert keys_of(shop.recommend_documents("handbook", ["copy"], metadata_filter=cheap)) == [
        "jacket"
    ]
    assert keys_of(shop.more_like_this("handbook", "jacket", max_results=1)) == ["copy"]
    assert keys_of(shop.more_like_this("handbook", example_chunk=jacket, max_results=1)) == ["copy"]
    with pytest.raises(NotFound, match="nothing"):
        shop.recommend_documents("handbook", ["nothing"])
    with pytest.raises(InvalidInput, match="positive example"):
        shop.recommend("handbook", [])


def test_passages_are_contexts_as_they_are(shop: Retriever) -> None:
    hits = shop.search("handbook", "wool", legs=["keyword"])
    assert len(hits) > 2 and set(keys_of(hits)) == {"guide"}
    (passage,) = shop.passages("handbook", hits)
    assert passage.content == DOCUMENTS[4].content.strip()
    assert (passage.first_position, passage.score) == (0, hits[0].score)
    assert sorted(passage.hit_ids) == sorted(hit.chunk_id for hit in hits)
    context = build_context([passage], max_tokens=2000)
    (read,) = context.passages
    assert (read.content, read.title) == (passage.content, "Wool")
    assert read.positions == tuple(range(passage.last_position + 1))
    assert shop.passages("handbook", []) == []


def test_passages_keep_the_order_of_the_hits(shop: Retriever) -> None:
    """Whatever it is by: that of a reranker or of diversity is not that of the scores."""
    hits = shop.search("handbook", QUERY, max_results=6, per_document=1)[::-1]
    assert [each.score for each in hits] == sorted(each.score for each in hits)
    passages = shop.passages("handbook", hits, after=1)
    assert keys_of(passages) == keys_of(hits)
    assert [each.score for each in passages] == [each.score for each in hits]


# Another process


@pytest.mark.parametrize(
    ("options", "leg", "embedder"),
    [
        ({"legs": ["sparse"]}, "sparse", SparseHashingEmbedder(500)),
        ({"legs": ["keyword", "sparse"]}, "sparse", SparseHashingEmbedder(500)),
        ({"legs": ["late_interaction"]}, "late_interaction", MultiVectorHashingEmbedder(32)),
        ({"legs": EVERY}, "late_interaction", MultiVectorHashingEmbedder(32)),
    ],
    ids=["sparse", "keyword and sparse", "late interaction", "every leg"],
)
def test_a_space_of_any_kind_was_activated_meanwhile(
    retriever: Retriever, database_url: str, options: dict[str, Any], leg: str, embedder: Embedder
) -> None:
    retriever.ingest("handbook", DOCUMENTS[:4])
    add_spaces(retriever)
    assert getattr(retriever.search("handbook", QUERY, **options)[0], f"{leg}_rank") == 1
    with Retriever.open(database_url) as other:
        other.spaces.migrate("handbook", embedder, space="other")
    with retriever.engine.connect() as connection, pytest.raises(SpaceMismatch):
        retriever.search("handbook", QUERY, **options, connection=connection)
    assert getattr(retriever.search("handbook", QUERY, **options)[0], f"{leg}_rank") == 1


def test_a_space_by_name_was_made_anew_meanwhile(retriever: Retriever, database_url: str) -> None:
    retriever.ingest("handbook", DOCUMENTS[:4])
    add_spaces(retriever)
    assert retriever.search("handbook", QUERY, spaces=["small"])
    with Retriever.open(database_url) as other:
        other.spaces.drop("handbook", "small")
        other.spaces.create("handbook", HashingEmbedder(32), space="small")
        other.spaces.fill("handbook", "small")
    with retriever.engine.connect() as connection, pytest.raises(SpaceMismatch, match="small"):
        retriever.search("handbook", QUERY, spaces=["small"], connection=connection)
    assert "small" in retriever.search("handbook", QUERY, spaces=["small"])[0].contributions


# The asynchronous twin


CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("search", ("handbook", QUERY), {}),
    ("search", ("handbook", QUERY), {"legs": EVERY, "spaces": ["small"], "per_document": 1}),
    ("search", ("handbook", QUERY), {"legs": ["late_interaction"]}),
    ("search", ("plain", QUERY), {"weights": {"semantic": 2}}),
    ("search", ("handbook", " "), {}),
    ("search_documents", ("handbook", QUERY), {"aggregation": "sum", "legs": EVERY}),
    ("recommend_documents", ("handbook", ["jacket"], ["boots"]), {"max_results": 3}),
    ("more_like_this", ("handbook", "jacket"), {}),
    ("calibrate", ("handbook",), {"sample": 5, "store": False}),
    ("set_ranking", ("plain",), {}),
]


def test_both_retrievers_find_the_same(shop: Retriever) -> None:
    async def ask() -> list[Any]:
        url = shop.engine.url.render_as_string(hide_password=False)
        async with await AsyncRetriever.open(url, embedder=DENSE) as retriever:
            answers = [
                await getattr(retriever, name)(*given, **options) for name, given, options in CALLS
            ]
            hits = answers[0]
            answers.append(await retriever.passages("handbook", hits, before=1))
            answers.append(await retriever.recommend("handbook", [hits[0].chunk_id]))
            answers.append((await retriever.explain("handbook", QUERY))["hits"])
            with pytest.raises(NotReady, match="leg sparse"):
                await retriever.search("plain", QUERY, legs=["sparse"])
            return answers

    expected = [getattr(shop, name)(*given, **options) for name, given, options in CALLS]
    hits = expected[0]
    expected.append(shop.passages("handbook", hits, before=1))
    expected.append(shop.recommend("handbook", [hits[0].chunk_id]))
    expected.append(shop.explain("handbook", QUERY)["hits"])
    assert asyncio.run(ask()) == expected


def test_a_request_has_the_arguments_of_the_method() -> None:
    """With the same defaults, so that the methods which pass them on search alike."""
    parameters = dict(inspect.signature(Retriever.search).parameters)
    others = {"self", "rerank", "rerank_candidates", "connection"}
    assert [each.name for each in fields(SearchRequest)] == [
        name for name in parameters if name not in others
    ]
    given = SearchRequest(collection="c", query="q")
    for each in fields(SearchRequest)[2:]:
        assert getattr(given, each.name) == parameters[each.name].default


def test_arrays_are_queries(shop: Retriever) -> None:
    vector = np.asarray(DENSE.embed_query(QUERY))
    listed = shop.search("handbook", QUERY, query_embedding=vector.tolist())
    assert keys_of(shop.search("handbook", QUERY, query_embedding=vector)) == keys_of(listed)


def test_stored_tokens_order_the_hits_again(shop: Retriever) -> None:
    """Here as in the database, whose score is the same."""
    in_sql = shop.search(
        "handbook",
        QUERY,
        legs=["keyword", "late_interaction"],
        weights={"keyword": 0, "late_interaction": 1},
        max_results=3,
    )
    hits = shop.search("handbook", QUERY, legs=["keyword"], rerank="late_interaction")
    # what ties keeps its order
    assert [hit.rerank_score for hit in hits[:3]] == pytest.approx(
        [hit.late_interaction_score for hit in in_sql], abs=1e-3
    )
    assert all(hit.score == hit.keyword_score for hit in hits)
    assert len(hits) == len(shop.search("handbook", QUERY, legs=["keyword"]))


def test_a_hit_without_tokens_is_last(retriever: Retriever) -> None:
    retriever.ingest("handbook", DOCUMENTS[:4])
    add_spaces(retriever)
    with retriever.engine.begin() as connection:
        connection.execute(
            text(
                """delete from retrieval.token_embeddings t using retrieval.chunks c
                   where c.chunk_id = t.chunk_id and c.content like '%for the winter.'"""
            )
        )
    hits = retriever.search("handbook", QUERY, rerank="late_interaction")
    assert len(hits) == 4
    assert (hits[-1].document_key, hits[-1].rerank_score) == ("jacket", None)
    assert None not in [hit.rerank_score for hit in hits[:-1]]


def test_there_are_no_tokens_to_order_by(shop: Retriever) -> None:
    with pytest.raises(NotReady, match="late_interaction: collection plain has no active multi"):
        shop.search("plain", QUERY, rerank="late_interaction")


def test_matches_are_counted(shop: Retriever) -> None:
    found = shop.facets("handbook", ["team", "price"], "warm", max_values=2)
    assert {facet.key for facet in found} == {"team", "price"}
    hits = shop.search("handbook", "boots", legs=["keyword"])
    (only,) = shop.facets("handbook", ["price"], chunk_ids=[hit.chunk_id for hit in hits])
    assert (only.value, only.documents, only.chunks) == (120, 1, 1)
    assert shop.count_matches("handbook", "warm") == 4
    dear = {"price": {"$gt": 100}}
    assert shop.count_matches("handbook", "warm", metadata_filter=dear, exact=True) == 2
    with pytest.raises(InvalidInput, match="'price' is named more than once"):
        shop.facets("handbook", ["price", "price"])
