"""What is known of vendors beforehand: one row a vendor, or a vendor's venue, in ``reference/vendors.csv``.

A vendor that is not here publishes its own market (coverage ``venue``), has one line, and stamps its events in time.
Everything else about a vendor (latency, uptime, reliability) is learned from its ticks. Name another file in
``MPS_VENDORS``.
"""

import csv
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from processors.errors import ConfigError
from processors.runtime.batch import I64
from processors.runtime.strings import STRINGS

COVERAGES = ("venue", "consolidated")
NUMBERINGS = ("sparse", "dense")
COLUMNS = ("vendor", "venue", "coverage", "line_of", "lag_ms", "corrections", "numbering")
ADDED = 2
"""Columns at the end that a file from before them may lack: each then has the first of its values."""
ANSWERS = ("no", "yes")
LAG_MS_MAX = 60_000.0
CLOCK_VENDOR = "replay"
"""Whoever publishes all ticks of a log in the order of their times, and so knows how far all feeds are. Its heartbeat,
a clock mark, says that no tick before its time comes any more: nobody is waited for then."""
ANY = "*"


@dataclass(frozen=True, slots=True)
class Vendor:
    """One row.

    Parameters
    ----------
    vendor, venue
        As on raw ticks; venue ``*`` for all venues without a row of their own.
    coverage
        ``venue``: it publishes trades of its own market, so volumes of such sources add up. ``consolidated``: it
        publishes the trades of all markets, so that of several such sources the weighted median is the volume.
    line_of
        Vendor whose twin line this is: both send the same events under the same sequence numbers, whichever comes
        first counts, and a gap of one is filled by the other. Empty for a vendor of its own.
    lag_ms
        How much too late it stamps its events, milliseconds: taken off before anything else looks at the time.
    corrections
        Whether it publishes corrections and cancels of its trades, by their sequence numbers. Only the symbols of
        vendors that do cost the memory of recent trades that these need.
    numbering
        ``dense``: it numbers the trades of each symbol, and the quotes, one by one, so that a number left out is a tick
        that is missing, and is counted and marked. ``sparse``: its numbers only tell events apart; they are lines of a
        file, or ids that several symbols or kinds share.
    """

    vendor: str
    venue: str
    coverage: str
    line_of: str
    lag_ms: float
    corrections: bool = False
    numbering: str = NUMBERINGS[0]


class Vendors:
    """All rows, looked up by string codes."""

    def __init__(self, rows: list[Vendor]) -> None:
        self.rows = {(r.vendor, r.venue): r for r in rows}
        self.has_lines = any(r.line_of for r in rows)
        self.has_lags = any(r.lag_ms for r in rows)
        self.twins = {name for r in rows if r.line_of for name in (r.vendor, r.line_of)}
        """Vendors of which another line sends the same events."""
        self._lines: dict[int, int] = {}
        self._lags: dict[tuple[int, int], int] = {}

    def __repr__(self) -> str:
        """Return all rows: kept state depends on them."""
        return f"Vendors({sorted(self.rows.values(), key=lambda r: (r.vendor, r.venue))})"

    def of(self, vendor: str, venue: str) -> Vendor:
        """Return what is known of a source."""
        default = Vendor(vendor, ANY, COVERAGES[0], "", 0.0)
        return self.rows.get((vendor, venue)) or self.rows.get((vendor, ANY)) or default

    def lines(self, vendor: I64) -> I64:
        """Return the code of the vendor that each vendor is a line of: mostly itself. Shape (n,)."""
        out = vendor.copy()
        for code in set(vendor.tolist()):
            if code not in self._lines:
                name = STRINGS.text(code)
                line_of = next((r.line_of for (v, _), r in self.rows.items() if v == name and r.line_of), name)
                self._lines[code] = STRINGS.code(line_of)
            if self._lines[code] != code:
                out[vendor == code] = self._lines[code]
        return out

    def lag_ns(self, vendor: I64, venue: I64) -> I64:
        """Return by how much each row is stamped too late, nanoseconds. Shape (n,)."""
        out = vendor * 0
        for pair in set(zip(vendor.tolist(), venue.tolist(), strict=True)):
            if pair not in self._lags:
                self._lags[pair] = round(self.of(*(STRINGS.text(c) for c in pair)).lag_ms * 1e6)
            if self._lags[pair]:
                out[(vendor == pair[0]) & (venue == pair[1])] = self._lags[pair]
        return out


def read_vendors(path: Path) -> Vendors:
    """Return the vendors of a CSV file.

    Raises
    ------
    ConfigError
        The file is missing or a row is wrong: names the file, line and column.
    """
    if not path.is_file():
        raise ConfigError(str(path), "file", "missing", "name a vendors CSV in MPS_VENDORS")
    with path.open(newline="") as f:
        reader = csv.DictReader(f)
        if tuple(reader.fieldnames or ()) not in {COLUMNS[: len(COLUMNS) - k] for k in range(ADDED + 1)}:
            raise ConfigError(str(path), "header", reader.fieldnames, ",".join(COLUMNS))
        rows = [_vendor(raw, f"{path}:{line}") for line, raw in enumerate(reader, start=2)]
    _check_lines(rows, path)
    return Vendors(rows)


def _vendor(raw: dict[str, str], where: str) -> Vendor:
    for key in ("vendor", "venue"):
        if not raw.get(key):
            raise ConfigError(where, key, raw.get(key), "a name" + (f", or {ANY} for all" if key == "venue" else ""))
    if raw["coverage"] not in COVERAGES:
        raise ConfigError(where, "coverage", raw["coverage"], f"one of {', '.join(COVERAGES)}")
    try:
        lag_ms = float(raw["lag_ms"])
    except (TypeError, ValueError):
        lag_ms = float("nan")
    if not 0 <= lag_ms <= LAG_MS_MAX:
        raise ConfigError(where, "lag_ms", raw["lag_ms"], f"milliseconds from 0 to {LAG_MS_MAX:.0f}")
    if raw.get("corrections", ANSWERS[0]) not in ANSWERS:
        raise ConfigError(where, "corrections", raw["corrections"], f"one of {', '.join(ANSWERS)}")
    corrections = raw.get("corrections") == ANSWERS[1]
    numbering = raw.get("numbering", NUMBERINGS[0])
    if numbering not in NUMBERINGS:
        raise ConfigError(where, "numbering", numbering, f"one of {', '.join(NUMBERINGS)}")
    return Vendor(raw["vendor"], raw["venue"], raw["coverage"], raw["line_of"], lag_ms, corrections, numbering)


def _check_lines(rows: list[Vendor], path: Path) -> None:
    keys = [(r.vendor, r.venue) for r in rows]
    lines = {r.vendor: r.line_of for r in rows if r.line_of}
    for line, (r, key) in enumerate(zip(rows, keys, strict=True), start=2):
        if keys.count(key) > 1:
            raise ConfigError(f"{path}:{line}", "vendor, venue", "/".join(key), "each pair once")
        if r.line_of and (r.line_of == r.vendor or r.line_of in lines):
            raise ConfigError(f"{path}:{line}", "line_of", r.line_of, "a vendor that is no line itself")
        if r.line_of and r.venue != ANY:
            raise ConfigError(f"{path}:{line}", "venue", r.venue, f"{ANY}: all of a vendor is a line, or none of it")


def vendors_file() -> Path:
    """Return the file in force: that of ``MPS_VENDORS``, or the one in this folder."""
    return Path(os.environ.get("MPS_VENDORS", Path(__file__).parent / "reference" / "vendors.csv"))


@cache
def load_vendors() -> Vendors:
    """Return the vendors of the file in force."""
    return read_vendors(vendors_file())
