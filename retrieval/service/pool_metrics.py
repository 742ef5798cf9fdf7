"""The pool of connections, looked at when /metrics is asked for."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool


class PoolCollector(Collector):
    """Connections of engines by the name of their database: primary, or another one."""

    def __init__(self) -> None:
        self.engines: dict[str, AsyncEngine] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        size, used, beyond = (
            GaugeMetricFamily(f"retrieval_pool_{name}", documentation, labels=["database"])
            for name, documentation in (
                ("size", "Connections that the pool keeps."),
                ("checked_out", "Connections in use."),
                ("overflow", "Connections beyond those that it keeps."),
            )
        )
        for name, engine in self.engines.items():
            pool = engine.pool
            if isinstance(pool, QueuePool):
                size.add_metric([name], pool.size())
                used.add_metric([name], pool.checkedout())
                beyond.add_metric([name], max(0, pool.overflow()))
        yield from (size, used, beyond)
