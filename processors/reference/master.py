"""The security master: what a symbol was at one instant, as it was known at another.

    at      2008-09-25           2009-08-04
    WM:US   |-- Washington Mutual --|   |-- Waste Management -->     (before, WMI:US)

A record holds over a span of event time and is known from a time on. Of what was known, a record of the same span that
is known later replaces the one before, and where two spans still overlap the later known one holds.
"""

import os
from bisect import bisect_right
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np

from processors.errors import ConfigError
from processors.reference.load import load
from processors.reference.records import FOREVER_NS, Security
from processors.reference.symbols import FAR, SymbolMap
from processors.reference.together import Placed, held, replaced
from processors.reference.values import local_date
from schemas import instruments as kernel_instruments
from schemas.instruments import Instrument, Instruments

SHIPPED = Path(kernel_instruments.__file__).parent / "reference" / "securities.csv"
"""The instruments of ``instruments.csv``, with what kernels do not need: ISIN, market, contract month and dates."""


class Master:
    """All securities that are known, asked by symbol or permanent id.

    Parameters
    ----------
    records
        In any order, with every revision.
    """

    def __init__(self, records: Iterable[Security]) -> None:
        self.records: list[Security] = sorted(records, key=lambda s: (s.security_id, s.ts_known, s.valid_from))
        self._of_security: dict[str, list[Security]] = {}
        self._of_symbol: dict[str, list[str]] = {}
        for s in self.records:
            self._of_security.setdefault(s.security_id, []).append(s)
            ids = self._of_symbol.setdefault(s.symbol_id, [])
            if s.security_id not in ids:
                ids.append(s.security_id)

    def __len__(self) -> int:
        """Return the number of securities."""
        return len(self._of_security)

    @property
    def symbol_ids(self) -> list[str]:
        """All symbols that any security ever had."""
        return sorted(self._of_symbol)

    def security(self, security_id: str, at_ns: int, known_ns: int = FOREVER_NS) -> Security | None:
        """Return what a security was at ``at_ns`` as known at ``known_ns``; None where it did not trade or exist."""
        known = [s for s in self._of_security.get(security_id, ()) if s.ts_known <= known_ns]
        holding = [s for s in replaced(known, _itself) if s.holds(at_ns)]
        return holding[-1] if holding else None

    def as_of(self, name: str, at_ns: int, known_ns: int = FOREVER_NS) -> Security | None:
        """Return the security that a symbol named at ``at_ns``, as known at ``known_ns``.

        Parameters
        ----------
        name
            A symbol_id, or else a security_id.

        Returns
        -------
        The record that held, or None where no security was known under that name at that time.
        """
        found = [self.security(i, at_ns, known_ns) for i in self._of_symbol.get(name, ())]
        named = [s for s in found if s is not None and s.symbol_id == name]
        if named:
            # Two only before a correction was known: the later known one, and the order of ids decides at last.
            return max(named, key=lambda s: (s.ts_known, s.valid_from, s.security_id))
        return self.security(name, at_ns, known_ns)

    def history(self, name: str) -> list[Security]:
        """Return every record of every security that ever had a symbol, or of the one with that id."""
        ids = self._of_symbol.get(name, [name])
        return [s for i in ids for s in self._of_security.get(i, ())]

    def universe(self, at_ns: int, known_ns: int = FOREVER_NS) -> list[Security]:
        """Return what traded at ``at_ns``, as known at ``known_ns``, in the order of the permanent ids.

        Those that were delisted later are in it: a universe without them survives by hindsight.
        """
        found = (self.security(i, at_ns, known_ns) for i in self._of_security)
        return [s for s in found if s is not None]

    def contracts(self, root: str, at_ns: int, known_ns: int = FOREVER_NS) -> list[Security]:
        """Return the contracts of a root that traded at ``at_ns``, the first to expire first."""
        of_root = [s for s in self.universe(at_ns, known_ns) if s.root == root]
        return sorted(of_root, key=lambda s: (s.last_trade or FOREVER_NS, s.contract_month, s.symbol_id))

    def instruments(self, at_ns: int = FOREVER_NS - 1, known_ns: int = FOREVER_NS) -> Instruments:
        """Return the universe as kernels take it; indexes are not traded, so not in it."""
        return _instruments(self.universe(at_ns, known_ns))

    def listing(self, known_ns: int = FOREVER_NS) -> Instruments:
        """Return every symbol that a tick of any time may have, as it was at its last: the list of the stages.

        Delisted securities and former tickers are in it, so that recordings of their time are read. It is not point in
        time: a tick size that changed is the newest at all times, and of a ticker that went from one security to
        another the later one counts.
        """
        last: dict[str, tuple[int, Security]] = {}
        for span in held(Placed(s, "", 0) for s in self.records if s.ts_known <= known_ns):
            s = span.security
            if s.symbol_id not in last or span.begin >= last[s.symbol_id][0]:
                last[s.symbol_id] = span.begin, s
        return _instruments(last[symbol_id][1] for symbol_id in sorted(last))

    def roll_rules(self, known_ns: int = FOREVER_NS) -> dict[str, str]:
        """Return the roll rules of each contract that has some, as they were known last."""
        ordered = sorted(self.records, key=lambda s: (s.ts_known, s.valid_from))
        return {s.symbol_id: s.roll_rules for s in ordered if s.roll_rules and s.ts_known <= known_ns}

    def symbols(self, known_ns: int = FOREVER_NS) -> SymbolMap:
        """Return the tickers of every security by date, in the dates of its exchange, as known at ``known_ns``."""
        rows: dict[str, list[tuple[date, str]]] = {}
        for span in held(Placed(s, "", 0) for s in self.records if s.ts_known <= known_ns):
            s = span.security
            changes = rows.setdefault(s.security_id, [])
            if not changes:
                changes.append((local_date(span.begin, s.time_zone), s.symbol))
            # A span ends before its end: midnight belongs to the next day.
            last = FAR if span.end == FOREVER_NS else local_date(span.end - 1, s.time_zone)
            if len(changes) > 1 and changes[-1][1] == s.symbol:
                changes.pop()
            changes.append((last, s.symbol))
        return SymbolMap(rows)


def _instruments(securities: Iterable[Security]) -> Instruments:
    return Instruments([
        Instrument(
            s.symbol_id, s.asset_class, s.price_basis, s.tick_size, s.lot_size, s.multiplier, s.currency,
            s.session_calendar, s.partition_key,
        )
        for s in securities
        if s.asset_class in kernel_instruments.ASSET_CLASSES
    ])  # fmt: skip


def beside_list(securities: Iterable[Security]) -> Master:
    """Return the master of what was imported, and of the list of instruments where a symbol was not.

    What is imported of a symbol is all that is known of it.
    """
    imported = list(securities)
    symbols = {s.symbol_id for s in imported}
    return Master([*(s for s in default_master().records if s.symbol_id not in symbols), *imported])


def _itself(s: Security) -> Security:
    return s


def master_of(paths: Iterable[Path]) -> Master:
    """Return the master of some files.

    Raises
    ------
    ConfigError
        A file is wrong; names row and column.
    """
    return Master(load(paths).securities)


@cache
def default_master() -> Master:
    """Return the master of ``MPS_INSTRUMENTS``, or of the list that is shipped: both hold at all times."""
    return master_of([Path(os.environ.get("MPS_INSTRUMENTS", SHIPPED))])


def security_or_refuse(master: Master, name: str, at_ns: int, known_ns: int = FOREVER_NS) -> Security:
    """Return the security of a symbol at a time.

    Raises
    ------
    ConfigError
        There was none; says when there is one.
    """
    found = master.as_of(name, at_ns, known_ns)
    if found is not None:
        return found
    at = np.datetime64(at_ns, "ns").astype("datetime64[s]") if at_ns < FOREVER_NS - 1 else "the end"
    spans = [f"{s.security_id} from {np.datetime64(s.valid_from, 'ns').astype('datetime64[D]')}"
             for s in master.history(name)]  # fmt: skip
    near = master.symbol_ids[max(0, bisect_right(master.symbol_ids, name) - 2) :][:4]
    remedy = f"it was {', '.join(spans)}" if spans else f"a symbol such as {', '.join(near) or '(none is loaded)'}"
    raise ConfigError("reference", f"symbol at {at}", name, remedy)
