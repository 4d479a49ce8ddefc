"""Databento: trades and best bid and offer of futures and equities, by its own client. Needs the extra ``databento``.

One subscription, ``mbp-1``, has both: an event of action T is a trade, any other a quote. Numbers are made as from its
files: the sequence number of the packet and the event's place in it. Where the dataset has it, ``status`` is another:
halts, auctions and their ends.
"""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from typing import Any

from processors.errors import ConfigError
from processors.feeds.dbn import PRICE_SCALE, UNDEFINED_PRICE, databento, symbol_id
from processors.feeds.live.health import Health
from processors.feeds.live.port import Tick
from processors.feeds.live.read import NAN
from processors.feeds.live.session import CUT, Backoff, Put, SessionConfig
from processors.runtime.batch import NULL_LONG

LOG = logging.getLogger(__name__)

VENDOR = "DATABENTO"
KEY = "DATABENTO_API_KEY"
HEARTBEAT_S = 10
STATUS_DATASETS = ("GLBX.MDP3", "XNAS.ITCH", "XNYS.PILLAR", "ARCX.PILLAR", "XASE.PILLAR")
"""Datasets of exchanges that publish the status of an instrument; to ask another one for it would end the session."""
PHASES = {
    "HALT": "halt", "SUSPEND": "halt", "PAUSE": "halt", "NOT_AVAILABLE_FOR_TRADING": "halt", "TRADING": "resume",
    "PRE_OPEN": "auction", "PRE_CROSS": "auction", "CROSS": "auction", "ROTATION": "auction", "QUOTING": "auction",
}  # fmt: skip
"""Action of a status -> phase. In an auction, and while there are quotes alone, nobody trades at them. The end of a
session is told by its calendar; what is no phase (a price indication, a rule for short sales) passes as it is."""
_PLACE_BITS = 16


class DatabentoLive:
    """Keeps Databento's live client, which connects anew by itself.

    Parameters
    ----------
    symbols
        Raw symbols (``ESZ6``), or parents (``ES.FUT``: all contracts of a root).
    dataset
        ``GLBX.MDP3``...
    gateway, port
        Instead of the vendor's own.
    config
        How long to wait between sessions that end.

    Raises
    ------
    ConfigError
        The package or the key is missing.
    """

    def __init__(
        self, symbols: Sequence[str], dataset: str, gateway: str | None = None, port: int = 13_000,
        config: SessionConfig | None = None,
    ) -> None:  # fmt: skip
        self._package = databento()
        self._key = os.environ.get(KEY, "")
        if not self._key:
            raise ConfigError("databento", KEY, "", "set it to your key")
        self._symbols, self._dataset, self._gateway, self._port = list(symbols), dataset, gateway, port
        self.health = Health("databento", VENDOR, "")
        self._names: dict[int, str] = {}
        self._places: dict[tuple[str, int], tuple[int, int]] = {}
        self._cut = False
        self._config = config or SessionConfig()

    def symbol_id(self, symbol: str) -> str:
        """Return our instrument of a raw symbol."""
        return symbol_id(self._dataset, symbol)

    async def run(self, put: Put) -> None:
        """Bring ticks until cancelled.

        The client makes a short cut good by itself; a session that has ended for good is followed by a new one.

        Raises
        ------
        ConfigError
            The vendor refused the key or the subscription, or could not be reached, at the first session.
        """
        # Its calls wait for the gateway, in threads of its own.
        client = await asyncio.to_thread(self._client)
        backoff = Backoff(self._config)
        while True:
            began_s = time.monotonic()
            try:
                if client is None:
                    client = await asyncio.to_thread(self._client)
                    # What the sessions missed between them is marked with the first record.
                    self._cut = True
                self.health.state = "connected"
                async for record in client:
                    rows = self.ticks_of(record, time.time_ns())
                    if rows:
                        await put(rows)
                why = "the gateway ended the session"
            except (self._package.BentoError, ConfigError) as e:
                why = str(e)
            finally:
                if client is not None:
                    client.terminate()
            client = None
            wait_s = backoff.after(time.monotonic() - began_s)
            self.health.state, self.health.detail = "reconnecting", why[:80]
            LOG.warning("databento: %s; a new session in %.1f s", why, wait_s)
            await asyncio.sleep(wait_s)

    def _client(self) -> Any:
        try:
            client = self._package.Live(
                key=self._key, gateway=self._gateway, port=self._port, heartbeat_interval_s=HEARTBEAT_S,
                reconnect_policy="reconnect",
            )  # fmt: skip
            client.add_reconnect_callback(self._reconnected)
            for parents in (True, False):
                mine = [s for s in self._symbols if ("." in s) == parents]
                if mine:
                    stype = "parent" if parents else "raw_symbol"
                    client.subscribe(self._dataset, "mbp-1", mine, stype)
                    if self._dataset in STATUS_DATASETS:
                        client.subscribe(self._dataset, "status", mine, stype)
        except (self._package.BentoError, ValueError) as e:
            raise ConfigError("databento", KEY, "refused", str(e)) from e
        return client

    def _reconnected(self, *_span: Any) -> None:
        # Called from the client's thread: the marks go with the next record.
        self._cut = True

    def ticks_of(self, record: Any, recv_ns: int) -> list[Tick]:
        """Return the ticks of one record: none of a mapping, a heartbeat or a message of the gateway."""
        kind = type(record).__name__
        self.health.messages += 1
        self.health.last_recv_ns = recv_ns
        if kind == "SymbolMappingMsg":
            self._names[record.instrument_id] = record.stype_out_symbol
            self.health.symbols = tuple(dict.fromkeys(self.symbol_id(name) for name in self._names.values()))
        elif kind == "ErrorMsg":
            self.health.refused += 1
            self.health.detail = f"refused: {record.err}"[:80]
        if kind not in ("MBP1Msg", "TradeMsg", "StatusMsg"):
            return []
        marks = []
        if self._cut:
            self._cut = False
            self.health.reconnects += 1
            marks = [self.health.mark(s, recv_ns, CUT) for s in self.health.symbols]
        tick = self._status(record, recv_ns) if kind == "StatusMsg" else self._tick(record, recv_ns)
        self.health.saw([tick])
        return [*marks, tick]

    def _status(self, record: Any, recv_ns: int) -> Tick:
        symbol = self.symbol_id(self._names.get(record.instrument_id, str(record.instrument_id)))
        # Enums of the package; a number that it does not know yet stays one.
        action, reason = (getattr(x, "name", str(x)) for x in (record.action, record.reason))
        said = PHASES.get(action, f"status:{action}:{reason}")
        venue = symbol.rpartition(":")[2]
        return Tick("status", symbol, VENDOR, venue, record.ts_event, recv_ns, conditions=said)

    def _tick(self, record: Any, recv_ns: int) -> Tick:
        symbol = self.symbol_id(self._names.get(record.instrument_id, str(record.instrument_id)))
        venue = symbol.rpartition(":")[2]
        # The package gives the action as a character or as an enum, by its version.
        is_trade = str(getattr(record.action, "value", record.action)) == "T"
        seq = self._number(symbol, int(record.sequence), int(is_trade))
        if is_trade:
            return Tick(
                "trade", symbol, VENDOR, venue, record.ts_event, recv_ns, price=_price(record.price),
                size=float(record.size), seq=seq,
            )  # fmt: skip
        top = record.levels[0]
        return Tick(
            "quote", symbol, VENDOR, venue, record.ts_event, recv_ns, bid=_price(top.bid_px), ask=_price(top.ask_px),
            bid_size=float(top.bid_sz), ask_size=float(top.ask_sz), seq=seq,
        )  # fmt: skip

    def _number(self, symbol: str, sequence: int, stream: int) -> int:
        """Return the number of an event, as ``futures`` makes it of a file."""
        last, count = self._places.get((symbol, stream), (NULL_LONG, 0))
        place = count if sequence == last else 0
        self._places[symbol, stream] = (sequence, place + 1)
        if place >= 1 << _PLACE_BITS:
            return NULL_LONG
        return sequence << (_PLACE_BITS + 1) | place << 1 | stream


def _price(fixed: int) -> float:
    return NAN if fixed == UNDEFINED_PRICE else fixed * PRICE_SCALE
