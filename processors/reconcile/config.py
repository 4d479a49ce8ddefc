"""Every knob of the reconcile stage, with its unit in its name and the reason for its default."""

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError
from schemas.freshness import STALE_AFTER
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
        ("prior_good", "<f8"), ("prior_cut", "<f8"), ("prior_up_s", "<f8"), ("prior_up_share", "<f8"),
        ("companion_ns", "<i8"), ("error_half_life_s", "<f8"), ("prior_error_ticks", "<f8"),
        ("prior_move_bps2", "<f8"), ("offset_share", "<f8"), ("prior_offset_ticks", "<f8"),
    ]
)  # fmt: skip
"""The other knobs as the kernels read them; ``knob_row`` fills them by name."""


@dataclass(frozen=True, slots=True)
class ClassLimits:
    """What silence and what disagreement mean in one asset class.

    Parameters
    ----------
    quote_silence_ms
        A side of a quote older than this is no longer counted.
    trade_silence_ms
        A trade price older than this is no longer counted.
    source_stale_ms
        A source without any tick for this long is stale on ``data.freshness``, and delayed from half of it. Declared
        with its reasons in ``schemas/freshness.py``, beside the threshold of the consensus.
    sigma_floor_bps
        Least sigma that a source is judged with, basis points of the price; one tick size where that is more. Of two
        sources it is the sigma. What else is measured by it, and moves with it:

        - the error of a source never compared (``weight_of``), the prior of the error that is learnt
          (``prior_error_ticks``), and the least sigma of the others that caps what one tick adds to it (``learn``)
        - the offset that is let stand (``offset_share``), and the cap of what one tick adds to it (``learn``)
        - how far a sound source may be off beside what the market has moved: since two agreed (``moved_since``), and
          since a tick of the past (``_own``)
    """

    quote_silence_ms: int
    trade_silence_ms: int
    source_stale_ms: int
    sigma_floor_bps: float


# Gaps between ticks of one vendor and differences between vendors: measured on the recorded ticks.
FX = ClassLimits(
    quote_silence_ms=60_000,  # 99.9 % of the gaps of FXCM are shorter, 99.5 % of OANDA's
    trade_silence_ms=60_000,
    source_stale_ms=STALE_AFTER["fx"].source_ms,
    sigma_floor_bps=0.3,  # k * 0.3 bp is 1.7 pip in EURUSD and 1.0 in NZDUSD: 99.99 and 99.5 % of mid differences
)
METAL = ClassLimits(
    quote_silence_ms=30_000, trade_silence_ms=60_000, source_stale_ms=STALE_AFTER["metal"].source_ms,
    sigma_floor_bps=0.5,  # makers quote gold about 3 bp wide
)  # fmt: skip
CRYPTO = ClassLimits(
    quote_silence_ms=5_000,  # a book ticker speaks many times a second
    trade_silence_ms=15_000,  # coin-margined perpetuals trade every few seconds
    source_stale_ms=STALE_AFTER["crypto"].source_ms,
    sigma_floor_bps=3.0,  # perpetuals sit 2 to 4.4 bp from spot, in the worst minute 12 bp: a basis is no error
)
EQUITY = ClassLimits(
    # No withdrawal rows: an exchange that leaves the best price falls silent, and its last quote carried for ever
    # crosses the book in 97 % of seconds; carried for 2 s, in 4 %.
    quote_silence_ms=2_000,
    trade_silence_ms=60_000,  # shorter, and a late print would often stand alone, with nothing to be judged by
    source_stale_ms=STALE_AFTER["equity"].source_ms,
    sigma_floor_bps=2.0,  # half a usual spread; k * 2 bp stays far under the 30 bp of a late print
)
FUTURE = ClassLimits(
    quote_silence_ms=10_000, trade_silence_ms=60_000, source_stale_ms=STALE_AFTER["future"].source_ms,
    sigma_floor_bps=0.5,
)  # fmt: skip


def _by_class() -> dict[str, ClassLimits]:
    return {"fx": FX, "metal": METAL, "crypto": CRYPTO, "equity": EQUITY, "future": FUTURE}


@dataclass(frozen=True, slots=True)
class ReconcileConfig:
    """Knobs of the stage.

    Parameters
    ----------
    k
        A source is cut when it is further than this many sigma from the median. 4: of Gaussian noise 6 in 100,000,
        and small enough that 30 bp are cut where a tick is 7 bp (BAC at 14 dollars). All else that says how far is too
        far is as many deviations, so moves with it:

        - two sources disagree from ``k`` least sigmas on, and the last agreed price explains one that is within ``k``
          deviations of what the market may have moved since (``_believe``)
        - a tick of the past is cut beyond ``k`` deviations of what the market may have moved since (``_own``)
        - of three or more sources, company is who is within ``k`` sigma (``bound_weights``)
        - what one tick adds to a source's error is capped at ``k`` sigma of the others, and to its offset at ``2 * k``
          least sigmas (``learn``)
    lateness_ms
        How far the watermark stays behind the slowest active feed. 2 s: feeds of one recording come merged to the
        millisecond; the rest is room for a gateway that batches by the second.
    idle_ms
        A feed this far behind the newest time of the partition no longer holds the watermark back: longer than
        99 % of FX gaps would wait for nobody, so short enough that bars close in time. Heartbeats too: two of a feed,
        or of a vendor, that are no further apart show that it was up in between, and what they cover is no silence of
        its sources. So whoever raises it also lets sparser heartbeats keep up the uptime of a quiet source.
    future_ms
        An event further than this ahead of its receive time is no event, nor one received so long after it came to
        the log. 5 s: clocks differ (a recorder of ours is 1.27 s behind its exchange), by four times that they do
        not. Less than ``idle_ms``: a clock that is wrong by less than this never makes the feeds that speak idle.
    half_life_s
        Uptime, reliability and latency (which is only reported) forget half in this much trading time.
    prior_good, prior_cut
        Ticks that a new source is taken to have had good and cut (Beta prior): it starts at 0.8.
    prior_up_s, prior_up_share
        Time that a new source is taken to have been watched, and the share in which it was fresh.
    error_half_life_s
        Errors and offsets against the other sources, and what the market moves, forget half in this much time:
        shorter, since a source that goes wrong must lose its weight within minutes. 200 s and 30 min err the same
        within 1 %.
    prior_error_ticks
        Ticks that a new source is taken to have had, each off by the least sigma.
    prior_move_bps2
        What a market not seen yet is taken to move in its first second, square basis points.
    offset_share
        An offset between sources up to this share of the least sigma is let stand, so that in sound markets every
        price that comes out is one that somebody said; only what is beyond it is taken off.
    prior_offset_ticks
        Ticks without an offset that a new source is taken to have had.
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
    prior_good: float = 8.0
    prior_cut: float = 2.0
    prior_up_s: float = 60.0
    prior_up_share: float = 0.5
    error_half_life_s: float = 600.0
    prior_error_ticks: float = 4.0
    prior_move_bps2: float = 0.05
    offset_share: float = 0.5
    prior_offset_ticks: float = 20.0
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
        rows = np.zeros(len(ASSET_CLASSES), LIMITS)
        for row, name in zip(rows, ASSET_CLASSES, strict=True):
            limits = self.limits[name]
            row["quote_ns"] = limits.quote_silence_ms * 10**6
            row["trade_ns"] = limits.trade_silence_ms * 10**6
            row["stale_ns"] = limits.source_stale_ms * 10**6
            row["sigma_floor"] = limits.sigma_floor_bps * 1e-4
        return rows

    def knob_row(self) -> NDArray[np.void]:
        """Return the other knobs, shape (1,)."""
        values = {
            "k": self.k,
            "lateness_ns": self.lateness_ms * 10**6,
            "idle_ns": self.idle_ms * 10**6,
            "future_ns": self.future_ms * 10**6,
            "half_life_s": self.half_life_s,
            "prior_good": self.prior_good,
            "prior_cut": self.prior_cut,
            "prior_up_s": self.prior_up_s,
            "prior_up_share": self.prior_up_share,
            "companion_ns": round(self.companion_s * 1e9),
            "error_half_life_s": self.error_half_life_s,
            "prior_error_ticks": self.prior_error_ticks,
            "prior_move_bps2": self.prior_move_bps2,
            "offset_share": self.offset_share,
            "prior_offset_ticks": self.prior_offset_ticks,
        }
        # One that is left out is an error, not a knob of 0.
        return np.array([tuple(values[name] for name in KNOBS.fields or ())], KNOBS)
