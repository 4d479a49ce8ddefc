"""The instruments the platform knows: one row a symbol in ``reference/instruments.csv``.

A tick of a symbol that is not here goes to the dead letter. Add a row for your own data, or name another file in
``MPS_INSTRUMENTS``: ``mps reference export`` writes one of what was imported to ``reference.v1``. With
``MPS_REFERENCE=topic`` the commands that start stages and feeds do that by themselves
(``processors/reference/in_use.py``).
"""

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from processors.runtime.strings import STRINGS

COLUMNS = (
    "symbol_id", "asset_class", "price_basis", "tick_size", "lot_size", "multiplier", "currency", "calendar",
    "partition_key",
)  # fmt: skip
"""Of the file, in its order: the fields of ``Instrument``."""
ASSET_CLASSES = ("fx", "metal", "crypto", "equity", "future")
PRICE_BASES = ("trade", "quote")


@dataclass(frozen=True, slots=True)
class Instrument:
    """What does not change from tick to tick.

    Parameters
    ----------
    symbol_id
        For example ``EURUSD:FX``, ``AIG:US``, ``GCZ13:CMX``.
    asset_class
        One of ``ASSET_CLASSES``: thresholds of staleness depend on it.
    price_basis
        What forms its bars: ``trade``, or ``quote`` (mids) where no trades are published.
    tick_size
        Smallest price step, price units.
    lot_size
        Smallest tradable size, base units.
    multiplier
        Money a price unit of one contract is worth, in ``currency``.
    calendar
        Name of its sessions in ``processors.sessions``.
    partition_key
        The symbol itself, or the root of a futures contract.
    """

    symbol_id: str
    asset_class: str
    price_basis: str
    tick_size: float
    lot_size: float
    multiplier: float
    currency: str
    calendar: str
    partition_key: str


class Instruments:
    """All instruments, by symbol and as arrays for kernels.

    Arrays have shape (n_instruments,), in the order of the file; ``row_of`` gives the position of a symbol.
    """

    def __init__(self, rows: list[Instrument]) -> None:
        self.rows = rows
        self.by_symbol = {r.symbol_id: i for i, r in enumerate(rows)}
        self.calendars = tuple(dict.fromkeys(r.calendar for r in rows))
        self.tick_size = np.array([r.tick_size for r in rows])
        self.asset_class = np.array([ASSET_CLASSES.index(r.asset_class) for r in rows], np.int64)
        self.price_basis = np.array([PRICE_BASES.index(r.price_basis) for r in rows], np.int64)
        self.calendar = np.array([self.calendars.index(r.calendar) for r in rows], np.int64)
        self._row_of_code = np.full(1024, -2, np.int64)

    def row_of(self, symbol_codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the position of each symbol (given as string codes), -1 where it is unknown."""
        if len(symbol_codes) and symbol_codes.max() >= len(self._row_of_code):
            grown = np.full(2 * int(symbol_codes.max()) + 1, -2, np.int64)
            grown[: len(self._row_of_code)] = self._row_of_code
            self._row_of_code = grown
        out = self._row_of_code[symbol_codes]
        if (out == -2).any():
            for code in np.unique(symbol_codes[out == -2]):
                self._row_of_code[code] = self.by_symbol.get(STRINGS.text(int(code)), -1)
            out = self._row_of_code[symbol_codes]
        return out


def read_instruments(path: Path) -> Instruments:
    """Return the instruments of a CSV file.

    Raises
    ------
    ConfigError
        The file is missing or a row is wrong: names the file, line and column.
    """
    if not path.is_file():
        raise ConfigError(str(path), "file", "missing", "name an instruments CSV in MPS_INSTRUMENTS; `mps "
                          "reference export FILE` writes one of what was imported")  # fmt: skip
    rows = []
    with path.open(newline="") as f:
        for line, raw in enumerate(csv.DictReader(f), start=2):
            rows.append(_instrument(raw, f"{path}:{line}"))
    symbols = [r.symbol_id for r in rows]
    for symbol in symbols:
        if symbols.count(symbol) > 1:
            raise ConfigError(str(path), "symbol_id", symbol, "each symbol once")
    return Instruments(rows)


def _instrument(raw: dict[str, str], where: str) -> Instrument:
    for key, allowed in (("asset_class", ASSET_CLASSES), ("price_basis", PRICE_BASES)):
        if raw.get(key) not in allowed:
            raise ConfigError(where, key, raw.get(key), f"one of {', '.join(allowed)}")
    numbers = {}
    for key in ("tick_size", "lot_size", "multiplier"):
        try:
            numbers[key] = float(raw[key])
        except (KeyError, TypeError, ValueError):
            raise ConfigError(where, key, raw.get(key), "a positive number") from None
        if not 0 < numbers[key] < float("inf"):
            raise ConfigError(where, key, raw[key], "a positive number")
    for key in ("symbol_id", "currency", "calendar"):
        if not raw.get(key):
            raise ConfigError(where, key, raw.get(key), "must not be empty")
    return Instrument(
        raw["symbol_id"], raw["asset_class"], raw["price_basis"], numbers["tick_size"], numbers["lot_size"],
        numbers["multiplier"], raw["currency"], raw["calendar"], raw.get("partition_key") or raw["symbol_id"],
    )  # fmt: skip


def instruments_csv(instruments: Instruments, roll_rules: Mapping[str, str] | None = None) -> str:
    """Return the text of a file that ``read_instruments`` reads as these instruments.

    Parameters
    ----------
    roll_rules
        Symbol -> rules of a contract, a column more, which the rolls stage reads.
    """
    out = io.StringIO()
    # The key of a symbol that is its own is left empty, as a file by hand does.
    rules = roll_rules or {}
    rows = (
        [*(getattr(r, name) for name in COLUMNS[:-1]), "" if r.partition_key == r.symbol_id else r.partition_key,
         rules.get(r.symbol_id, "")]
        for r in instruments.rows
    )  # fmt: skip
    csv.writer(out, lineterminator="\n").writerows([(*COLUMNS, "roll_rules"), *rows])
    return out.getvalue()


def instruments_file() -> Path:
    """Return the file in force: that of ``MPS_INSTRUMENTS``, or the one in this folder."""
    return Path(os.environ.get("MPS_INSTRUMENTS", Path(__file__).parent / "reference" / "instruments.csv"))


@cache
def load_instruments() -> Instruments:
    """Return the instruments of the file in force."""
    return read_instruments(instruments_file())


def partition_key(symbol_id: str) -> str:
    """Return the partition key of a symbol: itself, or the root of a known futures contract."""
    instruments = load_instruments()
    at = instruments.by_symbol.get(symbol_id)
    return symbol_id if at is None else instruments.rows[at].partition_key
