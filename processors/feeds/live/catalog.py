"""The table of venues (``venues.csv``): which parser reads one, how it spells, where it is, and what it allows.

A venue with an address can be subscribed to; of the others recordings can be read.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from processors.errors import ConfigError
from processors.feeds.live.port import LiveVenue, Venue
from processors.feeds.live.symbols import Spelling

TABLE = Path(__file__).parent / "venues.csv"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a venue allows and promises, from its documentation (column ``source``).

    Parameters
    ----------
    symbols_a_connection
        Most markets subscribed to on one connection.
    messages_per_s
        Most messages we send a second.
    connects_per_min
        Most connections a minute.
    ping, ping_s
        What to send how often, seconds; nothing where 0 (WebSocket pings are sent in any case).
    silence_s
        Without a frame for this long the connection is taken for dead.
    """

    symbols_a_connection: int
    messages_per_s: float
    connects_per_min: float
    ping: str
    ping_s: float
    silence_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """One venue of the table."""

    venue: str
    parser: str
    vendor: str
    segment: str
    spelling: Spelling
    url: str
    limits: Limits
    source: str

    def make(self) -> Venue:
        """Return a new parser."""
        module, name = self.parser.split(":")
        kind: type[Venue] = getattr(import_module(f"processors.feeds.live.venues.{module}"), name)
        return kind(self.vendor, self.segment, self.spelling)

    def connections(self, symbols: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """Yield the address and the venue's symbols of each connection that these markets (``BTC-USD``) need."""
        names = [self.live_spelling.spell(s) for s in symbols]
        for i in range(0, len(names), self.limits.symbols_a_connection):
            part = names[i : i + self.limits.symbols_a_connection]
            yield self.url.format(symbol=part[0].lower()), part

    def make_requests(self, names: Sequence[str], *, again: bool) -> Iterator[str]:
        """Yield what to send after connecting; ``again`` on every connection but the first."""
        venue = self.make()
        assert isinstance(venue, LiveVenue), f"{self.venue} has an address and no subscriptions"
        return venue.subscriptions(names, again=again)

    def symbol_id(self, name: str) -> str:
        """Return our instrument of the venue's name."""
        return self.spelling.symbol_id(name)

    @property
    def live_spelling(self) -> Spelling:
        """How it spells now: Kraken's version 2 writes BTC, where version 1 had XBT."""
        s = self.spelling
        if self.venue != "kraken":
            return s
        return Spelling(s.separator, s.lower, s.quote_first, s.prefix, s.dollar, (), s.quotes)


@cache
def rows() -> dict[str, Row]:
    """Return all venues by name."""
    with TABLE.open(newline="") as f:
        return {r["venue"]: _row(r) for r in csv.DictReader(f)}


def _row(r: dict[str, str]) -> Row:
    aliases = tuple((a.split("=")[0], a.split("=")[1]) for a in r["aliases"].split())
    spelling = Spelling(
        r["separator"], r["case"] == "lower", r["order"] == "quote", r["prefix"], r["dollar"], aliases,
        tuple(r["quotes"].split()),
    )  # fmt: skip
    limits = Limits(
        int(r["symbols_a_connection"]), float(r["messages_per_s"]), float(r["connects_per_min"]), r["ping"],
        float(r["ping_s"]), float(r["silence_s"]),
    )  # fmt: skip
    return Row(r["venue"], r["parser"], r["vendor"], r["segment"], spelling, r["url"], limits, r["source"])


def row_of(venue: str) -> Row:
    """Return a venue of the table.

    Raises
    ------
    ConfigError
        It is not there.
    """
    found = rows().get(venue.lower())
    if found is None:
        raise ConfigError("feed", "venue", venue, f"one of {', '.join(rows())}")
    return found


def live_row_of(venue: str) -> Row:
    """Return a venue that can be subscribed to.

    Raises
    ------
    ConfigError
        It is not in the table, or has no address there.
    """
    row = row_of(venue)
    if not row.url:
        live = [r.venue for r in rows().values() if r.url]
        raise ConfigError("feed", "venue", venue, f"recordings of it can be read; live are {', '.join(live)}")
    return row
