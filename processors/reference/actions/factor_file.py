"""Factor files as LEAN writes them: convention ``previous_close``, numbers rounded to seven digits.

    20180510,0.9961585,1,190.03     holds for days after the row before, up to and including 2018-05-10
    20501231,1,1,0                  the last row: now

A row stands on the last session before its event. The price factor is that of dividends, the split factor that of
splits; a price is scaled by their product. Format: QuantConnect LEAN documentation, "factor files" (Apache-2.0).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from processors.errors import ConfigError

PLACES = 7
"""Digits after the point of a factor in the files."""

_QUANTUM = Decimal(1).scaleb(-PLACES)


@dataclass(frozen=True, slots=True)
class FactorRow:
    """One line: factors of the days up to and including ``day``.

    Parameters
    ----------
    day
        Last session before the event, or the far end of the file.
    price_factor, split_factor
        Cumulated over all later events, dimensionless.
    reference_price
        Raw close of ``day``; 0 where there is none.
    """

    day: date
    price_factor: Decimal
    split_factor: Decimal
    reference_price: Decimal = Decimal(0)

    @property
    def scale(self) -> Decimal:
        """What a raw price of these days is multiplied by."""
        return self.price_factor * self.split_factor

    def line(self) -> str:
        """Return the row as the file writes it."""
        numbers = (self.price_factor, self.split_factor, self.reference_price)
        return ",".join([f"{self.day:%Y%m%d}", *(_plain(x) for x in numbers)])


def _plain(x: Decimal) -> str:
    text = f"{x:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rounded(x: Decimal) -> Decimal:
    return x.quantize(_QUANTUM, rounding=ROUND_HALF_EVEN)


def with_dividend(row: FactorRow, amount: Decimal, close_before: Decimal) -> FactorRow:
    """Return a row after one more dividend: its price factor times 1 - amount / close, rounded.

    Raises
    ------
    ConfigError
        The dividend is not below the close before it.
    """
    if not 0 < amount < close_before:
        raise ConfigError(f"factor row {row.day}", "dividend", amount, f"above 0 and below the close {close_before}")
    factor = _rounded(row.price_factor * (1 - amount / close_before))
    return FactorRow(row.day, factor, row.split_factor, row.reference_price)


def with_split(row: FactorRow, shares_after: Decimal) -> FactorRow:
    """Return a row after one more split: its split factor over the shares after for each before, rounded.

    Raises
    ------
    ConfigError
        The number of shares is not positive.
    """
    if not shares_after > 0:
        raise ConfigError(f"factor row {row.day}", "split", shares_after, "a positive number of shares")
    return FactorRow(row.day, row.price_factor, _rounded(row.split_factor / shares_after), row.reference_price)


class FactorFile:
    """The rows of one symbol, ascending by day.

    Parameters
    ----------
    rows
        At least one; in any order.
    minimum_day
        Day before which the factors are unknown, or None.
    """

    def __init__(self, rows: Iterable[FactorRow], minimum_day: date | None = None) -> None:
        self.rows = sorted(rows, key=lambda r: r.day)
        self.minimum_day = minimum_day
        if not self.rows:
            raise ConfigError("factor file", "rows", 0, "at least the last row")

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "FactorFile":
        """Return the file of some lines ``yyyymmdd,price_factor,split_factor[,reference_price]``.

        A factor with an exponent has lost digits (1.6e+06 for 1562500): its row, and all before it, are unknown.
        Rows of factor 0 are left out.

        Raises
        ------
        ConfigError
            A line that is no row, with its number.
        """
        rows, lossy = [], False
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            cells = line.strip().split(",")
            if any("inf" in c or "e+" in c for c in cells):
                lossy = True
                continue
            row = _row(cells, number)
            if row.scale > 0:
                rows.append(row)
        unknown_to = min(r.day for r in rows) - timedelta(days=1) if lossy and rows else None
        return cls(rows, unknown_to)

    def row_at(self, day: date) -> FactorRow:
        """Return the row that holds on a day; after the last row the last."""
        return next((r for r in self.rows if day <= r.day), self.rows[-1])

    def scale(self, day: date) -> Decimal:
        """Return what a raw price of a day is multiplied by."""
        return self.row_at(day).scale

    def dividend_ratio(self, day: date) -> Decimal | None:
        """Return 1 - dividend / close where the next session after a day is an ex-date of cash, else None."""
        return self._ratio(day, "price_factor")

    def split_ratio(self, day: date) -> Decimal | None:
        """Return shares before for each after where the next session after a day has a split, else None."""
        return self._ratio(day, "split_factor")

    def _ratio(self, day: date, name: str) -> Decimal | None:
        at = next((i for i, r in enumerate(self.rows) if r.day == day), None)
        if at is None or at + 1 == len(self.rows):
            return None
        here, after = (Decimal(getattr(self.rows[i], name)) for i in (at, at + 1))
        return None if here == after else here / after

    def apply_dividend(self, last_day_before: date, amount: Decimal, close_before: Decimal) -> "FactorFile":
        """Return the file after one more dividend, on the session after ``last_day_before``."""
        return self._applied(last_day_before, close_before, lambda r: with_dividend(r, amount, close_before))

    def apply_split(self, last_day_before: date, shares_after: Decimal, close_before: Decimal) -> "FactorFile":
        """Return the file after one more split, on the session after ``last_day_before``."""
        return self._applied(last_day_before, close_before, lambda r: with_split(r, shares_after))

    def _applied(self, day: date, close: Decimal, change: Callable[[FactorRow], FactorRow]) -> "FactorFile":
        holds = self.row_at(day)
        event = change(FactorRow(day, holds.price_factor, holds.split_factor, close))
        earlier = [change(r) for r in self.rows if r.day < day]
        return FactorFile([*earlier, event, *(r for r in self.rows if r.day > day)], self.minimum_day)


def _row(cells: list[str], number: int) -> FactorRow:
    try:
        day = date(int(cells[0][:4]), int(cells[0][4:6]), int(cells[0][6:8]))
        numbers = [Decimal(c) for c in cells[1:4]]
    except (ValueError, ArithmeticError) as e:
        raise ConfigError("factor file", f"line {number}", ",".join(cells), "yyyymmdd and two or three numbers") from e
    if len(numbers) < 2 or not all(x.is_finite() and x >= 0 for x in numbers):
        raise ConfigError("factor file", f"line {number}", ",".join(cells), "two or three numbers, none negative")
    return FactorRow(day, *numbers)
