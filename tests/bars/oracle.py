"""Bars and freshness the obvious way: every tick of every interval kept in a list, every second looked at."""

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np

from processors.bars.config import TIMEFRAME_NS, TIMEFRAMES, BarsConfig
from processors.bars.stage import BarsStage
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from processors.sessions import sessions
from schemas.instruments import ASSET_CLASSES, Instrument, Instruments
from schemas.registry import load_registry

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
_ENTRY = load_registry().current("ticks.consensus.v1")
LAYOUT = FlatCodec(_ENTRY.schema, _ENTRY.id).layout
KINDS = ("trade", "quote", "clock")

INSTRUMENTS = Instruments(
    [
        Instrument("BTC:T", "crypto", "trade", 0.1, 1, 1, "USD", "24/7", "BTC:T"),
        Instrument("EUR:T", "fx", "quote", 1e-5, 1, 1, "USD", "FX", "EUR:T"),
        Instrument("IBM:T", "equity", "trade", 0.01, 1, 1, "USD", "XNYS", "IBM:T"),
        Instrument("TYO:T", "equity", "trade", 1, 1, 1, "JPY", "XTKS", "TYO:T"),
        Instrument("ESZ:T", "future", "trade", 0.25, 1, 50, "USD", "CMES", "ES:T"),
    ]
)


def ns(text: str) -> int:
    """Return an ISO time in UTC as nanoseconds."""
    return int(np.datetime64(text, "ns").astype(np.int64))


def tick(symbol: str, ts: int, **fields: Any) -> dict[str, Any]:
    """Return a consensus trade at 100.25 of size 2, watermark 2 s behind it, with the given fields changed."""
    row = {
        "symbol_id": symbol, "source": "v", "kind": "trade", "ts_event": ts, "ts_recv": ts + 3_000_000,
        "watermark": ts - 2 * SECOND, "price": 100.25, "size": 2.0, "bid": None, "ask": None, "n_src": 2,
        "outlier": False, "late": False, "stale": False, "dispersion": 0.5, "raw_offset": 7,
    }  # fmt: skip
    return row | fields


def quote(symbol: str, ts: int, bid: float, ask: float, **fields: Any) -> dict[str, Any]:
    """Return a consensus quote."""
    return tick(symbol, ts, kind="quote", bid=bid, ask=ask, price=(bid + ask) / 2, size=None) | fields


def clock(watermark: int, raw_offset: int = 9) -> dict[str, Any]:
    """Return a clock record that brings the watermark."""
    fields = {"kind": "clock", "price": None, "size": None, "watermark": watermark, "raw_offset": raw_offset}
    return tick("", watermark, **fields)


def columns(rows: list[dict[str, Any]]) -> Columns:
    """Return consensus ticks as columns."""
    out = Columns.empty(LAYOUT, len(rows))
    for i, row in enumerate(rows):
        for name, value in (row | {"vendors": ("v",)}).items():
            if name == "kind":
                value = KINDS.index(value)  # noqa: PLW2901 - the wire form of the value
            elif name == "vendors":
                value = STRINGS.array_code(value)  # noqa: PLW2901
            elif isinstance(value, str):
                value = STRINGS.code(value)  # noqa: PLW2901
            elif value is None:
                value = np.nan if LAYOUT.column[name][0] else NULL_LONG  # noqa: PLW2901
            out[name][i] = value
    return out


def as_rows(batch: Columns) -> list[dict[str, Any]]:
    """Return columns as plain rows; NaN as None."""
    strings = {"symbol_id", "tf", "source"}
    out = []
    for i in range(len(batch)):
        row = {}
        for name in batch.layout.names:
            value = batch[name][i].item()
            if name in strings:
                value = STRINGS.text(value)
            row[name] = None if value != value else value  # noqa: PLR0124 - NaN
        out.append(row)
    return out


@cache
def _segments(calendar: str) -> list[tuple[int, int, int, int, int]]:
    """Return the segments of spring 2014: all that the streams touch, few enough to walk through."""
    s = sessions(calendar)
    at = np.flatnonzero((s.open_ns >= ns("2014-04-20")) & (s.open_ns < ns("2014-05-20")))
    out = []
    for i in at:
        before = s.session_close_ns[s.session_close_ns <= s.session_open_ns[i]][-1]
        arrays = (s.open_ns, s.close_ns, s.session_open_ns, s.session_close_ns)
        out.append((*(int(a[i]) for a in arrays), int(before)))
    return out  # type: ignore[return-value]


@lru_cache(maxsize=1 << 17)
def _segment_of(calendar: str, ts: int) -> tuple[int, int, int, int, int] | None:
    return next((s for s in _segments(calendar) if s[0] <= ts < s[1]), None)


@dataclass
class Run:
    """What a run over rows gave."""

    bars: list[dict[str, Any]] = field(default_factory=list)
    fresh: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def of(self, tf: str) -> list[dict[str, Any]]:
        """Return the bars of one timeframe."""
        return [b for b in self.bars if b["tf"] == tf]


def run_stage(
    rows: list[dict[str, Any]],
    config: BarsConfig | None = None,
    cuts: tuple[int, ...] = (),
    state: State | None = None,
    *,
    restore: bool = False,
) -> Run:
    """Return what the stage gives for the rows in batches cut at ``cuts``; restored from its changelog in between."""
    stage = BarsStage(config or BarsConfig(), INSTRUMENTS)
    state = state or stage.open()
    changelog: dict[bytes, bytes] = {}
    got, at = Run(), 0
    for end in (*sorted(cuts), len(rows)):
        output = stage.step(state, columns(rows[at:end]))
        for topic, into in (("bars.v1", got.bars), ("data.freshness", got.fresh)):
            if topic in output.records:
                into.extend(as_rows(output.records[topic]))
        for fate, n in output.counts.items():
            got.counts[fate] = got.counts.get(fate, 0) + n
        got.rejected += [(r.row + at, r.error) for r in output.rejected]
        at = end
        if restore:
            changelog |= dict(state.changed())
            state = stage.open()
            state.restore(changelog)
    return got


class Oracle:
    """The rules of the bars stage over plain lists; open minutes without limit."""

    def __init__(self, config: BarsConfig) -> None:
        self.config = config
        self.symbols: list[str] = []
        self.watermark = self.checked = NULL_LONG
        self.out = Run(counts=dict.fromkeys(("in_bar", "quote", "cut", "zero_size", "off_session"), 0))
        self.out.counts |= dict.fromkeys(("revised", "too_late", "clock", "dead"), 0)
        self.bars: dict[tuple[str, int], dict[tuple[int, int], dict[str, Any]]] = {}
        self.seen: dict[str, int] = {}
        self.first: dict[str, int] = {}
        self.alive: dict[str, list[int]] = {}
        self.quotes: dict[str, list[tuple[int, Any, Any]]] = {}
        self.state: dict[tuple[str, int], tuple[int, int]] = {}
        self.arrival = 0

    def _segment(self, symbol: str, ts: int) -> tuple[int, int, int, int, int] | None:
        """Return open and close of the segment of ``ts``, of its session, and the close of the session before."""
        return _segment_of(INSTRUMENTS.rows[INSTRUMENTS.by_symbol[symbol]].calendar, ts)

    def _interval(self, symbol: str, tf: int, ts: int) -> tuple[int, int] | None:
        seg = self._segment(symbol, ts)
        if seg is None:
            return None
        if TIMEFRAMES[tf] == "1d":
            return seg[2], seg[3]
        start = ts // int(TIMEFRAME_NS[tf]) * int(TIMEFRAME_NS[tf])
        return max(start, seg[0]), min(start + int(TIMEFRAME_NS[tf]), seg[1])

    def _threshold(self, symbol: str, tf: int) -> int:
        name = INSTRUMENTS.rows[INSTRUMENTS.by_symbol[symbol]].asset_class
        return int(self.config.stale_ns()[ASSET_CLASSES.index(name), tf])

    def _publish(self, symbol: str, tf: int, span: tuple[int, int], raw_offset: int) -> None:
        bar = self.bars[symbol, tf][span]
        ticks = sorted(bar["ticks"])
        prices = [p for _, _, p, _, _, _ in ticks]
        sizes = [s or 0.0 for _, _, _, s, _, _ in ticks]
        v, n = sum(sizes), len(ticks)
        vwap = sum(p * s for p, s in zip(prices, sizes, strict=True)) / v if v else sum(prices) / n
        self.out.bars.append({
            "ts": span[1], "symbol_id": symbol, "tf": TIMEFRAMES[tf], "ts_start": span[0],
            "o": prices[0], "h": max(prices), "l": min(prices), "c": prices[-1], "v": v,
            "vwap": min(max(vwap, min(prices)), max(prices)), "n_trades": n, "revision": bar["revision"],
            "bid": bar["bid"], "ask": bar["ask"], "quality.stale": bar["stale"],
            "quality.outlier_frac": bar["cut"] / (n + bar["cut"]), "quality.n_src": sum(t[4] for t in ticks) / n,
            "quality.lat_ms": sum(t[5] for t in ticks) / n, "quality.gap": bar["gap"], "raw_offset": raw_offset,
        })  # fmt: skip

    def _close(self, now: int, raw_offset: int) -> None:
        due = [
            (span[1], tf, self.symbols.index(symbol), symbol, span)
            for (symbol, tf), bars in self.bars.items()
            for span, bar in bars.items()
            if span[1] <= now and not bar["closed"]
        ]
        for end, tf, _, symbol, span in sorted(due):
            bar = self.bars[symbol, tf][span]
            bar["closed"] = True
            if not bar["ticks"]:
                continue
            seg = self._segment(symbol, span[0])
            assert seg is not None
            quotes = [q for q in self.quotes.get(symbol, []) if seg[2] <= q[0] < end]
            bar["bid"] = bar["ask"] = None
            if quotes:
                newest = max(q[0] for q in quotes)
                _, bar["bid"], bar["ask"] = [q for q in quotes if q[0] == newest][-1]
            newest_tick = max(ts for ts in self.alive[symbol] if ts < end)
            bar["stale"] = int(end - newest_tick >= self._threshold(symbol, tf))
            ends = [s[1] for s, b in self.bars[symbol, tf].items() if b["order"] is not None]
            last = max(ends, default=None)
            if TIMEFRAMES[tf] == "1d":
                bar["gap"] = int(last != seg[4])
            else:
                bar["gap"] = int(span[0] > seg[0] and last != span[0])
            bar["order"] = end
            self._publish(symbol, tf, span, raw_offset)

    def _check(self, now: int) -> None:
        if self.checked == NULL_LONG:
            self.checked = now
        for g in range(-(-(self.checked + 1) // SECOND) * SECOND, now + 1, SECOND):
            for symbol in self.symbols:
                if symbol in self.seen and g >= self.first[symbol]:
                    self._look(symbol, g)
        self.checked = max(self.checked, now)

    def _look(self, symbol: str, g: int) -> None:
        is_open, age = self._segment(symbol, g) is not None, g - self.seen[symbol]
        if (is_open and age < 0) or age >= self.config.dormant_days * 86_400 * SECOND:
            return
        for tf in range(5):
            stale = self._threshold(symbol, tf)
            state = 3 if not is_open else (2 if age >= stale else int(age >= int(stale * self.config.delayed_share)))
            previous, since = self.state.get((symbol, tf), (-1, g))
            if state != previous:
                self.state[symbol, tf] = (state, g)
                self.out.fresh.append({
                    "symbol_id": symbol, "source": "consensus", "tf": TIMEFRAMES[tf], "ts": g, "age_ms": age / 1e6,
                    "threshold_ms": stale / 1e6, "state": state, "previous": previous + 1, "since": since,
                })  # fmt: skip

    def feed(self, row: dict[str, Any]) -> None:
        """Take one row."""
        now = max(self.watermark, row["watermark"] - self.config.allowed_lateness_ms * 1_000_000)
        self.watermark = now
        self._close(now, row["raw_offset"])
        self._check(now)
        self.out.counts[self._apply(row, now)] += 1

    def _apply(self, row: dict[str, Any], now: int) -> str:
        if row["kind"] == "clock":
            return "clock"
        symbol, ts = row["symbol_id"], row["ts_event"]
        if symbol not in self.symbols:
            self.symbols.append(symbol)
        if not row["outlier"]:
            self.first.setdefault(symbol, max(ts, now + 1))
            self.seen[symbol] = max(ts, self.seen.get(symbol, ts))
        minute = self._interval(symbol, 0, ts)
        if minute is None:
            return "off_session"
        basis = INSTRUMENTS.rows[INSTRUMENTS.by_symbol[symbol]].price_basis
        closed, is_basis = minute[1] <= now, row["kind"] == basis
        if row["outlier"]:
            if not closed and is_basis:
                for tf in range(5):
                    self._bar(symbol, tf, ts)["cut"] += 1
            return "cut"
        if not closed:
            self.alive.setdefault(symbol, []).append(ts)
            if row["kind"] == "quote":
                self.quotes.setdefault(symbol, []).append((ts, row["bid"], row["ask"]))
        if row["kind"] == "trade" and row["size"] == 0:
            return "zero_size"
        if not is_basis or row["price"] is None:
            return "too_late" if closed else "quote"
        return self._form(row, minute, closed)

    def _bar(self, symbol: str, tf: int, ts: int) -> dict[str, Any]:
        span = self._interval(symbol, tf, ts)
        assert span is not None
        fresh = {"ticks": [], "cut": 0, "closed": False, "order": None, "revision": 0}
        return self.bars.setdefault((symbol, tf), {}).setdefault(span, fresh)

    def _form(self, row: dict[str, Any], minute: tuple[int, int], closed: bool) -> str:
        symbol, ts = row["symbol_id"], row["ts_event"]
        if closed:
            ends = [b["order"] for b in self.bars.get((symbol, 0), {}).values() if b["order"] is not None]
            kept = sorted(ends)[-self.config.kept_bars :]
            bar = self.bars.get((symbol, 0), {}).get(minute)
            if bar is None or bar["order"] not in kept:
                return "too_late"
        self.arrival += 1
        lat_ms = (row["ts_recv"] - ts) / 1e6
        for tf in range(5):
            bar = self._bar(symbol, tf, ts)
            bar["ticks"].append((ts, self.arrival, row["price"], row["size"], row["n_src"], lat_ms))
            if bar["closed"]:
                bar["revision"] += 1
                span = self._interval(symbol, tf, ts)
                assert span is not None
                self._publish(symbol, tf, span, row["raw_offset"])
        return "revised" if closed else "in_bar"


def run_oracle(rows: list[dict[str, Any]], config: BarsConfig | None = None) -> Run:
    """Return what the oracle gives for the rows."""
    oracle = Oracle(config or BarsConfig())
    for row in rows:
        oracle.feed(row)
    return oracle.out
