"""The plots of the report. The same numbers give the same bytes: no date, fixed ids, text as text."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bench.reconciliation.known_truth import Row
from bench.reconciliation.recorded import Recorded

STYLE: Any = {
    "svg.hashsalt": "reconciliation", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
}  # fmt: skip
COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#7d5ba6", "#8d6a4f", "#444444")


@contextmanager
def _figure(path: Path, rows: int, columns: int, size: tuple[float, float]) -> Iterator[list[Axes]]:
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
        yield list(axes.ravel())
        figure.tight_layout()
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)


def known_truth(rows: list[Row], methods: tuple[str, ...], n: int, path: Path) -> None:
    """Draw the RMSE of each method in each scenario with n vendors, with standard errors."""
    markets = list(dict.fromkeys(r.market for r in rows))
    with _figure(path, 1, len(markets) + 1, (12.0, 4.2)) as axes:
        for axis, market in zip(axes, markets, strict=False):
            mine = [r for r in rows if r.market == market and r.n == n]
            for k, method in enumerate(methods):
                y = [len(mine) - 1 - i + 0.13 * (len(methods) / 2 - k) for i in range(len(mine))]
                error = [r.standard_error(method) for r in mine]
                axis.errorbar(
                    [r.mean(method) for r in mine], y, xerr=error, fmt="o", ms=4, color=COLOURS[k], label=method
                )
            axis.set_yticks(range(len(mine)), [r.scenario for r in reversed(mine)])
            axis.set_xscale("log")
            axis.set_xlabel("RMSE against the truth, bp (log)")
            axis.set_title(f"{market}s, {n} vendors")
        # In a panel of its own, so that it hides no point and squeezes none.
        handles, labels = axes[0].get_legend_handles_labels()
        axes[-1].axis("off")
        axes[-1].legend(handles, labels, fontsize=9, loc="center left", frameon=False)


def disagreement(reports: list[Recorded], path: Path) -> None:
    """Draw how far two sources are apart by hour, median and 95th percentile, where a day is covered."""
    symbols = [s for r in reports for s in r.symbols if len(s.by_hour) > 2]
    with _figure(path, 1, max(len(symbols), 1), (10.0, 3.2)) as axes:
        for axis, symbol in zip(axes, symbols, strict=False):
            hours = sorted(symbol.by_hour)
            axis.plot(hours, [symbol.by_hour[h][0] for h in hours], color=COLOURS[0], marker="o", ms=3, label="median")
            axis.plot(
                hours,
                [symbol.by_hour[h][1] for h in hours],
                color=COLOURS[1],
                marker="o",
                ms=3,
                label="95th percentile",
            )
            axis.set_ylim(bottom=0.0)
            axis.set_xlabel("hour UTC")
            axis.set_ylabel("between two sources, bp")
            axis.set_title(f"{symbol.symbol} {symbol.kind}s")
            axis.legend(fontsize=8)


def cut_rate(reports: list[Recorded], path: Path) -> None:
    """Draw the share of ticks that were cut by hour, where a day is covered."""
    symbols = [s for r in reports for s in r.symbols if len(s.by_hour) > 2]
    with _figure(path, 1, 1, (10.0, 3.0)) as (axis,):
        for k, symbol in enumerate(symbols):
            hours = sorted(symbol.cut_by_hour)
            share = [100 * symbol.cut_by_hour[h] for h in hours]
            axis.plot(hours, share, marker="o", ms=3, color=COLOURS[k % len(COLOURS)], label=symbol.symbol)
        axis.set_ylim(bottom=0.0)
        axis.set_xlabel("hour UTC")
        axis.set_ylabel("ticks cut, %")
        if symbols:
            axis.legend(fontsize=8)


def trust(reports: list[Recorded], path: Path) -> None:
    """Draw each source's share of the trust over time, for symbols of several sources."""
    found = [(name, sources) for r in reports for name, sources in r.trust.items() if len(sources) > 1]
    with _figure(path, 1, max(len(found), 1), (11.0, 3.0)) as axes:
        for axis, (name, sources) in zip(axes, found, strict=False):
            for k, (source, (hours, shares)) in enumerate(sorted(sources.items())):
                axis.plot(hours, shares, lw=1.2, color=COLOURS[k % len(COLOURS)], label=source)
            axis.set_ylim(0.0, 1.0)
            axis.set_xlabel("hours since the first tick")
            axis.set_ylabel("share of the trust")
            axis.set_title(name)
            axis.legend(fontsize=7)
