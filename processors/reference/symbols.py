"""Tickers over time: which security traded under a ticker on a date, and under which ticker a security trades.

A map has, for each security, its tickers with the last date of each; the first row is the date of listing. After the
date of the last row the security trades no more.

    googl   2004-08-19 GOOG   2014-04-02 GOOG   2050-12-31 GOOGL
    goog    2014-03-27 GOOCV  2014-04-02 GOOCV  2050-12-31 GOOG
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import pairwise

from processors.errors import ConfigError

FAR = date(2050, 12, 31)
"""Last date of a ticker that is in use: the convention of published map files."""


class SymbolMap:
    """Tickers of securities by date; dates are those of the exchange, both ends included.

    Parameters
    ----------
    rows
        Permanent id -> (last date, ticker), ascending; the first row is the date of listing with the first ticker.

    Raises
    ------
    ConfigError
        A security without rows or with dates out of order, or two securities with one ticker on one date.
    """

    def __init__(self, rows: Mapping[str, Iterable[tuple[date, str]]]) -> None:
        self._rows = {i: [(d, t.upper()) for d, t in changes] for i, changes in rows.items()}
        self._uses: dict[str, list[tuple[date, date, str]]] = {}
        for security_id, changes in self._rows.items():
            if not changes:
                raise ConfigError("symbol map", "rows", security_id, "at least the date of listing")
            for (before, _), (last, _) in pairwise(changes):
                if last < before:
                    raise ConfigError("symbol map", f"date of {security_id}", str(last), f"not before {before}")
            for first, last, ticker in _spans(changes):
                self._uses.setdefault(ticker, []).append((first, last, security_id))
        for ticker, uses in self._uses.items():
            uses.sort()
            for (_, last, one), (first, _, other) in pairwise(uses):
                if first <= last:
                    both = f"a date on which {one} does not trade under it"
                    raise ConfigError("symbol map", f"ticker {ticker} of {other}", str(first), both)

    @property
    def security_ids(self) -> list[str]:
        """All securities."""
        return list(self._rows)

    def listed(self, security_id: str) -> date:
        """Return the first date on which a security traded."""
        return self._rows[security_id][0][0]

    def delisted(self, security_id: str) -> date | None:
        """Return the last date on which a security traded; None while it does."""
        last = self._rows[security_id][-1][0]
        return None if last >= FAR else last

    def ticker(self, security_id: str, on: date) -> str | None:
        """Return the ticker of a security on a date; None before its listing and after its delisting."""
        changes = self._rows.get(security_id)
        if changes is None or on < changes[0][0]:
            return None
        at = bisect_left(changes, on, key=lambda row: row[0])
        return changes[at][1] if at < len(changes) else None

    def security(self, ticker: str, on: date, *, by_later_name: bool = False) -> str | None:
        """Return the security that traded under a ticker on a date, or None.

        Parameters
        ----------
        by_later_name
            Where nobody had the ticker, take the security that has it next, if it was listed by then: whoever names a
            security by today's ticker means it in the past too. Not for decisions of that date: nobody knew the name.
        """
        uses = self._uses.get(ticker.upper(), ())
        for first, last, security_id in uses:
            if on <= last:
                listed = by_later_name and self.listed(security_id) <= on
                return security_id if first <= on or listed else None
        return None


def _spans(changes: list[tuple[date, str]]) -> list[tuple[date, date, str]]:
    """Return first date, last date and ticker of each use, both included; neighbours of one ticker are one use."""
    out: list[tuple[date, date, str]] = []
    begin = changes[0][0]
    for last, ticker in changes[1:] or changes:
        if out and out[-1][2] == ticker:
            out[-1] = (out[-1][0], last, ticker)
        elif last >= begin:
            out.append((begin, last, ticker))
        begin = date.fromordinal(last.toordinal() + 1)
    return out
