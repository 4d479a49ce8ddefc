"""Every knob of the reconcile stage, with its unit in its name and the reason for its default."""

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from schemas.instruments import ASSET_CLASSES

SOURCES_MAX = 32
"""Most sources of one symbol: they are the bits of one mask. US equities, the widest, have 17 exchanges."""
FEEDS_MAX = 1024
"""Most feeds (vendor and venue) of one partition: the watermark looks at each of them."""

LIMITS = np.dtype([("quote_ns", "<i8"), ("trade_ns", "<i8"), ("stale_ns", "<i8"), ("sigma_floor", "<f8")])
"""Limits of one asset class as the kernels read them."""
KNOBS = np.dtype(
    [
        ("k", "<f8"), ("lateness_ns", "<i8"), ("idle_ns", "<i8"), ("future_ns", "<i8"), ("half_life_s", "<f8"),
        ("latency_eps_ms", "<f8"), ("prior_good", "<f8"), ("prior_cut", "<f8"), ("prior_up_s", "<f8"),
        ("prior_up_share", "<f8"), ("companion_ns", "<i8"), ("beat_ns", "<i8"),
    ]
)  # fmt: skip
"""The other knobs as the kernels read them."""


@dataclass(frozen=True, slots=True)
class ClassLimits:
    """What silence and what disagreement mean in one asset class.

    Parameters
    ----------
    quote_silence_ms
        A side of a quote older than this is no longer counted.
    trade_silence_ms
        A trade price older than this is no longer counted.
    stale_ms
        A source without any tick for this long is stale on ``data.freshness``, and delayed from half of it.
    sigma_floor_bps
        Least sigma that a source is judged with, basis points of the price; one tick size where that is more.
    """

    quote_silence_ms: int
    trade_silence_ms: int
    stale_ms: int
    sigma_floor_bps: float


# Gaps between ticks of one vendor and differences between vendors: measured on the recorded ticks.
FX = ClassLimits(
    quote_silence_ms=60_000,  # 99.9 % of the gaps of FXCM are shorter, 99.5 % of OANDA's
    trade_silence_ms=60_000,
    stale_ms=120_000,  # EURUSD in five days: 33 longer gaps (FXCM) and 81 (OANDA), weekend apart
    sigma_floor_bps=0.3,  # k * 0.3 bp is 1.7 pip in EURUSD and 1.0 in NZDUSD: 99.99 and 99.5 % of mid differences
)
METAL = ClassLimits(
    quote_silence_ms=30_000, trade_silence_ms=60_000, stale_ms=60_000,
    sigma_floor_bps=0.5,  # makers quote gold about 3 bp wide
)  # fmt: skip
CRYPTO = ClassLimits(
    quote_silence_ms=5_000,  # a book ticker speaks many times a second
    trade_silence_ms=15_000,  # coin-margined perpetuals trade every few seconds
    stale_ms=10_000,
    sigma_floor_bps=3.0,  # perpetuals sit 2 to 4.4 bp from spot, in the worst minute 12 bp: a basis is no error
)
EQUITY = ClassLimits(
    # No withdrawal rows: an exchange that leaves the best price falls silent, and its last quote carried for ever
    # crosses the book in 97 % of seconds; carried for 2 s, in 4 %.
    quote_silence_ms=2_000,
    trade_silence_ms=60_000,  # shorter, and a late print would often stand alone, with nothing to be judged by
    stale_ms=60_000,
    sigma_floor_bps=2.0,  # half a usual spread; k * 2 bp stays far under the 30 bp of a late print
)
FUTURE = ClassLimits(quote_silence_ms=10_000, trade_silence_ms=60_000, stale_ms=60_000, sigma_floor_bps=0.5)


def _by_class() -> dict[str, ClassLimits]:
    return {"fx": FX, "metal": METAL, "crypto": CRYPTO, "equity": EQUITY, "future": FUTURE}


@dataclass(frozen=True, slots=True)
class ReconcileConfig:
    """Knobs of the stage.

    Parameters
    ----------
    k
        A source is cut when it is further than this many sigma from the median. 4: of Gaussian noise 6 in 100,000,
        and small enough that 30 bp are cut where a tick is 7 bp (BAC at 14 dollars).
    lateness_ms
        How far the watermark stays behind the slowest active feed. 2 s: feeds of one recording come merged to the
        millisecond; the rest is room for a gateway that batches by the second.
    idle_ms
        A feed this far behind the newest time of the partition no longer holds the watermark back: longer than
        99 % of FX gaps would wait for nobody, so short enough that bars close in time.
    future_ms
        An event further than this ahead of its receive time is no event, nor one received so long after it came to
        the log. 5 s: clocks differ (a recorder of ours is 1.27 s behind its exchange), by four times that they do
        not. Less than ``idle_ms``: a clock that is wrong by less than this never makes the feeds that speak idle.
    half_life_s
        Uptime, reliability and latency forget half in this much trading time.
    latency_eps_ms
        Added to the latency in the weight, so that none is infinite: below it, latencies count as equal.
    prior_good, prior_cut
        Ticks that a new source is taken to have had good and cut (Beta prior): it starts at 0.8.
    prior_up_s, prior_up_share
        Time that a new source is taken to have been watched, and the share in which it was fresh.
    companion_s
        A source heard this recently counts as one that should stand beside the others.
    limits
        By asset class.
    """

    k: float = 4.0
    lateness_ms: int = 2_000
    idle_ms: int = 10_000
    future_ms: int = 5_000
    half_life_s: float = 3_600.0
    latency_eps_ms: float = 1.0
    prior_good: float = 8.0
    prior_cut: float = 2.0
    prior_up_s: float = 60.0
    prior_up_share: float = 0.5
    companion_s: float = 3_600.0
    limits: dict[str, ClassLimits] = field(default_factory=_by_class)

    def __post_init__(self) -> None:
        """Check every knob.

        Raises
        ------
        ConfigError
            A knob is out of its range, or an asset class has no limits.
        """
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name != "limits" and not 0 < value < float("inf"):
                raise ConfigError("reconcile", f.name, value, "a positive number")
        if not self.future_ms < self.idle_ms:
            raise ConfigError("reconcile", "future_ms", self.future_ms, f"less than idle_ms, {self.idle_ms}")
        if not self.prior_up_share <= 1:
            raise ConfigError("reconcile", "prior_up_share", self.prior_up_share, "a share of at most 1")
        for name in ASSET_CLASSES:
            if name not in self.limits:
                raise ConfigError("reconcile", "limits", sorted(self.limits), f"limits of asset class {name}")
            for f in fields(ClassLimits):
                value = getattr(self.limits[name], f.name)
                if not 0 < value < float("inf"):
                    raise ConfigError("reconcile", f"limits.{name}.{f.name}", value, "a positive number")

    def limit_rows(self) -> NDArray[np.void]:
        """Return the limits, shape (n_asset_classes,), in the order of ``ASSET_CLASSES``."""
        return np.array(
            [
                (s.quote_silence_ms * 10**6, s.trade_silence_ms * 10**6, s.stale_ms * 10**6, s.sigma_floor_bps * 1e-4)
                for s in (self.limits[name] for name in ASSET_CLASSES)
            ],
            LIMITS,
        )

    def knob_row(self) -> NDArray[np.void]:
        """Return the other knobs, shape (1,)."""
        row = (
            self.k, self.lateness_ms * 10**6, self.idle_ms * 10**6, self.future_ms * 10**6, self.half_life_s,
            self.latency_eps_ms, self.prior_good, self.prior_cut, self.prior_up_s, self.prior_up_share,
            round(self.companion_s * 1e9), self.idle_ms * 10**6,
        )  # fmt: skip
        return np.array([row], KNOBS)
