"""Daily closes of one symbol as traded and adjusted, as known at a time: what ``mps reference adjusted`` shows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from processors.reference.actions import kernel as k
from processors.reference.actions.events import Action
from processors.reference.actions.factors import Closes, Convention, factor_table
from processors.reference.actions.views import factors_as_of


@dataclass(frozen=True, slots=True)
class AdjustedDays:
    """Closes known at a time, ascending by day.

    Parameters
    ----------
    day
        Shape (n,): session date, days since the epoch.
    close, adjusted
        Shape (n,): as traded, and in shares and money of the last day, price units.
    price_factor, share_factor
        Shape (n,): ``adjusted`` over ``close``, and what a volume of the day is multiplied by.
    """

    day: k.I64
    close: k.F64
    adjusted: k.F64
    price_factor: k.F64
    share_factor: k.F64


def adjusted_days(closes: Closes, actions: Iterable[Action], convention: Convention, as_of_ns: int) -> AdjustedDays:
    """Return the closes known at a time, adjusted by what was known then; before any close, none.

    Raises
    ------
    ConfigError
        Days out of order, an unknown convention, or a value above the close that it was paid out of.
    """
    table = factor_table(actions, closes, convention)
    seen = int(np.searchsorted(closes.known_ns, as_of_ns, side="right"))
    day, close = closes.day[:seen], closes.close[:seen]
    price, shares = factors_as_of(day, table, as_of_ns)
    return AdjustedDays(day, close, close * price, price, shares)
