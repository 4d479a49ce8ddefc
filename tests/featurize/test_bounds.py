"""No indicator writes outside of what it is given, and none reads more bars than its binding says.

Compiled code checks no bounds: a state that is declared too small is the neighbour's state, and a window that is longer
than the ring is another window. So every indicator, with all parameters that the catalog has it with, runs alone inside
arrays with guards around them, in a ring of exactly the bars that it declared.
"""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from processors.featurize import loops
from processors.featurize.families import KERNELS, address_of
from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, fixed
from processors.featurize.indicators.window import back
from processors.featurize.kernel import step
from schemas.features import bar_features
from schemas.timeframes import TIMEFRAMES
from tests.featurize.series import walk

F64 = NDArray[np.float64]
GUARD = 64
NAN = np.array([0x7FF8_0000_DEAD_BEEF], np.uint64).view(np.float64)[0]
"""A number that poisons what it is added to, and whose bits no arithmetic gives."""
N_BARS = 330
"""More than any indicator takes to have all its outputs."""
FACTS = {
    c.F1: 100.0, c.F2: 101.5, c.F3: 102.0, c.F1_YEARS: 0.05, c.F2_YEARS: 0.15, c.F3_YEARS: 0.25, c.VIX: 17.0,
    c.RISK_BUDGET_UTIL: 0.6, c.EVENT_WEIGHT: 1.0, c.RETURN_ON_EQUITY: 0.1, c.GROSS_MARGIN: 0.3, c.LEVERAGE: 1.5,
    c.ACCRUALS: 0.02, c.EARNINGS_GROWTH: 0.1, c.POLICY_RATE: 0.03, c.YIELD_3M: 0.028, c.YIELD_10Y: 0.041,
}  # fmt: skip
Run = tuple[str, tuple[float, ...]]


def runs() -> list[Run]:
    """Return each indicator with each of its parameters in the catalog."""
    found = {(f.indicator, tuple(f.numbers[p] for p in KERNELS[f.indicator].parameters)) for f in bar_features()}
    return sorted(found)


def bars_of_all() -> F64:
    """Return bars in which every column has values that move, shape (N_BARS, N_BAR)."""
    bars, rng = walk(N_BARS, 7), np.random.default_rng(8)
    for column, about in FACTS.items():
        bars[:, column] = about * (1.0 + 0.05 * rng.normal(size=N_BARS))
    bars[:, c.N_TRADES] = rng.integers(1, 90, N_BARS)
    # Of every timeframe in turn, so that each tells the others something.
    number = np.arange(N_BARS)
    bars[:, c.DAY], bars[:, c.OPENS_DAY], bars[:, c.TF] = number // 30, number % 30 == 0, number % len(TIMEFRAMES)
    hour = 3600.0 * np.floor(bars[:, c.END_S] / 3600.0)
    bars[:, c.LAST_EVENT_S], bars[:, c.NEXT_EVENT_S] = hour, hour + 3600.0
    return np.ascontiguousarray(bars)


@pytest.fixture(scope="module", name="bars")
def _bars() -> F64:
    return bars_of_all()


def guarded(n: int, around: float, guard: int = GUARD) -> F64:
    """Return n zeros with guards around them."""
    out = np.full(n + 2 * guard, around)
    out[guard : guard + n] = 0.0
    return out


def touched(x: F64, n: int, around: float) -> bool:
    """Return whether a guard around the n numbers is another one than it was."""
    guard = (len(x) - n) // 2
    expected = np.full(guard, around).tobytes()
    return x[:guard].tobytes() != expected or x[guard + n :].tobytes() != expected


def stream(one: Kernel, run: Run, bars: F64, width: int, *, poisoned: bool, around: float) -> tuple[F64, list[str]]:
    """Return the outputs of an indicator bar by bar, and what it touched that is not its own.

    Parameters
    ----------
    width
        Bars of the ring.
    poisoned
        Whether bars older than the binding says, and those before the first, are no numbers.
    around
        What the guards are.
    """
    name, values = run
    numbers = dict(zip(one.parameters, values, strict=True))
    n_state, n_bars, n_out = one.n_state(numbers), max(one.n_bars(numbers), 2), len(one.outputs)
    state, scratch = guarded(n_state, around), guarded(c.Y_MAX + 1, around)
    flat = guarded(c.N_SERIES * 2 * width, around)
    ring = flat[GUARD:-GUARD].reshape(c.N_SERIES, 2 * width)
    p = np.array([values + (0.0,) * (c.P_MAX - len(values))])
    ops = np.array([(address_of(name), GUARD, GUARD + n_state, 0, n_out)], np.int64)
    takes = np.array([(j, j) for j in range(n_out)], np.int64)
    out = np.full((len(bars), n_out), np.nan)
    bar, shared, wrong = np.empty(c.N_BAR), np.zeros(c.N_SHARED), set()
    if poisoned:
        ring[:] = NAN
    for n, given in enumerate(bars):
        bar[:] = given
        bar[c.SHARED :] = shared
        if poisoned and n >= n_bars:
            ring[:, (n - n_bars) % width] = ring[:, (n - n_bars) % width + width] = NAN
        step(bar, ring, n, ops, p, takes, state, scratch[GUARD : GUARD + c.Y_MAX + 1], out[n])
        if bar[: c.SHARED].tobytes() != given[: c.SHARED].tobytes():
            wrong.add("bar")
        if not one.shares and bar[c.SHARED :].tobytes() != shared.tobytes():
            wrong.add("shared")
        shared[:] = bar[c.SHARED :]
    kept = {"state": (state, n_state), "outputs": (scratch, c.Y_MAX + 1), "ring": (flat, ring.size)}
    wrong |= {what for what, (x, n) in kept.items() if touched(x, n, around)}
    return out, sorted(wrong)


def series(one: Kernel, run: Run, bars: F64) -> list[str]:
    """Return what an indicator touches over a whole series at once that is not its own."""
    name, values = run
    n_state = one.n_state(dict(zip(one.parameters, values, strict=True)))
    # Outputs stand column by column: a guard of two columns.
    beside = 2 * len(bars)
    state, out = guarded(n_state, NAN), guarded(len(bars) * c.Y_MAX, NAN, beside)
    ring = np.zeros((c.N_SERIES, 2 * len(bars)))
    loops.fill(bars, ring)
    before, columns = ring.copy(), np.asfortranarray(bars)
    p = np.array(values + (0.0,) * (c.P_MAX - len(values)))
    outputs = out[beside:-beside].reshape((len(bars), c.Y_MAX), order="F")
    loops.series(address_of(name), columns, ring, p, state[GUARD : GUARD + n_state], outputs)
    wrong = ["state"] * touched(state, n_state, NAN) + ["outputs"] * touched(out, outputs.size, NAN)
    wrong += ["ring"] * (ring.tobytes() != before.tobytes())
    last = c.N_BAR if not one.shares else c.SHARED
    return wrong + ["bars"] * (columns[:, :last].tobytes() != bars[:, :last].tobytes())


def faults(one: Kernel, run: Run, bars: F64) -> list[str]:
    """Return what an indicator does that its binding does not say."""
    numbers = dict(zip(one.parameters, run[1], strict=True))
    n_bars = max(one.n_bars(numbers), 2)
    whole, found = stream(one, run, bars, len(bars), poisoned=False, around=0.0)
    for what, width, around in (("a ring of its own", n_bars, NAN), ("older bars poisoned", len(bars), 1e200)):
        out, wrong = stream(one, run, bars, width, poisoned=True, around=around)
        found += wrong
        if not np.array_equal(out, whole, equal_nan=True):
            found.append(f"other values with {what}")
    return sorted({*found, *series(one, run, bars)})


def test_every_indicator_keeps_to_its_state_its_outputs_and_its_bars(bars: F64) -> None:
    """Guards around state, outputs, ring and bar stay as they are; a ring without older bars gives the same values."""
    found = {run: faults(KERNELS[run[0]], run, bars) for run in runs()}
    assert {run: wrong for run, wrong in found.items() if wrong} == {}


def test_every_output_has_values_in_these_bars(bars: F64) -> None:
    """What would never be computed here would never be found either."""
    empty = []
    for run in runs():
        out, _ = stream(KERNELS[run[0]], run, bars, N_BARS, poisoned=False, around=0.0)
        empty += [(run, o) for o, x in zip(KERNELS[run[0]].outputs, out.T, strict=True) if np.isnan(x).all()]
    assert empty == []


@njit(forceinline=True)
def counts_bars(bar, ring, n, p, s, y):
    """Keep a number of its own."""
    s[0] += 1.0
    y[0] = s[0]


@njit(forceinline=True)
def two_before(bar, ring, n, p, s, y):
    """Look back two bars, which takes three."""
    y[0] = back(ring[c.R_CLOSE], n, 2) if n >= 2 else np.nan


@njit(forceinline=True)
def a_row_too_many(bar, ring, n, p, s, y):
    """Write behind the last output."""
    y[0] = bar[c.CLOSE]
    y[c.Y_MAX + 1] = 1.0


@njit(forceinline=True)
def changes_a_price(bar, ring, n, p, s, y):
    """Write into the bar."""
    y[0] = bar[c.CLOSE]
    bar[c.CLOSE] += 1.0


@pytest.mark.parametrize(
    ("function", "n_state", "n_bars", "said"),
    [
        (counts_bars, 0, 2, "state"), (two_before, 0, 2, "other values with a ring of its own"),
        (two_before, 0, 2, "other values with older bars poisoned"), (a_row_too_many, 0, 2, "outputs"),
        (changes_a_price, 0, 2, "bar"), (counts_bars, 1, 2, ""), (two_before, 0, 3, ""),
    ],
)  # fmt: skip
def test_an_indicator_that_says_too_little_is_found(
    function, n_state: int, n_bars: int, said: str, bars: F64, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state that is not declared, a bar too many, an output too many, a changed bar; the same declared is fine."""
    name = f"{function.__name__}_{n_state}_{n_bars}"
    monkeypatch.setitem(KERNELS, name, Kernel(function, (), ("value",), fixed(n_state), fixed(n_bars)))
    found = faults(KERNELS[name], (name, ()), bars[:40])
    assert said in found if said else found == []
