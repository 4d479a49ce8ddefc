"""The state of cross from history: closes of six months of sessions, before the first live bar.

    bars of history -> featurize -> universe rows -> cross, in memory -> its state as records of its changelog

A cross that begins with it ranks momentum from its first close on. It then reads ``universe.v1`` from where that
begins: rows that history has had are late or out of order there, and change nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from offline.features import bar_order
from offline.features.backfill import CHUNK_BARS
from offline.features.bar_source import BarSource
from offline.features.chain import Chain
from offline.features.known_facts import KnownFacts
from offline.features.packs import load_view
from processors.errors import ConfigError
from processors.feeds.partitioner import partition_of
from processors.runtime.state import COUNTS, pack_key, unpack_key
from schemas.instruments import partition_key

STAGE = "cross"
PACK = "cross_section_v2"
"""Any pack of the cross-section has the same state, but for the quality of bars whose close is still open."""


@dataclass(frozen=True, slots=True)
class History:
    """What a state was made of.

    Parameters
    ----------
    entries
        Records of the changelog: key -> value.
    newest_ns
        End of the last bar.
    """

    entries: dict[bytes, bytes]
    bars: int
    symbols: int
    newest_ns: int


def cross_history(
    source: BarSource, partitions: int, progress: Callable[[int], None] = lambda _: None, chunk_bars: int = CHUNK_BARS,
    facts: KnownFacts | None = None, facts_files: Sequence[str] = (),
) -> History:  # fmt: skip
    """Return the state of cross after all bars of a source.

    Parameters
    ----------
    partitions
        Of the platform.
    progress
        Told the number of bars after each chunk.
    facts, facts_files
        Fundamentals, as for a back-fill; without them the bars of a close that is still open have no quality.

    Raises
    ------
    ConfigError
        There are no bars.
    PlatformError
        A bar was refused by a stage.
    """
    symbols = list(source.counts())
    if not symbols:
        raise ConfigError("features bootstrap", "bars", "none", "bars at or before --to")
    of: dict[int, list[str]] = {}
    for symbol in symbols:
        of.setdefault(partition_of(partition_key(symbol).encode(), partitions), []).append(symbol)
    chain, bars, newest_ns = Chain(load_view(PACK), facts_files), 0, bar_order.NEVER_NS
    for partition, of_it in of.items():
        for batch in facts.of(partition, of_it) if facts else ():
            chain.know(partition, batch)
    for page, before, after in bar_order.pages(source, of, {}, chunk_bars):
        for _ in chain.run(page, {p: place.newest_ns for p, place in before.items()}):
            pass
        newest_ns = max(place.newest_ns for place in after.values())
        n = sum(map(len, page.values()))
        bars += n
        progress(n)
    prefix = pack_key([STAGE.encode()])
    kept = chain.changed()[f"0/{STAGE}"]
    # What history has counted is none of the live stage's account.
    entries = {prefix + key: value for key, value in kept.items() if unpack_key(key)[0] != COUNTS.name.encode()}
    return History(entries, bars, len(symbols), newest_ns)
