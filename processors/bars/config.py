"""Knobs of the bars stage, each with the reason for its default."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from schemas.instruments import ASSET_CLASSES

TIMEFRAMES = ("1m", "5m", "15m", "1h", "1d")
TIMEFRAME_NS = np.array([60, 300, 900, 3600, 86_400], np.int64) * 1_000_000_000


@dataclass(frozen=True, slots=True)
class BarsConfig:
    """Lateness, memory of closed bars and thresholds of freshness.

    Parameters
    ----------
    allowed_lateness_ms
        Waited on top of the watermark before an interval closes. 0: the watermark of reconcile already lies 2 s behind
        the newest tick, and what comes still later makes a revision instead of delaying every bar.
    kept_bars
        Closed bars of each timeframe that a late tick can still revise. 3: off-exchange reports come up to some
        minutes late; older ones say more about the reporter than about the price.
    open_minutes_max
        Minutes of one symbol that may be open at once, while the watermark waits for a slow source. 3: reconcile
        waits 2 s, and at most 10 s more for a source that stalls, which spans two minutes; one is to spare. Past it
        the oldest minute closes early and later ticks revise it. Each makes the row of every commit longer.
    fx_stale_ms, metal_stale_ms, crypto_stale_ms, equity_stale_ms, future_stale_ms
        Age of the newest tick from which the 1m consensus is stale. FX and metals 30 s: quiet hours often pass 10 s
        without a quote, which shall not even warn. Crypto and equities 5 s: liquid names tick many times a second in
        every session, and a price 5 s old has moved by more than its spread. Futures 3 s: the fastest books of all.
    stale_max_ms
        Longer timeframes bear more: the price moves as the root of time, so the same share of the bar is the same
        share of its move, and the threshold grows with the timeframe, but to 10 min at most. A feed that is silent
        for so long inside a session is broken at any horizon.
    dormant_days
        A symbol without a tick for so long is left alone until its next one: an expired contract would report each
        open and close for ever. 7: longer than any holiday.
    delayed_share
        Share of the stale threshold from which the state is delayed. 0.5: a warning at half the way.
    """

    allowed_lateness_ms: int = 0
    kept_bars: int = 3
    open_minutes_max: int = 3
    fx_stale_ms: int = 30_000
    metal_stale_ms: int = 30_000
    crypto_stale_ms: int = 5_000
    equity_stale_ms: int = 5_000
    future_stale_ms: int = 3_000
    stale_max_ms: int = 600_000
    dormant_days: int = 7
    delayed_share: float = 0.5

    def __post_init__(self) -> None:
        """Check every value.

        Raises
        ------
        ConfigError
            A value is out of range.
        """
        stale = tuple(f"{name}_stale_ms" for name in ASSET_CLASSES)
        bounds = {
            "allowed_lateness_ms": (0, 3_600_000),
            "kept_bars": (1, 64),
            "open_minutes_max": (2, 64),
            "stale_max_ms": (1_000, 86_400_000),
            "dormant_days": (1, 366),
            **dict.fromkeys(stale, (1, self.stale_max_ms)),
        }
        for key, (low, high) in bounds.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise ConfigError("bars", key, value, f"from {low} to {high}")
        if not 0 < self.delayed_share <= 1:
            raise ConfigError("bars", "delayed_share", self.delayed_share, "above 0 and at most 1")

    def stale_ns(self) -> NDArray[np.int64]:
        """Return the stale thresholds, shape (asset classes, timeframes), in the orders of both tables."""
        minute = np.array([getattr(self, f"{name}_stale_ms") for name in ASSET_CLASSES], np.int64)
        scaled = minute[:, None] * (TIMEFRAME_NS // TIMEFRAME_NS[0])[None, :]
        return np.asarray(np.minimum(scaled, self.stale_max_ms) * 1_000_000, np.int64)
