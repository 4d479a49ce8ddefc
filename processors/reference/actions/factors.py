"""Point-in-time adjustment factors of one symbol, in one of the two conventions that vendors use.

    previous_close   (1 - d / close[e-1]) / shares    LEAN, CRSP: the dividend is reinvested at the close before
    ex_close         close[e] / (close[e] + d) / shares    Alpha Vantage, Quandl WIKI: at the close of the ex-date

They differ by about d/close times the move of the ex-date: some basis points a dividend, more for a spin-off booked as
one. Never mix them in one series. ``previous_close`` is known before the ex-date opens; ``ex_close`` only at its close.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from processors.errors import ConfigError
from processors.reference.actions import kernel as k
from processors.reference.actions.events import SUCCESSOR_KINDS, Action, revisions

Convention = Literal["previous_close", "ex_close"]
CONVENTIONS: dict[str, int] = {"previous_close": k.PREVIOUS_CLOSE, "ex_close": k.EX_CLOSE}

FOREVER_NS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Closes:
    """Raw daily closes of one symbol, ascending by day.

    Parameters
    ----------
    day
        Shape (n,): session date, days since the epoch.
    known_ns
        Shape (n,): when the close was known, ns since the epoch UTC.
    close
        Shape (n,): raw close, price units.
    """

    day: k.I64
    known_ns: k.I64
    close: k.F64


@dataclass(frozen=True, slots=True)
class FactorTable:
    """Factors of one symbol with the time in which each stands, ascending by ex-day.

    Parameters
    ----------
    convention
        How the price factors were computed.
    ex_day
        Shape (m,): days since the epoch. A factor belongs to every row before it.
    price, shares
        Shape (m,): prices before the ex-day times ``price``, volumes times ``shares``.
    known_ns, until_ns
        Shape (m,): the factor counts for an as-of time in [known_ns, until_ns).
    """

    convention: Convention
    ex_day: k.I64
    price: k.F64
    shares: k.F64
    known_ns: k.I64
    until_ns: k.I64


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def factor_table(actions: Iterable[Action], closes: Closes, convention: Convention) -> FactorTable:
    """Return the factors of all revisions of the actions, each with the time in which it stands.

    A factor is known when both its announcement and its reference close are. An action whose reference close is not
    in ``closes`` has no factor: before the first close there is nothing to adjust, after the last nothing has happened.

    Raises
    ------
    ConfigError
        Days out of order, an unknown convention, or a value above the close that it was paid out of.
    """
    if convention not in CONVENTIONS:
        raise ConfigError("factor_table", "convention", convention, f"one of {', '.join(CONVENTIONS)}")
    if np.any(np.diff(closes.day) <= 0):
        at = int(np.argmax(np.diff(closes.day) <= 0)) + 1
        raise ConfigError("factor_table", "day", int(closes.day[at]), "one close a day, ascending")
    rows = []
    for action, end_ns in revisions(actions):
        if action.kind in SUCCESSOR_KINDS:
            continue
        ex_day = day_number(action.ex_date)
        at = int(np.searchsorted(closes.day, ex_day))
        if at == 0 or at == len(closes.day):
            continue
        reference = at - 1 if convention == "previous_close" else at
        factor = k.event_factor(
            CONVENTIONS[convention], action.value_out, action.shares_after, float(closes.close[reference])
        )
        if not 0.0 < factor < np.inf:
            raise ConfigError(
                f"{action.action_id} {action.ex_date}", "amount", action.amount,
                f"below the close {closes.close[reference]:g} that it is paid out of ({convention}); a spin-off is "
                "booked with its value a share of the parent",
            )  # fmt: skip
        known = max(action.known_ns, int(closes.known_ns[reference]))
        rows.append((ex_day, factor, action.shares_after, known, FOREVER_NS if end_ns is None else end_ns))
    rows.sort(key=lambda r: (r[0], r[3]))
    ex, price, shares, known_ns, until = zip(*rows, strict=True) if rows else ((),) * 5
    return FactorTable(
        convention, np.array(ex, np.int64), np.array(price, np.float64), np.array(shares, np.float64),
        np.array(known_ns, np.int64), np.array(until, np.int64),
    )  # fmt: skip
