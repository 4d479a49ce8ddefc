"""What a feed is doing, for the table a person watches and for Prometheus. Kept by sessions, shown by the command."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processors.feeds.live.port import GARBAGE, REFUSED, Parsed, Tick

if TYPE_CHECKING:
    from prometheus_client.core import Metric

SOLID_MS_MAX = 60_000.0
"""Ages above are of old trades sent again, and no lag."""


@dataclass(slots=True)
class Health:
    """One venue or vendor, over all its connections.

    Parameters
    ----------
    messages, ticks
        Received; published.
    gaps, missing
        Marks of a hole, and numbers known to be missing in them.
    reconnects
        Connections after the first of each.
    garbage, refused
        Frames that could not be read; refusals by the venue.
    lag_ms
        Receive time minus event time of the latest tick; NaN before one.
    newest_event_ns, last_recv_ns
        Latest event time, and the latest frame's receipt; 0 before one.
    """

    name: str
    vendor: str
    venue: str
    symbols: tuple[str, ...] = ()
    state: str = "waiting"
    detail: str = ""
    messages: int = 0
    ticks: int = 0
    gaps: int = 0
    missing: int = 0
    reconnects: int = 0
    garbage: int = 0
    refused: int = 0
    lag_ms: float = float("nan")
    newest_event_ns: int = 0
    newest_recv_ns: int = 0
    last_recv_ns: int = 0

    def heard(self, parsed: Parsed, recv_ns: int) -> None:
        """Note a frame."""
        self.messages += 1
        self.last_recv_ns = recv_ns
        if parsed.what == GARBAGE:
            self.garbage += 1
            self.detail = f"unreadable: {parsed.detail}"[:80]
        elif parsed.what == REFUSED:
            self.refused += 1
            self.detail = f"refused: {parsed.detail}"[:80]
        self.saw(parsed.ticks)

    def saw(self, ticks: Sequence[Tick]) -> None:
        """Note ticks."""
        self.ticks += len(ticks)
        for tick in ticks:
            if tick.ts_event >= self.newest_event_ns:
                self.newest_event_ns, self.newest_recv_ns = tick.ts_event, tick.ts_recv
                age_ms = (tick.ts_recv - tick.ts_event) * 1e-6
                self.lag_ms = age_ms if age_ms < SOLID_MS_MAX else self.lag_ms

    def clock_ns(self, now_ns: int) -> int:
        """Return the time by the venue's clock: now, as much earlier or later as its latest tick was."""
        if not self.newest_event_ns:
            return now_ns
        return max(self.newest_event_ns, now_ns - max(0, self.newest_recv_ns - self.newest_event_ns))

    def mark(self, symbol_id: str, recv_ns: int, conditions: str, missing: int = 0) -> Tick:
        """Return the mark of a hole: a status tick, at the latest event time, so that it makes nothing late."""
        self.gaps += 1
        self.missing += missing
        ts_event = min(self.newest_event_ns or recv_ns, recv_ns)
        return Tick("status", symbol_id, self.vendor, self.venue, ts_event, recv_ns, conditions=conditions)


COUNTERS = {
    "messages": "Frames received.",
    "ticks": "Ticks published.",
    "gaps": "Marks of a hole in the numbers, or of a cut.",
    "missing": "Numbers known to be missing.",
    "reconnects": "Connections after the first.",
    "garbage": "Frames that could not be read.",
    "refused": "Requests that the venue refused.",
}


class HealthCollector:
    """Gives Prometheus the state of all feeds at the time it asks: nothing is counted twice.

    Parameters
    ----------
    feeds
        Whose; the list may grow.
    """

    def __init__(self, feeds: Sequence[Health]) -> None:
        self._feeds = feeds

    def collect(self) -> "Iterator[Metric]":
        """Yield all metrics."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name, text in COUNTERS.items():
            family = CounterMetricFamily(f"mps_feed_{name}", text, labels=("venue",))
            for h in self._feeds:
                family.add_metric([h.name], getattr(h, name))
            yield family
        lag = GaugeMetricFamily("mps_feed_lag_ms", "Receive minus event time of the latest tick.", labels=("venue",))
        silence = GaugeMetricFamily("mps_feed_silence_seconds", "Since the latest frame.", labels=("venue",))
        for h in self._feeds:
            lag.add_metric([h.name], h.lag_ms)
            silence.add_metric([h.name], (time.time_ns() - h.last_recv_ns) * 1e-9 if h.last_recv_ns else float("nan"))
        yield lag
        yield silence
