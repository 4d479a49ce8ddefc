"""The cross-section the slow way: all rows at once, dictionaries and pandas, one obvious line for each rule."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from processors.cross.config import CrossConfig
from processors.cross.stage import MARKET_FIELDS, OWN_FIELDS
from schemas.instruments import load_instruments
from schemas.timeframes import TIMEFRAME_NS, TIMEFRAMES


@dataclass(frozen=True)
class Bar:
    """One row of the universe."""

    ts: int
    symbol: str
    tf: str
    session: int
    close: float
    volume: float
    log_return: float
    stale: bool
    quality: float = np.nan
    basis: int = 0


def accepted(partition: list[Bar]) -> list[Bar]:
    """Return the rows of one partition that are not late and not out of order."""
    out: list[Bar] = []
    seen: dict[tuple[str, str], int] = {}
    for bar in partition:
        if not any(o.ts > bar.ts for o in out) and seen.get((bar.symbol, bar.tf), -1) < bar.ts:
            seen[bar.symbol, bar.tf] = bar.ts
            out.append(bar)
    return out


def cross(partitions: list[list[Bar]], config: CrossConfig) -> list[dict[str, Any]]:
    """Return a row for each member of each barrier, in order."""
    barriers: dict[tuple[int, str], list[Bar]] = defaultdict(list)
    for partition in partitions:
        for bar in accepted(partition):
            barriers[bar.ts, bar.tf].append(bar)
    past: dict[tuple[str, str], list[Bar]] = defaultdict(list)
    returns: dict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
    nets: dict[str, list[float]] = defaultdict(list)
    out = []
    for ts, tf in sorted(barriers, key=lambda k: (k[0], TIMEFRAMES.index(k[1]))):
        live = dict(config.live_bars)[tf] * TIMEFRAME_NS[tf]
        members = {s for (s, f), bars in past.items() if f == tf and ts - bars[-1].ts <= live}
        here = sorted((b for b in barriers[ts, tf] if b.symbol in members), key=lambda b: b.symbol.encode())
        rows = _rows(ts, tf, here, len(members), past, returns, nets, config) if here else []
        for bar in barriers[ts, tf]:
            past[bar.symbol, tf].append(bar)
        out += rows
    return out


def _rows(
    ts: int, tf: str, here: list[Bar], n_members: int, past: Any, returns: Any, nets: Any, config: CrossConfig
) -> list[dict[str, Any]]:
    ret = np.array([np.nan if b.stale else np.expm1(b.log_return) for b in here])
    moved = ret[~np.isnan(ret)]
    for bar, r in zip(here, ret, strict=True):
        if not np.isnan(r) and len(moved) > 1:
            returns[bar.symbol, tf, bar.basis].append((r, (moved.sum() - r) / (len(moved) - 1)))
    # A contract is of many units.
    lots = {row.symbol_id: row.multiplier for row in load_instruments().rows}
    money = np.array([b.close * b.volume * lots.get(b.symbol, 1.0) for b in here])[~np.isnan(ret)]
    up, down = (moved > 0).sum(), (moved < 0).sum()
    breadth = (up - down) / (up + down) if up + down else 0.0
    nets[tf].append(1000 * breadth)
    oscillator = mcclellan(nets[tf], config.fast_bars, config.slow_bars)
    market = [
        moved.mean() if len(moved) else np.nan,
        (moved * money).sum() / money.sum() if money.sum() > 0 else np.nan,
        moved.std(ddof=1) if len(moved) > 1 else np.nan,
        breadth,
        oscillator[-1],
        np.nansum(oscillator) if not np.isnan(oscillator[-1]) else np.nan,
    ]
    table = pd.DataFrame([_own(b, past[b.symbol, tf], returns[b.symbol, tf, b.basis], config) for b in here])
    table.insert(0, "ret", ret)
    apart = np.diff(np.sort(table["still"].dropna()))
    near_tie = bool((apart < 1e-12).any())
    ranked = ["ret", 0, 1, 2, "still", "quality"]
    table[ranked] = table[ranked].rank(pct=True)
    values = table[[*ranked, "correlation", "beta", "alpha"]].to_numpy()
    return [
        {
            "ts": ts, "tf": tf, "symbol_id": bar.symbol, "universe_size": n_members, "n_missing": n_members - len(here),
            "near_tie": near_tie, "stale": bar.stale,
            **dict(zip(OWN_FIELDS, own, strict=True)), **dict(zip(MARKET_FIELDS, market, strict=True)),
        }
        for bar, own in zip(here, values, strict=True)
    ]  # fmt: skip


def _own(bar: Bar, bars: list[Bar], returns: list[tuple[float, float]], config: CrossConfig) -> dict[Any, float]:
    bars = [b for b in bars if b.basis == bar.basis]
    ends = [a.close for a, b in zip(bars, [*bars, bar][1:], strict=True) if b.session > a.session]
    found: dict[Any, float] = {
        j: np.log(bar.close / ends[-lag]) if len(ends) >= lag else np.nan
        for j, lag in enumerate(config.momentum_sessions)
    }
    found |= dict.fromkeys(("still", "correlation", "beta", "alpha"), np.nan) | {"quality": bar.quality}
    if len(returns) >= config.window_bars:
        own, rest = np.array(returns[-config.window_bars :]).T
        found["still"] = -own.std(ddof=1)
        if rest.std() > 0:
            found["beta"] = np.cov(own, rest)[0, 1] / rest.var(ddof=1)
            found["alpha"] = own.mean() - found["beta"] * rest.mean()
            found["correlation"] = np.corrcoef(own, rest)[0, 1] if own.std() > 0 else np.nan
    return found


def mcclellan(net: list[float], fast: int, slow: int) -> list[float]:
    """Return the oscillator of each value: means that begin as plain ones."""

    def mean(period: int) -> list[float]:
        out = [float(np.mean(net[: i + 1])) for i in range(min(period, len(net)))]
        for x in net[period:]:
            out.append(out[-1] + 2 / (period + 1) * (x - out[-1]))
        return out

    return [a - b if i >= slow - 1 else np.nan for i, (a, b) in enumerate(zip(mean(fast), mean(slow), strict=True))]
