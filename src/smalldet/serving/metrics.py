"""What the service tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
TILES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        own: dict[str, Any] = {"registry": self.registry, "namespace": "smalldet"}
        self.requests = Counter(
            "requests", "Requests that were answered.", ("method", "route", "status"), **own
        )
        self.seconds = Histogram(
            "request_seconds", "Time to an answer.", ("route",), buckets=SECONDS, **own
        )
        self.tiles = Counter("tiles", "Tiles that the model computed.", **own)
        self.batch_tiles = Histogram("batch_tiles", "Tiles of a batch.", buckets=TILES, **own)
        self.batch_clients = Histogram(
            "batch_clients", "Predictions that share a batch.", buckets=TILES, **own
        )
        self.batch_seconds = Histogram("batch_seconds", "Time of a batch.", buckets=SECONDS, **own)

    def on_batch(self, num_tiles: int, num_clients: int, seconds: float) -> None:
        """A batch was computed."""
        self.tiles.inc(num_tiles)
        self.batch_tiles.observe(num_tiles)
        self.batch_clients.observe(num_clients)
        self.batch_seconds.observe(seconds)

    def watch(self, name: str, words: str, value: Callable[[], float]) -> None:
        """A value that is looked at when it is asked for."""
        gauge = Gauge(name, words, registry=self.registry, namespace="smalldet")
        gauge.set_function(value)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
