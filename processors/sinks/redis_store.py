"""The latest rows in Redis: the layout of the keys and their reader, for ScoreService and tools.

    gold:{symbol_id}:{tf}     sorted set, newest rows only; score = ts, ms; member = place (16 bytes) + wire bytes
    cross:{symbol_id}:{tf}    the same of the cross-section
    signal:{symbol_id}:{tf}   string: wire bytes of the newest signal
    freshness:{symbol_id}     hash: "source:tf" -> JSON of the newest state
    sink:positions            hash: "topic:partition" -> next offset; "topic" -> the topic's id
    sink:filling              there while an empty Redis is filled from the topics, or is full: what it has is old
    sink:filled               in its place at all other times: a full Redis takes no new key, but lets one be renamed

A score is a float64: it holds milliseconds exactly, nanoseconds not. So the place at the front of a member is ts in
nanoseconds and then the record's offset, both big-endian: members of one score are ordered by bytes, hence by
nanosecond, hence by age in the log; and a record that is written again makes the very same member.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import redis

from processors.errors import RetryableError

POSITIONS_KEY = "sink:positions"
FILLING_KEY = "sink:filling"
FILLED_KEY = "sink:filled"
FILLING = "Redis is being filled from the topics, or is full: its rows are old until the sink has caught up"
"""What its readers are told meanwhile."""
CONSENSUS = "consensus"
"""Source of the freshness that the bars stage tells: of all sources together."""
TIMEOUT_S = 5.0
"""A loopback answer takes 0.1 ms; beyond seconds the server is away."""

_PLACE_BYTES = 16
_PAGE = 8
"""Members read at once by an as-of look-up; a second page is needed only for rows within one millisecond."""


@dataclass(frozen=True, slots=True)
class FreshnessState:
    """Newest freshness of one source, or of the consensus, at one timeframe; the fields of the record Freshness."""

    state: str
    previous: str
    ts_ns: int
    since_ns: int
    age_ms: float
    threshold_ms: float


def row_key(kind: str, symbol_id: str, tf: str) -> str:
    """Return the key of an instrument's rows of a kind, ``gold`` or ``cross``."""
    return f"{kind}:{symbol_id}:{tf}"


def gold_key(symbol_id: str, tf: str) -> str:
    """Return the key of an instrument's gold rows."""
    return row_key("gold", symbol_id, tf)


def signal_key(symbol_id: str, tf: str) -> str:
    """Return the key of an instrument's newest signal."""
    return f"signal:{symbol_id}:{tf}"


def freshness_key(symbol_id: str) -> str:
    """Return the key of an instrument's freshness states."""
    return f"freshness:{symbol_id}"


def row_score_ms(ts_ns: int) -> int:
    """Return the score of a row: its ts in whole milliseconds, rounded down."""
    return ts_ns // 1_000_000


def row_member(ts_ns: int, offset: int, wire: bytes) -> bytes:
    """Return the member of a row: its place, then its bytes as they were in the topic."""
    return (ts_ns + (1 << 63)).to_bytes(8, "big") + offset.to_bytes(8, "big") + wire


def _ts_ns(member: bytes) -> int:
    return int.from_bytes(member[:8], "big") - (1 << 63)


def encode_freshness(state: FreshnessState) -> str:
    """Return the state as JSON."""
    return json.dumps({name: getattr(state, name) for name in FreshnessState.__slots__})


class RedisStore:
    """Reader of the latest rows; safe to share between threads.

    Rows are returned as they were in the topic: Confluent wire format, header included.

    Parameters
    ----------
    client
        Made without ``decode_responses``.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the reader of the server at ``redis://host:port/db``. Connects at the first call."""
        return cls(redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S))

    def latest_gold(self, symbol_id: str, tf: str) -> bytes | None:
        """Return the newest gold row of an instrument, None if there is none.

        Raises
        ------
        RetryableError
            Redis does not answer, or is being filled.
        """
        return self.latest_gold_many([(symbol_id, tf)])[0]

    def latest_gold_many(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Return the newest gold row of each (symbol_id, tf), in one round trip; see ``latest_gold``."""
        found: list[list[bytes]] = self._ask([("ZRANGE", gold_key(symbol_id, tf), -1, -1) for symbol_id, tf in wanted])
        return [members[0][_PLACE_BYTES:] if members else None for members in found]

    def gold_as_of(self, symbol_id: str, tf: str, as_of_ns: int) -> bytes | None:
        """Return the newest gold row with ts at or before ``as_of_ns`` (nanoseconds since the epoch, UTC).

        Returns
        -------
        None if there is none among the rows that are kept (the newest 512 unless configured otherwise): older
        rows are in ClickHouse.

        Raises
        ------
        RetryableError
            Redis does not answer, or is being filled.
        """
        begin = 0
        while True:
            page: list[bytes] = self._ask([_until(symbol_id, tf, row_score_ms(as_of_ns), begin, _PAGE)])[0]
            for member in page:
                if _ts_ns(member) <= as_of_ns:
                    return member[_PLACE_BYTES:]
            if len(page) < _PAGE:
                return None
            begin += _PAGE

    def gold_rows_many(
        self, wanted: Sequence[tuple[str, str, int | None]], rows: int
    ) -> list[list[tuple[int, int, bytes]]]:
        """Return the newest gold rows of each (symbol_id, tf, as_of_ns), in one round trip.

        Parameters
        ----------
        wanted
            ``as_of_ns`` as in ``gold_as_of``; None for the newest rows of all.
        rows
            Most of each.

        Returns
        -------
        Of each, oldest first: ts in nanoseconds, offset in the topic, wire bytes.

        Raises
        ------
        RetryableError
            Redis does not answer, or is being filled.
        """
        # A score is in milliseconds: a page more, for those of the same one that are later.
        found: list[list[bytes]] = self._ask(
            [
                _until(symbol_id, tf, "+inf" if as_of_ns is None else row_score_ms(as_of_ns), 0, rows + _PAGE)
                for symbol_id, tf, as_of_ns in wanted
            ]
        )
        out = []
        for (_, _, as_of_ns), members in zip(wanted, found, strict=True):
            placed = [(_ts_ns(m), int.from_bytes(m[8:_PLACE_BYTES], "big"), m[_PLACE_BYTES:]) for m in members]
            known = [row for row in placed if as_of_ns is None or row[0] <= as_of_ns]
            out.append(known[:rows][::-1])
        return out

    def latest_signal(self, symbol_id: str, tf: str) -> bytes | None:
        """Return the newest signal of an instrument, None if there is none.

        Raises
        ------
        RetryableError
            Redis does not answer, or is being filled.
        """
        found: bytes | None = self._ask([("GET", signal_key(symbol_id, tf))])[0]
        return found

    def freshness(self, symbol_id: str) -> dict[tuple[str, str], FreshnessState]:
        """Return the newest state of each (source, tf) of an instrument; empty if there is none.

        Raises
        ------
        RetryableError
            Redis does not answer, or is being filled.
        """
        found: dict[bytes, bytes] = self._ask([("HGETALL", freshness_key(symbol_id))])[0]
        states = {}
        for name, text in found.items():
            source, _, tf = name.decode().rpartition(":")
            states[source, tf] = _state(text)
        return states

    def consensus_many(self, wanted: Sequence[tuple[str, str]]) -> list[FreshnessState | None]:
        """Return the newest freshness of the consensus for each (symbol_id, tf), in one round trip.

        Raises
        ------
        RetryableError
            Redis does not answer, or is being filled.
        """
        found: list[bytes | None] = self._ask(
            [("HGET", freshness_key(symbol_id), f"{CONSENSUS}:{tf}") for symbol_id, tf in wanted]
        )
        return [None if text is None else _state(text) for text in found]

    def positions(self) -> dict[tuple[str, int], int]:
        """Return the offset after the last record that is written, by topic and partition.

        Raises
        ------
        RetryableError
            Redis does not answer.
        """
        try:
            found = cast("dict[bytes, bytes]", self.client.hgetall(POSITIONS_KEY))
        except redis.RedisError as e:
            raise RetryableError(f"Redis: {e}") from e
        places = ((name.decode().rpartition(":"), offset) for name, offset in found.items())
        # A topic's id stands among them, under its name alone.
        return {(topic, int(partition)): int(offset) for (topic, colon, partition), offset in places if colon}

    def _ask(self, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
        """Return the answers, in one round trip.

        Raises
        ------
        RetryableError
            Redis does not answer, or is being filled.
        """
        try:
            with self.client.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)  # type: ignore[no-untyped-call]
                pipe.exists(FILLING_KEY)
                *found, filling = pipe.execute()
        except redis.RedisError as e:
            raise RetryableError(f"Redis: {e}") from e
        if filling:
            raise RetryableError(FILLING)
        return found


def _until(symbol_id: str, tf: str, score: str | int, begin: int, num: int) -> tuple[str | int, ...]:
    """Return the command that reads gold rows up to a score, newest first."""
    return "ZREVRANGEBYSCORE", gold_key(symbol_id, tf), score, "-inf", "LIMIT", begin, num


def _state(text: bytes) -> FreshnessState:
    fields: dict[str, Any] = json.loads(text)
    return FreshnessState(**fields)
