"""Training sets: rows a second of the build, beside pandas doing the same over the same rows, in one run.

Gold rows are made up; the recipe has lags, a rolling z-score, a rolling rank and triple barriers. pandas is written as
one would: ``groupby``, ``shift``, ``rolling``; barriers by a shift for each bar of the horizon. Both must give equal
numbers::

    python -m bench.dataset --rows 50000
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from offline.datasets.build import from_rows
from offline.datasets.sources import GoldRows
from offline.datasets.training_set import TrainingSet
from offline.labels import STRETCH_MAX
from offline.recipes.recipe import LabelSpec, ModelRecipe, ModelSpec, Transformation, UniverseSpec
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.strings import STRINGS
from schemas.features import FOUNDING_PACK, load_pack
from schemas.registry import load_registry
from schemas.timeframes import MINUTE_NS

HORIZON, WINDOW, LAGS = 15, 60, (1, 2, 5)
STEPPED = ("rsi_14_value", "log_return_1")
RECIPE = ModelRecipe(
    "bench", LabelSpec(HORIZON, "triple_barrier"), UniverseSpec("1m"), ModelSpec("lgbm"),
    feature_packs=(FOUNDING_PACK,), transformations=(
        Transformation("lag", STEPPED, LAGS), Transformation("difference", STEPPED, LAGS),
        Transformation("zscore", STEPPED, (WINDOW,)), Transformation("rank", STEPPED, (WINDOW,)),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows a second of processor time, the best of some rounds; ``worst`` is the largest relative difference of x."""

    rows: int
    ours: float
    pandas: float
    worst: float


def made_up(n: int, symbols: int = 10, seed: int = 1) -> Columns:
    """Return gold rows of the founding pack, all warm, symbols by turns."""
    rng = np.random.default_rng(seed)
    rows = Columns.empty(layout_of(load_registry().current("gold.v1").schema), n)
    pack = load_pack(FOUNDING_PACK)
    for f in pack.features:
        rows[f"features.{f.name}"] = rng.standard_normal(n)
    for name in rows.layout.names:
        if name.startswith("regime.p_"):
            rows[name] = rng.random(n)
    codes = np.array([STRINGS.code(f"S{i}:FX") for i in range(symbols)])
    rows["symbol_id"], rows["tf"] = codes[np.arange(n) % symbols], STRINGS.code("1m")
    rows["ts"] = (np.arange(n) // symbols + 1) * MINUTE_NS
    rows["warm"] = 1
    steps = 1e-4 * rng.standard_normal((n // symbols + 1, symbols))
    rows["meta.close"] = np.exp(np.cumsum(steps, axis=0)).ravel()[:n]
    rows["meta.realized_vol"] = rng.uniform(0.5e-4, 1.5e-4, n)
    rows["pack_id"], rows["pack_hash"] = STRINGS.code(pack.pack_id), STRINGS.code(pack.hash)
    rows["packs"], rows["drifted"] = STRINGS.array_code((pack.ref,)), STRINGS.array_code(())
    return rows


def in_pandas(gold: Columns) -> pd.DataFrame:
    """Return inputs, transformations and labels of every row, by symbol and time."""
    names = [i.name for i in RECIPE.resolved().inputs]
    data = {name: np.asarray(gold[name], np.float64) for name in (*names, "meta.close", "meta.realized_vol")}
    data |= {name: np.asarray(gold[name]) for name in ("ts", "symbol_id")}
    frame = pd.DataFrame(data)
    frame["symbol"] = frame["symbol_id"].map({int(c): STRINGS.text(int(c)) for c in frame["symbol_id"].unique()})
    frame = frame.sort_values(["symbol", "ts"], kind="stable").reset_index(drop=True)
    for i in RECIPE.resolved().inputs:
        value = frame[i.name] / frame["meta.realized_vol"] if i.scale == "per_vol" else frame[i.name]
        frame[i.name] = value.astype(np.float32)
    by = frame.groupby("symbol", sort=False)
    made = {}
    for name in STEPPED:
        column = by[f"features.{name}"]
        for bars in LAGS:
            made[f"lag_{bars}(features.{name})"] = column.shift(bars)
            made[f"difference_{bars}(features.{name})"] = frame[f"features.{name}"] - column.shift(bars)
        rolling = column.rolling(WINDOW)
        mean, deviation = (s.reset_index(level=0, drop=True) for s in (rolling.mean(), rolling.std()))
        made[f"zscore_{WINDOW}(features.{name})"] = (frame[f"features.{name}"] - mean) / deviation
        made[f"rank_{WINDOW}(features.{name})"] = rolling.rank(pct=True).reset_index(level=0, drop=True)
    price = by["meta.close"]
    unit = frame["meta.realized_vol"] * np.sqrt(HORIZON)
    hit, moved = pd.Series(np.nan, frame.index), pd.Series(np.nan, frame.index)
    for bars in range(1, HORIZON + 1):
        in_time = by["ts"].shift(-bars) - frame["ts"] < STRETCH_MAX * HORIZON * MINUTE_NS
        move = np.log(price.shift(-bars) / frame["meta.close"]) / unit
        first = hit.isna() & in_time & (move.abs() >= 1 if bars < HORIZON else move.notna())
        hit, moved = hit.mask(first, np.sign(move)), moved.mask(first, move)
    made["move"], made["target"] = moved, hit
    return pd.concat([frame, pd.DataFrame(made)], axis=1)


def measure(n: int, rounds: int = 3) -> Figures:
    """Return the figures; both ways run by turns over the same rows."""
    gold = made_up(n)
    rows = GoldRows(gold, None, "bench")
    from_rows(RECIPE, GoldRows(made_up(2_000), None, "bench"))
    times: dict[str, list[float]] = {"ours": [], "pandas": []}
    for _ in range(rounds):
        ours, spent = _timed(lambda: from_rows(RECIPE, rows)[0])
        times["ours"].append(spent)
        frame, spent = _timed(lambda: in_pandas(gold))
        times["pandas"].append(spent)
    return Figures(n, n / min(times["ours"]), n / min(times["pandas"]), _compare(ours, frame))


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    return call(), time.process_time() - begin


def _compare(ours: TrainingSet, frame: pd.DataFrame) -> float:
    """Return the largest difference of x, in its units; labels must be equal."""
    worst = 0.0
    for j, column in enumerate(ours.inputs):
        theirs = frame[column.name].to_numpy(np.float32)
        assert (np.isnan(theirs) == np.isnan(ours.x[:, j])).all(), column.name
        far = np.abs(theirs - ours.x[:, j]) / np.maximum(np.abs(theirs), 1.0)
        worst = max(worst, float(np.nanmax(far, initial=0.0)))
    assert worst < 1e-5, worst
    np.testing.assert_allclose(frame["move"].to_numpy()[ours.at], ours.move, rtol=1e-12)
    np.testing.assert_array_equal(frame["target"].to_numpy()[ours.at], ours.target)
    return worst


def report(n: int, console: Console) -> None:
    """Print the figures."""
    seen = measure(n)
    console.print(
        f"training set of {seen.rows:,} gold rows, {len(RECIPE.inputs())} inputs, rows/s of processor time: "
        f"{seen.ours:,.0f}, pandas {seen.pandas:,.0f}, {seen.ours / seen.pandas:.1f} times; "
        f"equal labels, inputs within {seen.worst:.0e}\n"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="bench.dataset", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="gold rows (default %(default)s)")
    report(parser.parse_args().rows, Console())


if __name__ == "__main__":
    main()
