"""Metrics of one process, declared once; ``mps run --metrics-port`` serves them to Prometheus.

Counts here are for watching: they start at 0 with the process. The exact counts are in the state (see ``changelog``).
"""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from processors.errors import ConfigError

CounterName = Literal["records_in", "records_out", "dead_letters", "commits", "retries"]
GaugeName = Literal["partitions_assigned", "partitions_paused"]
TimerName = Literal["commit_seconds", "restore_seconds"]

COUNTERS: dict[CounterName, tuple[str, tuple[str, ...]]] = {
    "records_in": ("Records consumed.", ()),
    "records_out": ("Records published, by topic; the changelog is not among them.", ("topic",)),
    "dead_letters": ("Records that went to the dead letter.", ()),
    "commits": ("Transactions committed.", ()),
    "retries": ("Attempts that failed and were begun anew from the last commit.", ()),
}
GAUGES: dict[GaugeName, str] = {
    "partitions_assigned": "Partitions that this process owns now.",
    "partitions_paused": "Partitions that wait for back-pressure to end.",
}
TIMERS: dict[TimerName, tuple[str, tuple[float, ...]]] = {
    "commit_seconds": ("Time of one commit.", (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 20)),
    "restore_seconds": ("Time to restore one partition.", (0.01, 0.05, 0.1, 0.5, 1, 5, 20, 60, 120)),
}


class Metrics:
    """All metrics of one driver, labelled with its group.

    Parameters
    ----------
    group
        Consumer group.
    """

    def __init__(self, group: str) -> None:
        self.registry = CollectorRegistry()
        self._group = group
        self._counters = {
            name: Counter(f"mps_{name}", text, ("group", *labels), registry=self.registry)
            for name, (text, labels) in COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(f"mps_{name}", text, ("group",), registry=self.registry) for name, text in GAUGES.items()
        }
        self._timers = {
            name: Histogram(f"mps_{name}", text, ("group",), buckets=buckets, registry=self.registry)
            for name, (text, buckets) in TIMERS.items()
        }

    def count(self, name: CounterName, n: int = 1, *labels: str) -> None:
        """Add n to a counter."""
        self._counters[name].labels(self._group, *labels).inc(n)

    def show(self, name: GaugeName, value: float) -> None:
        """Set a gauge."""
        self._gauges[name].labels(self._group).set(value)

    def took(self, name: TimerName, seconds: float) -> None:
        """Add one duration."""
        self._timers[name].labels(self._group).observe(seconds)

    def serve(self, port: int, address: str = "127.0.0.1") -> None:
        """Serve all of them over HTTP from a thread of its own.

        Raises
        ------
        ConfigError
            The port cannot be had.
        """
        try:
            start_http_server(port, address, self.registry)
        except OSError as e:
            raise ConfigError("metrics", "port", port, f"one that is free on {address} ({e.strerror})") from e
