"""Bars and freshness the obvious way: every tick of every interval kept in a list, every second looked at."""

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np

from processors.bars.config import BarsConfig
from processors.bars.stage import BarsStage
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from processors.sessions import sessions
from schemas.instruments import ASSET_CLASSES, Instrument, Instruments
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAME_NS, TIMEFRAMES

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
_ENTRY = load_registry().current("ticks.consensus.v1")
LAYOUT = FlatCodec(_ENTRY.schema, _ENTRY.id).layout
KINDS = ("trade", "quote", "clock", "status", "correction")
NONE = -1
"""State of a timeframe that nobody has been told of."""

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
        "seq": None, "missing_since": None,
    }  # fmt: skip
    return row | fields


def quote(symbol: str, ts: int, bid: float, ask: float, **fields: Any) -> dict[str, Any]:
    """Return a consensus quote."""
    return tick(symbol, ts, kind="quote", bid=bid, ask=ask, price=(bid + ask) / 2, size=None) | fields


def clock(watermark: int, raw_offset: int = 9) -> dict[str, Any]:
    """Return a clock record that brings the watermark."""
    fields = {"kind": "clock", "price": None, "size": None, "watermark": watermark, "raw_offset": raw_offset}
    return tick("", watermark, **fields)


def correction(
    symbol: str, ts: int, seq: int, price: float | None, size: float | None, **fields: Any
) -> dict[str, Any]:
    """Return a correction of the trade of source v with this number; a price of None cancels it."""
    return tick(symbol, ts, kind="correction", seq=seq, price=price, size=size, n_src=0) | fields


def columns(rows: list[dict[str, Any]]) -> Columns:
    """Return consensus ticks as columns."""
    out = Columns.empty(LAYOUT, len(rows))
    for i, row in enumerate(rows):
        for name, value in (row | {"vendors": ("v",), "cut": ()}).items():
            if name == "kind":
                value = KINDS.index(value)  # noqa: PLW2901 - the wire form of the value
            elif name in {"vendors", "cut"}:
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


@dataclass
class Print:
    """One trade or mid in a minute; of two at one time the later arrival is later."""

    ts: int
    arrival: int
    price: float
    size: float | None
    n_src: int
    lat_ms: float
    key: tuple[str, int | None] = ("", None)
    remembered: bool = False
    cancelled: bool = False

    @property
    def forms(self) -> bool:
        """Whether it forms a price."""
        return not self.cancelled and self.size != 0


class Oracle:
    """The rules of the bars stage over plain lists; open minutes and remembered trades without limit."""

    def __init__(self, config: BarsConfig) -> None:
        self.config = config
        self.symbols: list[str] = []
        self.watermark = self.checked = NULL_LONG
        self.out = Run(counts=dict.fromkeys(("in_bar", "quote", "cut", "zero_size", "off_session"), 0))
        self.out.counts |= dict.fromkeys(
            ("revised", "too_late", "clock", "status", "corrected", "unchanged", "dead"), 0
        )
        self.bars: dict[tuple[str, int], dict[tuple[int, int], dict[str, Any]]] = {}
        self.seen: dict[str, int] = {}
        self.awaited: dict[str, int] = {}
        self.alive: dict[str, list[int]] = {}
        self.quotes: dict[str, list[tuple[int, Any, Any]]] = {}
        self.state: dict[tuple[str, int], tuple[int, int]] = {}
        self.halt_end: dict[str, int] = {}
        self.touched: dict[str, set[tuple[int, int]]] = {}
        self.holes: dict[str, set[tuple[int, int]]] = {}
        self.arrival = 0
        self.printing: set[str] = set()
        self.cuts: dict[str, list[Print]] = {}

    def _segment(self, symbol: str, ts: int) -> tuple[int, int, int, int, int] | None:
        """Return open and close of the segment of ``ts``, of its session, and the close of the session before."""
        return _segment_of(INSTRUMENTS.rows[INSTRUMENTS.by_symbol[symbol]].calendar, ts)

    def _interval(self, symbol: str, tf: int, ts: int) -> tuple[int, int] | None:
        seg = self._segment(symbol, ts)
        if seg is None:
            return None
        if TIMEFRAMES[tf] == "1d":
            return seg[2], seg[3]
        width_ns = TIMEFRAME_NS[TIMEFRAMES[tf]]
        start = ts // width_ns * width_ns
        return max(start, seg[0]), min(start + width_ns, seg[1])

    def _threshold(self, symbol: str, tf: int) -> int:
        name = INSTRUMENTS.rows[INSTRUMENTS.by_symbol[symbol]].asset_class
        return int(self.config.stale_ns()[ASSET_CLASSES.index(name), tf])

    def _prices(self, bar: dict[str, Any], ticks: list[Print]) -> tuple[float, float, float, tuple[int, int, float]]:
        """Return open, high, low, and close with its time and arrival, of some of the ticks of a bar."""
        if not ticks:
            return bar["last"]  # type: ignore[no-any-return]
        prices = [t.price for t in ticks]
        close = max([(t.ts, t.arrival, t.price) for t in ticks] + bar["ghost_close"])
        return prices[0], max(prices + bar["ghosts"]), min(prices + bar["ghosts"]), close

    def _publish(self, symbol: str, tf: int, span: tuple[int, int], raw_offset: int) -> None:
        bar = self.bars[symbol, tf][span]
        ticks = _forming(bar)
        sizes = [t.size or 0.0 for t in ticks]
        v, n, cut = sum(sizes), len(ticks), bar["cut"]
        first, high, low, (_, _, last) = self._prices(bar, ticks)
        vwap = last
        if n:
            pv = sum(t.price * s for t, s in zip(ticks, sizes, strict=True))
            vwap = min(max(pv / v if v else sum(t.price for t in ticks) / n, low), high)
        self.out.bars.append({
            "ts": span[1], "symbol_id": symbol, "tf": TIMEFRAMES[tf], "ts_start": span[0],
            "o": first, "h": high, "l": low, "c": last, "v": v, "vwap": vwap, "n_trades": n,
            "revision": bar["revision"],
            "bid": bar["bid"], "ask": bar["ask"], "quality.stale": bar["stale"],
            "quality.outlier_frac": cut / (n + cut) if cut else 0.0,
            "quality.n_src": sum(t.n_src for t in ticks) / (n or 1),
            "quality.lat_ms": sum(t.lat_ms for t in ticks) / (n or 1), "quality.gap": bar["gap"],
            "raw_offset": raw_offset,
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
            if not _forming(bar):
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
            bar["gap"] |= any(span[0] <= start < span[1] for start, _ in self.holes.get(symbol, ()))
            bar["order"] = end
            self._publish(symbol, tf, span, raw_offset)

    def _check(self, now: int) -> None:
        if self.checked == NULL_LONG:
            self.checked = now
        for g in range(-(-(self.checked + 1) // SECOND) * SECOND, now + 1, SECOND):
            for symbol in self.symbols:
                if symbol in self.seen:
                    self._look(symbol, g)
        self.checked = max(self.checked, now)

    def _look(self, symbol: str, g: int) -> None:
        """Look at one symbol at the full second ``g``.

        Without a tick from after ``g`` the age of the newest tick decides. With one, the silence before it is over:
        nothing gets worse by age, and what is not fresh is, at the first second at or after the awaited tick: the
        first in time of those that came, ahead of the clock, while it waited; where some had come before, and so with
        nobody waiting, the newest of those at the beginning of the wait. A new symbol is told of by the same rule.
        """
        is_ahead, is_back = self.seen[symbol] > g, self.awaited.get(symbol, g + 1) <= g
        if is_ahead and not is_back and self.state[symbol, 0][0] == NONE:
            return
        newest = self.seen[symbol] if not is_ahead else self.awaited[symbol] if is_back else g
        is_open, age = self._segment(symbol, g) is not None, g - newest
        if age >= self.config.dormant_days * 86_400 * SECOND:
            return
        is_open = is_open and g >= self.halt_end.get(symbol, g)
        for tf in range(5):
            self._judge(symbol, tf, g, age, is_open=is_open, is_ahead=is_ahead, is_back=is_back)
        if is_back:
            del self.awaited[symbol]
        if self._waits(symbol) and is_ahead:
            self.awaited.setdefault(symbol, self.seen[symbol])

    def _waits(self, symbol: str) -> bool:
        """Say whether some timeframe is new, delayed, stale or closed."""
        return any(self.state[symbol, tf][0] not in (0, 4) for tf in range(5))

    def _judge(self, symbol: str, tf: int, g: int, age: int, *, is_open: bool, is_ahead: bool, is_back: bool) -> None:
        """Set the state of one timeframe, and publish it if it is another."""
        stale = self._threshold(symbol, tf)
        previous, since = self.state[symbol, tf]
        if not is_open:
            state = 3
        elif is_ahead:
            state = 0 if is_back or previous == 4 else previous
        else:
            state = 2 if age >= stale else int(age >= int(stale * self.config.delayed_share))
        if state in (0, 1) and self._has_gap(symbol, tf, g):
            state = 4
        if state != previous:
            self.state[symbol, tf] = (state, g)
            self.out.fresh.append({
                "symbol_id": symbol, "source": "consensus", "tf": TIMEFRAMES[tf], "ts": g, "age_ms": age / 1e6,
                "threshold_ms": stale / 1e6, "state": state, "previous": previous + 1,
                "since": g if previous == NONE else since,
            })  # fmt: skip

    def _has_gap(self, symbol: str, tf: int, g: int) -> bool:
        """Say whether the newest bar of the segment, closed by then, comes after a missing one."""
        seg = self._segment(symbol, g)
        assert seg is not None
        published = [b for s, b in self.bars.get((symbol, tf), {}).items()
                     if b["order"] is not None and seg[0] < s[1] <= g]  # fmt: skip
        return bool(published) and bool(max(published, key=lambda b: b["order"])["gap"])

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
            self.state |= {(symbol, tf): (NONE, NULL_LONG) for tf in range(5)}
        opened = self._interval(symbol, 0, ts) if row["kind"] in {"trade", "quote"} else None
        if opened is not None and opened[1] > now:
            self.touched.setdefault(symbol, set()).add(opened)
        if row["missing_since"] is not None and row["kind"] != "correction":
            open_now = {span for span in self.touched.get(symbol, ()) if span[1] > max(now, row["missing_since"])}
            self.holes.setdefault(symbol, set()).update(open_now)
            if row["kind"] == "status":
                return "status"
        if row["kind"] == "status":
            segment = self._segment(symbol, ts) if row["phase"] == 2 else None
            self.halt_end[symbol] = segment[1] if segment else NULL_LONG
            return "status"
        if row["kind"] == "trade" == self._basis(symbol) and row["seq"] is not None:
            self.printing.add(symbol)
        return self._correct(row, now) if row["kind"] == "correction" else self._apply_price(row, now)

    def _apply_price(self, row: dict[str, Any], now: int) -> str:
        symbol, ts = row["symbol_id"], row["ts_event"]
        if not row["outlier"]:
            self.seen[symbol] = max(ts, self.seen.get(symbol, ts))
            if ts > now and self._waits(symbol):
                self.awaited[symbol] = min(ts, self.awaited.get(symbol, ts))
        minute = self._interval(symbol, 0, ts)
        if minute is None:
            return "off_session"
        closed, is_basis = minute[1] <= now, row["kind"] == self._basis(symbol)
        if row["outlier"]:
            if not closed and is_basis:
                self.cuts.setdefault(symbol, []).append(self._print(row))
                for tf in range(5):
                    self._bar(symbol, tf, ts)["cut"] += 1
            return "cut"
        if not closed:
            self.alive.setdefault(symbol, []).append(ts)
            if row["kind"] == "quote" and (row["bid"], row["ask"]) != (None, None):
                self.quotes.setdefault(symbol, []).append((ts, row["bid"], row["ask"]))
        if row["kind"] == "trade" and row["size"] == 0:
            made = self._print(row)
            if made.remembered:
                for tf in range(5):
                    self._bar(symbol, tf, ts)["ticks"].append(made)
            return "zero_size"
        if not is_basis or row["price"] is None:
            return "too_late" if closed else "quote"
        return self._form(row, minute, closed)

    def _bar(self, symbol: str, tf: int, ts: int) -> dict[str, Any]:
        span = self._interval(symbol, tf, ts)
        assert span is not None
        fresh = {"ticks": [], "cut": 0, "closed": False, "order": None, "revision": 0, "ghosts": [], "ghost_close": []}
        return self.bars.setdefault((symbol, tf), {}).setdefault(span, fresh)

    def _form(self, row: dict[str, Any], minute: tuple[int, int], closed: bool) -> str:
        symbol, ts = row["symbol_id"], row["ts_event"]
        if closed and minute not in self._kept(symbol):
            return "too_late"
        made = self._print(row)
        for tf in range(5):
            bar = self._bar(symbol, tf, ts)
            bar["ticks"].append(made)
            if bar["order"] is not None:
                bar["revision"] += 1
                span = self._interval(symbol, tf, ts)
                assert span is not None
                self._publish(symbol, tf, span, row["raw_offset"])
        return "revised" if closed else "in_bar"

    def _basis(self, symbol: str) -> str:
        return INSTRUMENTS.rows[INSTRUMENTS.by_symbol[symbol]].price_basis

    def _kept(self, symbol: str) -> list[tuple[int, int]]:
        """Return the last closed minutes that had a bar."""
        of = self.bars.get((symbol, 0), {})
        closed = sorted((s for s, b in of.items() if b["order"] is not None), key=lambda s: of[s]["order"])
        return closed[-self.config.kept_bars :]

    def _print(self, row: dict[str, Any]) -> Print:
        self.arrival += 1
        symbol, ts = row["symbol_id"], row["ts_event"]
        return Print(
            ts, self.arrival, row["price"], row["size"], row["n_src"], (row["ts_recv"] - ts) / 1e6,
            (row["source"], row["seq"]), symbol in self.printing and row["kind"] == "trade",
        )  # fmt: skip

    def _correct(self, row: dict[str, Any], now: int) -> str:
        symbol, key = row["symbol_id"], (row["source"], row["seq"])
        all_bars = self.bars.get((symbol, 0), {}).values()
        minute_ticks = [t for bar in all_bars for t in bar["ticks"] if t.remembered]
        named = [t for t in minute_ticks + self.cuts.get(symbol, []) if t.remembered and t.key == key]
        if not named:
            return "too_late"
        found = max(named, key=lambda t: t.arrival)
        span = self._interval(symbol, 0, found.ts)
        assert span is not None
        closed, minute = span[1] <= now, self._bar(symbol, 0, found.ts)
        if (closed and span not in self._kept(symbol)) or not all(t.remembered for t in _forming(minute)):
            return "too_late"
        is_cut = found in self.cuts.get(symbol, [])
        bars = [self._bar(symbol, tf, found.ts) for tf in range(5)]
        if closed:
            held = [self._prices(bar, self._closed(symbol, bar, now)) for bar in bars]
        if not self._change(found, row, is_cut=is_cut):
            return "unchanged"
        for tf, bar in enumerate(bars):
            bar["cut"] -= is_cut
            if closed:
                bar["last"] = held[tf]
                self._keep_ghosts(symbol, bar, now)
                if bar["order"] is not None:
                    bar["revision"] += 1
                    whole = self._interval(symbol, tf, found.ts)
                    assert whole is not None
                    self._publish(symbol, tf, whole, row["raw_offset"])
        return "corrected"

    @staticmethod
    def _change(found: Print, row: dict[str, Any], *, is_cut: bool) -> bool:
        """Correct a print; return whether that changes a bar."""
        if is_cut:
            changes = not found.cancelled and row["price"] is None
            found.cancelled |= changes
            return changes
        before = (found.forms, found.price, found.size)
        found.cancelled = row["price"] is None
        if not found.cancelled:
            found.price = row["price"] if found.n_src <= 1 else found.price
            found.size = found.size if None in (row["size"], found.size) else row["size"]
        after = (found.forms, found.price, found.size)
        return before != after and (before[0] or after[0])

    def _closed(self, symbol: str, bar: dict[str, Any], now: int) -> list[Print]:
        """Return the ticks of a bar whose minutes are closed."""
        return [t for t in _forming(bar) if self._interval(symbol, 0, t.ts)[1] <= now]  # type: ignore[index]

    def _keep_ghosts(self, symbol: str, bar: dict[str, Any], now: int) -> None:
        """Let what a longer bar had stand where not all of its minutes are kept: its range, and a close in none."""
        kept, inside = self._kept(symbol), self._closed(symbol, bar, now)
        known = [t for t in inside if self._interval(symbol, 0, t.ts) in kept]
        if len(known) < len(inside):
            _, high, low, close = bar["last"]
            bar["ghosts"] += [high, low]
            bar["ghost_close"] = [] if known else [close]


def _forming(bar: dict[str, Any]) -> list[Print]:
    """Return the ticks that form the prices of a bar, in order."""
    return sorted((t for t in bar["ticks"] if t.forms), key=lambda t: (t.ts, t.arrival))


def run_oracle(rows: list[dict[str, Any]], config: BarsConfig | None = None) -> Run:
    """Return what the oracle gives for the rows."""
    oracle = Oracle(config or BarsConfig())
    for row in rows:
        oracle.feed(row)
    return oracle.out
