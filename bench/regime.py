"""The regime stage: rows/s a core, bytes of state a series, and which model tells more.

    python -m bench.regime                    speed and state, 5,000 symbols
    python -m bench.regime --quality          detection on made-up changes, forecast on recorded minutes and days

Speed is of the stage alone, decoded rows in and gold rows out, in processor time. The need: 5,000 symbols of one-minute
bars are 83 rows/s, and 104 with the 5m, 15m, 1h and 1d bars made of them; five times that is 521.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench import MARKET
from processors.regime.config import MODELS, RegimeConfig
from processors.regime.stage import RANGE, RETURN, Regime
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry

F64 = NDArray[np.float64]
NEED_ROWS_S = 521
BARS_AHEAD = 15


class _Any:
    """Instruments of which every symbol is one."""

    def row_of(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a row for each symbol."""
        return np.zeros(len(codes), np.int64)


def rows_of(returns: F64, ranges: F64, symbols: list[str] | None = None) -> Columns:
    """Return feature rows: of one series, or a bar of each symbol in turn."""
    n = len(returns)
    rows = Columns.empty(layout_of(load_registry().current("features.v1").schema), n)
    rows.ints[rows.ints == -1] = STRINGS.code("")
    names = symbols or ["X"]
    codes = np.array([STRINGS.code(s) for s in names])
    rows["ts"] = 60_000_000_000 * (1 + np.arange(n) // len(names))
    rows["symbol_id"], rows["tf"] = codes[np.arange(n) % len(names)], STRINGS.code("1m")
    rows[RETURN], rows[RANGE], rows["warm"] = returns, ranges, 1
    return rows


def stage_of(model: str) -> Regime:
    """Return the stage with a model, for any symbol."""
    return Regime(RegimeConfig(model=model), _Any())  # type: ignore[arg-type]


def gold_of(model: str, returns: F64, ranges: F64) -> Columns:
    """Return the gold rows of one series."""
    stage = stage_of(model)
    return stage.step(stage.open(), rows_of(returns, ranges)).records["gold.v1"]


def speed(symbols: int, bars: int) -> Table:
    """Return the table of speeds: every symbol has ``bars`` bars, after as many that warm it up."""
    rng = np.random.default_rng(1)
    names = [f"S{i}" for i in range(symbols)]
    returns = 1e-4 * rng.standard_t(4, size=(2 * bars + 60) * symbols)
    rows = rows_of(returns, np.abs(returns) * rng.uniform(1, 3, len(returns)), names)
    first, second = rows.take(slice(0, (bars + 60) * symbols)), rows.take(slice((bars + 60) * symbols, len(rows)))
    table = Table(title=f"{symbols:,} symbols; need {NEED_ROWS_S} rows/s; load {os.getloadavg()[0]:.1f}",
                  title_justify="left")  # fmt: skip
    for name in ("model", "rows/s a core", "times the need", "bytes of state a series"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for model in MODELS:
        stage = stage_of(model)
        state = stage.open()
        stage.step(state, first)
        begun = time.process_time()
        stage.step(state, second)
        per_s = len(second) / (time.process_time() - begun)
        size = stage.tables[0].fresh.dtype.itemsize
        table.add_row(model, f"{per_s:,.0f}", f"{per_s / NEED_ROWS_S:,.0f}", f"{size:,}")
    return table


def made_up(rng: np.random.Generator, kind: str, calm: int, after: int) -> tuple[F64, F64]:
    """Return returns and ranges of bars of thirty steps each, whose law changes after the calm ones."""
    deviation, drift, phi = np.ones(calm + after), np.zeros(calm + after), 0.0
    if kind == "volatility":
        deviation[calm:] = 1.8
    elif kind == "drift":
        drift[calm:] = 0.7
    elif kind == "correlation":
        phi = 0.6
    steps = rng.normal(size=(calm + after, 30)) / np.sqrt(30)
    path = np.cumsum(steps, axis=1)
    own = deviation * path[:, -1] + drift
    for t in range(calm, calm + after):
        own[t] = np.sqrt(1 - phi**2) * own[t] + phi * own[t - 1]
    high, low = np.maximum(path.max(axis=1), 0), np.minimum(path.min(axis=1), 0)
    return 1e-4 * own, 1e-4 * np.maximum(deviation * (high - low), np.abs(own))


def delays(series: int) -> Table:
    """Return the table of delays: bars until the change probability passes what it passes once in 500 calm bars."""
    calm, after = 400, 60
    kinds = ("none", "volatility", "drift", "correlation")
    title = (
        f"median bars until a change is told, {series} series, one false alarm in 500 bars; in brackets the share told "
        f"within {after}"
    )
    table = Table(title=title, title_justify="left")
    for name in ("model", *kinds[1:]):
        table.add_column(name, justify="left" if name == "model" else "right")
    for model in MODELS[:2]:
        probability = {}
        for kind in kinds:
            rng = np.random.default_rng(7)
            parts = [made_up(rng, kind, calm, after) for _ in range(series)]
            found = [gold_of(model, *part)["regime.change_prob"] for part in parts]
            probability[kind] = np.array(found, np.float64)
        crossing = np.sort(probability["none"][:, 100:].ravel())
        limit = crossing[-max(1, len(crossing) // 500)]
        cells = []
        for kind in kinds[1:]:
            told = probability[kind][:, calm:] > limit
            delay = np.where(told.any(axis=1), told.argmax(axis=1), after)
            cells.append(f"{np.median(delay):.0f} ({told.any(axis=1).mean():.0%})")
        table.add_row(model, *cells)
    return table


def recorded(market: Path) -> dict[str, list[tuple[F64, F64]]]:
    """Return log returns and ranges of recorded series, by kind; a gap in minutes is a missing return."""
    pound = pd.read_parquet(market / "fx" / "gbpusd_minute_fxcm_2012.parquet")
    coin = pd.read_parquet(market / "crypto" / "btcperp_minute.parquet").sort_values("ts")
    days = pd.read_parquet(market / "daily" / "us_stocks_daily.parquet").sort_values(["symbol", "date"])
    out = {
        "GBPUSD 1m": [_series(pound["ts"], *(pound[f"bid_{c}"] for c in ("high", "low", "close")))],
        "BTC perpetual 1m": [_series(coin["ts"], coin["high"], coin["low"], coin["close"])],
        "US stocks 1d": [],
    }
    for _, one in list(days.groupby("symbol"))[:60]:
        out["US stocks 1d"].append(_series(None, *(one[c] * one["adj_factor"] for c in ("high", "low", "close"))))
    return out


def _series(ts: pd.Series | None, high: pd.Series, low: pd.Series, close: pd.Series) -> tuple[F64, F64]:
    returns = np.diff(np.log(close.to_numpy(float)), prepend=np.nan)
    if ts is not None:
        returns[1:][np.diff(ts.to_numpy("datetime64[ns]").astype(np.int64)) != 60_000_000_000] = np.nan
    return returns, ((high - low) / close).to_numpy(float)


def area(score: F64, event: NDArray[np.bool_]) -> float:
    """Return the area under the curve of a score for an event."""
    rank = np.empty(len(score))
    rank[np.argsort(score, kind="stable")] = np.arange(1, len(score) + 1)
    n = int(event.sum())
    return float((rank[event].sum() - n * (n + 1) / 2) / (n * (len(event) - n)))


def forecasts(market: Path) -> Table:
    """Return how well each model's stress tells that the bars to come are wild, and its trend that they go on."""
    title = (
        f"recorded series: area under the curve of p_stress for the wildest fifth of the next {BARS_AHEAD} bars; "
        "correlation of p_trend * sign of momentum with their mean return"
    )
    table = Table(title=title, title_justify="left")
    for name in ("series", "model", "stress", "trend"):
        table.add_column(name, justify="left" if name in {"series", "model"} else "right")
    for kind, series in recorded(market).items():
        for model in MODELS:
            areas, correlations = [], []
            for returns, ranges in series:
                gold = gold_of(model, returns, ranges)
                found = _ahead(gold, returns)
                if found is not None:
                    areas.append(found[0])
                    correlations.append(found[1])
            table.add_row(kind, model, f"{np.mean(areas):.3f}", f"{np.mean(correlations):+.3f}")
    return table


def _ahead(gold: Columns, returns: F64) -> tuple[float, float] | None:
    r = np.nan_to_num(returns)
    scale = pd.Series(r).ewm(halflife=700).std().to_numpy()
    view = np.lib.stride_tricks.sliding_window_view(r[1:], BARS_AHEAD)
    n = len(view)
    momentum = pd.Series(r).ewm(alpha=0.06).mean().to_numpy()[:n]
    used = (np.asarray(gold["warm"])[:n] != 0) & (scale[:n] > 0) & (np.arange(n) > 200)
    if used.sum() < 500:
        return None
    wild = np.sqrt((view**2).mean(axis=1)) / np.maximum(scale[:n], 1e-12)
    mean = view.mean(axis=1) / np.maximum(scale[:n], 1e-12)
    stress, trend = (np.asarray(gold[f"regime.p_{name}"], np.float64)[:n] for name in ("stress", "trend"))
    event = wild[used] > np.quantile(wild[used], 0.8)
    return area(stress[used], event), float(np.corrcoef(trend[used] * np.sign(momentum[used]), mean[used])[0, 1])


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(prog="bench.regime", description=__doc__)
    parser.add_argument("--symbols", type=int, default=5000, help="symbols of the speed (default %(default)s)")
    parser.add_argument("--bars", type=int, default=20, help="bars of each symbol timed (default %(default)s)")
    parser.add_argument("--quality", action="store_true", help="detection and forecast instead")
    parser.add_argument("--series", type=int, default=200, help="made-up series of each kind (default %(default)s)")
    parser.add_argument("--market", type=Path, default=MARKET, help="recorded series (default: ../shared/market)")
    given = parser.parse_args()
    console = Console(width=130)
    if given.quality:
        console.print(delays(given.series))
        console.print(forecasts(given.market))
    else:
        console.print(speed(given.symbols, given.bars))


if __name__ == "__main__":
    main()
