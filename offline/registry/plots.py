"""The two plots of a model card, as PNG."""

import io
from typing import Any

import numpy as np

from offline.selection.trials import Returns
from processors.errors import ConfigError

INK, SHADE, REFERENCE = "#1f4e79", "#9bb7d4", "#888888"
_INCHES, _DPI = (5.0, 3.6), 110


def reliability_plot(bins: list[dict[str, float]]) -> bytes:
    """Return frequency against probability; the axes hold the bins, so that small faults are seen.

    Parameters
    ----------
    bins
        Of ``measures.reliability``.
    """
    figure, axes = _figure()
    p = np.array([b["probability"] for b in bins])
    f = np.array([b["frequency"] for b in bins])
    least, most = min(p.min(), f.min()), max(p.max(), f.max())
    room = 0.05 * max(most - least, 0.02)
    line = [least - room, most + room]
    axes.plot(line, line, color=REFERENCE, linewidth=1, linestyle="--", label="honest")
    axes.plot(p, f, color=INK, marker="o", markersize=4, linewidth=1.2, label="model")
    axes.set(xlabel="predicted probability of up", ylabel="share that went up", xlim=line, ylim=line)
    axes.legend(frameon=False)
    return _png(figure)


def cumulative_plot(returns: Returns) -> bytes:
    """Return the growth of one unit over the periods out of sample, folds shaded in turn."""
    figure, axes = _figure()
    at = returns.ts_ns.astype("datetime64[ns]")
    axes.plot(at, np.cumprod(1.0 + returns.value), color=INK, linewidth=1.2)
    begins = np.flatnonzero(np.diff(returns.fold, prepend=-1))
    for number, (first, last) in enumerate(zip(begins, [*begins[1:] - 1, len(at) - 1], strict=True)):
        if number % 2:
            axes.axvspan(at[first], at[last], color=SHADE, alpha=0.25, linewidth=0)
    axes.axhline(1.0, color=REFERENCE, linewidth=1, linestyle="--")
    axes.set(ylabel="growth of 1, net of costs")
    figure.autofmt_xdate()
    return _png(figure)


def _figure() -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as e:
        raise ConfigError(
            "model card", "matplotlib", "not installed", "in the checkout: pip install -e '.[registry]'"
        ) from e
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    out = io.BytesIO()
    # Without the version of what drew it: the same numbers give the same bytes.
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
