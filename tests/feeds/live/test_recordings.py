"""Real recordings played by a local server through the sessions themselves: cut, garbled and slow on the way.

::

    connection 1:  frames before the cut, garbage and slow fragments among them, then the line is cut
                   (some frames are sent while nobody listens: they are lost)
    connection 2:  the venue's answers to the subscriptions again, then the frames after the cut, likewise disturbed,
                   and one of them dropped where the venue's numbers tell

The clock of the session is that of the recording, so the ticks must be those of the parser in every field.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.server import ServerConnection

from processors.errors import ConfigError
from processors.feeds.live.catalog import Row
from processors.feeds.live.health import Health
from processors.feeds.live.plan import Plan
from processors.feeds.live.port import ACK, GARBAGE, LEAVE, OTHER, Parsed, Tick
from processors.feeds.live.raw import CONNECTED, RECEIVED, Line, lines, venue_of
from processors.feeds.live.session import CUT, Session, Turnstile
from tests.feeds.live.venue_server import QUICK, Kept, Venue, playing, run_until
from tests.support import SHARED

FOLDER = SHARED / "conformance" / "websocket"


def is_live(path: Path) -> bool:
    """Return whether the recording is of a venue that can be subscribed to."""
    try:
        return bool(venue_of(path).url)
    except ConfigError:
        return False


LIVE = [path for path in sorted(FOLDER.glob("*.raw.txt")) if is_live(path)]

NOISE: tuple[str | bytes, ...] = ("", "{", "\x00\xff", '{"type":NaN}', b"\x1f\x8b\x00", b"\xff\xfe")
"""What no venue sends."""
LOST_MAX = 25
"""Most frames that are sent while nobody listens."""
TRIED = 50
"""Frames that are tried for one whose loss the numbers tell."""
DISTURBED = 6
"""Frames of garbage, and slow frames, of each connection."""

needs_recordings = pytest.mark.skipif(not LIVE, reason=f"no recordings of live venues in {FOLDER}: MPS_SHARED")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame to be sent: as recorded or garbage, with its receipt, whole or in slow fragments."""

    content: str | bytes
    recv_ns: int
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What the server plays, and what must come of it.

    Parameters
    ----------
    row, url
        The venue, and the address in the recording.
    first, second
        Frames of each connection.
    before, after
        Ticks of each.
    missing
        Whose, and how many numbers a series leaves out: by the frame that was dropped, or of the recording itself.
    n_garbage
        Frames of garbage in both.
    """

    row: Row
    url: str
    first: list[Frame]
    second: list[Frame]
    before: list[Tick]
    after: list[Tick]
    missing: list[tuple[str, int]]
    n_garbage: int


def parsed_by(row: Row, url: str, received: Sequence[Line]) -> list[Parsed]:
    """Return what the parser says of the frames of one connection."""
    venue, memory = row.make(), dict[str, Any](url=url)
    return [venue.parse(line.frame, line.recv_ns, memory) for line in received]


def missing_in(*connections: list[Parsed]) -> list[tuple[str, int]]:
    """Return whose and how many numbers each hole leaves out: a series is known by its last number."""
    last: dict[str, int] = {}
    out = []
    for connection in connections:
        last = {series: n for series, n in last.items() if not series.startswith("connection")}
        for step in (step for parsed in connection for step in parsed.steps):
            before = last.get(step.series, step.first - 1)
            out += [(step.symbol_id, step.first - before - 1)] if step.first > before + 1 else []
            last[step.series] = max(last.get(step.series, step.last), step.last)
    return out


def told_by_numbers(
    before: list[Parsed], after: list[Parsed], first: int, chance: random.Random
) -> int | None:  # fmt: skip
    """Return a frame behind the first whose loss the numbers of the second connection tell; None where none do."""
    there = len(missing_in(before, after))
    candidates = [i for i in range(first + 1, len(after)) if after[i].steps]
    for i in chance.sample(candidates, min(TRIED, len(candidates))):
        if len(missing_in(before, after[:i] + after[i + 1 :])) > there:
            return i
    return None


def disturbed(received: Sequence[Line], chance: random.Random) -> list[Frame]:
    """Return frames with some of them slow, and garbage between them."""
    slow = set(chance.sample(range(len(received)), min(DISTURBED, len(received))))
    frames = [Frame(line.frame, line.recv_ns, i in slow) for i, line in enumerate(received)]
    for noise in NOISE[:DISTURBED]:
        # Never before the first frame: it is the one behind which the mark of the cut is looked for.
        at = chance.randint(1, len(frames))
        frames.insert(at, Frame(noise, frames[at - 1].recv_ns))
    return frames


def scene_of(path: Path, seed: int) -> Scene:
    """Return how a recording is played with a cut at a random place."""
    row, chance, recorded = venue_of(path), random.Random(f"{path.name} {seed}"), list(lines(path))
    url = next(str(line.frame) for line in recorded if line.what == CONNECTED)
    received = [line for line in recorded if line.what == RECEIVED]
    whole = parsed_by(row, url, received)
    # Between two frames with ticks; a recording of a book alone has none, and is cut anywhere.
    with_ticks = [i for i, parsed in enumerate(whole) if parsed.ticks]
    places = with_ticks if len(with_ticks) > 2 else range(len(whole))
    cut = chance.randint(places[0] + 1, places[-2])
    back = min(cut + chance.randint(1, LOST_MAX), places[-1])
    # What a venue says once of a connection, it says again on the next.
    again = [
        line
        for line, parsed in zip(received[:back], whole[:back], strict=True)
        if parsed.what in (ACK, OTHER) and not parsed.ticks and not parsed.steps
    ]
    head, tail = received[:cut], [*again, *received[back:]]
    before, after = parsed_by(row, url, head), parsed_by(row, url, tail)
    dropped = told_by_numbers(before, after, len(again), chance)
    if dropped is not None:
        del tail[dropped]
        after = parsed_by(row, url, tail)
    assert not any(p.what in (LEAVE, GARBAGE) for p in (*before, *after))
    return Scene(
        row, url, disturbed(head, chance), disturbed(tail, chance),
        [tick for parsed in before for tick in parsed.ticks], [tick for parsed in after for tick in parsed.ticks],
        missing_in(before, after), 2 * len(NOISE[:DISTURBED]),
    )  # fmt: skip


async def fragments(content: str | bytes) -> AsyncIterator[str | bytes]:
    """Yield a frame in a few pieces, slowly."""
    step = max(1, len(content) // 4)
    for at in range(0, max(1, len(content)), step):
        yield content[at : at + step]
        await asyncio.sleep(0.002)


def markets_of(scene: Scene) -> list[str]:
    """Return the venue's names of the pairs of coins in the recording; of one where it has none."""
    pairs = {t.symbol_id.removesuffix(":CRYPTO") for t in (*scene.before, *scene.after)}
    pairs = {pair for pair in pairs if pair.count("-") == 1} or {"BTC-USD"}
    return [scene.row.live_spelling.spell(pair) for pair in sorted(pairs)]


def played(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Tick], Health, list[str]]:
    """Return what the session published of a scene, its state, and the instruments it was subscribed to."""
    clock = iter([frame.recv_ns for frame in (*scene.first, *scene.second)])
    stopped = SimpleNamespace(time_ns=lambda: next(clock), monotonic=time.monotonic)
    monkeypatch.setattr("processors.feeds.live.session.time", stopped)
    row = replace(scene.row, limits=replace(scene.row.limits, messages_per_s=1000.0, ping_s=0.0))
    names, sink = markets_of(scene), Kept()
    health = Health(row.venue, row.vendor, row.segment)

    async def script(socket: ServerConnection, n: int) -> None:
        for frame in (scene.first, scene.second)[min(n, 1)]:
            await socket.send(fragments(frame.content) if frame.is_slow else frame.content)
        if n:
            await socket.wait_closed()
            return
        while health.messages < len(scene.first):  # noqa: ASYNC110 - what is watched has no event
            await asyncio.sleep(0.001)
        # As a router that dies: no farewell.
        socket.transport.abort()

    def url_at(venue: Venue) -> str:
        parts = urlsplit(scene.url)
        return venue.url + parts.path + (f"?{parts.query}" if parts.query else "")

    async def scenario() -> None:
        async with playing(script) as venue:
            plan = Plan([Session(row, url_at(venue), names, health, Turnstile(0), QUICK)], [health])
            n_frames = len(scene.first) + len(scene.second)
            await run_until(plan, sink, lambda: health.messages == n_frames, 60.0)

    asyncio.run(scenario())
    return sink.ticks, health, [row.symbol_id(name) for name in names]


@needs_recordings
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("path", LIVE, ids=lambda path: path.name)
def test_a_recording_comes_through_a_cut_garbage_and_slow_frames(
    path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ticks are those of the parser less what was cut, in order; the cut is marked where it was, and only there."""
    scene = scene_of(path, seed)
    ticks, health, symbol_ids = played(scene, monkeypatch)
    assert [repr(t) for t in ticks if t.kind != "status"] == [repr(t) for t in (*scene.before, *scene.after)]
    marks = [t for t in ticks if t.conditions == CUT]
    assert [t.symbol_id for t in marks] == symbol_ids
    first = ticks.index(marks[0])
    assert [t.kind for t in ticks[:first]].count("status") + len(scene.before) == first
    assert ticks[first : first + len(marks)] == marks
    # A hole of a market is marked for it, one of the connection for every market.
    holes = [(symbol_id, f"gap:{n}") for of, n in scene.missing for symbol_id in ([of] if of else symbol_ids)]
    assert [(t.symbol_id, t.conditions) for t in ticks if t.kind == "status" and t.conditions != CUT] == holes
    assert {t.ts_recv for t in marks} == {scene.second[0].recv_ns}
    assert (health.reconnects, health.garbage, health.refused) == (1, scene.n_garbage, 0)


@needs_recordings
def test_the_recordings_of_live_venues_have_ticks_on_both_sides_of_the_cut() -> None:
    """Of six venues at least there is one with ticks before the cut and behind it, and some tell what was lost."""
    scenes = [scene_of(path, 1) for path in LIVE]
    assert len({scene.row.venue for scene in scenes if scene.before and scene.after}) >= 6
    assert any(scene.missing for scene in scenes)
