"""Ticks in LEAN's form: ``<asset>/<market>/tick/<symbol>/<yyyymmdd>_<trade|quote>.zip``, CSV without a header inside.

The path says what the file is, and the lines say milliseconds since midnight of the data's zone:

    equity trade   ms, price x 10000, size, exchange, condition, suspicious
    equity quote   ms, bid x 10000, bid size, ask x 10000, ask size, exchange, condition, suspicious   (0: side absent)
    future trade   ms, price, size, exchange, condition, suspicious            one member a contract month
    future quote   ms, bid, bid size, ask, ask size, exchange, condition, suspicious
    forex, cfd     ms, bid, ask
    crypto trade   ms, price, size
    crypto quote   ms, bid, bid size, ask, ask size

They become the same ticks, numbers included, as the tables of the same data that ``mps replay`` reads.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from processors.errors import ConfigError
from processors.feeds import port
from processors.feeds.binance import symbol_id as crypto_symbol_id
from processors.feeds.dealers import DAY_START_NS as DEALERS_DAY_START_NS
from processors.feeds.dealers import symbol_id as dealer_symbol_id
from processors.feeds.equities import DAY_START_NS as EQUITIES_DAY_START_NS
from processors.feeds.futures import EXCHANGES
from processors.feeds.own import as_table
from processors.runtime.batch import F64, I64, Columns
from processors.runtime.strings import STRINGS

ASSETS = ("equity", "future", "forex", "cfd", "crypto", "cryptofuture")
VENDOR = "ALGOSEEK"
"""Who made LEAN's equity and futures files."""
MONTHS = "FGHJKMNQUVXZ"
_MONTH_DIGITS = 6
EQUITY_SCALE = 10_000.0
REMEDY = "the path of a LEAN tick file ends in <asset>/<market>/tick/<symbol>/<yyyymmdd>_<trade|quote>.zip"

COLUMNS = {
    ("equity", "trade"): ("ms", "price", "size", "exchange", "condition", "suspicious"),
    ("equity", "quote"): ("ms", "bid", "bid_size", "ask", "ask_size", "exchange", "condition", "suspicious"),
    ("forex", "quote"): ("ms", "bid", "ask"),
    ("crypto", "trade"): ("ms", "price", "size"),
    ("crypto", "quote"): ("ms", "bid", "bid_size", "ask", "ask_size"),
}
_LIKE = {"future": "equity", "cfd": "forex", "cryptofuture": "crypto"}
_TEXTS = ("exchange", "condition")


@dataclass(frozen=True, slots=True)
class LeanFile:
    """What the path says.

    Parameters
    ----------
    market
        ``usa``, ``fxcm``, ``comex``, ``coinbase``...
    day
        As in the name, ``yyyymmdd``.
    kind
        ``trade`` or ``quote``.
    """

    path: Path
    asset: str
    market: str
    symbol: str
    day: str
    kind: str

    @property
    def midnight_ns(self) -> int:
        """The begin of the day in the data's zone, nanoseconds UTC."""
        at = datetime.strptime(self.day, "%Y%m%d").replace(tzinfo=UTC)
        if self.asset == "equity":
            at = at.replace(tzinfo=ZoneInfo("America/New_York"))
        at -= timedelta(microseconds=DEALERS_DAY_START_NS.get(self.market.upper(), 0) / -1000)
        return int(at.timestamp()) * 1_000_000_000


def lean_file(path: Path) -> LeanFile:
    """Return what a path says of a file.

    Raises
    ------
    ConfigError
        It is not the path of a tick file of LEAN; bars are named as such.
    """
    parts = [p.lower() for p in path.absolute().parts]
    found = re.fullmatch(r"(\d{8})_(trade|quote|openinterest)\.zip", parts[-1])
    if found is None or len(parts) < 5 or parts[-5] not in ASSETS:
        raise ConfigError(str(path), "path", "/".join(parts[-5:]), REMEDY)
    asset, market, resolution, symbol = parts[-5:-1]
    if resolution != "tick" or found[2] == "openinterest":
        what = "open interest" if found[2] == "openinterest" else f"{resolution} bars"
        raise ConfigError(str(path), "ticks", what, f"ticks are published, bars are made of them; {REMEDY}")
    if (_LIKE.get(asset, asset), found[2]) not in COLUMNS:
        raise ConfigError(str(path), "kind", f"{asset} {found[2]}", REMEDY)
    return LeanFile(path, asset, market, symbol, found[1], found[2])


class LeanRows:
    """A zip file of ticks as rows of RawTick."""

    def __init__(self, path: Path) -> None:
        self._file = lean_file(path)
        # A day of one symbol fits into memory: the busiest has a few million lines.
        self._ticks = _ordered([_ticks(self._file, name, data) for name, data in _members(path)])
        self.rows = len(self._ticks)
        self.schema = as_table(self._ticks.take(slice(0, 0))).schema

    def batches(self, columns: list[str] | None = None, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """Yield the ticks in order of time."""
        for i in range(0, self.rows, rows):
            table = as_table(self._ticks.take(slice(i, i + rows)))
            yield table.select(columns) if columns else table


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as z:
            for name in z.namelist():
                yield name, z.read(name)
    except zipfile.BadZipFile as e:
        raise OSError(str(e)) from e


def _ordered(parts: list[Columns]) -> Columns:
    if not parts:
        return port.raw_ticks(0)
    ints, floats = np.hstack([p.ints for p in parts]), np.hstack([p.floats for p in parts])
    whole = Columns(parts[0].layout, ints, floats)
    return whole.take(np.argsort(port.longs(whole, "ts_event"), kind="stable"))


def _ticks(file: LeanFile, member: str, data: bytes) -> Columns:
    names = COLUMNS[_LIKE.get(file.asset, file.asset), file.kind]
    if not data.strip():
        return port.raw_ticks(0)
    types = {name: pa.string() if name in _TEXTS else pa.float64() for name in names}
    try:
        table = pacsv.read_csv(
            BytesIO(data),
            pacsv.ReadOptions(column_names=names, use_threads=False),
            convert_options=pacsv.ConvertOptions(column_types=types, strings_can_be_null=True),
        )
    except pa.ArrowInvalid as e:
        raise ConfigError(str(file.path), member, str(e).splitlines()[0], f"lines of {', '.join(names)}") from e
    rows: dict[str, Any] = {n: table.column(n).to_numpy() for n in names if n not in _TEXTS}
    if np.isnan(rows["ms"]).any():
        line = int(np.argmax(np.isnan(rows["ms"]))) + 1
        raise ConfigError(str(file.path), f"{member}: ms of line {line}", None, "a time in every row")
    texts = {n: table.column(n).combine_chunks() for n in names if n in _TEXTS}
    return _filled(file, member, rows, texts)


def _filled(file: LeanFile, member: str, rows: dict[str, F64], texts: dict[str, Any]) -> Columns:
    n = len(rows["ms"])
    ticks = port.raw_ticks(n)
    ts = file.midnight_ns + np.round(rows["ms"] * 1e6).astype(np.int64)
    symbol_id, vendor, venue = _names(file, member)
    ticks["symbol_id"], ticks["vendor"] = STRINGS.code(symbol_id), STRINGS.code(vendor)
    ticks["venue"] = _codes(texts["exchange"]) if file.asset == "equity" else STRINGS.code(venue)
    ticks["kind"] = port.kind_index(file.kind)
    ticks["ts_event"] = ticks["ts_recv"] = ts
    scale = EQUITY_SCALE if file.asset == "equity" else 1.0
    for name in ("price", "bid", "ask"):
        if name in rows:
            ticks[name] = rows[name] / scale
    for name in ("size", "bid_size", "ask_size"):
        if name in rows:
            ticks[name] = rows[name]
    if file.kind == "quote" and "bid_size" in rows:
        for side in ("bid", "ask"):
            absent = (rows[side] == 0) & (rows[f"{side}_size"] == 0)
            ticks[side][absent] = ticks[f"{side}_size"][absent] = np.nan
    stream = 1 if file.kind == "trade" else 0
    ticks["seq"] = port.line_numbers(ts, np.arange(n), _day_start_ns(file), stream)
    if "condition" in texts:
        ticks["conditions"] = _codes(texts["condition"])
        suspicious = np.nan_to_num(rows["suspicious"]) != 0
        ticks["conditions"] = port.marked(port.longs(ticks, "conditions"), suspicious)
    return ticks


def _names(file: LeanFile, member: str) -> tuple[str, str, str]:
    """Return symbol, vendor and venue."""
    symbol = file.symbol.upper()
    if file.asset == "equity":
        return f"{symbol}:US", VENDOR, ""
    if file.asset == "future":
        month = re.search(r"_(\d{6})", member.removeprefix(file.day))
        if month is None or len(month[1]) != _MONTH_DIGITS or not 1 <= int(month[1][4:]) <= 12:
            raise ConfigError(str(file.path), "member", member, "the name of a member ends in the contract's month")
        contract = f"{symbol}{MONTHS[int(month[1][4:]) - 1]}{month[1][2:4]}"
        venue = EXCHANGES.get(file.market.upper(), file.market.upper())
        return f"{contract}:{venue}", VENDOR, venue
    if file.asset in ("forex", "cfd"):
        return dealer_symbol_id(symbol), file.market.upper(), ""
    id_ = f"{symbol.removesuffix('USD')}-USD:CRYPTO" if symbol.endswith("USD") else crypto_symbol_id(symbol)
    return id_, file.market.upper(), ""


def _day_start_ns(file: LeanFile) -> I64 | int:
    if file.asset == "equity":
        return EQUITIES_DAY_START_NS
    return DEALERS_DAY_START_NS.get(file.market.upper(), 0)


def _codes(column: Any) -> I64:
    encoded = column.dictionary_encode()
    texts = ["" if t is None else t for t in encoded.dictionary.to_pylist()] + [""]
    at = encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)
    codes: I64 = np.array([STRINGS.code(t) for t in texts], np.int64)[at]
    return codes
