"""Futures: trades by contract from day files, and Databento's trades and top-of-book events.

A contract is a symbol (``GCZ13:CMX``, ``ESU4:CME``); ``instruments.csv`` names its root as the partition key, so that
a whole curve lives in one partition. A size of 0 (spread legs, corrections) is passed on as it is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.feeds import port
from processors.feeds.port import Rows
from processors.futures.expiry import rules
from processors.runtime.batch import I64, NULL_LONG, Columns
from processors.runtime.strings import STRINGS

CONTRACT_VENDOR = "ALGOSEEK"
DATABENTO_VENDOR = "DATABENTO"

EXCHANGES = {"COMEX": "CMX", "NYMEX": "NYM", "CBOT": "CBT", "CME": "CME", "CFE": "CFE"}
"""Name in the files -> suffix of our symbols."""

GLOBEX = frozenset({"COMEX", "NYMEX", "CBOT", "CME"})
"""Exchanges on CME Globex, whose feed names the contract only; ``futures_rules.csv`` has the exchange of each root."""
_WITHOUT_RULES = {"ALI": "COMEX"}
"""Root of which no dates are kept -> its exchange; all other such roots are taken for CME's own."""

_REPEATS_BITS = 16
"""Room for the events of one kind under one exchange sequence number, which is that of a packet."""

BOOK_BEFORE = "BEFORE"
"""Action of ours, none of Databento's: the book before the trade in the next row, as ``tbbo`` tells it."""
_QUOTES, _TRADES, _BEFORE = range(3)
"""Streams that are numbered for themselves."""


def root(contract: str) -> str:
    """Return the root of a contract: ``GC`` of ``GCZ13``, ``6E`` of ``6EH4``."""
    return contract.rstrip("0123456789")[:-1] or contract


def globex_symbol_id(contract: str) -> str:
    """Return the symbol of a contract on CME Globex."""
    of = root(contract)
    exchange = rules()[of][0].venue if of in rules() else _WITHOUT_RULES.get(of, "CME")
    return f"{contract}:{EXCHANGES[exchange] if exchange in GLOBEX else 'CME'}"


@dataclass(frozen=True, slots=True)
class ContractTrades:
    """Columns ts, symbol (root), contract, venue, seq, price, size: trades by contract, a file a day."""

    name: str = "futures trades by contract"
    columns: frozenset[str] = frozenset({"ts", "symbol", "contract", "venue", "seq", "price", "size"})
    foreign: frozenset[str] = frozenset()
    times: tuple[str, ...] = ("ts",)

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:  # noqa: ARG002 - the port's
        """Return trades; seq is the line in the contract's file of the UTC day (see ``port.line_numbers``)."""
        ticks = port.raw_ticks(rows.num_rows)
        ts = port.times(rows, "ts")
        contracts, contract = port.texts(rows, "contract")
        venues, venue = port.texts(rows, "venue")
        suffixes = [EXCHANGES.get(v, v) for v in venues]
        pair = contract * len(venues) + venue
        for p in np.unique(pair):
            c, v = divmod(int(p), len(venues))
            ticks["symbol_id"][pair == p] = STRINGS.code(f"{contracts[c]}:{suffixes[v]}")
        ticks["vendor"] = STRINGS.code(CONTRACT_VENDOR)
        ticks["venue"] = np.array([STRINGS.code(s) for s in suffixes], np.int64)[venue]
        ticks["kind"] = port.kind_index("trade")
        ticks["ts_event"] = ticks["ts_recv"] = ts
        ticks["price"] = port.numbers(rows, "price")
        ticks["size"] = port.numbers(rows, "size")
        ticks["seq"] = port.line_numbers(ts, port.integers(rows, "seq"), 0, 1)
        if "suspicious" in rows.schema.names:
            ticks["conditions"] = port.marked(port.longs(ticks, "conditions"), port.flags(rows, "suspicious"))
        return ticks


def _stamped(rows: Rows, skew_ns: int) -> Columns:
    ticks = port.raw_ticks(rows.num_rows)
    recv, event = port.times(rows, "ts_recv"), port.times(rows, "ts_event")
    # Databento's own files tell the dataset, and so the instrument.
    is_told = "symbol_id" in rows.schema.names
    symbols, at = port.texts(rows, "symbol_id" if is_told else "symbol")
    ids = symbols if is_told else [globex_symbol_id(s) for s in symbols]
    ticks["symbol_id"] = np.array([STRINGS.code(s) for s in ids], np.int64)[at]
    ticks["vendor"] = STRINGS.code(DATABENTO_VENDOR)
    ticks["venue"] = np.array([STRINGS.code(s.rpartition(":")[2]) for s in ids], np.int64)[at]
    ticks["ts_recv"] = recv
    ticks["ts_event"] = np.where(event == NULL_LONG, recv + skew_ns, event)
    return ticks


def _packet_numbers(rows: Rows, ticks: Columns, stream_of: I64, memory: dict[str, Any]) -> I64:
    """Return seq from the packet's sequence number, which several events share, and the event's place in the packet.

        | exchange sequence | place among the packet's trades, or quotes (16 bits) | 1 for a trade |

    Trades are counted for themselves, so that a trade has one number in a file of trades and in one of all events.
    Places of books before trades have their highest bit set: no other event of the packet tells what they do.
    """
    sequence = port.integers(rows, "sequence")
    place = np.zeros(len(ticks), np.int64)
    for symbol in np.unique(ticks["symbol_id"]):
        for stream in (_QUOTES, _TRADES, _BEFORE):
            mine = np.flatnonzero((ticks["symbol_id"] == symbol) & (stream_of == stream))
            if not len(mine):
                continue
            numbers = sequence[mine]
            first = np.r_[True, numbers[1:] != numbers[:-1]]
            begin = np.flatnonzero(first)
            run = np.arange(len(mine)) - np.repeat(begin, np.diff(np.r_[begin, len(mine)]))
            # The packet may have begun in the rows before.
            last, count = memory.get(f"{symbol}/{stream}", (NULL_LONG, 0))
            if numbers[0] == last:
                run[: begin[1] if len(begin) > 1 else len(mine)] += count
            memory[f"{symbol}/{stream}"] = (int(numbers[-1]), int(run[-1]) + 1)
            place[mine] = run
    place |= (stream_of == _BEFORE).astype(np.int64) << (_REPEATS_BITS - 1)
    bad = (sequence < 0) | (place >= 1 << _REPEATS_BITS)
    return np.where(bad, NULL_LONG, (sequence << (_REPEATS_BITS + 1)) | (place << 1) | (stream_of == _TRADES))


@dataclass(frozen=True, slots=True)
class DatabentoTrades:
    """Databento's schema ``trades``."""

    name: str = "Databento trades"
    columns: frozenset[str] = frozenset({"ts_recv", "ts_event", "symbol", "price", "size", "sequence"})
    # Market-by-order events have the same columns and more; they are orders, not ticks.
    foreign: frozenset[str] = frozenset({"action", "order_id"})
    times: tuple[str, ...] = ("ts_recv", "ts_event")

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:
        """Return trades."""
        ticks = _stamped(rows, skew_ns)
        ticks["kind"] = port.kind_index("trade")
        ticks["price"] = port.numbers(rows, "price")
        ticks["size"] = port.numbers(rows, "size")
        ticks["seq"] = _packet_numbers(rows, ticks, np.full(len(ticks), _TRADES), memory)
        return ticks


@dataclass(frozen=True, slots=True)
class DatabentoTopOfBook:
    """Databento's schemas ``mbp-1``, each event with the best bid and ask around it, and ``tbbo`` (see ``dbn``)."""

    name: str = "Databento top of book"
    columns: frozenset[str] = frozenset(
        {"ts_recv", "ts_event", "symbol", "action", "price", "size", "bid", "bid_size", "ask", "ask_size", "sequence"}
    )
    foreign: frozenset[str] = frozenset({"order_id"})
    times: tuple[str, ...] = ("ts_recv", "ts_event")

    def parse(self, rows: Rows, skew_ns: int, memory: dict[str, Any]) -> Columns:
        """Return a trade for an event of action T, a quote for any other.

        The book beside a trade is the one before it, already published with the event before.
        """
        ticks = _stamped(rows, skew_ns)
        actions, at = port.texts(rows, "action")
        stream = np.array([{"T": _TRADES, BOOK_BEFORE: _BEFORE}.get(a, _QUOTES) for a in actions], np.int64)[at]
        trade, quote = stream == _TRADES, stream != _TRADES
        ticks["kind"] = np.where(trade, port.kind_index("trade"), port.kind_index("quote"))
        for name in ("price", "size"):
            ticks[name][trade] = port.numbers(rows, name)[trade]
        for name in ("bid", "bid_size", "ask", "ask_size"):
            ticks[name][quote] = port.numbers(rows, name)[quote]
        ticks["seq"] = _packet_numbers(rows, ticks, stream, memory)
        return ticks
