"""The port of live feeds: one frame in, ticks and what else it says out. Every venue is one small class behind it.

A parser is a pure function of the frame, its receive time, and the memory of its connection, which it may add to
(Bitfinex names a channel once and then by number). It never raises: what it cannot read is ``GARBAGE``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from math import isnan
from typing import Any, ClassVar, NamedTuple

from processors.feeds import port
from processors.feeds.live.read import NAN, message_of, number, unpacked
from processors.feeds.live.symbols import Spelling
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.strings import STRINGS

DATA, ACK, BEAT, BOOK, OTHER, REFUSED, GARBAGE, LEAVE = (
    "data", "ack", "beat", "book", "other", "refused", "garbage", "leave",
)  # fmt: skip
"""What a frame is: ticks; an answer to a request; a sign of life; depth of the book or something else that makes no
tick, by rule; a refusal; unreadable; the venue asks us to connect anew."""

SEQ_MAX = 1 << 61
"""Numbers above cannot be doubled and are left out."""
_SMOOTHING = 64
"""Messages over which the difference of clocks is averaged: a second or two of a busy market."""


class Tick(NamedTuple):
    """One raw tick; fields as in RawTick, absent numbers NaN."""

    kind: str
    symbol_id: str
    vendor: str
    venue: str
    ts_event: int
    ts_recv: int
    price: float = NAN
    size: float = NAN
    bid: float = NAN
    ask: float = NAN
    bid_size: float = NAN
    ask_size: float = NAN
    seq: int = NULL_LONG
    conditions: str = ""


class Step(NamedTuple):
    """Numbers that a frame carries of a series without holes.

    Parameters
    ----------
    series
        Name; one that begins with ``connection`` starts anew with each connection.
    first, last
        Numbers in this frame; ``first`` is ``last + 1`` where a frame only tells how far the series is.
    symbol_id
        Whose ticks a hole means; empty for all of the connection.
    """

    series: str
    first: int
    last: int
    symbol_id: str = ""


class Parsed(NamedTuple):
    """What a frame says.

    Parameters
    ----------
    what
        One of the words above.
    ticks
        In the venue's order, oldest first.
    steps
        For the search of gaps.
    detail
        Of a refusal or garbage, for the log.
    answer
        What the venue wants to hear back.
    """

    what: str
    ticks: Sequence[Tick] = ()
    steps: Sequence[Step] = ()
    detail: str = ""
    answer: str | None = None


class Venue(ABC):
    """Base of the venues: spelling, stamps and the frame around a parser. Recordings of one can be read.

    Parameters
    ----------
    spelling
        How it names markets.
    vendor, segment
        ``vendor`` and ``venue`` of its ticks.
    """

    name: ClassVar[str] = ""

    def __init__(self, vendor: str, segment: str = "", spelling: Spelling | None = None) -> None:
        self.vendor, self.segment, self.spelling = vendor, segment, spelling or Spelling()
        self._ids: dict[str, str] = {}

    def parse(self, frame: str | bytes, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a frame says; never raises.

        Parameters
        ----------
        frame
            As received, text or binary.
        recv_ns
            When, nanoseconds UTC.
        memory
            Of this connection, empty at its begin.
        """
        try:
            text = unpacked(frame)
            if text in ("pong", "ping"):
                return Parsed(BEAT, answer="pong" if text == "ping" else None)
            parsed = self.read(message_of(text), recv_ns, memory)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, ArithmeticError) as e:
            return Parsed(GARBAGE, detail=f"{type(e).__name__}: {e}"[:200])
        if any(_is_empty(tick) for tick in parsed.ticks):
            return parsed._replace(ticks=[tick for tick in parsed.ticks if not _is_empty(tick)])
        return parsed

    @abstractmethod
    def read(self, message: Any, recv_ns: int, memory: dict[str, Any]) -> Parsed:
        """Return what a message says; may raise ``ValueError`` and its kin where it is not of this venue's form."""

    def symbol_id(self, name: str) -> str:
        """Return our instrument of the venue's name."""
        found = self._ids.get(name)
        if found is None:
            if not name:
                raise ValueError(f"{name!r} is no symbol")
            found = self._ids[name] = self.spelling.symbol_id(name)
        return found

    def trade(
        self, symbol: str, ts_event: int, recv_ns: int, price: float, size: float, trade_id: Any = None,
        conditions: str = "", venue: str | None = None,
    ) -> Tick:  # fmt: skip
        """Return a trade by the venue's symbol; its number is the trade's, doubled, plus one."""
        return Tick(
            "trade", self.symbol_id(symbol), self.vendor, self.segment if venue is None else venue, ts_event, recv_ns,
            price=price, size=size, seq=doubled(trade_id, 1), conditions=conditions,
        )  # fmt: skip

    def quote(
        self, symbol: str, ts_event: int, recv_ns: int, bid: float, bid_size: float, ask: float, ask_size: float,
        update_id: Any = None, venue: str | None = None,
    ) -> Tick:  # fmt: skip
        """Return a quote by the venue's symbol; its number is the update's, doubled."""
        return Tick(
            "quote", self.symbol_id(symbol), self.vendor, self.segment if venue is None else venue, ts_event, recv_ns,
            bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size, seq=doubled(update_id, 0),
        )  # fmt: skip


class LiveVenue(Venue):
    """Base of the venues that can be subscribed to."""

    @abstractmethod
    def subscriptions(self, symbols: Sequence[str], *, again: bool) -> Iterator[str]:
        """Yield what to send after connecting; ``again`` on every connection but the first."""


def _is_empty(tick: Tick) -> bool:
    """Return whether it is the ticker of a market in which nobody quotes: it says nothing."""
    return tick.kind == "quote" and isnan(tick.bid) and isnan(tick.ask)


def clocked(memory: dict[str, Any], ts_event: int, recv_ns: int) -> int:
    """Return an event time, and note how far the venue's clock is from ours for messages that carry none."""
    difference = ts_event - recv_ns
    known = memory.get("clock_ns")
    memory["clock_ns"] = difference if known is None else known + (difference - known) // _SMOOTHING
    return ts_event


def unclocked(memory: dict[str, Any], recv_ns: int) -> int:
    """Return the event time of a message without one: its receipt by the venue's clock, as far as that is known."""
    return recv_ns + int(memory.get("clock_ns", 0))


def top(levels: Sequence[Any]) -> tuple[float, float]:
    """Return price and size of the first level, NaN where there is none."""
    return (number(levels[0][0]), number(levels[0][1])) if levels else (NAN, NAN)


def sides(data: Any, names: Sequence[str]) -> tuple[float, float, float, float]:
    """Return bid, its size, ask and its size of an object by their four keys, NaN where one is missing."""
    bid, bid_size, ask, ask_size = (number(data.get(name)) for name in names)
    return bid, bid_size, ask, ask_size


def doubled(value: Any, stream: int) -> int:
    """Return a venue's number, doubled, plus the stream (1 for trades); null where there is none that could rise."""
    if value is None or isinstance(value, float):
        return NULL_LONG
    if isinstance(value, str):
        if not value.isdigit():
            return NULL_LONG
        value = int(value)
    return int(value) * 2 + stream if 0 <= value < SEQ_MAX else NULL_LONG


def columns_of(ticks: Sequence[Tick]) -> Columns:
    """Return ticks as columns of RawTick, in order."""
    out = port.raw_ticks(len(ticks))
    if not ticks:
        return out
    fields = dict(zip(Tick._fields, zip(*ticks, strict=True), strict=True))
    for name in ("symbol_id", "vendor", "venue", "conditions"):
        codes = {text: STRINGS.code(text) for text in dict.fromkeys(fields[name])}
        out[name] = [codes[text] for text in fields[name]]
    out["kind"] = [port.kind_index(kind) for kind in fields["kind"]]
    for name in ("ts_event", "ts_recv", "seq", "price", "size", "bid", "ask", "bid_size", "ask_size"):
        out[name] = fields[name]
    return out
