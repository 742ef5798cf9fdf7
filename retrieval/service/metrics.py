"""What the service measures, in the form of Prometheus.

No label holds a name that a user chose: neither of a collection nor of a tenant, as there may be
many of both. Each application has a registry of its own.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)

import retrieval
from retrieval.observing import Stage

# a search takes milliseconds, a model now and then seconds
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Every metric by its name; who does the work calls `inc`, `observe` and so on."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Info("retrieval", "The version of the service.", registry=self.registry).info(
            {"version": retrieval.__version__}
        )
        self.requests = self._histogram(
            "retrieval_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ("method", "route", "status"),
        )
        self.requests_in_flight = self._gauge("retrieval_requests_in_flight", "Requests under way.")
        self.requests_shed = self._counter(
            "retrieval_requests_shed_total", "Requests refused for too much load.", ("reason",)
        )
        self.queries_logged = self._counter(
            "retrieval_queries_logged_total",
            "Searches of collections whose queries are logged: stored, failed or dropped.",
            ("outcome",),
        )
        self.searches = self._histogram(
            "retrieval_search_duration_seconds",
            "Time of the database for a search, by its legs.",
            ("legs",),
        )
        self.legs = self._histogram(
            "retrieval_leg_duration_seconds",
            "Time of a leg of a search in the database, of a share of hybrid searches, and of "
            "reranking.",
            ("leg",),
        )
        self.query_embeddings = self._histogram(
            "retrieval_query_embedding_duration_seconds", "Time to embed a batch of queries."
        )
        self.query_batches = Histogram(
            "retrieval_query_embedding_batch_size",
            "Queries that were embedded at once.",
            buckets=TEXTS,
            registry=self.registry,
        )
        self.document_embeddings = self._histogram(
            "retrieval_document_embedding_duration_seconds", "Time to embed a batch of chunks."
        )
        self.cache_hits = self._counter(
            "retrieval_embedding_cache_hits_total", "Chunks whose embedding was in the cache."
        )
        self.cache_misses = self._counter(
            "retrieval_embedding_cache_misses_total", "Chunks whose embedding was not."
        )
        self.jobs = self._gauge(
            "retrieval_jobs_chunks", "Chunks that wait for a worker, by state.", ("state",)
        )
        self.oldest_job = self._gauge(
            "retrieval_jobs_oldest_seconds", "How long the oldest of them has waited."
        )

    def _histogram(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Histogram:
        return Histogram(name, documentation, labels, buckets=SECONDS, registry=self.registry)

    def _counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(name, documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, documentation, labels, registry=self.registry)

    @contextmanager
    def timed(self, stage: Stage, *, legs: str = "", texts: int = 0) -> Iterator[None]:
        """Measure a part of the work, unless it fails."""
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        match stage:
            case "search":
                self.searches.labels(legs).observe(seconds)
            case "rerank":
                self.legs.labels("rerank").observe(seconds)
            case "embed_queries":
                self.query_embeddings.observe(seconds)
                self.query_batches.observe(texts)
            case "embed_documents":
                self.document_embeddings.observe(seconds)
