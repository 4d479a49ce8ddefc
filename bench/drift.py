"""How often the watch over features cries wolf, and how soon it tells a real drift.

Nothing drifts in the first part: returns and ranges of recorded minutes are dealt out again at random, so that each
market is made of the same minutes in another order, and every feature of the founding pack is computed from it. Alarms
are counted against what is claimed. In the second part moves grow from one bar on, and the bars to the alarm are
counted::

    python -m bench.drift --markets 20
"""

import argparse

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from deploy.local.paths import SHIPPED_TICKS
from offline.dataset import record_gold
from processors.drift import kernel as k
from processors.drift.config import DriftConfig
from processors.drift.monitor import DriftMonitor, stride_of
from processors.featurize.batch import bars_of, run_program
from processors.featurize.indicators import layout as c
from processors.featurize.program import compile_program
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from schemas.features import FOUNDING_PACK, load_pack
from schemas.registry import load_registry

TF = "1m"
BARS = 20_000
DRIFT_AT = 15_000
GROWTH = (1.5, 2.0, 3.0)
F64 = k.F64


def recorded_moves() -> tuple[F64, F64]:
    """Return log returns and half ranges over the close of the recorded minutes, shape (n,) each."""
    gold = record_gold([SHIPPED_TICKS / "eurusd_ticks_two_vendors.parquet"])
    minutes = gold.take(np.asarray(gold["tf"]) == STRINGS.code(TF))
    r, width = (np.asarray(minutes[f"features.{name}"]) for name in ("log_return_1", "bar_range_ratio"))
    usable = np.isfinite(r) & np.isfinite(width)
    return r[usable], width[usable] / 2


def market(moves: tuple[F64, F64], seed: int, growth: float = 1.0) -> F64:
    """Return bars made of recorded minutes in random order; moves grow by a factor from ``DRIFT_AT`` on."""
    rng = np.random.default_rng(seed)
    dealt = rng.integers(0, len(moves[0]), BARS)
    grown = np.where(np.arange(BARS) < DRIFT_AT, 1.0, growth)
    close = 1.38 * np.exp(np.cumsum(moves[0][dealt] * grown * rng.choice([-1.0, 1.0], BARS)))
    opened = np.r_[close[0], close[:-1]]
    half = close * moves[1][dealt] * grown
    day = np.floor_divide(np.arange(BARS, dtype=np.float64), 1440.0)
    return bars_of(
        close, open_=opened, high=np.maximum(opened, close) + half, low=np.minimum(opened, close) - half,
        volume=rng.integers(1, 1000, BARS).astype(float),
        other={c.BID: close * 0.99999, c.ASK: close * (1 + 1e-5 * rng.random(BARS)), c.DAY: day},
    )  # fmt: skip


def watch(monitor: DriftMonitor, bars: F64) -> tuple[Columns, int]:
    """Return the reports on a market, and the number of observations that were bet on."""
    pack = load_pack(FOUNDING_PACK)
    values = run_program(compile_program([(f, i) for i, f in enumerate(pack.features)]), bars)
    rows = Columns.empty(layout_of(load_registry().current("features.v1").schema), len(bars))
    for i, f in enumerate(pack.features):
        rows[f"features.{f.name}"] = values[:, i]
    rows["symbol_id"], rows["tf"], rows["ts"] = STRINGS.code("EURUSD:FX"), STRINGS.code(TF), np.arange(len(bars))
    reports = monitor.watch(State((monitor.table,)), rows).reports
    strides = np.array([stride for f in monitor.features if (stride := stride_of(f, TF, monitor.config))])
    learned = 2 * monitor.config.reference_rows
    return reports, int(np.maximum(len(bars) // strides - learned, 0).sum())


def alarms(reports: Columns) -> tuple[list[str], np.ndarray]:
    """Return feature and bar of each alarm."""
    which = np.asarray(reports["cause"]) == reports.layout.symbols["cause"].index("alarm")
    return [STRINGS.text(int(i)) for i in np.asarray(reports["feature"])[which]], np.asarray(reports["ts"])[which]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="bench.drift", description=__doc__)
    parser.add_argument("--markets", type=int, default=20, help="markets of 20,000 bars (default %(default)s)")
    given = parser.parse_args()
    console = Console()
    moves = recorded_moves()
    table = Table(title="Alarms where nothing drifts, founding pack", title_justify="left")
    for name in ("claimed: observations to an alarm", "observations", "alarms", "observations to an alarm"):
        table.add_column(name, justify="right")
    for claimed in (1e3, 1e4):
        monitor = DriftMonitor(DriftConfig(false_alarm_rows=claimed), (load_pack(FOUNDING_PACK),))
        seen, n = 0, 0
        for seed in track(range(given.markets), f"claim {claimed:,.0f}", console=console, transient=True):
            reports, observations = watch(monitor, market(moves, seed))
            seen, n = seen + len(alarms(reports)[0]), n + observations
        table.add_row(f"{claimed:,.0f}", f"{n:,}", f"{seen:,}", f"{n / max(seen, 1):,.0f}" if seen else f"over {n:,}")
    console.print(table)
    table = Table(title=f"Moves grow at bar {DRIFT_AT:,}: bars to the alarm", title_justify="left")
    for name in ("growth", "feature", "stride", "told in", "median bars"):
        table.add_column(name, justify="left" if name == "feature" else "right")
    monitor = DriftMonitor(DriftConfig(), (load_pack(FOUNDING_PACK),))
    for growth in GROWTH:
        delays: dict[str, list[int]] = {name: [] for name in ("log_return_1", "ewma_vol_value", "bar_range_ratio")}
        for seed in track(range(given.markets), f"growth {growth}", console=console, transient=True):
            features, bars = alarms(watch(monitor, market(moves, 1000 + seed, growth))[0])
            for name, found in delays.items():
                after = [int(b) for f, b in zip(features, bars, strict=True) if f == name and b >= DRIFT_AT]
                if after:
                    found.append(after[0] - DRIFT_AT)
        for name, found in delays.items():
            stride = stride_of(next(f for f in monitor.features if f.name == name), TF, monitor.config)
            told = f"{np.median(found):,.0f}" if found else "-"
            table.add_row(f"{growth}", name, f"{stride}", f"{len(found)} of {given.markets}", told)
    console.print(table)


if __name__ == "__main__":
    main()
