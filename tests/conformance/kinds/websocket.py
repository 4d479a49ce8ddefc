"""Recorded WebSocket messages: every line of every recording is read, and nothing in it is a wonder.

A file is told by its name (``<venue>.<connection>.<part>.raw.txt``); a venue that we cannot read is a failed case.
"""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from processors.errors import ConfigError
from processors.feeds import port
from processors.feeds.live.port import GARBAGE, Parsed, Tick, columns_of
from processors.feeds.live.raw import BROKEN, RECEIVED, Line, parsed_lines, venue_of
from processors.runtime.batch import EncodedBatch
from processors.runtime.strings import STRINGS
from tests.conformance.case import Case
from tests.conformance.reading import attempt

KIND = "websocket"
INDEX = "index.json"
BITCOIN_BEGAN_NS = 1_230_940_800_000_000_000
"""No trade of a coin is older."""
AHEAD_NS_MAX = 60_000_000_000
"""Clocks of recorders differ; by more than a minute it is another unit."""
CROSSED_SHARE_MAX = 0.1
_PAIR = re.compile(r'"([\w.-]+)" ?: ?"([^"]+)"')
RISING = frozenset({"coinbase", "binance", "binance_us", "binance_futures", "gemini", "deribit"})
"""Venues whose documentation says that the numbers of a market's trades rise."""


def check(folder: Path) -> Iterator[Case]:
    """Yield the cases of each recording, and those of the index."""
    here = folder / KIND
    told: dict[str, Any] = {}
    yield from attempt(KIND, INDEX, _told, here / INDEX, told)
    files = sorted(here.glob("*.raw.txt"))
    for path in files:
        yield from attempt(KIND, f"{path.name}: file", _file, path, told.get(path.name))
    for name in sorted(told.keys() - {p.name for p in files}):
        yield Case(KIND, f"{name}: file", ok=False, detail="in the index, but not there")


def _told(path: Path, told: dict[str, Any]) -> Iterator[Case]:
    """Add what the index says of each recording, and yield a failed case of what it says of none."""
    if not path.is_file():
        return
    for name, about in json.loads(path.read_text(encoding="utf-8")).items():
        if isinstance(about, dict):
            told[name] = about
        else:
            yield Case(KIND, f"{INDEX}: {name}", ok=False, detail=f"{about!r} says nothing of a recording")


def _file(path: Path, told: dict[str, Any] | None) -> Iterator[Case]:
    try:
        venue_of(path)
    except ConfigError as e:
        yield Case(KIND, f"{path.name}: venue", ok=False, detail=str(e))
        return
    parsed = list(parsed_lines(path))
    ticks = [tick for _, p in parsed if p is not None for tick in p.ticks]
    yield _readable(path, parsed)
    yield from _values(path, ticks)
    yield from _numbers(path, ticks)
    yield _encodable(path, ticks)
    if told is not None:
        yield from attempt(KIND, f"{path.name}: index", _index, path, told, parsed)


def _readable(path: Path, parsed: list[tuple[Line, Parsed | None]]) -> Case:
    """Check that every line is ticks, an answer, a sign of life, or left out by rule."""
    bad = [(i, p) for i, (line, p) in enumerate(parsed, start=1) if line.what == BROKEN or (p and p.what == GARBAGE)]
    fates = Counter(line.what if p is None else p.what for line, p in parsed)
    kinds = Counter(tick.kind for _, p in parsed if p for tick in p.ticks)
    counts = ", ".join(f"{n} {what}" for what, n in sorted({**fates, **kinds}.items()))
    detail = "".join(f"; line {i}: {p.detail if p else ''}" for i, p in bad[:3])
    return Case(KIND, f"{path.name}: every line", ok=not bad, detail=counts + detail)


def _values(path: Path, ticks: list[Tick]) -> Iterator[Case]:
    late = [t for t in ticks if not BITCOIN_BEGAN_NS <= t.ts_event <= t.ts_recv + AHEAD_NS_MAX]
    yield Case(KIND, f"{path.name}: times", ok=not late, detail=str(late[:2]))
    bad = [t for t in ticks if not _is_sound(t)]
    yield Case(KIND, f"{path.name}: prices", ok=not bad, detail=str(bad[:2]))
    # A venue may cross itself for a moment; sides mixed up by us would do so most of the time.
    quotes = [t for t in ticks if t.kind == "quote" and t.bid > 0 and t.ask > 0]
    crossed = [t for t in quotes if t.ask < t.bid]
    share = len(crossed) / max(1, len(quotes))
    yield Case(KIND, f"{path.name}: sides", ok=share <= CROSSED_SHARE_MAX, detail=f"{len(crossed)} of {len(quotes)}")


def _is_sound(t: Tick) -> bool:
    """Return whether prices are positive, sizes not negative, and a quote has a side."""
    if t.kind == "trade":
        return t.price > 0 and t.size >= 0
    prices = [p for p in (t.bid, t.ask) if not math.isnan(p)]
    sizes = [s for s in (t.bid_size, t.ask_size) if not math.isnan(s)]
    return bool(prices) and all(p >= 0 for p in prices) and all(s >= 0 for s in sizes)


def _numbers(path: Path, ticks: list[Tick]) -> Iterator[Case]:
    """Check that a number names one tick of its source; where the venue says so, numbers of trades rise."""
    named: dict[tuple[str, str, int], tuple[Any, ...]] = {}
    last: dict[tuple[str, str], int] = defaultdict(int)
    twice, falling = [], []
    for t in ticks:
        if t.seq < 0:
            continue
        what = (t.kind, t.ts_event if t.kind == "trade" else 0, t.price, t.size)
        if named.setdefault((t.symbol_id, t.venue, t.seq), what)[0:2] != what[0:2]:
            twice.append(t)
        if t.kind == "trade":
            if t.seq < last[t.symbol_id, t.venue]:
                falling.append(t)
            last[t.symbol_id, t.venue] = t.seq
    yield Case(KIND, f"{path.name}: numbers", ok=not twice, detail=str(twice[:2]))
    if venue_of(path).venue in RISING:
        yield Case(KIND, f"{path.name}: numbers rise", ok=not falling, detail=str(falling[:2]))


def _encodable(path: Path, ticks: list[Tick]) -> Case:
    """Check that the ticks come back from the topic's records as they were."""
    columns = columns_of(ticks)
    if not ticks:
        return Case(KIND, f"{path.name}: records", ok=True)
    keys = port.longs(columns, "symbol_id")
    batch: EncodedBatch = port.codec().encode(port.RAW_TOPIC, 0, columns, keys)
    back, error = port.codec().decode(batch)
    same = not error.any() and len(back) == len(ticks)
    for name in ("symbol_id", "kind", "ts_event", "ts_recv", "seq", "price", "size", "bid", "ask"):
        same = same and back[name].tobytes() == columns[name].tobytes()
    first = STRINGS.text(int(back["symbol_id"][0])) if len(back) else ""
    return Case(KIND, f"{path.name}: records", ok=same and first == ticks[0].symbol_id, detail=f"{len(ticks)} ticks")


def _index(path: Path, told: dict[str, Any], parsed: list[tuple[Line, Parsed | None]]) -> Iterator[Case]:
    received = [line.recv_ns for line, _ in parsed if line.what == RECEIVED]
    # As the index counts them: floats of the text, whose last digit is not the nanosecond.
    span = [round(ns / 1e9, 5) for ns in (received[0], received[-1])] if received else [0.0, 0.0]
    yield Case(KIND, f"{path.name}: lines", len(parsed) == told["lines"], f"{len(parsed)} for {told['lines']}")
    for name, ours in zip(("first", "last"), span, strict=True):
        yield Case(KIND, f"{path.name}: {name}", abs(ours - told[name]) < 1e-4, f"{ours} for {told[name]}")
    counts = _counts(path)
    for symbol, n in told.get("top_symbols_or_channels", {}).items():
        found = counts.get(symbol, Counter())
        detail = f"{n} told; there are " + (", ".join(f"{m} as {key}" for key, m in sorted(found.items())) or "none")
        yield Case(KIND, f"{path.name}: {symbol}", n in _sums(found.values(), n), detail)


def _counts(path: Path) -> dict[str, Counter[str]]:
    """Return how often each text is the value of which key; what was sent is counted apart, as ``sent key``."""
    out: dict[str, Counter[str]] = defaultdict(Counter)
    for text in path.read_text(encoding="utf-8").split("\n"):
        who = "" if text[:1].isdigit() else "sent "
        for key, value in _PAIR.findall(text):
            out[value][who + key] += 1
    return out


def _sums(counts: Iterable[int], most: int) -> set[int]:
    """Return what some of the counts come to, up to ``most``: the index does not say under which keys it counted."""
    out = {0}
    for n in counts:
        out |= {n + others for others in out if n + others <= most}
    return out - {0}
