"""Splits of rows of many symbols: what judges is later for all of them, or is of other symbols."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.validation.leakage import purge
from offline.validation.split import I64, Split, Splitter, at_least

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows of many symbols, in any order.

    Parameters
    ----------
    ts_ns
        Shape (n,), event time of each row.
    end_ns
        Shape (n,), when its label is known, not before.
    symbol
        Shape (n,), equal for rows of one symbol.
    """

    ts_ns: I64
    end_ns: I64
    symbol: Codes


def split_panel(splitter: Splitter, panel: Panel, embargo_ns: int = 0) -> Iterator[Split]:
    """Yield the splits over the times of a panel, so that rows of one time stay together, whatever their symbol.

    Parameters
    ----------
    splitter
        Splits the different times as if they were rows.
    panel
        The rows.
    embargo_ns
        Time kept clear on both sides of a test window; training rows whose label overlaps it are taken out, of every
        symbol, since symbols move together.
    """
    times, at = np.unique(panel.ts_ns, return_inverse=True)
    for one in splitter.split(len(times)):
        tests = tuple(np.flatnonzero(np.isin(at, test)) for test in one.tests)
        chosen = Split(np.flatnonzero(np.isin(at, one.train)), tests)
        yield Split(purge(chosen.train, chosen.test, panel.ts_ns, panel.end_ns, embargo_ns), tests)


def split_symbols(splitter: Splitter, panel: Panel, n_groups: int, embargo_ns: int = 0) -> Iterator[Split]:
    """Yield each split over time once for each group of symbols: the group judges, the others train.

    Parameters
    ----------
    splitter, panel, embargo_ns
        See ``split_panel``.
    n_groups
        Symbols are dealt out in the order of their codes; at least 2.

    Raises
    ------
    ConfigError
        Fewer than 2 groups.
    """
    at_least("symbol groups", 2, n_groups=n_groups)
    _, rank = np.unique(panel.symbol, return_inverse=True)
    group = rank % n_groups
    for one in split_panel(splitter, panel, embargo_ns):
        for held in range(n_groups):
            tests = tuple(test[group[test] == held] for test in one.tests)
            if any(len(test) for test in tests):
                yield Split(one.train[group[one.train] != held], tests)
