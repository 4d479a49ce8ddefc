"""All features at once over a small market: bars of several symbols and timeframes, quotes, facts and a curve."""

from dataclasses import dataclass

import numpy as np

from processors.featurize.config import FeaturizeConfig
from processors.featurize.facts_table import FACTS, HEADS, FactTable
from processors.featurize.stage import Featurize
from processors.reference.records import Fundamental, MarketEvent
from processors.runtime.batch import Columns
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from schemas.features import Pack, bar_features, load_pack
from schemas.timeframes import TIMEFRAME_NS
from tests.featurize.conftest import make_bars
from tests.support import joined

Fact = Fundamental | MarketEvent
MAIN, OTHER, CONTRACTS = "BTC-USD:CRYPTO", "ETH-USD:CRYPTO", ("GCZ13:CMX", "GCG14:CMX", "GCJ14:CMX")
START_NS = int(np.datetime64("2013-12-02", "ns").astype(np.int64))
HOUR_NS, DAY_NS = 3_600_000_000_000, 86_400_000_000_000
_NUMBERS = {"1m": 420, "5m": 110, "15m": 110, "1h": 110, "1d": 100}


@dataclass(frozen=True, slots=True)
class EveryFeature(FeaturizeConfig):
    """A configuration whose packs are the founding one and one of all features of the schema."""

    def packs(self) -> tuple[Pack, ...]:
        """Return the two packs."""
        return load_pack(self.pack_ids[0]), Pack("everything", bar_features())


def by_time(bars: Columns) -> Columns:
    """Return bars in the order of their ends; those that end together in the order in which they are."""
    return bars.take(np.argsort(bars["ts"], kind="stable"))


def market() -> Columns:
    """Return bars of one symbol in every timeframe and of three contracts, by time.

    Timeframes need not agree with each other: each is a walk of its own, so that one cannot stand in for another.
    """
    parts = []
    for i, (tf, n) in enumerate(_NUMBERS.items()):
        # They end about the same day, so that short ones see long ones.
        begin = START_NS + 100 * DAY_NS - n * TIMEFRAME_NS[tf]
        parts.append(make_bars(n, 10 + i, symbol=MAIN, tf=tf, tf_ns=TIMEFRAME_NS[tf], start_ns=begin))
    parts += [
        make_bars(60, 20 + i, symbol=name, tf="1h", tf_ns=HOUR_NS, start_ns=START_NS)
        for i, name in enumerate(CONTRACTS)
    ]
    return by_time(joined(parts))


def facts() -> list[Fact]:
    """Return figures, events, levels of the market and the use of a risk budget over the time of the bars."""
    out: list[Fact] = []
    for q in range(9):
        end = START_NS + (100 - 91 * (8 - q)) * DAY_NS
        for i, metric in enumerate(("net_income", "revenue", "gross_profit", "operating_cash_flow", "equity", "assets",
                                    "liabilities", "eps_diluted")):  # fmt: skip
            known = end - DAY_NS // 3 + i * HOUR_NS
            # Another issuer too, that the main one is ranked among.
            for symbol, value in ((MAIN, 10.0 + 3 * q + 7 * i), (OTHER, 60.0 + 2 * q - (5 + q % 3) * i)):
                out.append(Fundamental(symbol, metric, end - DAY_NS, "2013Q1", value, "USD", end, known, "t"))
    for d in range(0, 101, 2):
        ts = START_NS + d * DAY_NS + 7 * HOUR_NS
        out.append(MarketEvent("VIX:INDEX", f"v{d}", "index", "close", ts, ts, 14.0 + d % 20, "points", "", "t"))
        out.append(Fundamental(MAIN, "risk_budget_util", ts, "", 0.5 + d / 120, "ratio", ts, ts + 60, "t"))
        for name, of, value in (
            ("primary_credit", "POLICY:US", 0.0075 + d % 3 / 400), ("3month", "TREASURY:US", 0.001 + d % 7 / 4096),
            ("10year", "TREASURY:US", 0.027 - d % 11 / 4096),
        ):  # fmt: skip
            out.append(MarketEvent(of, f"{name}{d}", "rate", name, ts, ts + 60, value, "fraction a year", "", "t"))
        announced = MarketEvent(MAIN, f"e{d}", "earnings", "date", ts, ts - DAY_NS, 1.0, "", "", "t")
        out.append(announced)
    return out


def opened(stage: Featurize, known: list[Fact]) -> State:
    """Return a new state that has facts."""
    state = stage.open()
    FactTable(state[FACTS.name], state[HEADS.name]).add(known)
    return state


def rows_of(stage: Featurize, bars: Columns, known: list[Fact]) -> Columns:
    """Return the rows of one run."""
    return stage.step(opened(stage, known), bars).records["features.v1"]


def values_of(rows: Columns) -> dict[str, np.ndarray]:
    """Return every feature's column by its name."""
    return {f.name: rows.floats[rows.layout.column[f"features.{f.name}"][1]] for f in bar_features()}


def code(text: str) -> int:
    """Return the code of a text."""
    return STRINGS.code(text)
