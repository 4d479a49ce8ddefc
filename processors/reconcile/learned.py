"""What reconcile has learned of every source, read from its state: for people, not for the stage.

Called by ``mps vendors``, by the metrics of ``mps run reconcile``, and by ``bench/reconciliation``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from processors.kinds import CLOSED, DELAYED, FRESH, GAP, NONE, STALE
from processors.reconcile.config import ReconcileConfig
from processors.reconcile.names import source_name
from processors.reconcile.tables import LINES
from processors.runtime.state import State
from processors.times import LONG_AGO

STATES = {NONE: "none", FRESH: "fresh", DELAYED: "delayed", STALE: "stale", CLOSED: "closed", GAP: "gap"}


@dataclass(frozen=True, slots=True)
class Learned:
    """What the stage knows of one source.

    Parameters
    ----------
    symbol_id, source, vendor
        Instrument; vendor, or vendor/venue; vendor.
    ts_ns
        Event time of its newest tick.
    ticks
        Ticks that were not late; half of them are forgotten in each half-life of trading time.
    uptime
        Share of the time in which its market was open and it was fresh.
    reliability
        Share of its ticks that were not cut; like uptime it begins with what a new source is taken to have had.
    cut_share
        Share of its ticks that were cut.
    trust
        ``uptime * reliability``. What a value of it counts falls with its error and age too.
    latency_ms
        Mean of receive less event time, over the least of late: clocks differ.
    error_bps
        Usual distance from the other sources, basis points: of trades and of quotes, 0 where never compared.
    state
        Freshness, as on ``data.freshness``.
    missing, reordered
        Ticks that are missing: holes in its numbers where ``vendors.csv`` says that they are dense, and what its feed
        told of; numbers that came after a higher one, of dense ones too.
    """

    symbol_id: str
    source: str
    vendor: str
    ts_ns: int
    ticks: float
    uptime: float
    reliability: float
    cut_share: float
    trust: float
    latency_ms: float
    error_bps: tuple[float, float]
    state: str
    missing: int
    reordered: int


def learned(state: State, config: ReconcileConfig) -> Iterator[Learned]:
    """Yield what is known of every source of a partition, in the order of first sight."""
    sources = state["sources"]
    for slot in range(len(sources)):
        row = sources.rows[slot]
        symbol, vendor, venue = sources.key(slot)
        ticks, good, open_s, fresh_s, trust, delay_ms = (
            float(row[name]) for name in ("ticks", "good", "open_s", "fresh_s", "trust", "delay_ms")
        )
        latency_ms = max(delay_ms / ticks - float(row["delay_ms_min"].min()), 0.0) if ticks > 0.0 else 0.0
        trades_bps, quotes_bps = (float(v) ** 0.5 for v in row["variance"])
        yield Learned(
            symbol, source_name(vendor, venue), vendor, int(row["last_ns"]), ticks,
            (config.prior_up_s * config.prior_up_share + fresh_s) / (config.prior_up_s + open_s),
            (config.prior_good + good) / (config.prior_good + config.prior_cut + ticks),
            max(1.0 - good / ticks, 0.0) if ticks > 0.0 else 0.0,
            trust, latency_ms, (trades_bps, quotes_bps), STATES[int(row["state"])],
            int(row["missing"]), int(row["reordered"]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One of two twin lines, under its own name: newest event time, and ticks heard, those that the other had too."""

    vendor: str
    ts_ns: int
    ticks: int


def lines(states: Iterable[State]) -> list[Line]:
    """Return the twin lines over some partitions, by name."""
    found: dict[str, Line] = {}
    for state in states:
        table = state[LINES.name]
        for slot in range(len(table)):
            (vendor,), row = table.key(slot), table.rows[slot]
            before = found.get(vendor, Line(vendor, LONG_AGO, 0))
            found[vendor] = Line(vendor, max(before.ts_ns, int(row["last_ns"])), before.ticks + int(row["ticks"]))
    return sorted(found.values(), key=lambda line: line.vendor)


@dataclass(frozen=True, slots=True)
class Rates:
    """One vendor over all its symbols and venues.

    Parameters
    ----------
    outlier_rate
        Share of its ticks that were cut; they are forgotten as those of ``Learned``.
    stale_rate
        Share of its sources with an open market that are stale or in a gap.
    """

    vendor: str
    outlier_rate: float
    stale_rate: float


def rates(known: Iterable[Learned]) -> list[Rates]:
    """Return the rates of each vendor, by name."""
    by: dict[str, list[Learned]] = {}
    for one in known:
        by.setdefault(one.vendor, []).append(one)
    out = []
    for vendor, of in sorted(by.items()):
        ticks = sum(one.ticks for one in of)
        is_open = [one.state in BAD for one in of if one.state not in SILENT]
        cut = sum(one.cut_share * one.ticks for one in of)
        out.append(Rates(vendor, cut / ticks if ticks else 0.0, sum(is_open) / len(is_open) if is_open else 0.0))
    return out


BAD, SILENT = ("stale", "gap"), ("none", "closed")
"""States that count for the stale rate, and those of sources of which no tick is expected."""

GAUGES = {
    "uptime": "Share of the open time in which a source was fresh.",
    "reliability": "Share of the ticks of a source that were not cut.",
    "cut_share": "Share of the ticks of a source that were cut.",
    "trust": "Uptime times reliability of a source.",
    "latency_ms": "Mean delay of a source over its least.",
}
"""Field of ``Learned`` -> meaning of the gauge ``mps_source_<field>``."""

COUNTERS = {
    "missing": "Ticks of a source that are missing, by its numbers or by its feed's word.",
    "reordered": "Numbered ticks of a source that came after a higher number.",
}
"""Field of ``Learned`` -> meaning of the counter ``mps_source_<field>_total``."""


RATES = {
    "outlier_rate": "Share of the ticks of a vendor that were cut.",
    "stale_rate": "Share of the sources of a vendor with an open market that are stale or in a gap.",
}
"""Field of ``Rates`` -> meaning of the gauge ``mps_vendor_<field>``."""


class SourceMetrics(Collector):
    """Gauges and counters of every source, by symbol and source; read from the state whenever they are asked for.

    Parameters
    ----------
    states
        The states of reconcile in the partitions that this process owns now.
    """

    def __init__(self, states: Iterable[State], config: ReconcileConfig) -> None:
        self._states, self._config = states, config

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, each with all sources."""
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
            name: family(f"mps_source_{name}", text, labels=("symbol_id", "source"))
            for family, texts in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS))
            for name, text in texts.items()
        }
        # A list: the driver may open another meanwhile.
        states = list(self._states)
        found = [known for state in states for known in learned(state, self._config)]
        for known in found:
            for name, family in families.items():
                family.add_metric((known.symbol_id, known.source), getattr(known, name))
        yield from families.values()
        for name, text in RATES.items():
            of_vendor = GaugeMetricFamily(f"mps_vendor_{name}", text, labels=("vendor",))
            for rate in rates(found):
                of_vendor.add_metric((rate.vendor,), getattr(rate, name))
            yield of_vendor
        seen = GaugeMetricFamily("mps_line_last_seen_seconds", "Newest event time of a twin line.", labels=("vendor",))
        heard = CounterMetricFamily("mps_line_ticks", "Ticks of a twin line, repeats too.", labels=("vendor",))
        for line in lines(states):
            seen.add_metric((line.vendor,), line.ts_ns / 1e9)
            heard.add_metric((line.vendor,), line.ticks)
        yield from (seen, heard)
