"""The truth of a simulated market: a price path that nobody sees, only vendors' copies of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

SECOND_NS = 1_000_000_000
START_NS = 1_718_000_000_000_000_000
"""Monday 2024-06-10 06:13:20 UTC."""
STEP_NS = 10_000_000
"""The path may change every 10 ms: finer than any vendor's updates."""


@dataclass(frozen=True, slots=True)
class Market:
    """What kind of market is simulated.

    Parameters
    ----------
    kind
        ``quote`` or ``trade``: what its vendors publish.
    start
        First price, price units.
    tick_size
        Smallest price step, price units.
    vol_bps
        Deviation of the diffusion in one second.
    jump_bps, jump_every_s
        Deviation of a jump and mean time between two.
    noise_bps
        Deviation of one published value of a usual vendor from the truth: a dealer's skew, or the side of the spread
        that a trade was on.
    """

    kind: str
    symbol_id: str
    asset_class: str
    start: float
    tick_size: float
    vol_bps: float
    jump_bps: float
    jump_every_s: float
    noise_bps: float


# A second of EURUSD at 10 % a year has a deviation of 0.2 bp; dealers differ by 0.1 to 0.4 bp (see the real report).
QUOTES = Market("quote", "SIMQ:FX", "fx", 1.1, 0.00001, 0.25, 5.0, 120.0, 0.3)
# A share of 100 dollars at 25 % a year, whose spread is 2 cents.
TRADES = Market("trade", "SIMT:US", "equity", 100.0, 0.01, 0.5, 8.0, 180.0, 1.0)


@dataclass(frozen=True, slots=True)
class Truth:
    """A price path.

    Parameters
    ----------
    price
        Shape (n_steps,): price k holds from ``START_NS + k * STEP_NS`` on, in price units, not rounded.
    """

    price: F64

    def at(self, ts_ns: I64) -> F64:
        """Return the price at each instant, shape of ``ts_ns``; before the start and after the end, the nearest."""
        out: F64 = self.price[np.clip((ts_ns - START_NS) // STEP_NS, 0, len(self.price) - 1)]
        return out


def draw_truth(market: Market, seconds: float, rng: np.random.Generator) -> Truth:
    """Return a path of diffusion and jumps, ``seconds`` long."""
    n = int(seconds * SECOND_NS) // STEP_NS
    step_s = STEP_NS / SECOND_NS
    moves = rng.normal(0.0, market.vol_bps * np.sqrt(step_s), n)
    jumps = rng.random(n) < step_s / market.jump_every_s
    moves[jumps] += rng.normal(0.0, market.jump_bps, int(jumps.sum()))
    return Truth(market.start * np.exp(1e-4 * np.cumsum(moves)))
