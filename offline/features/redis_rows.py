"""Live rows: the newest gold and cross rows in Redis, as the sink keeps them (``processors/sinks/redis_store.py``).

One round trip for all symbols; the rows are decoded together by the compiled codec, never field by field.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import redis

from offline.features.packs import QUALITY, PackView
from offline.features.rows import Rows, merged
from offline.features.sources import CROSS, GOLD, RowSource, known_ns
from offline.features.version_files import doubles
from processors.errors import PlatformError, RetryableError
from processors.missing import F64, Mask
from processors.runtime.batch import Columns
from processors.runtime.codec import OK, ROW_ERRORS
from processors.runtime.row_reader import RowReader
from processors.runtime.strings import STRINGS
from processors.score.score import has_pack
from processors.sinks.redis_store import FILLING, FILLING_KEY, row_key, row_score_ms
from schemas.registry import Registry, load_registry

PLACE_BYTES = 16
"""In front of a member: ts in nanoseconds and offset, see the store."""
_SIGN = 1 << 63

_NEWEST = """
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local out = {}
for i = 2, #KEYS do
  local key, page = KEYS[i]
  if ARGV[2] == '' then
    page = redis.call('ZRANGE', key, -ARGV[1], -1)
  else
    page = redis.call('ZREVRANGEBYSCORE', key, ARGV[2], '-inf', 'LIMIT', 0, ARGV[1])
  end
  out[#out + 1] = #page
  local first, last, step = 1, #page, 1
  if ARGV[2] ~= '' then first, last, step = #page, 1, -1 end
  for j = first, last, step do out[#out + 1] = page[j] end
end
return out
"""
"""Reads all keys with one command and one flat answer, the number of members before those of each key: a hundred
commands in a pipeline cost the client 3 ms to write and to read, this one a fifth. No answer while the first key is
there: Redis is being filled."""


class RedisRows:
    """Reader of the rows in Redis.

    Used by one thread at a time, since decoding extends the table of strings.

    Parameters
    ----------
    client
        Made without ``decode_responses``.
    """

    name = "Redis"

    def __init__(self, client: redis.Redis, registry: Registry | None = None) -> None:
        registry = registry or load_registry()
        self._decoders = {source.topic: _Decoder(source, registry) for source in (GOLD, CROSS)}
        self._script: Any = client.register_script(_NEWEST)

    def newest(self, symbols: Sequence[str], tf: str, as_of_ns: int | None, n: int, pack: PackView) -> Rows:
        """Return the newest rows; see ``FeatureStore``."""
        rows, more = self._page(symbols, tf, as_of_ns, n, n, pack)
        depth = n
        while more:
            # Records of other packs, or made twice, stood in the way: look further back.
            depth = 4 * depth + 8
            deeper, still = self._page([symbols[i] for i in more], tf, as_of_ns, n, depth, pack)
            place = np.array(more, np.int64)
            rows = merged(deeper.placed(place), rows).newest(n)
            more = [more[i] for i in still]
        return rows

    def _page(
        self, symbols: Sequence[str], tf: str, as_of_ns: int | None, n: int, depth: int, pack: PackView
    ) -> tuple[Rows, list[int]]:
        """Return the rows among the newest ``depth`` members, and which symbols have too few and more members."""
        members: list[bytes] = []
        symbol: list[int] = []
        full = []
        for i, found in enumerate(self._members([row_key(pack.source.kind, s, tf) for s in symbols], as_of_ns, depth)):
            members += found
            symbol += [i] * len(found)
            full.append(len(found) == depth)
        if not members:
            return Rows.none(len(pack.names)), []
        rows = self._decoders[pack.source.topic].rows([m[PLACE_BYTES:] for m in members], symbol, pack)
        # A record that is made anew has the same time: the last one in the log counts.
        last = np.r_[(rows.symbol[1:] != rows.symbol[:-1]) | (rows.ts_ns[1:] != rows.ts_ns[:-1]), True][: len(rows)]
        rows = rows if last.all() else rows.take(last)
        if len(rows) == n * len(symbols):
            return rows, []
        counts = rows.counts(len(symbols))
        return rows.newest(n), [i for i in range(len(symbols)) if counts[i] < n and full[i]]

    def _members(self, keys: list[str], as_of_ns: int | None, n: int) -> list[list[bytes]]:
        """Return the members of each key, ascending in time, at most ``n``."""
        found = self._ask(keys, as_of_ns, n)
        if as_of_ns is None:
            return found
        extra = 0
        # A score has whole milliseconds: rows of the last one may be too late, and then some more are asked for.
        full = [i for i, members in enumerate(found) if len(members) == n]
        late = [i for i in full if _ts_ns(found[i][-1]) > as_of_ns]
        found = [_until(members, as_of_ns, n) for members in found]
        while late:
            extra = 2 * extra + 8
            more = self._ask([keys[i] for i in late], as_of_ns, n + extra)
            for i, members in zip(late, more, strict=True):
                found[i] = _until(members, as_of_ns, n)
            late = [
                i for i, members in zip(late, more, strict=True) if len(found[i]) < n and len(members) == n + extra
            ]  # fmt: skip
        return found

    def _ask(self, keys: list[str], as_of_ns: int | None, n: int) -> list[list[bytes]]:
        """Return the newest ``n`` members of each key up to the millisecond of a time, ascending; in one round trip."""
        score = "" if as_of_ns is None else row_score_ms(as_of_ns)
        try:
            flat = self._script([FILLING_KEY, *keys], [n, score])
        except redis.RedisError as e:
            raise RetryableError(f"Redis: {e}") from e
        if flat is None:
            raise RetryableError(FILLING)
        found, at = [], 0
        for _ in keys:
            count = flat[at]
            found.append(flat[at + 1 : at + 1 + count])
            at += 1 + count
        return found


def _until(members: list[bytes], as_of_ns: int, n: int) -> list[bytes]:
    """Return the last ``n`` of those at or before a time."""
    return [m for m in members if _ts_ns(m) <= as_of_ns][-n:]


def _ts_ns(member: bytes) -> int:
    return int.from_bytes(member[:8], "big") - _SIGN


class _Decoder:
    """Decodes stored rows of one source."""

    def __init__(self, source: RowSource, registry: Registry) -> None:
        self._source, self._reader = source, RowReader(source.topic, registry)
        self._takes: dict[str, Any] = {}

    def rows(self, wire: list[bytes], symbol: list[int], pack: PackView) -> Rows:
        """Return those rows that have a pack.

        Raises
        ------
        PlatformError
            A row cannot be read.
        """
        found = self._decoded(wire)
        if pack.ref not in self._takes:
            column = found.layout.column
            self._takes[pack.ref] = np.array([column[f"features.{name}"][1] for name in pack.names])
        values: F64 = found.floats[self._takes[pack.ref]]
        nothing = np.full(len(found), np.nan)
        told = self._source.quality
        quality = np.array([doubles(found, told[q]) if q in told else nothing for q in QUALITY])
        ts = np.asarray(found["ts"], np.int64)
        known = known_ns(ts, doubles(found, self._source.waited) if self._source.waited else 0.0)
        rows = Rows(np.array(symbol, np.int64), ts, values, quality, known)
        having = self._having(found, pack)
        return rows if having.all() else rows.take(having)

    def _having(self, found: Columns, pack: PackView) -> Mask:
        if not self._source.unnamed_pack_id:
            return has_pack(found, pack.pack_id, pack.hash)
        codes, inverse = np.unique(np.asarray(found["packs"], np.int64), return_inverse=True)
        sets = [STRINGS.array(int(code)) for code in codes]
        having = [pack.ref in named or (not named and pack.pack_id == self._source.unnamed_pack_id) for named in sets]
        return np.array(having, np.bool_)[inverse]

    def _decoded(self, wire: list[bytes]) -> Columns:
        columns, error = self._reader.read(wire)
        wrong = np.flatnonzero(error != OK)
        if len(wrong):
            raise PlatformError(f"a stored {self._source.kind} row cannot be read: {ROW_ERRORS[error[wrong[0]]]}")
        return columns
