"""Knobs of the cross-section."""

import os
from dataclasses import dataclass

from processors.errors import ConfigError
from processors.topology import PARTITIONS, PARTITIONS_MAX, platform_partitions
from schemas.timeframes import TIMEFRAME_NS

OPEN_MAX = 4096


@dataclass(frozen=True, slots=True)
class CrossConfig:
    """Who is in the universe, how long a barrier waits, and over what the numbers are taken.

    Parameters
    ----------
    limit_s
        How far a partition may lag behind the newest bar of any, in event time, before nothing waits for it any more.
        Ten minutes: longer than partitions drift apart while featurize reads a backlog of some hours in small batches,
        so that it gives what the live run would have given; a partition whose symbols are all silent holds the others
        up for so long, once. ``MPS_CROSS_LIMIT_S`` widens it for longer backlogs.
    live_bars
        By timeframe, how many of its lengths ago the last bar of a live symbol may be. A symbol that is gone for longer
        is new when it comes back, so its first bar is not ranked. Half an hour of 1m bars; of the longer ones enough
        to last over a night or a weekend.
    momentum_sessions
        One, three and six months, at 21 sessions each.
    window_bars
        Returns behind beta, correlation and volatility: three months of days; about an hour of minutes.
    fast_bars, slow_bars
        McClellan's two means.
    partitions
        Of the platform. Rows of one partition come in order, so the stage must know which come from the same one.
    """

    limit_s: float = 600.0
    live_bars: tuple[tuple[str, int], ...] = (("1m", 30), ("5m", 12), ("15m", 96), ("1h", 72), ("1d", 5))
    momentum_sessions: tuple[int, int, int] = (21, 63, 126)
    window_bars: int = 63
    fast_bars: int = 19
    slow_bars: int = 39
    partitions: int = PARTITIONS

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        live = dict(self.live_bars)
        for tf in TIMEFRAME_NS:
            if live.get(tf, 0) < 1:
                raise ConfigError("cross", "live_bars", tf, "at least 1 for each timeframe")
        if not 0 < self.limit_s <= OPEN_MAX * 60:
            raise ConfigError("cross", "limit_s", self.limit_s, f"above 0, at most {OPEN_MAX * 60}")
        if not all(0 < a < b for a, b in zip(self.momentum_sessions, self.momentum_sessions[1:], strict=False)):
            raise ConfigError("cross", "momentum_sessions", self.momentum_sessions, "positive and ascending")
        if self.window_bars < 2:
            raise ConfigError("cross", "window_bars", self.window_bars, "at least 2")
        if not 1 <= self.fast_bars < self.slow_bars:
            raise ConfigError("cross", "fast_bars", self.fast_bars, f"1 to {self.slow_bars - 1}")
        if not 1 <= self.partitions <= PARTITIONS_MAX:
            raise ConfigError("cross", "partitions", self.partitions, f"1 to {PARTITIONS_MAX}")

    @property
    def pending_max(self) -> int:
        """Most bars of one series that wait: those of 1m within the limit, and some at a session's end."""
        return int(self.limit_s // 60) + 4

    @classmethod
    def from_environment(cls) -> "CrossConfig":
        """Return the configuration with ``MPS_PARTITIONS`` and ``MPS_CROSS_LIMIT_S`` where they are set.

        Raises
        ------
        ConfigError
            One is no number in range.
        """
        text = os.environ.get("MPS_CROSS_LIMIT_S", str(int(cls().limit_s)))
        if not text.isdecimal():
            raise ConfigError("environment", "MPS_CROSS_LIMIT_S", text, "a whole number")
        return cls(partitions=platform_partitions(), limit_s=float(text))
