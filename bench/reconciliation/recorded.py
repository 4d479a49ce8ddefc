"""Reconcile on recorded ticks of several vendors or venues: what the stage made of them, source by source."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.reconciliation.driver import Reconciler
from bench.reconciliation.errors import as_of
from bench.reconciliation.truth import F64, I64, SECOND_NS
from processors.feeds import port
from processors.feeds.files import open_recording
from processors.feeds.merge import Ticks, merge, rebatched
from processors.reconcile.config import ReconcileConfig
from processors.reconcile.learned import Learned
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from schemas.instruments import load_instruments

Trust: TypeAlias = dict[str, dict[str, tuple[list[float], list[float]]]]
"""Symbol -> source -> hours since the first tick, and share of the trust."""
BATCH_ROWS = 10_000
SNAPSHOTS = 200
"""Times at which trust is noted, for the plot."""
HOUR_NS = 3_600 * SECOND_NS
RESERVED = "equity"
"""Set whose files are the reader's own: their vendor reserves its rights, so only numbers of it may be shown."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Files that are reconciled together."""

    name: str
    title: str
    files: tuple[str, ...]


SETS = (
    DataSet("fx", "FX quotes, two vendors, May 2014", (
        "fx/eurusd_ticks_two_vendors.parquet", "fx/nzdusd_ticks_two_vendors.parquet",
    )),
    DataSet("crypto", "Crypto book tickers and trades, three venues of one exchange, 2024-08-08 23:54 to 24:00", (
        "crypto/binance_book_ticker_3venues.parquet", "crypto/binance_trades_3venues.parquet",
    )),
    DataSet("gold", "Gold quotes, one vendor, May 2014: nothing to reconcile, so nothing may be cut", (
        "cfd/xauusd_ticks.parquet",
    )),
)  # fmt: skip
EQUITY = DataSet(RESERVED, "US shares by exchange, October 2013", ("market/equity/ticks",))


@dataclass(slots=True)
class Source:
    """What became of the ticks of one source of one symbol; shares are of its published ticks."""

    symbol: str
    source: str
    raw: int
    published: int
    cut: float
    late: float
    stale: float
    trust: float
    """Mean over time of its share of the trust in all sources of the symbol."""
    known: Learned


@dataclass(slots=True)
class Symbol:
    """What the sources of one symbol agree on.

    Parameters
    ----------
    dispersion
        Shape (5,), basis points: quantiles ``QUANTILES`` of the dispersion over the consensus ticks of two sources or
        more; NaN where there is none.
    at_floor
        Share of them at which sigma is the floor of its asset class, or one tick.
    by_hour
        Hour UTC -> median, 95th percentile, and seconds at which two sources or more were fresh. Basis points between
        two sources: at each second the median over the pairs.
    cut_by_hour
        Hour UTC -> share of the published ticks that were cut.
    """

    symbol: str
    kind: str
    sources: int
    dispersion: F64
    at_floor: float
    by_hour: dict[int, tuple[float, float, int]]
    cut_by_hour: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Recorded:
    """The report of one set.

    ``trust``: symbol -> source -> (hours since the first tick, share of the trust), for the plot.
    """

    data: DataSet
    ticks: int
    fates: dict[str, int]
    symbols: list[Symbol]
    sources: list[Source]
    trust: Trust


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def reconcile_files(data: DataSet, folder: Path, advance: Callable[[int, int], object], limit: int | None) -> Recorded:
    """Run the stage over the files of a set.

    Parameters
    ----------
    advance
        Called with the ticks done and all ticks.
    limit
        Take only so many ticks.
    """
    recording = open_recording([folder / name for name in data.files])
    total = min(recording.rows, limit or recording.rows)
    stage, done = Reconciler(), 0
    raw: list[Columns] = []
    out: list[Columns] = []
    snapshots: list[tuple[int, list[Learned]]] = []
    for ticks in rebatched(merge(recording), BATCH_ROWS):
        part: Ticks = ticks.take(slice(0, total - done))
        raw.append(part.columns)
        out.append(stage.feed(part.columns))
        done += len(part)
        snapshots.append((int(part.clock[-1]), stage.learned()))
        advance(done, total)
        if done >= total:
            break
    snapshots = snapshots[:: max(1, len(snapshots) // SNAPSHOTS)] + snapshots[-1:]
    trust = _trust(snapshots)
    ticks_in, ticks_out = _joined(raw), _joined(out)
    sources = _sources(ticks_in, ticks_out, snapshots[-1][1], trust)
    return Recorded(data, done, stage.fates(), _symbols(ticks_in, ticks_out), sources, trust)


def _joined(parts: list[Columns]) -> Columns:
    return Columns(parts[0].layout, np.hstack([p.ints for p in parts]), np.hstack([p.floats for p in parts]))


def _trust(snapshots: list[tuple[int, list[Learned]]]) -> Trust:
    """Return each source's share of the trust in all of its symbol over time."""
    out: Trust = {}
    begin = snapshots[0][0]
    for at, known in snapshots:
        total: dict[str, float] = {}
        for one in known:
            total[one.symbol_id] = total.get(one.symbol_id, 0.0) + one.trust
        for one in known:
            hours, shares = out.setdefault(one.symbol_id, {}).setdefault(one.source, ([], []))
            hours.append((at - begin) / HOUR_NS)
            shares.append(one.trust / total[one.symbol_id])
    return out


def _source_codes(raw: Columns) -> I64:
    """Return symbol, vendor and venue of each raw tick as one number."""
    symbol, vendor, venue = (port.longs(raw, c) for c in ("symbol_id", "vendor", "venue"))
    return symbol << 40 | vendor << 20 | venue


def _sources(raw: Columns, out: Columns, known: list[Learned], trust: Trust) -> list[Source]:
    codes, counts = np.unique(_source_codes(raw), return_counts=True)
    names = {}
    for code, n in zip(codes.tolist(), counts.tolist(), strict=True):
        vendor, venue = (STRINGS.text(code >> bits & 0xFFFFF) for bits in (20, 0))
        names[STRINGS.text(code >> 40), f"{vendor}/{venue}" if venue else vendor] = n
    symbol, source = port.longs(out, "symbol_id"), port.longs(out, "source")
    found = []
    for one in sorted(known, key=lambda s: (s.symbol_id, s.source)):
        mine = (symbol == STRINGS.code(one.symbol_id)) & (source == STRINGS.code(one.source))
        published = int(mine.sum())
        cut, late, stale = (float(out[c][mine].mean()) if published else 0.0 for c in ("outlier", "late", "stale"))
        share = float(np.mean(trust[one.symbol_id][one.source][1]))
        raw_n = names[one.symbol_id, one.source]
        found.append(Source(one.symbol_id, one.source, raw_n, published, cut, late, stale, share, one))
    return found


def _symbols(raw: Columns, out: Columns) -> list[Symbol]:
    found = []
    kinds = out.layout.symbols["kind"]
    hour = port.longs(out, "ts_event") // HOUR_NS % 24
    for code in np.unique(port.longs(out, "symbol_id")).tolist():
        name = STRINGS.text(code)
        for kind in ("quote", "trade"):
            mine = (port.longs(out, "symbol_id") == code) & (port.longs(out, "kind") == kinds.index(kind))
            if not mine.any():
                continue
            price: F64 = out["price"][mine]
            sigma: F64 = out["sigma"][mine] / price * 1e4
            apart: F64 = out["dispersion"][mine] / price * 1e4
            # Of a lone source there is no distance, of a tick of the past none is told.
            said = np.isfinite(sigma) & (out["n_src"][mine] + _n_cut(out, mine) > 1)
            price = price[said]
            by_hour, n = disagreement(raw, code, kind)
            cut = out["outlier"][mine] == 1
            hours = hour[mine]
            at_floor = float(np.mean(sigma[said] <= _floor_bps(name, price) * 1.001)) if said.any() else 1.0
            cuts = {int(h): float(cut[hours == h].mean()) for h in np.unique(hours)}
            spread: F64 = np.quantile(apart[said], QUANTILES) if said.any() else np.full(len(QUANTILES), np.nan)
            found.append(Symbol(name, kind, n, spread, at_floor, by_hour, cuts))
    return sorted(found, key=lambda s: (s.symbol, s.kind))


def _n_cut(out: Columns, mine: NDArray[np.bool_]) -> I64:
    """Return how many sources each of some ticks cut."""
    codes = port.longs(out, "cut")[mine]
    known = {code: len(STRINGS.array(code)) for code in np.unique(codes).tolist()}
    return np.array([known[code] for code in codes.tolist()], np.int64)


def _floor_bps(symbol: str, price: F64) -> F64:
    """Return the least sigma that a symbol is judged with at each price, basis points."""
    instrument = load_instruments().rows[load_instruments().by_symbol[symbol]]
    floor = ReconcileConfig().limits[instrument.asset_class].sigma_floor_bps
    out: F64 = np.maximum(floor, instrument.tick_size / price * 1e4)
    return out


def disagreement(raw: Columns, symbol: int, kind: str) -> tuple[dict[int, tuple[float, float, int]], int]:
    """Return by hour UTC how far two sources are apart (median, 95th percentile, seconds), and how many there are.

    On a grid of seconds, of the values as published (crossed quotes left out), as long as the stage holds them fresh.
    """
    limits = ReconcileConfig().limits[
        load_instruments().rows[load_instruments().by_symbol[STRINGS.text(symbol)]].asset_class
    ]
    fresh_ns = (limits.quote_silence_ms if kind == "quote" else limits.trade_silence_ms) * 10**6
    mine = (port.longs(raw, "symbol_id") == symbol) & (port.longs(raw, "kind") == port.kind_index(kind))
    ticks = raw.take(mine)
    codes = _source_codes(ticks)
    order = np.argsort(port.longs(ticks, "ts_event"), kind="stable")
    at = port.longs(ticks, "ts_event")[order]
    grid = np.arange(at[0] // SECOND_NS + 1, at[-1] // SECOND_NS) * SECOND_NS
    sources = np.unique(codes)
    rows = [_seconds(ticks, order[codes[order] == s], kind, grid, fresh_ns) for s in sources]
    values = np.stack(rows) if rows else np.zeros((0, len(grid)))
    i, j = np.triu_indices(len(sources), 1)
    if not len(i) or not len(grid):
        return {}, len(sources)
    apart = np.abs(values[i] / values[j] - 1.0) * 1e4
    two = ~np.isnan(apart).all(axis=0)
    apart, hour = np.nanmedian(apart[:, two], axis=0), grid[two] // HOUR_NS % 24
    out = {}
    for h in np.unique(hour).tolist():
        x = apart[hour == h]
        out[int(h)] = (float(np.median(x)), float(np.quantile(x, 0.95)), len(x))
    return out, len(sources)


def _seconds(ticks: Columns, mine: np.ndarray, kind: str, grid: I64, fresh_ns: int) -> F64:
    """Return the value of one source at each second of the grid, NaN where it is not fresh."""
    ts = port.longs(ticks, "ts_event")[mine]
    if kind == "trade":
        sides: tuple[Any, ...] = (ticks["price"][mine],)
    else:
        bid, ask = ticks["bid"][mine], ticks["ask"][mine]
        crossed = bid > ask
        sides = tuple(np.where(crossed | (side <= 0.0), np.nan, side) for side in (bid, ask))
    held = []
    for side in sides:
        said = ~np.isnan(side)
        when = as_of(ts[said], ts[said].astype(np.float64), grid)
        held.append(np.where(grid - when < fresh_ns, as_of(ts[said], side[said], grid), np.nan))
    out: F64 = np.mean(held, axis=0)
    return out
