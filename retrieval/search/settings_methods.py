"""What a collection is set to do."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from retrieval import orm
from retrieval.search.results import Calibration
from retrieval.search.searches import Searches, rows, written_rows
from retrieval.steps import Result, Steps

Caller = Connection | Session | None


class SettingsMethods:
    """How the collections of `Retriever` rank, asked and set."""

    _searches: Searches

    def _drive(self, steps: Steps[Result], connection: Caller) -> Result:
        raise NotImplementedError

    def collection_settings(self, collection: str, *, connection: Caller = None) -> dict[str, Any]:
        """What is set for a collection, such as ranking and field_weights; NotFound without it."""
        called = orm.call("collection_settings", collection=collection)
        settings = type_coerce(called, JSONB)
        ((found,),) = self._drive(rows(select(settings)), connection)
        return dict(found)

    def set_field_weights(
        self,
        collection: str,
        field_weights: Mapping[str, float] | None,
        *,
        connection: Caller = None,
    ) -> None:
        """Set what words in title and context count beside those in the content, which count 1.

        None returns to 1 for all.
        """
        called = orm.set_field_weights(collection, field_weights)
        self._drive(written_rows(select(called)), connection)

    def calibrate(
        self,
        collection: str,
        space: str | None = None,
        *,
        sample: int | None = None,
        store: bool = True,
        connection: Caller = None,
    ) -> Calibration:
        """Find what a dense space should count beside the words, and store it."""
        found = orm.calibrate(collection, space, sample=sample, store=store)
        (row,) = self._drive(written_rows(select(*found.c)), connection)
        return Calibration(**row._mapping)

    def set_ranking(
        self,
        collection: str,
        *,
        fusion: str | None = None,
        weights: Mapping[str, float] | None = None,
        rrf_k: int | None = None,
        candidates: int | None = None,
        k1: float | None = None,
        b: float | None = None,
        mmr_lambda: float | None = None,
        rerank: Mapping[str, Any] | None = None,
        connection: Caller = None,
    ) -> None:
        """Set how searches of a collection rank unless they say otherwise.

        All of it is replaced, and without anything that is set they return to the defaults; the
        weights of fields have a method of their own. `rerank`, {"model": ..., "candidates": 50},
        is the reranker of searches that do not name one; other processes may not heed it for half
        a minute.
        """
        called = orm.set_ranking(
            collection,
            fusion=fusion,
            weights=weights,
            rrf_k=rrf_k,
            candidates=candidates,
            k1=k1,
            b=b,
            mmr_lambda=mmr_lambda,
            rerank=rerank,
        )
        self._drive(written_rows(select(called)), connection)
        self._searches.default_rerankers.forget(collection)
