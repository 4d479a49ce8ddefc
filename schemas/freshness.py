"""From which age data are stale: the thresholds of the whole platform, side by side.

Three ages are watched, and they mean different things:

    source     of the newest tick of one vendor and venue      reconcile    is this feed broken?
    consensus  of the newest tick of all sources together      bars         may this price be acted on?
    row        of the newest gold row when a score is asked    ScoreService is a bar missing?

A source may be silent for longer than the consensus: as long as another source speaks the price is good, and vendors
fall silent in quiet hours without being broken. When all of them are silent the price is simply old.
"""

from dataclasses import dataclass

from schemas.timeframes import SESSION, TIMEFRAME_NS

DELAYED_SHARE = 0.5
"""Share of a threshold from which source and consensus are delayed: a warning at half the way."""


@dataclass(frozen=True, slots=True)
class StaleAfter:
    """Thresholds of one asset class, while its market is open.

    Parameters
    ----------
    source_ms
        Of one source.
    consensus_ms
        Of the consensus at 1m. Longer timeframes bear more: see ``CONSENSUS_STALE_MS_MAX``.
    """

    source_ms: int
    consensus_ms: int


STALE_AFTER = {
    # Source: EURUSD in five days has 33 longer gaps (FXCM) and 81 (OANDA), weekend apart. Consensus: quiet hours often
    # pass 10 s without a quote, which shall not even warn.
    "fx": StaleAfter(source_ms=120_000, consensus_ms=30_000),
    "metal": StaleAfter(source_ms=60_000, consensus_ms=30_000),
    # A book ticker speaks many times a second, a coin-margined perpetual trades every few seconds; a price 5 s old has
    # moved by more than its spread.
    "crypto": StaleAfter(source_ms=10_000, consensus_ms=5_000),
    # Liquid names tick many times a second in every session, but not on each of their exchanges.
    "equity": StaleAfter(source_ms=60_000, consensus_ms=5_000),
    "future": StaleAfter(source_ms=60_000, consensus_ms=3_000),  # the fastest books of all, in their front month
}
"""By asset class, measured on the recorded ticks."""

CONSENSUS_STALE_MS_MAX = 600_000
"""The price moves as the root of time, so the same share of the bar is the same share of its move, and the threshold of
the consensus grows with the timeframe, but to this at most: a feed that is silent for 10 min inside a session is broken
at any horizon."""

_BARS_MISSING = 2
_DAYS_ROW = 4
ROW_STALE_AFTER_S = {name: _BARS_MISSING * ns // 1_000_000_000 for name, ns in TIMEFRAME_NS.items()} | {
    SESSION: _DAYS_ROW * 86_400
}
"""By timeframe. Two bars: the next row is due after one, so one is missing. A day closes only on trading days: four
days bridge a long weekend."""

ROW_KNOWN_AFTER_NS = 2_000_000_000
"""From the end of a bar until its rows can be known: how far the watermark stays behind the newest tick
(``lateness_ms`` of reconcile) and what bars waits beyond it (``allowed_lateness_ms``). In a quiet market the next tick
decides, which comes later still."""
