"""Open interest as it was known: from ``events.v1``, by contract and day, asked at the end of a day of bars.

It is an event of the contract with the name ``open_interest`` and its figure as the value. A figure counts from its
time of knowledge, until a later one is known or a week has passed. One that comes later than the days that should have
known it changes no roll that is out: rolls are equal in any order of the topics if figures are published before their
time of knowledge passes, as an import before a start is.
"""

from collections.abc import Sequence

import numpy as np

from processors.runtime.batch import F64, Columns
from processors.runtime.state import Table, TableSpec
from processors.runtime.strings import STRINGS
from processors.times import DAY_NS, LONG_AGO

NAME = "open_interest"
EVENTS = "events.v1"
PRINTS_MAX = 16
"""Figures kept of one contract and day, the last known ones: exchanges publish a preliminary one and a final one."""
AGE_DAYS = 7
"""An older figure is none: longer than any holiday."""

INTEREST = TableSpec(
    "interest",
    np.array(
        (np.full(PRINTS_MAX, LONG_AGO), np.full(PRINTS_MAX, np.nan)),
        [("known_ns", "<i8", (PRINTS_MAX,)), ("value", "<f8", (PRINTS_MAX,))],
    ),
    2,
)
"""A row a contract and day (UTC, of knowledge): figures, ascending by time of knowledge, behind the empty ones."""


def add(table: Table, batch: Columns) -> int:
    """Keep the figures of a batch of ``events.v1``; return how many of its rows are one."""
    name = STRINGS.code(NAME)
    found = np.flatnonzero(np.asarray(batch["name"]) == name)
    for i in found.tolist():
        known = int(batch["ts_known"][i])
        slot = table.slot(int(batch["symbol_id"][i]), _day_code(known // DAY_NS))
        row = table.rows[slot]
        there = dict(zip(row["known_ns"].tolist(), row["value"].tolist(), strict=True))
        there[known] = float(batch["value"][i])
        last = sorted(there)[-PRINTS_MAX:]
        row["known_ns"], row["value"] = LONG_AGO, np.nan
        row["known_ns"][-len(last) :], row["value"][-len(last) :] = last, [there[at] for at in last]
        table.dirty[slot] = 1
    return len(found)


def known_at(table: Table, symbols: Sequence[str], at_ns: int) -> F64:
    """Return the newest figure of each contract that was known at a time, shape (n,); NaN where there is none."""
    out = np.full(len(symbols), np.nan)
    if len(table):
        days = [_day_code(at_ns // DAY_NS - back) for back in range(AGE_DAYS)]
        for i, symbol in enumerate(symbols):
            out[i] = _newest(table, STRINGS.code(symbol), days, at_ns)
    return out


def _newest(table: Table, symbol: int, days: Sequence[int], at_ns: int) -> float:
    for day in days:
        slot = table.find_one(symbol, day)
        if slot < 0:
            continue
        row = table.rows[slot]
        n = int(np.searchsorted(row["known_ns"], at_ns, side="right"))
        if n and row["known_ns"][n - 1] != LONG_AGO:
            return float(row["value"][n - 1])
    return float("nan")


def _day_code(day: int) -> int:
    return STRINGS.code(str(np.datetime64(day, "D")))
