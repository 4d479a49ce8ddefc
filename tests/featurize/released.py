"""Releases packs: ``python -m tests.featurize.released`` writes ``schemas/catalogs/released/`` for those that are new.

A file a pack, written once and never again: the hash of its rows, and of each feature how many values it has over a
fixed series and their weighted sum. A row whose cells change changes the hash; a kernel that changes what they mean
changes a count or a sum. The hash in ``packs.yaml`` can be edited together with the rows, these files only be added.

Why sums of 9 significant digits and no digest of bits: the last bit of a logarithm differs between processors and
between mathematical libraries, and a digest would call each of them another meaning. Sums are compared within
``TOLERANCE`` of the sum of sizes, far above rounding and far below one value that differs. The series itself is exact
everywhere: whole numbers of ticks.
"""

import hashlib
import json
import math
from functools import cache

import numpy as np
import yaml

from processors.cross.config import CrossConfig
from processors.cross.stage import CROSS, Cross
from processors.featurize.stage import Featurize
from processors.featurize.universe import UNIVERSE
from processors.reference.records import Fundamental, MarketEvent
from processors.regime.config import RegimeConfig
from processors.regime.stage import Regime
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.strings import STRINGS
from schemas.features import PACKS_YAML, RELEASED, load_catalog, load_pack
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAME_NS
from tests.featurize.everything import EveryFeature, Fact, by_time, opened
from tests.support import joined

TOLERANCE = 1e-8
DAY_NS = TIMEFRAME_NS["1d"]
START_NS = int(np.datetime64("2013-12-02", "ns").astype(np.int64))
MAIN, CONTRACTS, PEERS = "BTC-USD:CRYPTO", ("GCZ13:CMX", "GCG14:CMX", "GCJ14:CMX"), ("ETH-USD:CRYPTO", "NZDUSD:FX")
METRICS = (
    "net_income", "revenue", "gross_profit", "operating_cash_flow", "equity", "assets", "liabilities", "eps_diluted",
)  # fmt: skip
DIGESTED = (
    "ts", "symbol_id", "tf", "ts_start", "o", "h", "l", "c", "v", "vwap", "n_trades", "revision", "bid", "ask",
    "quality.stale", "quality.outlier_frac", "quality.n_src", "quality.lat_ms", "quality.gap", "raw_offset",
)  # fmt: skip
"""Fields of a bar that the digest of the series is of: those that bars had when the first packs were released. One that
is new since changes no series of before; what a feature reads of it goes into a series of its own."""
Print = tuple[int, float, float]
"""Number of values, their weighted sum, and the weighted sum of their sizes."""


def _walk(n: int, seed: int, symbol: str, tf: str, start_ns: int) -> Columns:
    """Return n bars whose prices are whole numbers of hundredths.

    With every shape that rare patterns want: gaps, flat stretches, bodies without shadows, bursts of volume, and quotes
    that are missing now and then.
    """
    rng = np.random.default_rng(seed)
    bars = Columns.empty(layout_of(load_registry().current("bars.v1").schema), n)
    flat = rng.integers(0, 10, n) == 0
    close = 20_000 + np.cumsum(np.where(flat, 0, rng.integers(-60, 61, n)))
    before = np.concatenate([close[:1], close[:-1]])
    jump = np.where(rng.integers(0, 20, n) == 0, rng.integers(-250, 251, n), rng.integers(-45, 46, n))
    opened_at = before + jump * rng.integers(0, 2, n)
    shadows = rng.integers(0, 4, n)
    high = np.maximum(opened_at, close) + rng.integers(0, 30, n) * (shadows > 1)
    low = np.minimum(opened_at, close) - rng.integers(0, 30, n) * (shadows % 2)
    skipped = np.cumsum(rng.integers(0, 20, n) == 0)
    bars["ts_start"] = start_ns + (np.arange(n) + skipped) * TIMEFRAME_NS[tf]
    bars["ts"] = bars["ts_start"] + TIMEFRAME_NS[tf]  # type: ignore[operator]
    bars["symbol_id"], bars["tf"] = STRINGS.code(symbol), STRINGS.code(tf)
    quoted = rng.integers(0, 12, n) > 0
    for name, ticks in (
        ("o", opened_at), ("h", high), ("l", low), ("c", close), ("vwap", (high + low) // 2),
        ("bid", np.where(quoted, close - rng.integers(1, 9, n), np.nan)),
        ("ask", np.where(quoted, close + rng.integers(1, 9, n), np.nan)),
    ):  # fmt: skip
        bars[name] = ticks / 100.0
    burst = 1 + 40 * (rng.integers(0, 50, n) == 0)
    bars["v"], bars["n_trades"] = burst * rng.integers(1, 900, n) / 8, rng.integers(1, 99, n)
    bars["quality.stale"] = rng.integers(0, 9, n) == 0
    return bars


@cache
def series() -> Columns:
    """Return the bars: one symbol in every timeframe, three contracts of a curve, two peers, one of them for long."""
    end = START_NS + 100 * DAY_NS
    parts = [
        _walk(n, 300 + i, MAIN, tf, end - n * TIMEFRAME_NS[tf])
        for i, (tf, n) in enumerate({"1m": 460, "5m": 110, "15m": 110, "1h": 110, "1d": 140}.items())
    ]
    parts.append(_walk(6000, 310, PEERS[0], "5m", end - 6000 * TIMEFRAME_NS["5m"]))
    parts += [_walk(60, 320 + i, name, "1h", START_NS) for i, name in enumerate(CONTRACTS)]
    parts += [
        _walk(n, 330 + 2 * i + j, name, tf, end - n * TIMEFRAME_NS[tf])
        for i, name in enumerate(PEERS)
        for j, (tf, n) in enumerate({"1m": 160, "1d": 140}.items())
    ]
    return by_time(joined(parts))


def facts() -> list[Fact]:
    """Return figures of the main symbol, events, levels of the market and the use of a risk budget."""
    out: list[Fact] = []
    for q in range(9):
        end = START_NS + (100 - 91 * (8 - q)) * DAY_NS
        for i, metric in enumerate(METRICS):
            known = end - DAY_NS // 3 + i * TIMEFRAME_NS["1h"]
            out.append(Fundamental(MAIN, metric, end - DAY_NS, "2013Q1", 11.0 + 3 * q + 6 * i, "USD", end, known, "r"))
    for day in range(0, 101, 2):
        ts = START_NS + day * DAY_NS + 6 * TIMEFRAME_NS["1h"]
        out.append(MarketEvent("VIX:INDEX", f"v{day}", "index", "close", ts, ts, 13.0 + day % 19, "points", "", "r"))
        out.append(Fundamental(MAIN, "risk_budget_util", ts, "", 0.5 + day / 128, "ratio", ts, ts + 60, "r"))
        out.append(MarketEvent(MAIN, f"e{day}", "earnings", "date", ts, ts - DAY_NS, 1.0, "", "", "r"))
    return out


def rates() -> list[Fact]:
    """Return rates of the market, which only the features of rates read: packs of before do not have them."""
    out: list[Fact] = []
    for day in range(0, 101, 3):
        ts = START_NS + day * DAY_NS + 7 * TIMEFRAME_NS["1h"]
        for symbol, name, value in (
            ("POLICY:US", "primary_credit", 0.02 + day / 8192), ("TREASURY:US", "3month", 0.01 + day % 7 / 512),
            ("TREASURY:US", "10year", 0.03 - day % 11 / 1024),
        ):  # fmt: skip
            out.append(
                MarketEvent(symbol, f"{name} {day}", "rate", name, ts, ts + 60, value, "fraction a year", "", "r")
            )
    return out


@cache
def prints() -> dict[str, Print]:
    """Return the print of every feature of the catalog over the series, by the stages with their defaults."""
    featurize, regime, cross = Featurize(EveryFeature()), Regime(RegimeConfig()), Cross(CrossConfig())
    made = featurize.step(opened(featurize, [*facts(), *rates()]), series()).records
    gold = regime.step(regime.open(), made["features.v1"]).records["gold.v1"]
    ranks = cross.step(cross.open(), made[UNIVERSE]).records[CROSS]
    return {
        f.name: print_of(np.asarray((ranks if f.source == "cross" else gold)[f"features.{f.name}"]))
        for f in load_catalog()
    }


def print_of(x: np.ndarray) -> Print:
    """Return the print of values: every place has a weight of its own, and sums are exact before they are rounded."""
    there = ~np.isnan(x)
    weighted = (x * (1 + np.arange(len(x)) % 997 / 1024))[there].tolist()
    total, size = math.fsum(weighted), math.fsum(map(abs, weighted))
    return int(there.sum()), float(f"{total:.9g}"), float(f"{size:.9g}")


def same(a: Print, b: Print) -> bool:
    """Return whether two prints are of the same values, rounding aside."""
    return a[0] == b[0] and all(abs(x - y) <= TOLERANCE * max(a[2], b[2]) for x, y in zip(a[1:], b[1:], strict=True))


def entry(pack_id: str) -> dict[str, object]:
    """Return what is to be released of a pack."""
    pack = load_pack(pack_id)
    known = [*facts(), *(rates() if any(f.indicator == "rates" for f in pack.features) else ())]
    return {
        "pack_id": pack_id, "sha256": pack.hash, "series_sha256": series_digest(known),
        "prints": {f.name: list(prints()[f.name]) for f in pack.features},
    }  # fmt: skip


def series_digest(known: list[Fact]) -> str:
    """Return the digest of the bars and of facts; codes of texts differ from process to process, so of the texts."""
    # A field that records have since the first packs were released, and none of these has a value of.
    digest = hashlib.sha256(repr(known).replace(", ts_end=None", "").encode())
    for name in DIGESTED:
        column = np.asarray(series()[name])
        if name in {"symbol_id", "tf"}:
            column = np.array([STRINGS.text(int(code)) for code in column], "S16")
        digest.update(column.tobytes())
    return digest.hexdigest()


def main() -> None:
    """Write the files that are missing."""
    for pack_id in yaml.safe_load(PACKS_YAML.read_text())["packs"]:
        path = RELEASED / f"{pack_id}.json"
        if path.is_file():
            continue
        made = entry(pack_id)
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(p)}" for name, p in made.pop("prints").items())  # type: ignore[attr-defined]
        head = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in made.items())
        path.write_text(f'{{\n{head}  "prints": {{\n{lines}\n  }}\n}}\n')
        print(f"released {pack_id}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
