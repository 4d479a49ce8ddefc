"""The stage against an oracle that recomputes everything from the whole past, on small random streams."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.reconcile.config import ReconcileConfig
from schemas.vendors import Vendor
from tests.reconcile.ticks import COMPILING, SECOND, Raw, Run, raw, trade

# Of few minutes, so that much is forgotten; uneven, so that no window ends at a tick by rounding.
CONFIG = ReconcileConfig(half_life_s=61.7319, error_half_life_s=23.4567)
LIMIT_NS = CONFIG.limits["crypto"].trade_silence_ms * 10**6
STALE_S = CONFIG.limits["crypto"].source_stale_ms / 1000
FLOOR = CONFIG.limits["crypto"].sigma_floor_bps / 1e4
TICK_SIZE = 0.1
Row = dict[str, Any]


def trust(past: list[Row]) -> float:
    """Return uptime times reliability of a source from all its ticks so far; its market never closes."""
    times = np.maximum.accumulate([t["ts_event"] for t in past]) / 1e9
    left = 0.5 ** ((times[-1] - times) / CONFIG.half_life_s)
    gaps = np.diff(times, prepend=times[0])
    fresh_s = CONFIG.prior_up_s * CONFIG.prior_up_share + left @ np.minimum(gaps, STALE_S)
    up = fresh_s / (CONFIG.prior_up_s + left @ gaps)
    # Late ticks show that it is up, no more. The weight is that of its last tick that counted.
    counted = np.array([not t["late"] for t in past])
    left = left[counted]
    good = np.array([not t["cut"] for t in past if not t["late"]])
    reliability = (CONFIG.prior_good + left @ good) / (CONFIG.prior_good + CONFIG.prior_cut + left.sum())
    return float(up * reliability)


def faded(past: list[Row], name: str, power: int) -> float:
    """Return the sum of what was compared, each faded by the source's own time since."""
    times = np.maximum.accumulate([t["ts_event"] for t in past]) / 1e9
    left = 0.5 ** ((times[-1] - times) / CONFIG.error_half_life_s)
    return float(sum(k * t[name] ** power for k, t in zip(left, past, strict=True) if t.get(name) is not None))


class Market:
    """What the consensus moves in a second, from the prices noted so far."""

    def __init__(self) -> None:
        self.newest = -(2**63)
        self.noted: tuple[float, int] | None = None
        self.moves: list[tuple[int, float, float]] = []

    def note(self, price: float) -> None:
        """Take note of a price, at least two seconds after the last; of a longer gap than a minute only the price."""
        if self.noted and self.newest - self.noted[1] < 2 * SECOND:
            return
        if self.noted and self.newest - self.noted[1] <= 60 * SECOND:
            gap_s = (self.newest - self.noted[1]) / 1e9
            self.moves.append((self.newest, gap_s, ((price / self.noted[0] - 1) * 1e4) ** 2))
        self.noted = (price, self.newest)

    def per_second(self) -> float:
        """Return the mean square move in a second; it fades only over the gaps that were learned from."""
        seconds = moved = 0.0
        for _, gap_s, square in self.moves:
            fade = 0.5 ** (gap_s / CONFIG.error_half_life_s)
            seconds, moved = seconds * fade + gap_s, moved * fade + square
        return (moved + CONFIG.prior_move_bps2) / (seconds + 1)


def bounded(values: dict[str, float], weights: dict[str, float], reach: float) -> dict[str, float]:
    """Return the weights as they count: see ``bound_weights``."""
    if len(values) < 3:
        return weights
    near = {s for s, v in values.items() if any(t != s and abs(u - v) <= reach for t, u in values.items())}
    if near:
        least = min(weights[s] for s in near)
        out = {s: w if s in near else min(w, least) for s, w in weights.items()}
    else:
        out = dict.fromkeys(weights, 1.0)
    # The first of the heaviest in the order of the values.
    top = max(sorted(out, key=lambda s: values[s]), key=lambda s: out[s])
    others = [w for s, w in out.items() if s != top]
    return out | {top: min(out[top], max(0.999 * sum(others), *others))}


def up_to_last_counted(past: list[Row]) -> list[Row]:
    """Return the past without the late ticks at its end: they set no weight."""
    last = max(i for i, tick in enumerate(past) if not tick["late"])
    return past[: last + 1]


def weighted_median(values: dict[str, float], weights: dict[str, float]) -> float:
    """Return the smallest value with half of the weight at or below it."""
    half = sum(weights[s] for s in values) / 2 * (1 - 1e-12)
    return min(v for v in values.values() if sum(weights[s] for s, u in values.items() if u <= v) >= half)


def correct(past: list[Row], told: Raw) -> None:
    """Correct the last trade of a source; one that is taken back leaves none, not the one before."""
    standing = [t for t in reversed(past) if not t["late"] and "gone" not in t]
    last = max(standing, key=lambda t: t["ts_event"], default=None)
    if last is None or last["seq"] != told["seq"]:
        return
    if told["conditions"] == "correct":
        last["price"] = told["price"]
        return
    for tick in past:
        tick["gone"] = True


def moved_back(price: float, source: str, offsets: dict[str, float]) -> float:
    """Return a price less the usual offset of its source."""
    return price * (1 - offsets.get(source, 0.0) / 1e4)


def error_of(past: list[Row]) -> float:
    """Return the mean square distance of a source from the others, square basis points."""
    prior = CONFIG.prior_error_ticks
    while past and past[-1].get("off") is None:
        past = past[:-1]
    if not past:
        return (FLOOR * 1e4) ** 2
    return (faded(past, "off", 2) + prior * (FLOOR * 1e4) ** 2) / (faded(past, "off", 0) + prior)


def offsets_of(past: dict[str, list[Row]]) -> dict[str, float]:
    """Return what is to be taken off each source: its mean distance beyond the threshold, less that in the middle."""
    found = {}
    for source, rows in past.items():
        n = faded(rows, "raw", 0)
        if n:
            found[source] = faded(rows, "raw", 1) / (n + CONFIG.prior_offset_ticks)
    level, threshold = np.median(list(found.values())), CONFIG.offset_share * FLOOR * 1e4
    return {s: float(np.sign(f - level) * max(abs(f - level) - threshold, 0.0)) for s, f in found.items()}


def compare(tick: Row, source: str, values: dict[str, float], offsets: dict[str, float]) -> None:
    """Note how far a tick is from the plain median of the others."""
    rest = np.array([v for s, v in values.items() if s != source])
    others = float(np.median(rest))
    floor = max(TICK_SIZE, FLOOR * others)
    sigma = max(np.median(np.abs(rest - others)) / 0.6744897501960817, floor)
    off = (values[source] / others - 1) * 1e4
    tick["off"] = min(abs(off), CONFIG.k * sigma / others * 1e4)
    far = 2 * CONFIG.k * FLOOR * 1e4
    tick["raw"] = min(max(off + offsets.get(source, 0.0), -far), far)


def of_the_past(
    tick: Row, offsets: dict[str, float], market: Market, middle: float, kept: dict[str, float]
) -> dict[str, Any]:
    """Return what a tick says whose minute is over for others: its own price, if the market can have moved so far."""
    price = moved_back(tick["price"], tick["vendor"], offsets)
    gap_s = (market.newest - tick["ts_event"]) / 1e9
    sigma = max(TICK_SIZE, middle * np.sqrt((FLOOR * 1e4) ** 2 + market.per_second() * gap_s) / 1e4)
    cut = bool(set(kept) - {tick["vendor"]}) and bool(abs(price - middle) > CONFIG.k * sigma)
    return {
        "price": pytest.approx(price), "outlier": int(cut), "n_src": int(not cut), "sigma": pytest.approx(sigma),
        "vendors": () if cut else (tick["vendor"],), "cut": (f"{tick['vendor']}:outlier",) if cut else (),
        "dispersion": 0.0, "weights": () if cut else (100,),
    }  # fmt: skip


def believed(
    prices: dict[str, float], weights: dict[str, float], agreed: tuple[float, int] | None, market: Market
) -> dict[str, float]:
    """Return the weights of two that disagree, where the last agreed price explains one of them only."""
    if agreed is None:
        return weights
    moved = agreed[0] * np.sqrt((FLOOR * 1e4) ** 2 + market.per_second() * (market.newest - agreed[1]) / 1e9) / 1e4
    explained = [s for s, p in prices.items() if abs(p - agreed[0]) <= CONFIG.k * max(moved, TICK_SIZE)]
    if len(explained) != 1:
        return weights
    (other,) = set(prices) - set(explained)
    return weights | {other: min(weights[other], 0.999 * weights[explained[0]])}


def apart(values: np.ndarray) -> float:
    """Return how far values are apart."""
    if len(values) < 3:
        return float(np.ptp(values)) / 2
    return float(np.median(np.abs(values - np.median(values)))) / 0.6744897501960817


def shares(kept: dict[str, float], weights: dict[str, float]) -> Any:
    """Return what each that counted weighs, in per cent, in the order of their names; whole ones are within a half."""
    total = sum(weights[s] for s in kept)
    return pytest.approx(tuple(100 * weights[s] / total for s in sorted(kept)), abs=0.5 + 1e-6)


def oracle(ticks: list[Raw]) -> list[Row]:
    """Return what each tick that is not late should give."""
    past: dict[str, list[Row]] = {}
    out: list[Row] = []
    newest, mark = {}, -(2**63)
    market, offsets, compared, agreed = Market(), {}, 0, None
    for tick in ticks:
        ts, source = tick["ts_event"], tick["vendor"]
        late = ts < mark
        newest[source] = max(newest.get(source, ts), ts)
        active = [n for n in newest.values() if n >= max(newest.values()) - CONFIG.idle_ms * 10**6]
        mark = max(mark, min(active) - CONFIG.lateness_ms * 10**6)
        if tick["kind"] == "correction":
            correct(past[source], tick)
            price = None if tick["conditions"] == "cancel" else tick["price"]
            out.append({"kind": "correction", "price": price, "seq": tick["seq"], "watermark": mark})
            continue
        past.setdefault(source, []).append(tick | {"cut": False, "late": late})
        if late:
            out.append({"late": 1, "watermark": mark})
            continue
        counted = {s: [t for t in rows if not t["late"]] for s, rows in past.items()}
        # The first of the reversed: of equal times the later row stands.
        standing = {s: [t for t in reversed(rows) if "gone" not in t] for s, rows in counted.items()}
        last = {s: max(rows, key=lambda t: t["ts_event"]) for s, rows in standing.items() if rows}
        market.newest = max(market.newest, ts)
        fresh = [s for s, t in last.items() if ts - t["ts_event"] < LIMIT_NS]
        is_last = last[source] is counted[source][-1]
        if is_last and source in fresh and len(fresh) > 1:
            compare(past[source][-1], source, {s: moved_back(last[s]["price"], s, offsets) for s in fresh}, offsets)
            compared += 1
            if compared % 16 == 0:
                offsets = offsets_of(past)
        prices = {s: moved_back(last[s]["price"], s, offsets) for s in fresh}
        weights = {
            s: trust(up_to_last_counted(past[s]))
            / (error_of(past[s]) + market.per_second() * (market.newest - last[s]["ts_event"]) / 1e9)
            for s in prices
        }
        values = np.array(list(prices.values()))
        floor = max(TICK_SIZE, sorted(values)[(len(values) - 1) // 2] * FLOOR)
        sigma = max(apart(values), floor) if len(values) > 2 else floor
        weights = bounded(prices, weights, CONFIG.k * sigma)
        if len(values) == 2 and np.ptp(values) > CONFIG.k * floor:
            weights = believed(prices, weights, agreed, market)
        middle = weighted_median(prices, weights)
        reach = CONFIG.k * sigma
        if len(values) == 1 or (len(values) == 2 and len(set(weights.values())) == 1):
            reach = np.inf
        kept = {s: p for s, p in prices.items() if abs(p - middle) <= reach}
        past[source][-1]["cut"] = cut = bool(abs(moved_back(tick["price"], source, offsets) - middle) > reach)
        market.note(middle)
        if len(kept) > 1 and reach < np.inf:
            agreed = (middle, market.newest)
        if ts // (60 * SECOND) < market.newest // (60 * SECOND) or ts < market.newest - CONFIG.lateness_ms * 10**6:
            told = of_the_past(tick, offsets, market, middle, kept)
            past[source][-1]["cut"] = bool(told["outlier"])
            out.append({"late": 0, "watermark": mark} | told)
            continue
        out.append({
            "late": 0, "watermark": mark, "price": pytest.approx(middle, rel=1e-12), "outlier": int(cut),
            "n_src": len(kept), "vendors": tuple(sorted(kept)), "sigma": pytest.approx(sigma),
            "dispersion": pytest.approx(apart(values), rel=1e-6, abs=1e-9), "weights": shares(kept, weights),
        })  # fmt: skip
    return out


STREAM = st.lists(
    st.tuples(
        st.sampled_from("ABCDE"),
        st.one_of(st.floats(0, 3), st.floats(-3, 0.1), st.floats(0, 30)),  # seconds since the tick before
        st.one_of(st.floats(995, 1005), st.floats(900, 1100)),
        st.floats(0.001, 0.5),  # seconds until it is received: continuous, so that no two weights tie by accident
        st.sampled_from((None, None, None, "cancel", "correct")),  # what follows it
        st.integers(0, 2),  # which of the trades of its vendor that names, from the last one
    ),
    max_size=40,
)


@COMPILING
@given(STREAM)
def test_every_tick_agrees_with_an_oracle_that_knows_the_whole_past(stream) -> None:
    """Watermark, lateness, weights, median, cut, whom of two to believe: disorder, errors and silences of five."""
    at = 100.0
    ticks = []
    for i, (vendor, step, price, delay, word, back) in enumerate(stream):
        at = max(at + step, 0.0)
        ticks.append(trade(vendor, at, price, recv_s=at + delay, seq=i))
        own = [t["seq"] for t in ticks if t["vendor"] == vendor and t["kind"] == "trade"]
        if word:
            told = {"symbol_id": "BTC-USD:CRYPTO", "conditions": word, "seq": own[-1 - back % len(own)]}
            ticks.append(raw("correction", vendor, at, **told, price=price + 1.0))
    got = Run(CONFIG, [Vendor(v, "*", "venue", "", 0.0, corrections=True) for v in "ABCDE"]).feed(*ticks)
    for row, expected in zip(got, oracle(ticks), strict=True):
        assert {name: row[name] for name in expected} == expected
