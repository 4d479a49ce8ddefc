"""Small good files of ticks, and the same with one thing wrong. Called by ``bad_files`` and the tests."""

import csv
import gzip
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from processors.feeds.faults import TIME, TYPES

START = datetime(2014, 5, 5, 13, 0, tzinfo=UTC)
Rows = list[dict[str, Any]]
SUFFIXES = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class Bad:
    """One wrong file.

    Parameters
    ----------
    what
        What is wrong, in words.
    row
        Where the message must point, from 1 without the header; None where no row is to blame.
    columns
        Any of them must be named; none where no column is to blame.
    publishable
        Whether the row is published all the same, and refused downstream.
    """

    suffix: str
    data: bytes
    what: str
    row: int | None
    columns: tuple[str, ...]
    publishable: bool = False


# ---- good files ----


def _times(rng: random.Random, n: int) -> list[datetime]:
    at, out = START + timedelta(milliseconds=rng.randrange(1000)), []
    for _ in range(n):
        at += timedelta(milliseconds=rng.randrange(1, 900))
        out.append(at)
    return out


def _dealers(rng: random.Random, n: int) -> Rows:
    def row(i: int, ts: datetime) -> dict[str, Any]:
        bid = round(1.38 + rng.random() * 1e-3, 5)
        return {"ts": ts, "symbol": "EURUSD", "vendor": "OANDA", "seq": i, "bid": bid, "ask": round(bid + 2e-5, 5)}

    return [row(i, ts) for i, ts in enumerate(_times(rng, n))]


def _equity_trades(rng: random.Random, n: int) -> Rows:
    return [
        {"ts": ts, "symbol": "AIG", "seq": i, "price": round(40 + rng.random(), 2), "size": rng.randrange(1, 900),
         "exchange": rng.choice("PQZ"), "sale_cond": "@", "suspicious": False}
        for i, ts in enumerate(_times(rng, n))
    ]  # fmt: skip


def _equity_quotes(rng: random.Random, n: int) -> Rows:
    return [
        {"ts": ts, "symbol": "AIG", "seq": i, "side": rng.choice(("bid", "ask")), "price": round(40 + rng.random(), 2),
         "size": rng.randrange(1, 900), "exchange": "Q", "quote_cond": "R", "suspicious": False}
        for i, ts in enumerate(_times(rng, n))
    ]  # fmt: skip


def _book_tickers(rng: random.Random, n: int) -> Rows:
    def row(i: int, ts: datetime) -> dict[str, Any]:
        bid = round(61_000 + rng.random(), 2)
        return {"ts_recv": ts, "ts_event": ts, "symbol": "BTCUSDT", "venue": "BINANCE_SPOT", "update_id": 1000 + i,
                "bid": bid, "bid_qty": 1.5, "ask": round(bid + 0.01, 2), "ask_qty": 2.5}  # fmt: skip

    return [row(i, ts) for i, ts in enumerate(_times(rng, n))]


def _crypto_trades(rng: random.Random, n: int) -> Rows:
    return [
        {"ts_recv": ts, "ts_event": ts, "symbol": "BTCUSDT", "venue": "BINANCE_SPOT", "trade_id": 7000 + i,
         "price": round(61_000 + rng.random(), 2), "qty": 0.25, "trade_type": "MARKET"}
        for i, ts in enumerate(_times(rng, n))
    ]  # fmt: skip


def _own(rng: random.Random, n: int) -> Rows:
    none = dict.fromkeys(("bid", "ask", "bid_size", "ask_size"))
    return [
        {"symbol_id": "EURUSD:FX", "vendor": "ACME", "venue": "X", "kind": "trade", "ts_event": ts, "ts_recv": ts,
         "price": round(1.38 + rng.random() * 1e-3, 5), "size": 1.0, **none, "seq": i, "conditions": ""}
        for i, ts in enumerate(_times(rng, n))
    ]  # fmt: skip


FORMS: dict[str, Callable[[random.Random, int], Rows]] = {
    "dealers": _dealers, "equity trades": _equity_trades, "equity quotes": _equity_quotes,
    "book tickers": _book_tickers, "crypto trades": _crypto_trades, "own ticks": _own,
}  # fmt: skip


def _text(value: Any) -> str:
    return (
        value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else "" if value is None else str(value)
    )


def _csv(names: list[str], rows: Rows) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([[_text(r[n]) for n in names] for r in rows])
    return out.getvalue().encode()


def _parquet(names: list[str], rows: Rows, changed: dict[str, pa.DataType] | None = None) -> bytes:
    kinds = {n: pa.timestamp("us", tz="UTC") if TYPES[n] == TIME else TYPES[n] for n in names} | (changed or {})
    table = pa.Table.from_arrays([pa.array([r[n] for r in rows], kinds[n]) for n in names], names)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def encoded(names: list[str], rows: Rows, suffix: str) -> bytes:
    """Return rows as a file."""
    if suffix == ".parquet":
        return _parquet(names, rows)
    data = _csv(names, rows)
    return gzip.compress(data, mtime=0) if suffix.endswith(".gz") else data


def good_file(rng: random.Random, form: str, suffix: str) -> bytes:
    """Return a good file of a form."""
    rows = FORMS[form](rng, rng.randrange(8, 30))
    return encoded(list(rows[0]), rows, suffix)


# ---- one thing wrong ----

NOT_NUMBERS = ("abc", "1.38.5", "1,38", "$5", "--1", "1_000", "0x10", "1e", "12 34", "#N/A", "None", "true")
NOT_INTEGERS = ("x", "1.5", "1e3", "12a", "99999999999999999999", "-")
NOT_TIMES = ("yesterday", "2014-13-01T00:00:00Z", "2014-02-30T10:00:00Z", "2014-05-05T25:00:00Z", "2014-05-05 13:00",
             "13:00:00Z", "1399294800", "2014-05-05T13:00:00", "05/05/2014 13:00:00Z", "")  # fmt: skip
_KINDS = {pa.float64(): "number", pa.int64(): "whole number", TIME: "time", pa.bool_(): "flag"}
NOT_FLAGS = ("maybe", "2", "yes?")


class _Maker:
    """A good file about to be made wrong."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.form = self.rng.choice(list(FORMS))
        self.suffix = self.rng.choice(SUFFIXES)
        self.rows = FORMS[self.form](self.rng, self.rng.randrange(8, 30))
        self.names = list(self.rows[0])
        self.at = self.rng.randrange(len(self.rows))

    @property
    def is_text(self) -> bool:
        return self.suffix != ".parquet"

    def column(self, *kinds: pa.DataType) -> str:
        return self.rng.choice([n for n in self.names if TYPES[n] in kinds])

    def file(self, what: str, row: int | None, *columns: str, data: bytes | None = None, late: bool = False) -> Bad:
        made = encoded(self.names, self.rows, self.suffix) if data is None else data
        if data is not None and self.suffix == ".csv.gz" and not data.startswith(b"\x1f\x8b"):
            made = gzip.compress(data, mtime=0)
        return Bad(self.suffix, made, what, row, columns, late)


def _not_its_type(m: _Maker) -> Bad:
    """Put a text where a number, whole number, time or flag must be."""
    name = m.column(pa.float64(), pa.int64(), TIME, *([pa.bool_()] if "suspicious" in m.names else []))
    wrong = {pa.float64(): NOT_NUMBERS, pa.int64(): NOT_INTEGERS, TIME: NOT_TIMES, pa.bool_(): NOT_FLAGS}[TYPES[name]]
    value = m.rng.choice(wrong)
    # A book ticker without an exchange time is a good one.
    if value == "" and m.form in ("book tickers", "crypto trades"):
        value = "never"
    what = f"not a {_KINDS[TYPES[name]]}"
    if m.is_text:
        m.rows[m.at][name] = value
        return m.file(what, m.at + 1, name)
    if TYPES[name] == TIME:
        m.rows[m.at][name] = value
        for row in m.rows:
            row[name] = _text(row[name])
        return m.file("times as text", None, name, data=_parquet(m.names, m.rows, {name: pa.string()}))
    for i, row in enumerate(m.rows):
        row[name] = value if i == m.at else None if row[name] is None else _text(row[name])
    return m.file(what, m.at + 1, name, data=_parquet(m.names, m.rows, {name: pa.string()}))


def _no_time(m: _Maker) -> Bad:
    name = "ts_recv" if "ts_recv" in m.names else "ts"
    m.rows[m.at][name] = None
    return m.file("no time", m.at + 1, name)


def _no_zone(m: _Maker) -> Bad:
    name = m.column(TIME)
    if m.is_text:
        m.rows[m.at][name] = _text(m.rows[m.at][name]).removesuffix("Z")
        return m.file("time without a zone", m.at + 1, name)
    for row in m.rows:
        row[name] = row[name].replace(tzinfo=None)
    return m.file("time without a zone", None, name, data=_parquet(m.names, m.rows, {name: pa.timestamp("us")}))


def _time_out_of_range(m: _Maker) -> Bad:
    name = m.column(TIME)
    m.rows[m.at][name] = datetime(9000 + m.rng.randrange(900), 1, 1, tzinfo=UTC)
    return m.file("time that 64 bits of nanoseconds cannot hold", m.at + 1, name)


def _column_missing(m: _Maker) -> Bad:
    name = m.names.pop(m.rng.randrange(len(m.names)))
    return m.file("column missing", None, name)


def _column_twice(m: _Maker) -> Bad:
    name, other = m.rng.sample(m.names, 2)
    if m.is_text:
        lines = _csv(m.names, m.rows).split(b"\n", 1)
        head = ",".join([*m.names, name]).encode()
        body = b"\n".join(line + b"," for line in lines[1].splitlines()) + b"\n"
        return m.file("column twice", None, name, data=head + b"\n" + body)
    table = pq.read_table(io.BytesIO(_parquet(m.names, m.rows)))
    sink = pa.BufferOutputStream()
    pq.write_table(table.append_column(name, table.column(other)), sink)
    return m.file("column twice", None, name, data=bytes(sink.getvalue()))


def _text_only(make: Callable[[_Maker, list[bytes]], Bad]) -> Callable[[_Maker], Bad]:
    def made(m: _Maker) -> Bad:
        m.suffix = m.suffix if m.is_text else ".csv"
        return make(m, _csv(m.names, m.rows).splitlines(keepends=True))

    return made


@_text_only
def _field_missing(m: _Maker, lines: list[bytes]) -> Bad:
    lines[m.at + 1] = lines[m.at + 1].rpartition(b",")[0] + b"\n"
    return m.file("field missing", m.at + 1, m.names[-1], data=b"".join(lines))


@_text_only
def _field_too_many(m: _Maker, lines: list[bytes]) -> Bad:
    lines[m.at + 1] = lines[m.at + 1].rstrip(b"\n") + b",7\n"
    return m.file("field too many", m.at + 1, f"after {m.names[-1]}", data=b"".join(lines))


@_text_only
def _cut_in_a_row(m: _Maker, lines: list[bytes]) -> Bad:
    last = lines[-1]
    fields = m.rng.randrange(1, len(m.names))
    lines[-1] = b",".join(last.split(b",")[:fields])
    return m.file("cut in its last row", len(m.rows), m.names[fields], data=b"".join(lines))


@_text_only
def _header_again(m: _Maker, lines: list[bytes]) -> Bad:
    lines.insert(m.at + 1, lines[0])
    return m.file("header again", m.at + 1, *m.names, data=b"".join(lines))


@_text_only
def _other_encoding(m: _Maker, _: list[bytes]) -> Bad:
    name = m.rng.choice([n for n in m.names if TYPES[n] == pa.string()])
    m.rows[m.at][name] = "Zürich"
    text = _csv(m.names, m.rows).decode()
    return m.file("Latin-1 in a text", m.at + 1, name, data=text.encode("latin-1"))


@_text_only
def _utf16(m: _Maker, lines: list[bytes]) -> Bad:
    return m.file("UTF-16", None, data=b"".join(lines).decode().encode("utf-16"))


@_text_only
def _header_alone(m: _Maker, lines: list[bytes]) -> Bad:
    return m.file("header alone", None, "rows", data=lines[0])


@_text_only
def _open_quote(m: _Maker, lines: list[bytes]) -> Bad:
    lines[m.at + 1] = b'"' + lines[m.at + 1]
    return m.file("quote that never closes", m.at + 1, *m.names, data=b"".join(lines))


def _cut_file(m: _Maker) -> Bad:
    if m.suffix == ".csv":
        m.suffix = ".parquet"
    data = encoded(m.names, m.rows, m.suffix)
    return m.file("cut short (gzip, Parquet)", None, data=data[: m.rng.randrange(12, len(data) - 1)])


def _nothing(m: _Maker) -> Bad:
    return Bad(m.suffix, b"", "0 bytes", None, ())


def _other_bytes(m: _Maker) -> Bad:
    return Bad(".parquet", m.rng.randbytes(m.rng.randrange(1, 3000)), "random bytes", None, ())


def _no_rows(m: _Maker) -> Bad:
    return Bad(".parquet", _parquet(m.names, []), "Parquet without rows", None, ("rows",))


def _unknown_word(m: _Maker) -> Bad:
    m.form = m.rng.choice(("own ticks", "equity quotes"))
    m.rows = FORMS[m.form](m.rng, 12)
    m.names, m.at = list(m.rows[0]), m.rng.randrange(12)
    name = "kind" if m.form == "own ticks" else "side"
    m.rows[m.at][name] = m.rng.choice(("BID", "mid", "Trade", "q", None, " bid"))
    return m.file(f"unknown {name}", m.at + 1, name)


def _no_vendor(m: _Maker) -> Bad:
    m.form = m.rng.choice(("own ticks", "dealers"))
    m.rows = FORMS[m.form](m.rng, 12)
    m.names, m.at = list(m.rows[0]), m.rng.randrange(12)
    m.rows[m.at]["vendor"] = None
    return m.file("no vendor", m.at + 1, "vendor")


# ---- published, and refused downstream ----


def _bad_price(m: _Maker) -> Bad:
    name = m.rng.choice([n for n in ("price", "bid", "ask") if m.rows[m.at].get(n) is not None])
    value: float = m.rng.choice((-1.0, -1e-5, float("inf")))
    m.rows[m.at][name] = value
    return m.file("negative or infinite price", m.at + 1, name, late=True)


def _no_price(m: _Maker) -> Bad:
    names = [n for n in ("price", "bid", "ask") if n in m.names and m.rows[m.at][n] is not None]
    for name in names:
        m.rows[m.at][name] = m.rng.choice((None, float("nan")))
    return m.file("no price", m.at + 1, *names, late=True)


def _crossed(m: _Maker) -> Bad:
    m.form = m.rng.choice(("dealers", "book tickers"))
    m.rows = FORMS[m.form](m.rng, 12)
    m.names, m.at = list(m.rows[0]), m.rng.randrange(12)
    row = m.rows[m.at]
    row["bid"] = row["ask"] + 0.01
    return m.file("crossed quote", m.at + 1, "bid", "ask", late=True)


def _bad_size(m: _Maker) -> Bad:
    m.form = m.rng.choice(("equity trades", "crypto trades", "own ticks", "book tickers"))
    m.rows = FORMS[m.form](m.rng, 12)
    m.names, m.at = list(m.rows[0]), m.rng.randrange(12)
    name = next(n for n in ("size", "qty", "bid_qty") if n in m.names)
    m.rows[m.at][name] = -5 if m.form == "equity trades" else -0.5
    return m.file("negative size", m.at + 1, name, late=True)


def _old_time(m: _Maker) -> Bad:
    # Not of a form with one time: the clock marks beside such a row are of its era too.
    m.form, m.rows = "own ticks", FORMS["own ticks"](m.rng, 12)
    m.names, m.at = list(m.rows[0]), m.rng.randrange(12)
    m.rows[m.at]["ts_event"] = datetime(1975, 1, 1, tzinfo=UTC)
    return m.file("time of another era", m.at + 1, "ts_event", late=True)


def _future(m: _Maker) -> Bad:
    m.form, m.rows = "own ticks", FORMS["own ticks"](m.rng, 12)
    m.names, m.at = list(m.rows[0]), m.rng.randrange(12)
    m.rows[m.at]["ts_event"] += timedelta(seconds=m.rng.randrange(6, 600))
    return m.file("event after its receipt", m.at + 1, "ts_event", late=True)


def _stranger(m: _Maker) -> Bad:
    name = "symbol" if "symbol" in m.names else "symbol_id"
    symbol = m.rng.choice(("QQQXXX", "ZZZZ", "NOSUCH"))
    m.rows[m.at][name] = f"{symbol}USDT" if m.form in ("book tickers", "crypto trades") else symbol
    return m.file("unknown symbol", None, symbol, late=True)


MAKERS: tuple[Callable[[_Maker], Bad], ...] = (
    _not_its_type, _no_time, _no_zone, _time_out_of_range, _column_missing, _column_twice, _field_missing,
    _field_too_many, _cut_in_a_row, _header_again, _other_encoding, _utf16, _header_alone, _open_quote, _cut_file,
    _nothing, _other_bytes, _no_rows, _unknown_word, _no_vendor, _bad_price, _no_price, _crossed, _bad_size, _old_time,
    _future, _stranger,
)  # fmt: skip
_COMMON = 4
"""How much oftener the first one is taken: it has the most variety."""


def bad_file(seed: int) -> Bad:
    """Return a file with one thing wrong; the same seed gives the same file."""
    maker = _Maker(seed)
    return maker.rng.choice((*[MAKERS[0]] * _COMMON, *MAKERS))(maker)
