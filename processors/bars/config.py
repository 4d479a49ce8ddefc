"""Knobs of the bars stage, each with the reason for its default."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from processors.bars.prints import BLOCK_PRINTS
from processors.errors import ConfigError
from schemas.freshness import CONSENSUS_STALE_MS_MAX, DELAYED_SHARE, STALE_AFTER
from schemas.instruments import ASSET_CLASSES
from schemas.timeframes import MINUTE_NS, TIMEFRAME_NS


def _consensus_stale_ms() -> dict[str, int]:
    return {name: after.consensus_ms for name, after in STALE_AFTER.items()}


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
        minutes late; older ones say more about the reporter than about the price. With more than 3, what several
        consolidated vendors tell still later is without volume (``processors/reconcile/volume.py``).
    open_minutes_max
        Minutes of one symbol that may be open at once, while the watermark waits for a slow source. 3: reconcile
        waits 2 s, and at most 10 s more for a source that stalls, which spans two minutes; one is to spare. Past it
        the oldest minute closes early and later ticks revise it. Each makes the row of every commit longer.
    consensus_stale_ms
        Asset class -> age of the newest tick of any source from which the consensus is stale at 1m. Declared with its
        reasons in ``schemas/freshness.py``, beside the threshold of a single source.
    consensus_stale_ms_max
        Most that a longer timeframe bears; from there too.
    prints_max
        Trades of one symbol that are remembered for corrections, where a source of it publishes such: 48 bytes each,
        taken as they come and used again when their minutes can change no more. 16384: fifty a second through the
        kept minutes.
    dormant_days
        A symbol without a tick for so long is left alone until its next one: an expired contract would report each
        open and close for ever. 7: longer than any holiday.
    delayed_share
        Share of the stale threshold from which the state is delayed; from there too.
    """

    allowed_lateness_ms: int = 0
    kept_bars: int = 3
    open_minutes_max: int = 3
    consensus_stale_ms: dict[str, int] = field(default_factory=_consensus_stale_ms)
    consensus_stale_ms_max: int = CONSENSUS_STALE_MS_MAX
    prints_max: int = 16_384
    dormant_days: int = 7
    delayed_share: float = DELAYED_SHARE

    def __post_init__(self) -> None:
        """Check every value.

        Raises
        ------
        ConfigError
            A value is out of range, or an asset class has no threshold.
        """
        bounds = {
            "allowed_lateness_ms": (0, 3_600_000),
            "kept_bars": (1, 64),
            "open_minutes_max": (2, 64),
            "consensus_stale_ms_max": (1_000, 86_400_000),
            "prints_max": (BLOCK_PRINTS, 1_048_576),
            "dormant_days": (1, 366),
        }
        for key, (low, high) in bounds.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise ConfigError("bars", key, value, f"from {low} to {high}")
        for name in ASSET_CLASSES:
            stale_ms = self.consensus_stale_ms.get(name, 0)
            if not 1 <= stale_ms <= self.consensus_stale_ms_max:
                key, bound = f"consensus_stale_ms.{name}", self.consensus_stale_ms_max
                raise ConfigError("bars", key, self.consensus_stale_ms.get(name), f"from 1 to {bound}")
        if not 0 < self.delayed_share <= 1:
            raise ConfigError("bars", "delayed_share", self.delayed_share, "above 0 and at most 1")

    def stale_ns(self) -> NDArray[np.int64]:
        """Return the stale thresholds, shape (asset classes, timeframes), in the orders of both tables."""
        minute = np.array([self.consensus_stale_ms[name] for name in ASSET_CLASSES], np.int64)
        minutes = np.array([ns // MINUTE_NS for ns in TIMEFRAME_NS.values()], np.int64)
        scaled = minute[:, None] * minutes[None, :]
        return np.asarray(np.minimum(scaled, self.consensus_stale_ms_max) * 1_000_000, np.int64)
