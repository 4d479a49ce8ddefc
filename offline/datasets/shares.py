"""Closes in shares and money of the first row, by the corporate actions that were known at each row.

    close      100  102 | 14.6 15.0     7 for 1 on the third day
    as known   100  102 | 102.2 105     no move of the price, no label either

Called by ``labelling`` and ``offline.dataset``; the arithmetic is that of ``processors.reference.actions``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from processors.featurize.config import FeaturizeConfig
from processors.reference.actions.events import Action, known_at
from processors.reference.actions.factors import FOREVER_NS, Closes, Convention, factor_table
from processors.reference.actions.views import returns_as_known
from processors.reference.announced import actions_of
from processors.reference.load import load
from processors.reference.records import MarketEvent
from processors.sessions import calendar_zone
from processors.times import DAY_NS
from schemas.instruments import load_instruments

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

CONVENTION: Convention = "previous_close"
"""A dividend is put back at the close before its ex-date: known before the ex-date opens, so no label waits for it."""
LEAST = 1e-12
"""A return that an action changes by less is rounding: the smallest dividends are some 1e-6 of a price."""
_ALWAYS_NS = -(2**62)


@dataclass(frozen=True, slots=True)
class AsKnown:
    """Closes of rows by symbol and time.

    Parameters
    ----------
    close
        Shape (n,): in shares and money of the symbol's first row; the very closes where no action is known.
    surprises
        Shape (n,): rows of the symbol up to each at which an action took effect that was not known then, or was called
        off later. A return over such a row is no return of the holder.
    """

    close: F64
    surprises: I64


def known_files() -> tuple[Path, ...]:
    """Return the files that ``MPS_FACTS`` names, which featurize reads too."""
    return tuple(map(Path, FeaturizeConfig.from_environment().facts_files))


def events_of(paths: Sequence[Path]) -> list[MarketEvent]:
    """Return the events of files; raises ConfigError or ReferenceFileError with all that is wrong in them."""
    return list(load(list(paths)).events) if paths else []


def actions_by_zone(events: Iterable[MarketEvent]) -> tuple[Action, ...]:
    """Return the corporate actions among events of instruments, their ex-dates in the zone of each one's exchange."""
    known = load_instruments()
    by_zone: dict[str, list[MarketEvent]] = {}
    for event in events:
        row = known.by_symbol.get(event.symbol_id)
        if row is not None:
            by_zone.setdefault(calendar_zone(known.rows[row].calendar), []).append(event)
    return tuple(a for zone, own in sorted(by_zone.items()) for a in actions_of(own, zone))


def closes_as_known(ts_ns: I64, symbol: I64, symbols: Sequence[str], close: F64, actions: Iterable[Action]) -> AsKnown:
    """Return the closes of rows with the actions that were known at each.

    Parameters
    ----------
    ts_ns, symbol, close
        Shape (n,): end of each bar, ascending within a symbol; position in ``symbols``, ascending; as traded.

    Raises
    ------
    ConfigError
        A dividend is above the close that it is paid out of.
    """
    found, surprises = close.copy(), np.zeros(len(close), np.int64)
    by_symbol: dict[str, list[Action]] = {}
    for action in actions:
        by_symbol.setdefault(action.symbol_id, []).append(action)
    known = load_instruments()
    for code, name in enumerate(symbols):
        begin, end = np.searchsorted(symbol, (code, code + 1))
        if name not in by_symbol or end - begin < 2:
            continue
        zone = calendar_zone(known.rows[known.by_symbol[name]].calendar)
        ts, own = ts_ns[begin:end], close[begin:end]
        day = _days(ts, zone)
        raw = np.diff(np.log(own))
        told = _returns(day, ts, own, by_symbol[name])
        # What is known today, as if it had been known always.
        stands = [replace(a, known_ns=_ALWAYS_NS) for a in known_at(by_symbol[name], FOREVER_NS - 1)]
        true = _returns(day, ts, own, stands)
        step = np.where(np.abs(told - raw) > LEAST, np.exp(told - raw), 1.0)
        found[begin + 1 : end] *= np.cumprod(step)
        surprises[begin + 1 : end] = np.cumsum(np.abs(true - told) > LEAST)
    return AsKnown(found, surprises)


def _returns(day: I64, ts: I64, close: F64, actions: list[Action]) -> F64:
    last = np.flatnonzero(np.r_[day[1:] != day[:-1], True])
    table = factor_table(actions, Closes(day[last], ts[last], close[last]), CONVENTION)
    return returns_as_known(day, ts, close, table)[1:]


def _days(ts_ns: I64, zone: str) -> I64:
    """Return the date of each bar in a zone, days since the epoch: a bar that ends at midnight is of the day before."""
    local = pd.DatetimeIndex(ts_ns - 1, tz="UTC").tz_convert(zone).tz_localize(None)
    found: I64 = local.as_unit("ns").asi8 // DAY_NS
    return found
