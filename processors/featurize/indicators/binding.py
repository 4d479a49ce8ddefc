"""How the catalog names an indicator: its function, its parameters and outputs, and what it needs to keep."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Numbers = dict[str, float]


def window_plus(extra: int) -> Callable[[Numbers], int]:
    """Return the size that is ``window`` and some more."""
    return lambda p: int(p["window"]) + extra


def fixed(n: int) -> Callable[[Numbers], int]:
    """Return the size that does not depend on parameters."""
    return lambda _: n


NOTHING, TWO = fixed(0), fixed(2)


@dataclass(frozen=True, slots=True)
class Kernel:
    """What an indicator needs.

    Parameters
    ----------
    function
        Compiled: of one bar or of a span, see ``indicators``.
    parameters, outputs
        Names as in the catalog, in the function's order.
    n_state
        Floats of state it keeps for one series; none where it says nothing, and then it must touch none.
    n_bars
        Bars it reads back, this one included; two where it says nothing. Older ones may be gone.
    shares
        Whether it writes what timeframes of a symbol share.
    """

    function: Any
    parameters: tuple[str, ...]
    outputs: tuple[str, ...]
    n_state: Callable[[Numbers], int] = NOTHING
    n_bars: Callable[[Numbers], int] = TWO
    shares: bool = False
