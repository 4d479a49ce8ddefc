"""Feature requests of both doors, gRPC and REST: checked, answered in the right thread, refused with a reason.

request -> engine's thread: Redis, decoding -> is a row missing there? -> another thread: ClickHouse, back-fills
-> many rows? -> that thread too: the message, or the text
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal, TypeVar

from offline.features.rows import FeatureRows
from offline.features.service import SYMBOLS_MAX, FeatureService, Found, Request
from processors.errors import ConfigError, PlatformError, RetryableError
from schemas.features import FOUNDING_PACK
from schemas.instruments import load_instruments
from serving.aborts import FAULT
from serving.batcher import Batcher
from serving.records import iso

HISTORY_THREADS = 4
HISTORY_PENDING_MAX = 64
"""Requests that wait for history, some seconds of work; more are refused, not queued."""
READS_PENDING_MAX = 256
"""Requests that wait for the newest rows, half a second of work: scores wait in the same line."""
CELLS_AT_ONCE = 5_000
"""Values of an answer that is written in the event loop, some milliseconds; of a longer one all others would wait."""
NAMED_MAX = 5
"""Symbols that a refusal names."""

LOG = logging.getLogger(__name__)

T = TypeVar("T")
Kind = Literal["invalid", "not_found", "away", "busy", "broken", "fault"]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no answer.

    Parameters
    ----------
    where, key, value, remedy
        Of a setting or an argument that is wrong, where it is one.
    """

    kind: Kind
    message: str
    where: str = ""
    key: str = ""
    value: Any = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class FeatureAnswer:
    """Rows, and for each symbol without one the reason."""

    rows: FeatureRows
    missing: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as it came: what is wrong with it is found by the service.

    Parameters
    ----------
    as_of_ns
        None: now.
    known_by_ns
        None: not asked.
    """

    symbols: Sequence[str]
    as_of_ns: int | None = None
    pack_id: str = FOUNDING_PACK
    time_horizon: str = "1m"
    rows: int = 1
    known_by_ns: int | None = None


class FeatureEngine:
    """Answers requests of the event loop.

    Parameters
    ----------
    batcher
        Its thread decodes rows: the table of strings is extended by one thread only.
    """

    def __init__(self, service: FeatureService, batcher: Batcher) -> None:
        self._service, self._batcher = service, batcher
        self._history = ThreadPoolExecutor(HISTORY_THREADS, thread_name_prefix="features")
        self._reads = _Line("the newest rows", READS_PENDING_MAX)
        self._asides = _Line("history, or for an answer of many rows", HISTORY_PENDING_MAX)

    async def answer(self, ask: Ask, told: Callable[[FeatureAnswer], T]) -> T | Refused:
        """Return the rows as ``told`` puts them, or why there are none."""
        n = len(set(ask.symbols))
        if n > SYMBOLS_MAX:
            # Before those that are no instruments are left out: a call that is too long is refused whatever it names.
            return refusal_of(ConfigError("get_features", "symbols", n, f"1 to {SYMBOLS_MAX} in one call"), "invalid")
        unknown = _unknown(ask.symbols)
        known = [s for s in ask.symbols if s not in unknown]
        if ask.symbols and not known:
            return Refused("not_found", _some(unknown), "request", "symbols", list(unknown)[:NAMED_MAX])
        found = await self._reads.through(lambda: self._batcher.in_thread(lambda: self._first(ask, known)))
        if isinstance(found, Refused):
            return found

        def answered() -> T | Refused:
            return _guarded(lambda: _told(self._whole(found), unknown, told))

        if isinstance(found, FeatureRows) and found.rows.values.size <= CELLS_AT_ONCE:
            return answered()
        loop = asyncio.get_running_loop()
        return await self._asides.through(lambda: loop.run_in_executor(self._history, answered))

    async def ready(self) -> bool:
        """Return whether the store of the newest rows answers."""
        return await self._batcher.in_thread(lambda: _guarded(self._service.ready)) is None

    def close(self) -> None:
        """End the threads."""
        self._history.shutdown(wait=True, cancel_futures=True)

    def _first(self, ask: Ask, known: Sequence[str]) -> FeatureRows | Found | Refused:
        """Return the answer where the newest store has it, else what it has."""
        service = self._service
        asked = (ask.as_of_ns, ask.pack_id, ask.time_horizon, ask.rows, ask.known_by_ns)
        request = _guarded(lambda: service.request(known, *asked), wrong="invalid")
        return request if isinstance(request, Refused) else _guarded(lambda: self._live(request))

    def _live(self, request: Request) -> FeatureRows | Found:
        found = self._service.live(request)
        return found if self._service.needs_history(found) else self._service.complete(found)

    def _whole(self, found: FeatureRows | Found) -> FeatureRows:
        return self._service.complete(found) if isinstance(found, Found) else found


class _Line:
    """Requests that wait for the same threads; more than so many are refused."""

    def __init__(self, waits_for: str, limit: int) -> None:
        self._waits_for, self._limit, self._n = waits_for, limit, 0

    async def through(self, start: Callable[[], Awaitable[T]]) -> T | Refused:
        """Return what comes of a call, unless too many wait."""
        if self._n >= self._limit:
            message = f"{self._n} requests wait for {self._waits_for}, limit {self._limit}: try again later"
            return Refused("busy", message)
        self._n += 1
        try:
            return await start()
        finally:
            self._n -= 1


def refusal_of(error: ConfigError, kind: Kind) -> Refused:
    """Return an error as a refusal: a file by its name, since where it lies here is nobody's business."""
    where = PurePath(error.where).name if "/" in error.where and Path(error.where).is_absolute() else error.where
    return Refused(kind, str(error).replace(error.where, where), where, error.key, error.value, error.remedy)


def _guarded(call: Callable[[], T], wrong: Kind = "away") -> T | Refused:
    """Return what a call gives, an error as a refusal.

    Parameters
    ----------
    wrong
        Whose a wrong setting is: the request's, or that of a store, which is as good as away until it is mended.
    """
    try:
        return call()
    except ConfigError as e:
        return refusal_of(e, wrong)
    except RetryableError as e:
        return Refused("away", str(e))
    except PlatformError as e:
        return Refused("broken", str(e))
    except Exception:
        LOG.exception("a feature request has no answer")
        return Refused("fault", FAULT)


def _unknown(symbols: Sequence[str]) -> dict[str, str]:
    """Return the symbols that are no instruments, each with the reason."""
    known = load_instruments().by_symbol
    return {s: f"{s[:64]} is no instrument" for s in symbols if s and s not in known}


def _told(found: FeatureRows, unknown: dict[str, str], told: Callable[[FeatureAnswer], T]) -> T | Refused:
    answer = _answer(found, unknown)
    return answer if isinstance(answer, Refused) else told(answer)


def _answer(found: FeatureRows, unknown: dict[str, str]) -> FeatureAnswer | Refused:
    counts = found.rows.counts(len(found.symbols))
    until = "" if found.as_of_ns is None else f" at or before {iso(found.as_of_ns)}"
    until += "" if found.known_by_ns is None else f", known by {iso(found.known_by_ns)},"
    pack_id = found.pack.pack_id
    missing = dict(unknown)
    for i, symbol in enumerate(found.symbols):
        if counts[i] == 0:
            missing[symbol] = f"{symbol} {found.tf} has no row{until} with the pack {pack_id}"
    if len(found):
        return FeatureAnswer(found, missing)
    remedy = f"ask for another time or pack, or fill the history: mps features backfill --pack {pack_id}"
    message = f"{_some(missing)}: {remedy}"
    return Refused("not_found", message, "request", "symbols", list(found.symbols)[:NAMED_MAX], remedy)


def _some(reasons: dict[str, str]) -> str:
    """Return the first reasons, and how many more there are."""
    more = len(reasons) - NAMED_MAX
    return "; ".join(list(reasons.values())[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
