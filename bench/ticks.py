"""Raw ticks for benchmarks: many symbols, four vendors, a price that walks, as fast as memory allows."""

import numpy as np
from confluent_kafka import Producer

from processors.runtime.batch import Columns, EncodedBatch
from processors.runtime.client_log import CLIENT_LOG
from processors.runtime.codec import FlatCodec
from processors.runtime.native import choose_path
from processors.runtime.strings import STRINGS
from processors.runtime.topics import create_topics
from processors.topology import platform_partitions
from schemas.registry import load_registry

RAW = "ticks.raw.v1"
SYMBOLS = 500
VENDORS = ("ALPHA", "BRAVO", "CHARLIE", "DELTA")
START_NS = 1_718_000_000_000_000_000
"""Monday 2024-06-10 06:13:20 UTC: the FX session is open."""


def instruments_csv(kind: str = "trade") -> str:
    """Return an instruments file with the benchmark's symbols, whose bars are made of trades or of quotes."""
    head = "symbol_id,asset_class,price_basis,tick_size,lot_size,multiplier,currency,calendar,partition_key\n"
    return head + "".join(f"S{i:04d}:FX,fx,{kind},0.0001,1,1,USD,FX,\n" for i in range(SYMBOLS))


class TickMaker:
    """Makes ticks of ``SYMBOLS`` symbols by four vendors that agree within a few tick sizes.

    Parameters
    ----------
    per_s
        Ticks per second of event time.
    kind
        ``trade`` or ``quote``.
    """

    def __init__(self, per_s: float, kind: str = "trade", seed: int = 7) -> None:
        self._kind = kind
        entry = load_registry().current(RAW)
        self._codec = FlatCodec(entry.schema, entry.id)
        self._rng = np.random.default_rng(seed)
        self._symbols = np.array([STRINGS.code(f"S{i:04d}:FX") for i in range(SYMBOLS)])
        self._vendors = np.array([STRINGS.code(v) for v in VENDORS])
        self._now_ns = START_NS
        self.pace(per_s)
        self._price = 1.0 + 0.5 * self._rng.random(SYMBOLS)
        self._made = 0

    def pace(self, per_s: float) -> None:
        """Make so many ticks a second of event time from now on."""
        self._step_ns = int(1e9 / per_s)

    def make(self, n: int) -> list[EncodedBatch]:
        """Return the next n ticks in event order, by partition: symbol i lives in partition i modulo four."""
        rng = self._rng
        symbol = rng.integers(0, SYMBOLS, n)
        self._price += rng.normal(0, 2e-6, SYMBOLS) * np.sqrt(n)
        columns = Columns.empty(self._codec.layout, n)
        columns["symbol_id"] = self._symbols[symbol]
        columns["vendor"] = self._vendors[rng.integers(0, len(VENDORS), n)]
        columns["venue"] = columns["conditions"] = STRINGS.code("")
        columns["ts_event"] = self._now_ns + np.arange(n) * self._step_ns
        self._now_ns += n * self._step_ns
        columns["ts_recv"] = columns["ts_event"] + 1_500_000
        price = np.round(self._price[symbol] + rng.normal(0, 1e-4, n), 5)
        for name in ("price", "size", "bid", "ask", "bid_size", "ask_size"):
            columns[name] = np.nan
        if self._kind == "trade":
            columns["price"], columns["size"] = price, rng.integers(1, 1000, n)
        else:
            columns["kind"] = self._codec.layout.symbols["kind"].index("quote")
            columns["bid"], columns["ask"] = price - 2e-5, price + 2e-5
            columns["bid_size"], columns["ask_size"] = rng.integers(1, 50, n), rng.integers(1, 50, n)
        columns["seq"] = self._made + np.arange(n)
        self._made += n
        out = []
        for p in range(platform_partitions()):
            mine = columns.take(symbol % platform_partitions() == p)
            out.append(self._codec.encode(RAW, p, mine, mine["symbol_id"]))
        return out


def fill(bootstrap_servers: str, prefix: str, n: int, per_s: float = 5_000.0) -> tuple[int, float]:
    """Publish n ticks and return their number and mean size, bytes."""
    create_topics(bootstrap_servers, prefix=prefix)
    producer = Producer({
        "logger": CLIENT_LOG,
        "bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5,
        "queue.buffering.max.messages": 500_000,
    })  # fmt: skip
    sink = choose_path("auto").sink(producer)
    maker = TickMaker(per_s)
    made = size = 0
    while made < n:
        for batch in maker.make(min(50_000, n - made)):
            sink.produce(prefix + RAW, batch)
            size += len(batch.payload)
            made += len(batch)
    producer.flush(60)
    sink.close()
    return made, size / made
