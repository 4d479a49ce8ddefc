"""Activity bars the obvious way: the ticks of each bar in a list, its values from the list when it ends."""

from typing import Any

from processors.activity.config import ActivityConfig, Selection
from processors.activity.kernel import FATES
from processors.activity.stage import ActivityStage
from processors.runtime.batch import NULL_LONG
from processors.runtime.state import State
from schemas.activity import parse_activity
from schemas.freshness import STALE_AFTER
from tests.bars.oracle import INSTRUMENTS, Run, _segment_of, as_rows, columns


def config(*bars: str, symbol: str = "*", asset_class: str = "*", **knobs: float) -> ActivityConfig:
    """Return a configuration with bars for one choice of instruments."""
    rows = tuple(Selection(symbol, asset_class, parse_activity(b), f"rows:{i}") for i, b in enumerate(bars))
    return ActivityConfig(rows, **knobs)


def run_stage(
    rows: list[dict[str, Any]], chosen: ActivityConfig, cuts: tuple[int, ...] = (), *, restore: bool = False
) -> Run:
    """Return what the stage gives for the rows in batches cut at ``cuts``; restored from its changelog in between."""
    stage = ActivityStage(chosen, INSTRUMENTS)
    state: State = stage.open()
    changelog: dict[bytes, bytes] = {}
    got, at = Run(), 0
    for end in (*sorted(cuts), len(rows)):
        output = stage.step(state, columns(rows[at:end]))
        got.bars += as_rows(output.records["bars.v1"])
        for fate, n in output.counts.items():
            got.counts[fate] = got.counts.get(fate, 0) + n
        got.rejected += [(r.row + at, r.error) for r in output.rejected]
        at = end
        if restore:
            changelog |= dict(state.changed())
            state = stage.open()
            state.restore(changelog)
    return got


class Series:
    """One series: its open ticks, and for an imbalance bar every flow and length so far."""

    def __init__(self, symbol: str, name: str, knobs: ActivityConfig) -> None:
        self.symbol, self.name, self.knobs = symbol, name, knobs
        self.kind, _, number = name.partition(":")
        self.threshold = float(number)
        self.multiplier = INSTRUMENTS.rows[INSTRUMENTS.by_symbol[symbol]].multiplier
        self.start: int = NULL_LONG
        self.ticks: list[dict[str, Any]] = []
        self.cut = 0
        self.flows: list[float] = []
        self.expected = self.threshold
        self.limit: float | None = None

    def _mean(self, values: list[float]) -> float:
        """Return the plain mean of the first ``threshold`` values, moved on by each later one."""
        n = int(self.threshold)
        mean = 0.0
        for at, x in enumerate(values[:n], start=1):
            mean += (x - mean) / at
        for x in values[n:]:
            mean += 2 / (self.knobs.flow_span_bars * n + 1) * (x - mean)
        return mean

    def _amount(self, tick: dict[str, Any]) -> float:
        volume: float = tick["volume"]
        money: float = tick["price"] * volume * self.multiplier
        return {"tick": 1.0, "volume": volume, "dollar": money}[self.kind.split("_")[0]]

    def add(self, tick: dict[str, Any]) -> bool:
        """Add a tick; say whether the bar is full."""
        if not self.ticks:
            least = self.threshold**0.5 * self._mean([abs(x) for x in self.flows])
            learnt = len(self.flows) >= self.threshold and least > 0
            self.limit = max(self.expected * abs(self._mean(self.flows)), least) if learnt else None
        self.ticks.append(tick)
        if "imbalance" not in self.kind:
            return sum(self._amount(t) for t in self.ticks) >= self.threshold * (1 - 1e-9)
        self.flows.append(tick["sign"] * self._amount(tick))
        if self.limit is None:
            return len(self.ticks) >= self.threshold
        imbalance = abs(sum(t["sign"] * self._amount(t) for t in self.ticks))
        longest = self.threshold * self.knobs.bar_ticks_ratio_max
        if imbalance < self.limit and len(self.ticks) < longest:
            return False
        expected = self.expected + 2 / (self.knobs.ticks_span_bars + 1) * (len(self.ticks) - self.expected)
        ratio = self.knobs.ticks_ratio_max
        self.expected = min(max(expected, self.threshold / ratio), self.threshold * ratio)
        return True

    def close(self, end: int, is_short: bool, newest: int, bid: Any, ask: Any, raw_offset: int) -> dict[str, Any]:
        """Return the bar and begin the next."""
        ts, ticks = max(end, self.start + 1), self.ticks
        prices, n, v = [t["price"] for t in ticks], len(ticks), sum(t["volume"] for t in ticks)
        vwap = sum(t["price"] * t["volume"] for t in ticks) / v if v else sum(prices) / n
        stale_ns = STALE_AFTER[INSTRUMENTS.rows[INSTRUMENTS.by_symbol[self.symbol]].asset_class].consensus_ms * 10**6
        bar = {
            "ts": ts, "symbol_id": self.symbol, "tf": self.name, "ts_start": self.start, "o": prices[0],
            "h": max(prices), "l": min(prices), "c": prices[-1], "v": v,
            "vwap": min(max(vwap, min(prices)), max(prices)), "n_trades": n, "revision": 0, "bid": bid, "ask": ask,
            "quality.stale": int(ts - newest >= stale_ns), "quality.outlier_frac": self.cut / (n + self.cut),
            "quality.n_src": sum(t["n_src"] for t in ticks) / n,
            "quality.lat_ms": sum((t["ts_recv"] - t["ts_event"]) / 1e6 for t in ticks) / n,
            "quality.gap": int(is_short), "raw_offset": raw_offset,
        }  # fmt: skip
        self.start, self.ticks, self.cut = ts, [], 0
        return bar


class Symbol:
    """What the series of one symbol share."""

    def __init__(self, symbol: str, chosen: ActivityConfig) -> None:
        self.series = [Series(symbol, row.bar.name, chosen) for row in chosen.selections]
        self.session = (NULL_LONG, NULL_LONG)
        self.segment = (NULL_LONG, NULL_LONG)
        self.clock = self.newest = self.quoted = NULL_LONG
        self.bid: Any = None
        self.ask: Any = None
        self.price: float | None = None
        self.sign = 0.0


class Oracle:
    """The rules of the stage over plain lists; every chosen instrument gets every bar."""

    def __init__(self, chosen: ActivityConfig) -> None:
        self.chosen = chosen
        self.watched = chosen.bars_of(INSTRUMENTS)
        self.symbols: dict[str, Symbol] = {}
        self.watermark = NULL_LONG
        self.out = Run(counts=dict.fromkeys(FATES, 0))

    def _end_session(self, symbol: Symbol, raw_offset: int) -> None:
        for series in symbol.series:
            if series.ticks:
                close = (symbol.session[1], True, symbol.newest, symbol.bid, symbol.ask, raw_offset)
                self.out.bars.append(series.close(*close))
            series.cut = 0

    def feed(self, row: dict[str, Any]) -> None:
        """Take one row."""
        self.watermark = max(self.watermark, row["watermark"])
        over = [s for s in self.symbols.values() if s.session[1] <= self.watermark and any(x.ticks for x in s.series)]
        for symbol in sorted(over, key=lambda s: s.session[1]):
            self._end_session(symbol, row["raw_offset"])
        self.out.counts[self._apply(row)] += 1

    def _apply(self, row: dict[str, Any]) -> str:
        if row["kind"] in ("clock", "status") or row["symbol_id"] not in self.watched:
            return str(row["kind"]) if row["kind"] in ("clock", "status") else "unwatched"
        instrument = INSTRUMENTS.rows[INSTRUMENTS.by_symbol[row["symbol_id"]]]
        symbol = self.symbols.setdefault(row["symbol_id"], Symbol(row["symbol_id"], self.chosen))
        is_basis, ts = row["kind"] == instrument.price_basis, row["ts_event"]
        if row["late"] or row["outlier"]:
            if not row["late"] and is_basis and symbol.segment[0] <= ts < symbol.segment[1]:
                for series in symbol.series:
                    series.cut += 1
            return "late" if row["late"] else "cut"
        at = _segment_of(instrument.calendar, ts)
        if at is None:
            return "off_session"
        if at[2] < symbol.session[0] or at[3] <= self.watermark:
            return "late"
        symbol.segment = at[:2]
        if at[2] > symbol.session[0]:
            self._end_session(symbol, row["raw_offset"])
            symbol.session, symbol.quoted, symbol.bid, symbol.ask = at[2:4], NULL_LONG, None, None
            for series in symbol.series:
                series.start = max(series.start, at[2])
        return self._apply_price(row, symbol, is_basis)

    def _apply_price(self, row: dict[str, Any], symbol: Symbol, is_basis: bool) -> str:
        ts, price = row["ts_event"], row["price"]
        symbol.newest = max(symbol.newest, ts)
        if row["kind"] == "quote" and ts >= symbol.quoted and (row["bid"], row["ask"]) != (None, None):
            symbol.quoted, symbol.bid, symbol.ask = ts, row["bid"], row["ask"]
        if row["kind"] == "trade" and row["size"] == 0:
            return "zero_size"
        if not is_basis or price is None:
            return "quote"
        symbol.clock = max(symbol.clock, ts)
        if symbol.price is not None and price != symbol.price:
            symbol.sign = 1.0 if price > symbol.price else -1.0
        symbol.price = price
        tick = row | {"sign": symbol.sign, "volume": row["size"] or 0.0}
        for series in symbol.series:
            if series.add(tick):
                close = (symbol.clock, False, symbol.newest, symbol.bid, symbol.ask, row["raw_offset"])
                self.out.bars.append(series.close(*close))
        return "in_bar"


def run_oracle(rows: list[dict[str, Any]], chosen: ActivityConfig) -> Run:
    """Return what the oracle gives for the rows."""
    oracle = Oracle(chosen)
    for row in rows:
        oracle.feed(row)
    return oracle.out
