"""Metrics of the feedback process, in the names that Prometheus sees; served at ``/metrics`` by ``view``.

Freshness and rates are read off the tables at the moment of the question, so they are right after a restart too.
Counts start at 0 with the process.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from processors.feedback.rules import Row

CounterName = Literal["alerts", "webhooks", "webhook_retries", "undecodable"]
COUNTERS: dict[CounterName, tuple[str, tuple[str, ...]]] = {
    "alerts": ("Alerts published.", ("kind",)),
    "webhooks": ("Deliveries that ended, by fate: sent or dead.", ("webhook", "fate")),
    "webhook_retries": ("Attempts that failed and are tried again.", ("webhook",)),
    "undecodable": ("Records that were no record of their topic, and were left out.", ("topic",)),
}
GAUGES = {
    "data_freshness_ms": ("Age of the newest tick in event time, milliseconds.", ("symbol_id", "source", "tf")),
    "outlier_rate": ("Share of cut ticks in the newest 1m bar.", ("symbol_id",)),
    "stale_rate": ("Share of the symbols with an open market that are stale or have a gap.", ("asset_class",)),
    "drift_psi": (
        "Population stability index of a feature against its reference, nats.",
        ("symbol_id", "tf", "feature"),
    ),
    "feature_fill_rate": ("Share of the newest rows that have a value.", ("symbol_id", "tf", "feature")),
    "feature_drifted": ("1 while a feature is in drift.", ("symbol_id", "tf", "feature")),
    "mps_feedback_pending": ("Alerts taken from the topic whose webhooks are not done.", ()),
}


class Clocks:
    """The newest event time seen of each asset class: recordings of different years do not share a clock."""

    def __init__(self) -> None:
        self._ns: dict[str, int] = {}

    def see(self, asset_class: str, ts: int) -> None:
        """Move the clock of a class forward."""
        self._ns[asset_class] = max(self._ns.get(asset_class, ts), ts)

    def age_ms(self, row: Row) -> float:
        """Return the age of a row's newest tick now, in event time.

        Of a fresh or closed row the age at its change: no tick that came since is known here, and without a change
        the age of a fresh one is below half of its threshold.
        """
        if row.state not in {"stale", "delayed"}:
            return row.age_ms
        return row.age_ms + max(self._ns.get(row.asset_class, row.ts) - row.ts, 0) / 1e6


@dataclass(frozen=True, slots=True)
class Drift:
    """The newest report of a feature; PSI is None while its reference is learned."""

    symbol_id: str
    tf: str
    feature: str
    psi: float | None
    fill_rate: float | None
    drifted: bool


class Metrics(Collector):
    """All metrics of one process.

    Parameters
    ----------
    rows, outlier_rates, stale_rates, pending
        Give the present values when asked.
    """

    def __init__(
        self, rows: Callable[[], Iterable[Row]], outlier_rates: Callable[[], dict[str, float]],
        stale_rates: Callable[[], dict[str, float]], pending: Callable[[], int],
    ) -> None:  # fmt: skip
        self.registry = CollectorRegistry()
        self.clocks = Clocks()
        self._drifts: dict[tuple[str, str, str], Drift] = {}
        self._rows, self._outlier_rates = rows, outlier_rates
        self._stale_rates, self._pending = stale_rates, pending
        self._counters = {
            name: Counter(f"mps_feedback_{name}", text, labels, registry=self.registry)
            for name, (text, labels) in COUNTERS.items()
        }
        self.registry.register(self)

    def count(self, name: CounterName, *labels: str) -> None:
        """Add one."""
        counter = self._counters[name]
        (counter.labels(*labels) if labels else counter).inc()

    def see_drift(self, report: Mapping[str, Any]) -> None:
        """Note a record of ``drift.v1``."""
        key = (report["symbol_id"], report["tf"], report["feature"])
        self._drifts[key] = Drift(*key, report["psi"], report["fill_rate"], report["state"] == "drifted")

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges with their present values."""
        families = {name: GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in GAUGES.items()}
        for row in self._rows():
            families["data_freshness_ms"].add_metric([row.symbol_id, row.source, row.tf], self.clocks.age_ms(row))
        for symbol, share in self._outlier_rates().items():
            families["outlier_rate"].add_metric([symbol], share)
        for name, share in self._stale_rates().items():
            families["stale_rate"].add_metric([name], share)
        for drift in self._drifts.values():
            labels = [drift.symbol_id, drift.tf, drift.feature]
            families["feature_drifted"].add_metric(labels, float(drift.drifted))
            if drift.psi is not None:
                families["drift_psi"].add_metric(labels, drift.psi)
            if drift.fill_rate is not None:
                families["feature_fill_rate"].add_metric(labels, drift.fill_rate)
        families["mps_feedback_pending"].add_metric([], self._pending())
        yield from families.values()
