"""Indicators over whole series at once: the batch form, which is the incremental one in a loop."""

from collections.abc import Mapping, Sequence

import numpy as np

from processors.errors import ConfigError
from processors.featurize import kernel, loops
from processors.featurize.families import KERNELS, address_of
from processors.featurize.indicators import layout as c
from processors.featurize.kernel import F64
from processors.featurize.program import Program


def indicator_values(
    indicator: str, parameters: Mapping[str, float], bars: F64, ring: F64 | None = None
) -> dict[str, F64]:
    """Return every output of one indicator over one series.

    Parameters
    ----------
    indicator, parameters
        Names as in the catalog, for example ``"rsi", {"window": 14}``.
    bars
        Shape (n, N_BAR), best column by column: see ``bars_of``.
    ring
        What ``ring_of`` these bars gives, for several indicators of one series.

    Returns
    -------
    Output name -> shape (n,), NaN before the first value.

    Raises
    ------
    ConfigError
        No such indicator, or other parameters than it has.
    """
    one = KERNELS.get(indicator)
    if one is None:
        raise ConfigError("indicators", "indicator", indicator, f"one of {', '.join(sorted(KERNELS))}")
    if set(parameters) != set(one.parameters):
        raise ConfigError(indicator, "parameters", dict(parameters), f"exactly {', '.join(one.parameters) or 'none'}")
    numbers = {name: float(parameters[name]) for name in one.parameters}
    p = np.array([*numbers.values(), *[0.0] * (c.P_MAX - len(numbers))])
    ring = ring_of(bars) if ring is None else ring
    # Columns that an indicator has beyond its outputs are its scratch.
    out = np.empty((len(bars), c.Y_MAX), order="F")
    # At least one number, so that there is an address.
    state = np.zeros(max(one.n_state(numbers), 1))
    loops.series(address_of(indicator), np.asfortranarray(bars), ring, p, state, out)
    return dict(zip(one.outputs, out.T[: len(one.outputs)], strict=True))


def ring_of(bars: F64) -> F64:
    """Return the ring of a whole series, shape (N_SERIES, 2 n): every window of it is there at once."""
    ring = np.zeros((c.N_SERIES, 2 * len(bars)))
    loops.fill(bars, ring)
    return ring


def run_program(program: Program, bars: F64) -> F64:
    """Return the outputs of a program over one series, shape (n, n_out); it starts with nothing kept."""
    n, n_out = len(bars), int(program.takes[:, 1].max()) + 1
    out, fate = np.full((n, n_out), np.nan), np.empty(n, np.int64)
    one = np.zeros(n, np.int32)
    none, zero = np.zeros(n, np.int64), np.zeros(1, np.uint8)
    kernel.run(
        one, one, np.arange(1, n + 1), none, bars,
        np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros((1, c.N_SERIES, 2 * program.n_bars)),
        np.zeros((1, program.n_state)), zero, np.zeros((1, c.N_SHARED)), zero.copy(),
        program.ops, program.p, program.takes, out, fate,
    )  # fmt: skip
    return out


def bars_of(
    close: Sequence[float] | F64,
    *,
    open_: Sequence[float] | F64 | None = None,
    high: Sequence[float] | F64 | None = None,
    low: Sequence[float] | F64 | None = None,
    volume: Sequence[float] | F64 | None = None,
    other: Mapping[int, Sequence[float] | F64] | None = None,
) -> F64:
    """Return bars for ``indicator_values``, shape (n, N_BAR), column by column.

    Parameters
    ----------
    close
        Shape (n,); prices that are left out equal it, and a volume that is left out is 0.
    other
        Column of ``layout`` -> shape (n,); what is named nowhere is NaN.
    """
    n = len(close)
    bars = np.full((n, c.N_BAR), np.nan, order="F")
    bars[:, c.SHARED :] = 0.0
    for column, given in ((c.OPEN, open_), (c.HIGH, high), (c.LOW, low), (c.CLOSE, close), (c.VWAP, None)):
        bars[:, column] = close if given is None else given
    bars[:, c.VOLUME] = 0.0 if volume is None else volume
    for column, values in (other or {}).items():
        bars[:, column] = values
    return bars
