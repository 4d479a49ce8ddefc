"""Which sources' newest ticks came late: of those no new bar is made, however few they are beside the topic.

    ticks.raw.v1        offset 7   8   9  ...    a tick is late if its event time is behind the watermark of the newest
    ticks.consensus.v1  raw_offset 7       9     consensus tick that was made of a record before it

The raw ticks are looked at, not reconcile's fates: older ticks of a source that numbers its ticks may count as
``duplicate``, and the fates know no sources.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cli.checks import Finding
from cli.log_end import CONSENSUS, RAW, read_newest
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.strings import STRINGS
from processors.runtime.topics import TopicState

LOOK_BACK_OFFSETS = 15_000
"""Newest offsets of each partition of both topics that are looked at: read in half a second."""
LATE_SHARE_MAX = 0.1
"""A feed that stalls makes some ticks late; more than a tenth means older data behind newer."""
TICKS_MIN = 500
"""A tenth of so many must be late at least, so that one hiccup of a quiet source is no news."""
SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class LateSource:
    """A source whose newest ticks came late: ``late`` of its newest ``ticks``."""

    symbol_id: str
    source: str
    late: int
    ticks: int


def check_late(bootstrap_servers: str, states: Mapping[str, TopicState]) -> list[Finding]:
    """Return a warning where the newest ticks of a source came late; nothing else.

    Parameters
    ----------
    states
        The topics by name.

    Raises
    ------
    RetryableError
        A topic cannot be read.
    """
    raw, consensus = (
        read_newest(bootstrap_servers, states[topic], topic, LOOK_BACK_OFFSETS) for topic in (RAW, CONSENSUS)
    )
    found = late_sources(raw, consensus)
    if not found:
        return []
    shown = [f"{s.late:,} of the newest {s.ticks:,} of {s.symbol_id} from {s.source}" for s in found[:SHOWN_MAX]]
    more = [f"{len(found) - SHOWN_MAX} more sources"] if len(found) > SHOWN_MAX else []
    text = f"ticks came behind later ones and make no new bars: {', '.join(shown + more)}"
    remedy = "replay recordings in the order of their times: `mps down --wipe` begins anew"
    return [Finding("topics", "late ticks", "warn", text, remedy)]


def late_sources(raw: Mapping[int, Columns], consensus: Mapping[int, Columns]) -> list[LateSource]:
    """Return the late sources, those with most late ticks first.

    Parameters
    ----------
    raw, consensus
        Partition -> newest records, in the order of the log, with their offsets.
    """
    both = sorted(raw.keys() & consensus.keys())
    found = [s for p in both for s in _of_partition(raw[p], consensus[p])]
    return sorted(found, key=lambda s: (-s.late, s.symbol_id, s.source))


def _of_partition(raw: Columns, consensus: Columns) -> Iterator[LateSource]:
    # Clock marks and heartbeats move time; they are nobody's ticks.
    ticks = raw.take(np.asarray(raw["symbol_id"]) != STRINGS.code(""))
    before = np.searchsorted(np.asarray(consensus["raw_offset"]), ticks.offset) - 1
    watermark = np.append(np.asarray(consensus["watermark"]), NULL_LONG)[before]
    is_late = np.asarray(ticks["ts_event"]) < watermark
    keys = np.stack([np.asarray(ticks[name]) for name in ("symbol_id", "vendor", "venue")])
    for key in sorted(set(zip(*keys[:, is_late].tolist(), strict=True))):
        late, n = newest_late(is_late[(keys == np.reshape(key, (3, 1))).all(axis=0)])
        if n:
            symbol, *source = (STRINGS.text(code) for code in key)
            yield LateSource(symbol, " ".join(filter(None, source)), late, n)


def newest_late(is_late: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many of the newest n ticks were late, for the largest n of which too many were; (0, 0) for none.

    The last replay is some number of newest ticks; how many is not known, so every number is tried.

    Parameters
    ----------
    is_late
        Shape (n_ticks,), in the order of the log.
    """
    late = np.cumsum(is_late[::-1])
    n = np.arange(1, len(late) + 1)
    over = np.flatnonzero(late > LATE_SHARE_MAX * np.maximum(n, TICKS_MIN))
    return (int(late[over[-1]]), int(n[over[-1]])) if len(over) else (0, 0)
