"""A variant of the consensus, tried on the same ticks: every offset is taken off, however small.

Every source q has a last value ``x``, from which its usual offset ``b`` is taken, and a weight:

    b  decayed mean of x - others, held within +-2 k floors; the median of all b is taken off, so that the level stays
       where the vendor in the middle has it
    v  decayed mean square of x - b - others, each held within k sigma; "others" is their plain median at that instant
    w  1 / (v + s2 * age): s2 is the market's own variance in a second, so an old value counts as what may have changed
       since; never more than all others together; a value without company within k sigma counts no more than the
       lightest that has company

The consensus is the lower weighted median of ``x - b``. Of two sources further apart than k sigma, the one goes that
the last price on which two agreed does not explain, given what the market moves in so much time; else the lighter.
What is learned is learned against the plain median of the others, so that a heavy source does not confirm itself.
Nothing here knows a scenario.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from bench.reconciliation.truth import F64, I64
from processors.reconcile.config import ReconcileConfig

S2_EVERY_NS = 2_000_000_000
"""Least time between two prices of which the market's variance is estimated: noise of the consensus matters less."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """Parameters of the candidate: those of the stage, see ``knobs_of``.

    Parameters
    ----------
    floor
        Least sigma as a share of the price.
    silence_ns
        A value older than this is no longer counted.
    k
        How many sigma are too far.
    half_life_s
        All that is learned forgets half in this time.
    prior_v, prior_b
        Ticks that a new source is taken to have had, at a deviation of one floor, and without an offset.
    s2_prior
        Basis points squared in a second, counted as one second.
    """

    floor: float
    silence_ns: int
    k: float
    half_life_s: float
    prior_v: float
    prior_b: float
    s2_prior: float


def knobs_of(config: ReconcileConfig, asset_class: str, kind: str) -> Knobs:
    """Return the knobs that the stage has, for trades or quotes of an asset class."""
    limits = config.limits[asset_class]
    silence_ms = limits.quote_silence_ms if kind == "quote" else limits.trade_silence_ms
    return Knobs(
        floor=limits.sigma_floor_bps * 1e-4, silence_ns=silence_ms * 10**6, k=config.k,
        half_life_s=config.error_half_life_s, prior_v=config.prior_error_ticks, prior_b=config.prior_offset_ticks,
        s2_prior=config.prior_move_bps2,
    )  # fmt: skip


@njit(cache=True)
def _sort(x: F64, w: F64, n: int) -> None:
    for i in range(1, n):
        a, b, j = x[i], w[i], i
        while j > 0 and x[j - 1] > a:
            x[j], w[j] = x[j - 1], w[j - 1]
            j -= 1
        x[j], w[j] = a, b


@njit(cache=True)
def _middle(x: F64, n: int) -> float:
    return float(0.5 * (x[(n - 1) // 2] + x[n // 2]))


@njit(cache=True)
def _sigma(x: F64, n: int, least: float) -> float:
    """Return the MAD of ascending values as a deviation, at least ``least``."""
    if n < 3:
        return least
    distance = np.sort(np.abs(x[:n] - _middle(x, n)))
    return max(_middle(distance, n) / 0.6744897501960817, least)


@njit(cache=True)
def bound_weights(x: F64, w: F64, n: int, reach: float) -> None:
    """Bound the weights of ascending values: of those without company, then of the heaviest."""
    if n < 3:
        return
    least = np.inf
    for i in range(n):
        near = (i > 0 and x[i] - x[i - 1] <= reach) or (i + 1 < n and x[i + 1] - x[i] <= reach)
        if near:
            least = min(least, w[i])
    for i in range(n):
        near = (i > 0 and x[i] - x[i - 1] <= reach) or (i + 1 < n and x[i + 1] - x[i] <= reach)
        # Nobody has company: then all count the same.
        w[i] = 1.0 if least == np.inf else (w[i] if near else min(w[i], least))
    heaviest = np.argmax(w[:n])
    top, w[heaviest] = w[heaviest], 0.0
    # Just under the sum of the others, but never so far that the second would weigh more than that.
    w[heaviest] = min(top, max(0.999 * w[:n].sum(), w[:n].max()))


@njit(cache=True)
def _choose(x: F64, w: F64, agreed: float, reach: float) -> None:
    """Of two sources that disagree, believe the one that the last agreed price still explains, if it is one only."""
    first, second = abs(x[0] - agreed) <= reach, abs(x[1] - agreed) <= reach
    if first != second:
        w[0], w[1] = (1.0, 0.5) if first else (0.5, 1.0)


@njit(cache=True)
def lower_weighted_median(x: F64, w: F64, n: int) -> float:
    """Return the smallest of ascending values whose cumulated weight reaches half of the total."""
    half = 0.5 * w[:n].sum()
    cumulated = 0.0
    for i in range(n):
        cumulated += w[i]
        if cumulated >= half:
            return float(x[i])
    return float(x[n - 1])


@njit(cache=True)
def _learn(
    j: int, value: float, others: float, reach: float, fade: float, offset_bps: float, prior_b: float, bias: F64,
    sum_b: F64, n_b: F64, sum_v: F64, n_v: F64,
) -> None:  # fmt: skip
    """Take note of how far source j is from the others, and set every bias anew: their median is the level."""
    off = min(max(value - bias[j] - others, -reach), reach) / others * 1e4
    raw = min(max((value / others - 1.0) * 1e4, -offset_bps), offset_bps)
    sum_v[j], n_v[j] = sum_v[j] * fade + off * off, n_v[j] * fade + 1.0
    sum_b[j], n_b[j] = sum_b[j] * fade + raw, n_b[j] * fade + 1.0
    known = n_b > 0.0
    found = sum_b / (n_b + prior_b)
    ordered = np.sort(found[known])
    level = _middle(ordered, len(ordered))
    bias[known] = (found[known] - level) * 1e-4 * others


@njit(cache=True)
def _path(
    source: I64, ts: I64, value: F64, n: int, tick: float, floor: float, silence: int, k: float, half_life: float,
    prior_v: float, prior_b: float, s2_prior: float,
) -> F64:  # fmt: skip
    out = np.full(len(ts), np.nan)
    last, last_ns = np.full(n, np.nan), np.full(n, -(10**18))
    bias, sum_b, n_b = np.zeros(n), np.zeros(n), np.zeros(n)
    sum_v, n_v = np.zeros(n), np.zeros(n)
    x, w = np.empty(n), np.empty(n)
    now, s2, s2_s, before, before_ns = ts[0] if len(ts) else 0, 0.0, 1.0, np.nan, 0
    floor_bps, agreed, agreed_ns = floor * 1e4, np.nan, now
    for i in range(len(ts)):
        j, t = source[i], ts[i]
        now = max(now, t)
        m = 0
        for q in range(n):
            if q != j and last_ns[q] + silence > t:
                x[m], w[m] = last[q] - bias[q], 1.0
                m += 1
        if m:
            _sort(x, w, m)
            others = _middle(x, m)
            reach = k * _sigma(x, m, max(tick, floor * others))
            gap_s = max(t - last_ns[j], 0) * 1e-9 if n_b[j] else np.inf
            _learn(
                j,
                value[i],
                others,
                reach,
                np.exp2(-gap_s / half_life),
                2 * k * floor_bps,
                prior_b,
                bias,
                sum_b,
                n_b,
                sum_v,
                n_v,
            )
        if t >= last_ns[j]:
            last[j], last_ns[j] = value[i], t
        m = 0
        for q in range(n):
            if last_ns[q] + silence > t:
                v = (sum_v[q] + prior_v * floor_bps**2) / (n_v[q] + prior_v)
                x[m], w[m] = last[q] - bias[q], 1.0 / (v + (s2 + s2_prior) / s2_s * (now - last_ns[q]) * 1e-9)
                m += 1
        _sort(x, w, m)
        reach = k * _sigma(x, m, max(tick, floor * x[0]))
        bound_weights(x, w, m, reach)
        if m == 2 and x[1] - x[0] > reach:
            moved_bps = np.sqrt(floor_bps**2 + (s2 + s2_prior) / s2_s * (now - agreed_ns) * 1e-9)
            _choose(x, w, agreed, k * moved_bps * 1e-4 * x[0])
        c = lower_weighted_median(x, w, m)
        out[i] = c
        if np.sum(np.abs(x[:m] - c) <= reach) > 1:
            agreed, agreed_ns = c, now
        if np.isnan(before):
            before, before_ns = c, now
        elif now - before_ns >= S2_EVERY_NS:
            elapsed = (now - before_ns) * 1e-9
            fade = np.exp2(-elapsed / half_life)
            s2, s2_s = s2 * fade + ((c / before - 1.0) * 1e4) ** 2, (s2_s - 1.0) * fade + elapsed + 1.0
            before, before_ns = c, now
    return out


def candidate(source: I64, ts_event: I64, value: F64, n: int, tick_size: float, knobs: Knobs) -> F64:
    """Return the candidate's consensus after each tick, shape (n_ticks,), price units.

    Parameters
    ----------
    source, ts_event, value
        Shape (n_ticks,), in the order of receipt: position of the source, event time in ns, published value.
    n
        Number of sources.
    """
    out: F64 = _path(
        source, ts_event, value, n, tick_size, knobs.floor, knobs.silence_ns, knobs.k, knobs.half_life_s,
        knobs.prior_v, knobs.prior_b, knobs.s2_prior,
    )  # fmt: skip
    return out
