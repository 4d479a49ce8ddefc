"""A vendor's raw and adjusted prices against ours, in whichever of the two conventions the vendor keeps.

A table fits one convention wholly, or it fails: each row is judged by the convention that misses fewest of them, and
one more case says which that is. Called by the check of ``corporate_actions``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

import numpy as np

from processors.errors import PlatformError
from processors.reference.actions import kernel as k
from processors.reference.actions.events import Action, Kind
from processors.reference.actions.factors import CONVENTIONS, Closes, Convention, factor_table
from processors.reference.actions.views import Rows, adjusted_as_of
from tests.conformance.case import Case

RELATIVE = 1e-9
NS_A_DAY = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Adjusted:
    """One symbol of a table, ascending by day.

    Parameters
    ----------
    symbol
        As the table names it.
    days
        Shape (n,): ISO dates.
    price, told
        Shape (n, p): raw and adjusted prices, the close in the last column.
    volume, told_volume
        Shape (n,): raw and adjusted shares; the second is None where the table does not adjust them.
    cash, split
        Shape (n,): money a share with that ex-date (0: none), shares after for each before (1: none).
    from_last
        Whether the told prices hold later events too, so that only their ratio to the last row is told.
    """

    symbol: str
    days: Sequence[str]
    price: k.F64
    told: k.F64
    volume: k.F64
    told_volume: k.F64 | None
    cash: k.F64
    split: k.F64
    from_last: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far our prices and volumes of one symbol are from the told ones, by row; infinite where we have none."""

    price_off: k.F64
    volume_off: k.F64
    why: str = ""

    @property
    def missed(self) -> np.ndarray:
        """Return which rows are not the told ones."""
        return ~((self.price_off <= RELATIVE) & (self.volume_off <= RELATIVE))


def actions_of(symbol: str, days: Sequence[str], cash: k.F64, split: k.F64) -> list[Action]:
    """Return the actions of a vendor's daily rows; without announcements, known the day before."""
    out = []
    for day, d, s in zip(days, cash, split, strict=True):
        ex = date.fromisoformat(day)
        known_ns = (ex.toordinal() - date(1970, 1, 1).toordinal() - 1) * NS_A_DAY
        if s != 1.0:
            out.append(Action(f"{symbol}:{ex}:split", symbol, Kind.SPLIT, ex, known_ns, ratio=float(s)))
        if d != 0.0:
            out.append(Action(f"{symbol}:{ex}:cash", symbol, Kind.CASH_DIVIDEND, ex, known_ns, amount=float(d)))
    return out


def ours(one: Adjusted, convention: Convention) -> Rows:
    """Return our adjusted view of a symbol as of its last row."""
    day = np.array(one.days, "datetime64[D]").astype(np.int64)
    known_ns = (day + 1) * NS_A_DAY
    actions = actions_of(one.symbol, one.days, one.cash, one.split)
    table = factor_table(actions, Closes(day, known_ns, one.price[:, -1]), convention)
    return adjusted_as_of(Rows(day, known_ns, one.price, one.volume), table, int(known_ns[-1]))


def verdict(one: Adjusted, convention: Convention) -> Verdict:
    """Return how far we are from a symbol's told prices in one convention."""
    try:
        got = ours(one, convention)
    except PlatformError as error:
        nowhere = np.full(len(one.days), np.inf)
        return Verdict(nowhere, nowhere, str(error))
    scale = (got.price[-1, -1], one.told[-1, -1]) if one.from_last else (1.0, 1.0)
    price_off = np.max(np.abs(got.price / scale[0] / (one.told / scale[1]) - 1), axis=1)
    volume_off = np.zeros(len(one.days))
    if one.told_volume is not None:
        shares = one.volume[-1] / one.told_volume[-1] if one.told_volume[-1] else 1.0
        volume_off = np.abs(got.volume - one.told_volume * shares) / np.maximum(got.volume, 1.0)
    return Verdict(price_off, volume_off)


def judged(kind: str, name: str, series: Sequence[Adjusted]) -> Iterator[Case]:
    """Yield a case for each row of a table, and one that says which convention it keeps."""
    names = [cast("Convention", c) for c in CONVENTIONS]
    found = {c: [verdict(one, c) for one in series] for c in names}
    misses = {c: sum(int(v.missed.sum()) for v in found[c]) for c in names}
    best = min(names, key=misses.__getitem__)
    for one, v in zip(series, found[best], strict=True):
        for i, (day, missed) in enumerate(zip(one.days, v.missed, strict=True)):
            detail = ""
            if missed:
                detail = v.why or f"prices off by {v.price_off[i]:g}, volume by {v.volume_off[i]:g} ({best})"
            yield Case(kind, f"{name}:{one.symbol}:{day}", not missed, detail)
    n = sum(len(one.days) for one in series)
    fits = [c for c in names if not misses[c]]
    detail = f"all {n} rows fit {' and '.join(fits)}" if fits else f"{n} rows fit neither convention wholly"
    detail += "".join(f"; {c} misses {misses[c]}" for c in names if misses[c])
    yield Case(kind, f"{name}: convention", bool(fits), detail, is_news=True)


def worst(one: Adjusted, convention: Convention) -> float:
    """Return the largest relative difference from the told closes, of factors without judgement of their sign."""
    close = one.price[:, -1]
    reference = close[1:] if convention == "ex_close" else close[:-1]
    steps = zip(one.cash[1:], one.split[1:], reference, strict=True)
    factors = np.array([k.event_factor(CONVENTIONS[convention], d, s, c) for d, s, c in steps])
    day, out = np.arange(len(close)), np.empty(len(close))
    k.cumulate(day, day[1:], factors, np.ones(len(factors), np.bool_), out)
    return float(np.max(np.abs(close * out / one.told[:, -1] - 1)))
