"""Walk forward by calendar periods: months, quarters, third Fridays, or whatever pandas can name."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd

from offline.validation.split import I64, Split, at_least, span
from processors.errors import ConfigError

Offset: TypeAlias = pd.offsets.BaseOffset | dt.timedelta


@dataclass(frozen=True, slots=True)
class PeriodWalkForward:
    """Windows whose borders are the starts of calendar periods.

    Parameters
    ----------
    test_size
        Periods.
    train_size
        Periods; or a span of time, which reaches back from the start of each test window.
    freq
        Name or offset of pandas that the periods begin at: ``MS``, ``WOM-3FRI``, ``pd.offsets.Week(weekday=4)``.
    freq_offset
        Moves every border.
    previous
        A border that is no row is the row before; else the row behind.
    expand_train, reduce_test
        As in ``WalkForward``; a last test window that no period closes counts as a short one.
    purged_size, embargo_size
        Rows left out at the end of each training window.

    Raises
    ------
    ConfigError
        A size is out of range, or there is no such frequency.

    Notes
    -----
    Equal to ``WalkForward`` of skfolio with ``freq``, but for two cases. With a ``train_size`` that is a span of time
    it takes ``purged_size`` off the end of the test window and leaves the training window touching it; here the
    training window is purged always. A border that lies beyond the rows is no border here; there it is row -1.
    """

    test_size: int
    train_size: int | Offset
    freq: str | pd.offsets.BaseOffset
    freq_offset: Offset | None = None
    previous: bool = False
    expand_train: bool = False
    reduce_test: bool = False
    purged_size: int = 0
    embargo_size: int = 0

    def __post_init__(self) -> None:
        """Check sizes and frequency."""
        at_least("walk forward", 1, test_size=self.test_size)
        at_least("walk forward", 0, purged_size=self.purged_size, embargo_size=self.embargo_size)
        if not isinstance(self.train_size, pd.offsets.BaseOffset | dt.timedelta):
            at_least("walk forward", 1, train_size=self.train_size)
        try:
            pd.tseries.frequencies.to_offset(self.freq)
        except ValueError as error:
            raise ConfigError("walk forward", "freq", self.freq, "a frequency of pandas") from error

    def split(self, days: pd.DatetimeIndex) -> Iterator[Split]:
        """Yield the splits of rows at these times, earliest first; none where no period fits.

        Parameters
        ----------
        days
            Shape (n,), ascending, each once.

        Raises
        ------
        ConfigError
            The times are not ascending.
        """
        if not (days.is_monotonic_increasing and days.is_unique):
            raise ConfigError("walk forward", "times of the rows", "unordered", "ascending, each once")
        if len(days) == 0:
            return
        dates = self._dates(days)
        border = self._border(days, dates)
        known = border >= 0
        starts = self._train_starts(days, dates[known])
        border = border[known]
        first = 0
        # Before the span of time begins, there is nothing to train on.
        while first < len(starts) and starts[first] < 0:
            first += 1
        gap = self.purged_size + self.embargo_size
        for at in range(first, len(starts), self.test_size):
            start, test_from = int(starts[at]), int(border[at + self._shift])
            closed = at + self._shift + self.test_size < len(border)
            if not closed and not self.reduce_test:
                return
            test_to = int(border[at + self._shift + self.test_size]) if closed else len(days)
            train = span(0 if self.expand_train else start, test_from - gap)
            yield Split(train, (span(test_from, test_to),))

    @property
    def _shift(self) -> int:
        """Periods from the start of a training window to that of its test window; 0 where it is a span of time."""
        return int(self.train_size) if isinstance(self.train_size, int | np.integer) else 0

    def _dates(self, days: pd.DatetimeIndex) -> pd.DatetimeIndex:
        start = days[0]
        if self.freq_offset is not None:
            start = min(start, start - cast("Any", self.freq_offset))
        dates = pd.date_range(start, days[-1], freq=self.freq)
        if self.freq_offset is None or len(dates) == 0:
            return dates
        return pd.DatetimeIndex([date + cast("Any", self.freq_offset) for date in dates])

    def _border(self, days: pd.DatetimeIndex, dates: pd.DatetimeIndex) -> I64:
        """Return the row at each date; -1 where it lies beyond the rows."""
        if self.previous:
            return np.asarray(days.searchsorted(dates, side="right"), np.int64) - 1
        at = np.asarray(days.searchsorted(dates, side="left"), np.int64)
        return np.where(at < len(days), at, -1)

    def _train_starts(self, days: pd.DatetimeIndex, dates: pd.DatetimeIndex) -> I64:
        """Return the first training row of each possible test window; -1 where there is none."""
        if self._shift:
            border = self._border(days, dates)
            return border[: max(len(border) - self._shift, 0)]
        back = pd.DatetimeIndex([date - cast("Any", self.train_size) for date in dates])
        return np.asarray(days.searchsorted(back, side="right"), np.int64) - 1
