"""Simulated vendors: each publishes its own copy of the truth, with its own faults."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.reconciliation.truth import F64, I64, SECOND_NS, START_NS, Market, Truth

HALF_SPREAD_BPS = 0.5
"""Of every simulated quote. Only mids are compared."""
STUCK_S = 5.0
"""Mean length of a spell in which a vendor that repeats stale values publishes the same one."""
SPIKE_BPS = (20.0, 200.0)


@dataclass(frozen=True, slots=True)
class Vendor:
    """How one vendor publishes.

    Parameters
    ----------
    rate_hz
        Mean updates a second, at random instants.
    noise_bps
        Deviation of a published value from what the vendor saw.
    network_ms, jitter
        Median time from stamp to receipt, and deviation of its logarithm. Visible in ``ts_recv``.
    lag_ms
        How old what it saw was when it stamped it. Visible nowhere.
    bias_bps
        Constant offset from the truth.
    stuck_share
        Share of time in which it repeats its last value under new stamps.
    spike_share
        Share of its updates that are off by ``SPIKE_BPS``.
    outage_share
        Share of time, in one piece, in which it publishes nothing.
    """

    name: str
    rate_hz: float
    noise_bps: float
    network_ms: float
    jitter: float = 0.3
    lag_ms: float = 0.0
    bias_bps: float = 0.0
    stuck_share: float = 0.0
    spike_share: float = 0.0
    outage_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Ticks:
    """Ticks of all vendors in the order of receipt, each column of shape (n,).

    ``vendor`` is the position in the list of vendors; ``value`` the published mid or trade price.
    """

    vendor: I64
    ts_event: I64
    ts_recv: I64
    value: F64
    bid: F64
    ask: F64

    def __len__(self) -> int:
        """Return the number of ticks."""
        return len(self.vendor)


def draw_vendors(market: Market, n: int, rng: np.random.Generator) -> list[Vendor]:
    """Return n sound vendors that differ in speed, rate and noise as vendors do."""
    return [
        Vendor(
            f"V{i + 1}",
            rate_hz=float(rng.uniform(2.0, 8.0)),
            noise_bps=market.noise_bps * float(rng.uniform(0.7, 1.3)),
            network_ms=float(rng.uniform(2.0, 40.0)),
        )
        for i in range(n)
    ]


def _stuck(at_s: F64, share: float, seconds: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which instants are in a spell of repeats, shape of ``at_s``."""
    if share == 0.0:
        return np.zeros(len(at_s), bool)
    spells = int(4 * seconds / STUCK_S) + 8
    good = rng.exponential(STUCK_S * (1 - share) / share, spells)
    edges = np.cumsum(np.stack([good, rng.exponential(STUCK_S, spells)], axis=1).ravel())
    out: NDArray[np.bool_] = np.searchsorted(edges, at_s) % 2 == 1
    return out


def _publish(vendor: Vendor, truth: Truth, seconds: float, rng: np.random.Generator) -> tuple[I64, I64, F64]:
    """Return event times, receive times and unrounded values of one vendor, in its order."""
    gaps = rng.exponential(1.0 / vendor.rate_hz, int(seconds * vendor.rate_hz * 1.2) + 64)
    at_s = np.cumsum(gaps)
    at_s = at_s[at_s < seconds]
    if vendor.outage_share > 0.0:
        begin_s = float(rng.uniform(0.2, 0.9 - vendor.outage_share)) * seconds
        at_s = at_s[(at_s < begin_s) | (at_s >= begin_s + vendor.outage_share * seconds)]
    n = len(at_s)
    event = START_NS + (at_s * SECOND_NS).astype(np.int64)
    seen = truth.at(event - int(vendor.lag_ms * 1e6))
    off_bps = vendor.bias_bps + rng.normal(0.0, vendor.noise_bps, n)
    spikes = rng.random(n) < vendor.spike_share
    off_bps[spikes] += rng.choice((-1.0, 1.0), int(spikes.sum())) * rng.uniform(*SPIKE_BPS, int(spikes.sum()))
    value = seen * (1.0 + 1e-4 * off_bps)
    stuck = _stuck(at_s, vendor.stuck_share, seconds, rng)
    if n:
        stuck[0] = False
    value = value[np.maximum.accumulate(np.where(stuck, 0, np.arange(n)))]
    network_ns = (vendor.network_ms * 1e6 * np.exp(vendor.jitter * rng.normal(size=n))).astype(np.int64)
    # One connection: nothing overtakes.
    recv = np.maximum.accumulate(event + network_ns)
    return event, recv, value


def simulate(market: Market, vendors: list[Vendor], truth: Truth, seconds: float, rng: np.random.Generator) -> Ticks:
    """Return what all vendors publish, rounded to the tick size, in the order of receipt."""
    parts = [_publish(v, truth, seconds, rng) for v in vendors]
    vendor = np.concatenate([np.full(len(p[0]), i, np.int64) for i, p in enumerate(parts)])
    event, recv, value = (np.concatenate([p[k] for p in parts]) for k in range(3))
    order = np.lexsort((vendor, recv))
    vendor, event, recv, value = vendor[order], event[order], recv[order], value[order]
    tick = market.tick_size
    half = HALF_SPREAD_BPS * 1e-4 * value
    bid, ask = (np.rint((value + side) / tick) * tick for side in (-half, half))
    value = 0.5 * (bid + ask) if market.kind == "quote" else np.rint(value / tick) * tick
    return Ticks(vendor, event, recv, value, bid, ask)


def with_faults(vendor: Vendor, **faults: float) -> Vendor:
    """Return the vendor with other numbers."""
    return replace(vendor, **faults)  # type: ignore[arg-type]
