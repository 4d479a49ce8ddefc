"""Names of the bars that end by what has been traded instead of by the clock: declared here, and nowhere else.

    tick:500               every 500 ticks
    volume:10000           every 10,000 base units
    dollar:1000000         every 1,000,000 of the instrument's currency
    tick_imbalance:20      when buying and selling differ by more than expected; 20 ticks are expected at first
    volume_imbalance:20, dollar_imbalance:20    the same by size and by money

Such a name stands in the field ``tf`` of bars.v1. One kind of bar has one name: ``volume:1e4`` and ``volume:010000``
are refused.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

KINDS = ("tick", "volume", "dollar", "tick_imbalance", "volume_imbalance", "dollar_imbalance")
"""In the order of their numbers in ``processors/activity/kernel.py``."""
NEEDS_SIZES = frozenset(kind for kind in KINDS if not kind.startswith("tick"))
COUNTED = frozenset(kind for kind in KINDS if kind == "tick" or kind.endswith("_imbalance"))
"""Kinds whose number is one of ticks."""
THRESHOLD_MAX = Decimal(10) ** 15


@dataclass(frozen=True, slots=True)
class ActivityBar:
    """One kind of bar.

    Parameters
    ----------
    kind
        One of ``KINDS``.
    threshold
        Ticks, base units or money of a bar; of an imbalance bar the ticks that are expected at first.
    """

    kind: str
    threshold: float
    name: str


def parse_activity(name: str) -> ActivityBar:
    """Return the bar of a name.

    Raises
    ------
    ValueError
        No such bar, or not the spelling of its name; says what is allowed.
    """
    kind, _, number = name.partition(":")
    if kind not in KINDS:
        raise ValueError(f"KIND:NUMBER, the kind one of {', '.join(KINDS)}")
    try:
        threshold = Decimal(number)
    except InvalidOperation:
        threshold = Decimal(0)
    least = 1 if kind == "tick" else (2 if kind in COUNTED else 0)
    if not threshold.is_finite() or not 0 < threshold <= THRESHOLD_MAX or threshold < least:
        raise ValueError(f"{kind}:NUMBER, the number above 0 and at most {THRESHOLD_MAX:f}, of ticks at least {least}")
    if kind in COUNTED and threshold != threshold.to_integral_value():
        raise ValueError(f"{kind}:NUMBER, a whole number of ticks")
    plain = f"{threshold.normalize():f}"
    if number != plain:
        raise ValueError(f"spelt {kind}:{plain}")
    return ActivityBar(kind, float(threshold), name)


def is_activity(tf: str) -> bool:
    """Return whether a timeframe is the name of an activity bar."""
    try:
        parse_activity(tf)
    except ValueError:
        return False
    return True
