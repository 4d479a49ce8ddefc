"""The plots of a model card, as PNG: each of numbers that stand in the card, none is computed here."""

import io
from typing import Any

import numpy as np

from offline.selection.trials import Returns
from processors.errors import ConfigError

INK, SHADE, REFERENCE, PALE = "#1f4e79", "#9bb7d4", "#888888", "#d9d9d9"
_INCHES, _DPI = (5.0, 3.6), 110
_COLUMNS = 3
_PANEL_INCHES = (2.5, 2.75)
_TICKS = 4
_TEXT = 8.5
"""Size of what stands inside of axes, points."""

Bins = list[dict[str, Any]]


def roc_plot(discrimination: dict[str, Any]) -> bytes:
    """Return the ROC curve, with its area and the standard error of it in words.

    Parameters
    ----------
    discrimination
        Of the card: ``auc``, an estimate or None, and ``roc``, the points of ``measures.roc_points``.
    """
    figure, (axes,) = _figure(1, (4.2, 4.2))
    axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=1, linestyle="--", label="knows nothing: 0.5")
    area, points = discrimination["auc"], np.array(discrimination["roc"])
    if len(points) and (area["value"], area["error"]) == (0.5, 0.0):
        axes.text(0.05, 0.9, "the probability is constant: no curve", fontsize=_TEXT)
    elif len(points):
        error = "too few rows for an error" if area["error"] is None else f"± {area['error']:.3f} (s.e.)"
        axes.plot(points[:, 0], points[:, 1], color=INK, linewidth=1.4, label=f"AUC {area['value']:.3f} {error}")
    else:
        axes.text(0.05, 0.9, "all rows went one way: no curve", fontsize=_TEXT)
    axes.set(xlabel="share of downs at or above the threshold", ylabel="share of ups at or above the threshold",
             xlim=(0, 1), ylim=(0, 1))  # fmt: skip
    axes.set_aspect("equal")
    axes.legend(frameon=False, loc="lower right", fontsize=_TEXT)
    return _png(figure)


def reliability_plot(bins: Bins) -> bytes:
    """Return frequency against probability with 95 % bands; the axes hold the bins, so that small faults are seen.

    Parameters
    ----------
    bins
        Of ``measures.reliability_bins``.
    """
    figure, (axes,) = _figure(1, (4.6, 4.2))
    _reliability(axes, bins, _limits([bins]))
    axes.set(xlabel="predicted probability of up", ylabel="share that went up")
    axes.legend(frameon=False, loc="upper left", fontsize=_TEXT)
    return _png(figure)


def regimes_plot(by_regime: dict[str, Bins]) -> bytes:
    """Return a reliability diagram for each regime on common axes, with the rows behind it.

    Parameters
    ----------
    by_regime
        Regime -> bins of ``measures.reliability_bins``.
    """
    n_rows = -(-len(by_regime) // _COLUMNS)
    columns = min(len(by_regime), _COLUMNS)
    figure, panels = _figure(len(by_regime), (_PANEL_INCHES[0] * columns, _PANEL_INCHES[1] * n_rows), columns)
    limits = _limits(list(by_regime.values()))
    for number, (axes, (name, bins)) in enumerate(zip(panels, by_regime.items(), strict=True)):
        _reliability(axes, bins, limits)
        axes.set_title(f"{name}, {sum(b['rows'] for b in bins):,} rows", fontsize=10)
        if number % columns:
            axes.tick_params(labelleft=False)
        axes.tick_params(labelsize=_TEXT)
    figure.supxlabel("predicted probability of up", fontsize=10)
    figure.supylabel("share that went up", fontsize=10)
    return _png(figure)


def coverage_plot(coverage: dict[str, Any], whole: dict[str, Any], by_regime: dict[str, Any]) -> bytes:
    """Return how many moves the intervals held in each regime, with 95 % bands, beside what they promise.

    Parameters
    ----------
    coverage, whole, by_regime
        Of the card: ``coverage``, and measures of all rows and of each regime.
    """
    named = {"all": whole, **by_regime}
    figure, (axes,) = _figure(1, (5.0, 1.3 + 0.36 * len(named)))
    values = [numbers["coverage"] for numbers in named.values()]
    places = np.arange(len(named))[::-1]
    axes.axvline(coverage["nominal"], color=REFERENCE, linewidth=1, linestyle="--", label="promised")
    known = [(place, f["low"], f["high"]) for place, f in zip(places, values, strict=True) if f["low"] is not None]
    if known:
        axes.hlines(*zip(*known, strict=True), color=SHADE, linewidth=5, label="95 %")
    axes.plot([f["value"] for f in values], places, color=INK, marker="o", markersize=4, linestyle="", label="found")
    labels = [f"{name}, {numbers['rows']:,} rows" for name, numbers in named.items()]
    axes.set_yticks(places, labels, fontsize=_TEXT)
    axes.set(xlabel="share of moves inside of the interval", ylim=(-0.6, len(named) - 0.4))
    axes.margins(x=0.08)
    figure.legend(frameon=False, loc="outside upper right", ncols=3, fontsize=_TEXT)
    return _png(figure)


def cumulative_plot(returns: Returns) -> bytes:
    """Return the growth of one unit over the periods out of sample, folds shaded in turn."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    figure, (axes,) = _figure(1, _INCHES)
    at = returns.ts_ns.astype("datetime64[ns]")
    axes.plot(at, np.cumprod(1.0 + returns.value), color=INK, linewidth=1.2)
    begins = np.flatnonzero(np.diff(returns.fold, prepend=-1))
    for number, (first, last) in enumerate(zip(begins, [*begins[1:] - 1, len(at) - 1], strict=True)):
        if number % 2:
            axes.axvspan(at[first], at[last], color=SHADE, alpha=0.25, linewidth=0)
    axes.axhline(1.0, color=REFERENCE, linewidth=1, linestyle="--")
    axes.set(xlabel="time, UTC; every second fold is shaded", ylabel="growth of 1, net of costs")
    # Fewer ticks than five at least: else three days are told by hours, of which no interval is wide enough.
    dates: Any = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(dates)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(dates))  # type: ignore[no-untyped-call]
    return _png(figure)


def _limits(of: list[Bins]) -> tuple[float, float]:
    """Return common limits of both axes that hold the bins of all, and their bands where these are not wider still."""
    values = np.array([v for bins in of for b in bins for v in (b["probability"], b["frequency"])])
    ends = [e for bins in of for b in bins for e in (b["low"], b["high"]) if e is not None]
    least, most = min([values.min(), *ends]), max([values.max(), *ends])
    room = 0.05 * max(most - least, 0.02)
    return max(least - room, -0.02), min(most + room, 1.02)


def _reliability(axes: Any, bins: Bins, limits: tuple[float, float]) -> None:
    """Draw one diagram: the line of the honest, the bins, and a band where there is one."""
    p, f = (np.array([b[key] for b in bins]) for key in ("probability", "frequency"))
    axes.plot(limits, limits, color=REFERENCE, linewidth=1, linestyle="--", label="honest")
    known = [b for b in bins if b["low"] is not None]
    axes.vlines([b["probability"] for b in known], [b["low"] for b in known], [b["high"] for b in known],
                color=SHADE, linewidth=3, label="95 %")  # fmt: skip
    axes.plot(p, f, color=INK, marker="o", markersize=4, linewidth=1.2, label="model")
    axes.set(xlim=limits, ylim=limits)
    axes.locator_params(nbins=_TICKS)


def _figure(n: int, inches: tuple[float, float], columns: int = 1) -> tuple[Any, list[Any]]:
    """Return a figure and its n axes, row by row."""
    try:
        from matplotlib.figure import Figure
    except ImportError as e:
        raise ConfigError(
            "model card", "matplotlib", "not installed", "in the checkout: pip install -e '.[registry]'"
        ) from e
    figure = Figure(figsize=inches, dpi=_DPI, layout="constrained")
    rows = -(-n // columns)
    panels = [figure.add_subplot(rows, columns, number + 1) for number in range(n)]
    for axes in panels:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.grid(visible=True, color=PALE, linewidth=0.5)
        axes.set_axisbelow(True)
    return figure, panels


def _png(figure: Any) -> bytes:
    out = io.BytesIO()
    # Without the version of what drew it: the same numbers give the same bytes.
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
