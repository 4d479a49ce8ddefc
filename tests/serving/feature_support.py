"""A store of feature rows in memory, and the services over it on free ports."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from offline.features.packs import PackView
from offline.features.rows import Rows
from offline.features.sources import known_ns
from processors.errors import RetryableError
from tests.serving.support import MINUTE_NS, TS0_NS

SYMBOLS = ("EURUSD:FX", "NZDUSD:FX")


@dataclass
class ListedRows:
    """Ten minutes of two symbols; may be away."""

    name: str = "Redis"
    away: bool = False
    first: int = 0
    asked: list = field(default_factory=list)

    def newest(self, symbols: Sequence[str], tf: str, as_of_ns: int | None, n: int, pack: PackView) -> Rows:
        """Return the rows."""
        if self.away:
            raise RetryableError(f"{self.name}: connection refused")
        self.asked.append((tuple(symbols), tf, as_of_ns, n))
        symbol = np.repeat(np.arange(len(symbols)), 10)
        minutes = np.tile(np.arange(10), len(symbols))
        ts_ns = TS0_NS + minutes * MINUTE_NS + 1
        values = np.arange(len(pack.names))[:, None] + minutes / 8 + symbol * 1000.0
        values[0] = np.nan
        values[1, minutes == 9] = np.inf
        quality = np.array(
            [minutes % 2 == 1, minutes / 16, 1.5 + minutes, np.where(minutes == 9, np.nan, minutes), minutes % 3 == 0]
        )
        ts_ns = ts_ns.astype(np.int64)
        rows = Rows(symbol.astype(np.int64), ts_ns, values, quality.astype(np.float64), known_ns(ts_ns))
        known = np.isin(symbol, [i for i, s in enumerate(symbols) if s in SYMBOLS]) & (minutes >= self.first)
        kept = known & ((tf == "1m") & (ts_ns <= (as_of_ns if as_of_ns is not None else 2**62)))
        return rows.take(kept).newest(n)


def get(address: str, path: str, **query: str) -> tuple[int, dict]:
    """Return status and JSON of an address."""
    at = f"{address}{path}" + ("?" + urllib.parse.urlencode(query) if query else "")
    try:
        with urllib.request.urlopen(at, timeout=10) as answer:  # noqa: S310 - our own server
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as e:
        with e:
            return e.code, json.load(e)


def run_on(loop: asyncio.AbstractEventLoop, coroutine):
    """Return the result of a coroutine of another thread's loop."""
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)
