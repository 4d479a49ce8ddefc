"""The stage against an oracle that recomputes everything from the whole past, on small random streams."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.reconcile.config import ReconcileConfig
from tests.reconcile.ticks import COMPILING, Raw, Run, trade

# Of few minutes, so that much is forgotten; uneven, so that no window ends at a tick by rounding.
CONFIG = ReconcileConfig(half_life_s=61.7319)
LIMIT_NS = CONFIG.limits["crypto"].trade_silence_ms * 10**6
STALE_S = CONFIG.limits["crypto"].stale_ms / 1000
TICK_SIZE = 0.1
Row = dict[str, Any]


def weight(past: list[Row]) -> float:
    """Return the weight of a source from all its ticks so far; its market never closes."""
    times = np.maximum.accumulate([t["ts_event"] for t in past]) / 1e9
    left = 0.5 ** ((times[-1] - times) / CONFIG.half_life_s)
    gaps = np.diff(times, prepend=times[0])
    fresh_s = CONFIG.prior_up_s * CONFIG.prior_up_share + left @ np.minimum(gaps, STALE_S)
    up = fresh_s / (CONFIG.prior_up_s + left @ gaps)
    # Late ticks show that it is up, no more. The weight is that of its last tick that counted.
    counted = np.array([not t["late"] for t in past])
    left = left[counted]
    delays = np.array([(t["ts_recv"] - t["ts_event"]) / 1e6 for t in past if not t["late"]])
    good = np.array([not t["cut"] for t in past if not t["late"]])
    reliability = (CONFIG.prior_good + left @ good) / (CONFIG.prior_good + CONFIG.prior_cut + left.sum())
    latency = max(left @ delays / left.sum() - least_delay_ms(past), 0.0)
    return up * reliability / (latency + CONFIG.latency_eps_ms)


def least_delay_ms(past: list[Row]) -> float:
    """Return the least delay of the half-life that runs and of the one before.

    One ends at the first tick after it that finds a tick in it which is not late.
    """
    begin_ns = newest_ns = past[0]["ts_event"]
    windows: list[list[float]] = [[]]
    for tick in past:
        newest_ns = max(newest_ns, tick["ts_event"])
        if newest_ns - begin_ns >= CONFIG.half_life_s * 1e9 and windows[-1]:
            windows.append([])
            begin_ns = newest_ns
        if not tick["late"]:
            windows[-1].append((tick["ts_recv"] - tick["ts_event"]) / 1e6)
    return min(ms for window in windows[-2:] for ms in window)


def up_to_last_counted(past: list[Row]) -> list[Row]:
    """Return the past without the late ticks at its end: they set no weight."""
    last = max(i for i, tick in enumerate(past) if not tick["late"])
    return past[: last + 1]


def weighted_median(values: dict[str, float], weights: dict[str, float]) -> float:
    """Return the smallest value with half of the weight at or below it."""
    half = sum(weights[s] for s in values) / 2 * (1 - 1e-12)
    return min(v for v in values.values() if sum(weights[s] for s, u in values.items() if u <= v) >= half)


def oracle(ticks: list[Raw]) -> list[Row]:
    """Return what each tick that is not late should give."""
    past: dict[str, list[Row]] = {}
    out: list[Row] = []
    newest, mark = {}, -(2**63)
    for tick in ticks:
        ts, source = tick["ts_event"], tick["vendor"]
        late = ts < mark
        newest[source] = max(newest.get(source, ts), ts)
        active = [n for n in newest.values() if n >= max(newest.values()) - CONFIG.idle_ms * 10**6]
        mark = max(mark, min(active) - CONFIG.lateness_ms * 10**6)
        past.setdefault(source, []).append(tick | {"cut": False, "late": late})
        if late:
            out.append({"late": 1, "watermark": mark})
            continue
        counted = {s: [t for t in rows if not t["late"]] for s, rows in past.items()}
        # The first of the reversed: of equal times the later row stands.
        last = {s: max(reversed(rows), key=lambda t: t["ts_event"]) for s, rows in counted.items() if rows}
        prices = {s: t["price"] for s, t in last.items() if ts - t["ts_event"] < LIMIT_NS}
        weights = {s: weight(up_to_last_counted(past[s])) for s in prices}
        middle = weighted_median(prices, weights)
        values = np.array(list(prices.values()))
        floor = max(TICK_SIZE, middle * CONFIG.limits["crypto"].sigma_floor_bps / 1e4)
        sigma = max(np.median(np.abs(values - np.median(values))) / 0.6744897501960817, floor)
        reach = CONFIG.k * (sigma if len(values) > 2 else floor)
        if len(values) == 1 or (len(values) == 2 and len(set(weights.values())) == 1):
            reach = np.inf
        kept = {s: p for s, p in prices.items() if abs(p - middle) <= reach}
        past[source][-1]["cut"] = cut = bool(abs(tick["price"] - middle) > reach)
        out.append({
            "late": 0, "watermark": mark, "price": weighted_median(kept, weights), "outlier": int(cut),
            "n_src": len(kept), "vendors": tuple(sorted(kept)), "dispersion": pytest.approx(sigma),
        })  # fmt: skip
    return out


STREAM = st.lists(
    st.tuples(
        st.sampled_from("ABCDE"),
        st.one_of(st.floats(0, 3), st.floats(-3, 0.1), st.floats(0, 30)),  # seconds since the tick before
        st.one_of(st.floats(995, 1005), st.floats(900, 1100)),
        st.floats(0.001, 0.5),  # seconds until it is received: continuous, so that no two weights tie by accident
    ),
    max_size=40,
)


@COMPILING
@given(STREAM)
def test_every_tick_agrees_with_an_oracle_that_knows_the_whole_past(stream) -> None:
    """Watermark, lateness, weights, median, cut: from five sources, out of order, with errors and silences."""
    at = 100.0
    ticks = []
    for vendor, step, price, delay in stream:
        at = max(at + step, 0.0)
        ticks.append(trade(vendor, at, price, recv_s=at + delay))
    got = Run(CONFIG).feed(*ticks)
    for row, expected in zip(got, oracle(ticks), strict=True):
        assert {name: row[name] for name in expected} == expected
