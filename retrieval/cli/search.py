"""`retrieval search`."""

from typing import Annotated, Any

import typer

from retrieval.cli import search_options as options
from retrieval.cli.explanation import print_explanation
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import as_dictionaries, print_hits, print_json
from retrieval.errors import InvalidInput
from retrieval.search.request import DEFAULT_LEGS


def search(
    collection: str,
    query: options.Query,
    database_url: DatabaseUrl = None,
    max_results: options.MaxResults = 5,
    offset: options.Offset = None,
    leg: options.Leg = None,
    filter: options.Filter = None,
    fusion: options.Fusion = None,
    weight: options.Weight = None,
    rrf_k: options.RrfK = None,
    candidates: options.Candidates = None,
    boosts: options.Boosts = None,
    duplicate_similarity: options.DuplicateSimilarity = None,
    per_document: options.PerDocument = None,
    mmr_lambda: options.MmrLambda = None,
    k1: options.K1 = None,
    b: options.B = None,
    field_weight: options.FieldWeight = None,
    late_interaction: options.LateInteraction = None,
    space: options.Space = None,
    also_space: options.AlsoSpace = None,
    search_effort: options.SearchEffort = None,
    rerank: options.Rerank = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how the ranking comes about instead.")
    ] = False,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Ask a collection and show the best chunks."""
    given: dict[str, Any] = {
        "max_results": max_results,
        "result_offset": offset,
        "legs": leg or DEFAULT_LEGS,
        "metadata_filter": options.parse_filter(filter),
        "fusion": fusion,
        "weights": options.parse_weights(weight),
        "rrf_k": rrf_k,
        "candidates": candidates,
        "boosts": options.parse_boosts(boosts),
        "duplicate_similarity": duplicate_similarity,
        "per_document": per_document,
        "mmr_lambda": mmr_lambda,
        "k1": k1,
        "b": b,
        "field_weights": options.parse_weights(
            field_weight, "--field-weight", "FIELD=NUMBER, as in title=2"
        ),
        "late_interaction": late_interaction,
        "space": space,
        "spaces": also_space or (),
        "search_effort": search_effort,
    }
    if explain and rerank not in (None, options.NO_RERANKER):
        raise InvalidInput("--explain explains the search without --rerank, which scores by itself")
    with open_retriever(database_url, tenant) as retriever:
        if explain:
            explained = retriever.explain(collection, query, **given)
            return print_json(explained) if json else print_explanation(explained)
        rerank_by = options.reranker(rerank)
        hits = retriever.search(collection, query, rerank=rerank_by, **given)
    if json:
        print_json(as_dictionaries(hits))
    else:
        print_hits(hits, first=1 + (offset or 0))
