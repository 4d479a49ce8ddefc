"""What stands around an indicator's function: a loop over a span of bars, compiled for this function alone.

A template below becomes the entry of an indicator: a copy of it whose ``function`` is the indicator's. So nothing is
chosen at a bar, and the machine keeps what an indicator carries from bar to bar in its registers.
"""
# A template has the signature of an entry, whatever it uses of it.

from pathlib import Path
from types import FunctionType
from typing import Any

from numba import carray, farray, njit  # type: ignore[attr-defined]  # it does not say that it exports them
from numba.core import compiler

from processors.featurize.indicators.layout import N_BAR, N_SERIES, P_MAX, SHARED
from processors.kernel_cache import digest_of

function: Any = None
"""Stands in the templates for an indicator's function."""


@njit(inline="always")
def _arrays(bars: Any, count: Any, ring: Any, width: Any, p: Any, s: Any, n_state: Any, out: Any, n_out: Any) -> Any:
    """Return bars, ring, parameters, state and outputs as indicators take them: bars and outputs column by column."""
    return (
        farray(bars, (count, N_BAR)), carray(ring, (N_SERIES, width)), carray(p, (P_MAX,)), carray(s, (n_state,)),
        farray(out, (count, n_out)),
    )  # fmt: skip


def _each_bar(
    bars: Any, count: Any, n: Any, ring: Any, width: Any, p: Any, s: Any, n_state: Any, out: Any, n_out: Any, done: Any
) -> None:
    """Run an indicator of one bar over each of a span."""
    b, r, q, k, o = _arrays(bars, count, ring, width, p, s, n_state, out, n_out)
    for i in range(count):
        function(b[i], r, n + i, q, k, o[i])
    done[0] = 1.0


def _each_sharing_bar(
    bars: Any, count: Any, n: Any, ring: Any, width: Any, p: Any, s: Any, n_state: Any, out: Any, n_out: Any, done: Any
) -> None:
    """Do the same, and hand on what timeframes of a symbol share."""
    b, r, q, k, o = _arrays(bars, count, ring, width, p, s, n_state, out, n_out)
    for i in range(count):
        if i > 0:
            b[i, SHARED:] = b[i - 1, SHARED:]
        function(b[i], r, n + i, q, k, o[i])
    done[0] = 1.0


def _span(
    bars: Any, count: Any, n: Any, ring: Any, width: Any, p: Any, s: Any, n_state: Any, out: Any, n_out: Any, done: Any
) -> None:
    """Run an indicator of spans over one: it takes bars and outputs column by column."""
    b, r, q, k, o = _arrays(bars, count, ring, width, p, s, n_state, out, n_out)
    function(b.T, r, n, q, k, o.T)
    done[0] = 1.0


_DIGEST = digest_of(Path(__file__))


class Apart(compiler.Compiler):
    """Compiles an entry whose arrays are apart: writing one changes no other, so nothing is read twice."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)  # type: ignore[no-untyped-call]
        self.state.flags.noalias = True


def entry_of(indicator: Any, shares: bool) -> Any:
    """Return the entry of an indicator's function, not compiled yet.

    A function of ``bars`` takes a span, another one bar. The entry has the name and the file of the function, by which
    its compiled code is kept, and the digest of the templates.
    """
    plain = getattr(indicator, "py_func", indicator)
    template = _span if plain.__code__.co_varnames[0] == "bars" else _each_sharing_bar if shares else _each_bar
    code = template.__code__.replace(co_filename=plain.__code__.co_filename)
    entry = FunctionType(code, {**template.__globals__, "function": indicator}, plain.__name__)
    entry.__module__, entry.__qualname__ = plain.__module__, f"{plain.__qualname__}_{_DIGEST}"
    return entry
