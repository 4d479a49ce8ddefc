r"""Nothing of the future is in a row: whatever input changes after an instant, every column before it stays as it was.

    bars, facts -> featurize -> regime -> gold.v1
                        \-> cross --------> cross.v1

All features of the catalog are found by reading it; a new one is under this test from its row on. Beside them every
other column of both rows is compared: regime probabilities, meta, quality, counts of the universe.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from processors.cross import barrier
from processors.cross.config import CrossConfig
from processors.cross.stage import CROSS, Cross
from processors.featurize import kernel as featurize_kernel
from processors.featurize.curve_table import Contracts
from processors.featurize.facts_table import FactTable
from processors.featurize.indicators import layout as c
from processors.featurize.outside import SIDES
from processors.featurize.stage import Featurize
from processors.featurize.universe import UNIVERSE
from processors.reference.records import Fundamental, MarketEvent
from processors.regime import context
from processors.regime.config import RegimeConfig
from processors.regime.stage import Regime
from processors.runtime.batch import Columns
from schemas.features import load_catalog
from schemas.timeframes import TIMEFRAME_NS
from tests.featurize.conftest import make_bars
from tests.featurize.everything import (
    CONTRACTS,
    DAY_NS,
    MAIN,
    START_NS,
    EveryFeature,
    Fact,
    by_time,
    code,
    facts,
    market,
    opened,
)
from tests.support import joined

Mask = NDArray[np.bool_]
CUTS = tuple(START_NS + int(day * DAY_NS) for day in (1.6, 97.0, 99.9, 99.98))
"""Among the contracts' bars; among hours and days; among 5m bars; among minutes."""
GOLD = "gold.v1"
PEERS = ("ETH-USD:CRYPTO", "EURUSD:FX", "NZDUSD:FX")
SMALL = CrossConfig(momentum_sessions=(3, 7, 15), window_bars=20, fast_bars=5, slow_bars=9)
"""Windows that fill within the days of the test."""
OF_TIME = {"session_bars", "curve_f1_years", "trend_state_mtf_known", *(f"clock_vector_{i}" for i in range(5))}
"""Features that read nothing but times, and whether something is there at all."""
RARE = ("cdl_", "gap_filled")
"""Features that are 0 in nearly every bar of a walk, whichever it is."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages from bars on, with all features."""

    featurize: Featurize
    regime: Regime
    cross: Cross

    def rows(self, bars: Columns, known: list[Fact]) -> dict[str, Columns]:
        """Return the rows of gold.v1 and cross.v1 of one run."""
        made = self.featurize.step(opened(self.featurize, known), bars).records
        gold = self.regime.step(self.regime.open(), made["features.v1"]).records[GOLD]
        return {GOLD: gold, CROSS: self.cross.step(self.cross.open(), made[UNIVERSE]).records[CROSS]}


@pytest.fixture(scope="module")
def chain() -> Chain:
    """Return the stages with all features."""
    return Chain(Featurize(EveryFeature()), Regime(RegimeConfig(model="bocpd_features")), Cross(SMALL))


@pytest.fixture(scope="module")
def bars() -> Columns:
    """Return the market, with peers that its main symbol is ranked among."""
    parts = [market()]
    for i, symbol in enumerate(PEERS):
        for j, (tf, n) in enumerate((("1m", 150), ("1h", 60), ("1d", 80))):
            begin = START_NS + 100 * DAY_NS - n * TIMEFRAME_NS[tf]
            parts.append(make_bars(n, 40 + 5 * i + j, symbol=symbol, tf=tf, tf_ns=TIMEFRAME_NS[tf], start_ns=begin))
    return by_time(joined(parts))


def changed(bars: Columns, which: Mask, change: Callable[[Columns], None]) -> Columns:
    """Return bars of which those of a mask are changed."""
    out = bars.take(np.arange(len(bars)))
    if not which.any():
        return out
    some = bars.take(which)
    change(some)
    for name in ("o", "h", "l", "c", "v", "vwap", "n_trades", "bid", "ask", "quality.stale"):
        column = out[name]
        column[which] = some[name]
    return out


def prices(bars: Columns) -> None:
    """Turn prices over and stretch them."""
    for name in ("o", "h", "l", "c", "vwap"):
        bars[name] = 5000.0 / bars[name] ** 1.5  # type: ignore[operator]
    bars["h"], bars["l"] = bars["l"].copy(), bars["h"].copy()
    bars["bid"], bars["ask"] = bars["c"] * 0.999, bars["c"] * 1.002  # type: ignore[operator]


def volumes(bars: Columns) -> None:
    """Trade a hundred times as much, in reverse order."""
    bars["v"] = 100.0 * bars["v"][::-1] + 3.0  # type: ignore[operator]
    bars["n_trades"] = 7 * bars["n_trades"][::-1] + 1  # type: ignore[operator]


def quotes(bars: Columns) -> None:
    """Take every third quote away and widen the others; let what was stale be fresh."""
    bars["bid"] = np.where(np.arange(len(bars)) % 3 == 0, np.nan, 0.9 * bars["bid"])  # type: ignore[operator]
    bars["quality.stale"] = 1 - bars["quality.stale"]  # type: ignore[operator]


def all_at_once(bars: Columns) -> None:
    """Change prices, volumes and quotes."""
    for change in (prices, volumes, quotes):
        change(bars)


def walked(bars: Columns) -> None:
    """Let prices and volumes go other ways, bar by bar."""
    rng = np.random.default_rng(9)
    way, n = np.exp(np.cumsum(rng.normal(0, 0.02, len(bars)))), len(bars)
    for name in ("o", "c"):
        bars[name] = bars[name] * way * np.exp(rng.normal(0, 0.01, n))  # type: ignore[operator]
    top, low = np.maximum(bars["o"], bars["c"]), np.minimum(bars["o"], bars["c"])
    bars["h"], bars["l"] = top * (1 + rng.exponential(0.002, n)), low * (1 - rng.exponential(0.002, n))
    bars["v"] = bars["v"] * rng.lognormal(0, 2, n)  # type: ignore[operator]


INPUTS = {"prices": prices, "volumes": volumes, "quotes": quotes}


def named(rows: Columns) -> dict[str, np.ndarray]:
    """Return every column by its name, features without the record they are in."""
    return {name.removeprefix("features."): np.ascontiguousarray(rows[name]) for name in rows.layout.names}


def differing(
    before: dict[str, Columns], after: dict[str, Columns], until: int, *, shorter: tuple[str, ...] = ()
) -> set[str]:
    """Return the columns that differ, by a bit, in rows up to an instant; rows must be the same ones.

    Parameters
    ----------
    shorter
        Topics whose rows may end earlier in ``after``.
    """
    found = set[str]()
    for topic, whole in before.items():
        some, others = (rows.take(np.asarray(rows["ts"]) <= until) for rows in (whole, after[topic]))
        if topic in shorter:
            assert 0 < len(others) <= len(some)
            some = some.take(slice(0, len(others)))
        for name in ("ts", "symbol_id", "tf"):
            np.testing.assert_array_equal(some[name], others[name])
        there = named(others)
        found |= {name for name, x in named(some).items() if x.tobytes() != there[name].tobytes()}
    return found


def leaks(chain: Chain, bars: Columns, known: list[Fact], until: int, *, whole: bool = True) -> set[str]:
    """Return the columns that see past an instant, over every input that can change after it.

    Parameters
    ----------
    whole
        Whether parts of the future are changed alone, too, and whether it is taken away.
    """
    rows, found = chain.rows(bars, known), set[str]()
    after: Mask = bars["ts"] > until  # type: ignore[operator]
    for change in INPUTS.values():
        found |= differing(rows, chain.rows(changed(bars, after, change), known), until)
    found |= differing(rows, chain.rows(bars, other_facts(known, until)), until)
    if not whole:
        return found
    # Other timeframes alone and other symbols alone: one leg of the curve, the peers.
    peers = np.isin(bars["symbol_id"], [code(symbol) for symbol in PEERS])
    for which in (
        bars["tf"] != code("1m"), bars["symbol_id"] != code(MAIN), bars["symbol_id"] == code(CONTRACTS[1]), peers,
    ):  # fmt: skip
        found |= differing(rows, chain.rows(changed(bars, after & which, all_at_once), known), until)
    # A barrier waits for what comes after it, so the last ones do not close without.
    found |= differing(rows, chain.rows(bars.take(~after), known), until, shorter=(CROSS,))
    known_then = [f for f in known if f.ts_known <= until]
    return found | differing(rows, chain.rows(bars, known_then), until)


def other_facts(known: list[Fact], until: int) -> list[Fact]:
    """Return facts that say the same up to an instant, and something else after it, of the past too."""
    out: list[Fact] = []
    for fact in known:
        if fact.ts_known <= until:
            out.append(fact)
        kind = type(fact)
        given = {name: getattr(fact, name) for name in fact.__slots__}
        late = max(fact.ts_known, until) + 1 + fact.ts_known % 977
        value = None if fact.ts_known % 3 == 0 else -5.0 * (fact.value or 1.0)
        out.append(kind(**given | {"ts_known": late, "value": value}))
    return out


def moved(known: list[Fact]) -> list[Fact]:
    """Return facts of another past: other values, a day earlier, and known two days earlier."""
    return [
        type(f)(**{name: getattr(f, name) for name in f.__slots__}
                | {"ts_known": f.ts_known - 2 * DAY_NS, "ts_event": f.ts_event - DAY_NS, "value": 1.7 * (f.value or 1)})
        for f in known
    ]  # fmt: skip


@pytest.mark.parametrize("until", CUTS)
def test_no_column_sees_past_the_end_of_its_bar(chain: Chain, bars: Columns, until: int) -> None:
    """Prices, volumes, quotes, facts, legs, timeframes and symbols change after an instant: no row before it does."""
    assert leaks(chain, bars, facts(), until) == set()


def test_every_feature_of_the_catalog_is_compared(chain: Chain, bars: Columns) -> None:
    """Names that are compared are those of the catalog; each has a value before the last instant."""
    early = {name: x for rows in chain.rows(bars, facts()).values() for name, x in named(upto(rows)).items()}
    catalog = {f.name for f in load_catalog()}
    assert catalog <= set(early)
    assert {name for name in catalog if np.isnan(early[name]).all()} == set()


def upto(rows: Columns) -> Columns:
    """Return the rows up to the last instant of the test."""
    return rows.take(np.asarray(rows["ts"]) <= CUTS[-1])


def test_another_past_changes_every_feature(chain: Chain, bars: Columns) -> None:
    """Changed before the instant instead of after it, the same inputs change every feature: no comparison is blind."""
    rows, found = chain.rows(bars, facts()), set[str]()
    always = np.ones(len(bars), np.bool_)
    for change in (*INPUTS.values(), walked):
        found |= differing(rows, chain.rows(changed(bars, always, change), facts()), CUTS[-1])
    for known in (moved(facts()), facts()[::2]):
        found |= differing(rows, chain.rows(bars, known), CUTS[-1])
    blind = {f.name for f in load_catalog()} - found
    assert {name for name in blind if not name.startswith(RARE)} == OF_TIME


def shift(x: np.ndarray, n: int) -> np.ndarray:
    """Return what stands n rows later, the last rows as they are."""
    out = x.copy()
    out[:-n] = x[n:]
    return out


def leak_in_featurize(patch: pytest.MonkeyPatch) -> None:
    """Let the loop over bars read the volume of the next bar."""
    run = featurize_kernel.run

    def leaking(*args: Any) -> None:
        args[4][:, c.VOLUME] = shift(args[4][:, c.VOLUME], 1)
        run(*args)

    patch.setattr(featurize_kernel, "run", leaking)


def leak_in_curve(patch: pytest.MonkeyPatch) -> None:
    """Let the curve keep the closes of some hours later."""
    follow = Contracts.follow

    def leaking(self: Contracts, roots: Any, row_of: Any, ts: Any, first: Any, price: Any, *rest: Any) -> None:
        follow(self, roots, row_of, ts, first, shift(price, 12), *rest)

    patch.setattr(Contracts, "follow", leaking)


def leak_in_facts(patch: pytest.MonkeyPatch) -> None:
    """Let facts be there half a day before they are known."""
    answers = FactTable.answers

    def leaking(self: FactTable, ts_ns: Any, *rest: Any) -> Any:
        return answers(self, ts_ns + DAY_NS // 2, *rest)

    patch.setattr(FactTable, "answers", leaking)


def leak_in_regime(patch: pytest.MonkeyPatch) -> None:
    """Let what a bar tells of its regime have the return of the next row."""
    run = context.run

    def leaking(slots: Any, returns: Any, *rest: Any) -> None:
        run(slots, shift(returns, 1), *rest)

    patch.setattr(context, "run", leaking)


def leak_in_cross(patch: pytest.MonkeyPatch) -> None:
    """Let the barrier take the returns of the next row."""
    arrive = barrier.arrive

    def leaking(*args: Any) -> Any:
        return arrive(*args[:7], shift(args[7], 1), *args[8:])

    patch.setattr(barrier, "arrive", leaking)


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], int, set[str], str]] = {
    "featurize": (leak_in_featurize, CUTS[3], {"volume_ratio_20", "mfi_14_value"}, ""),
    "curve": (leak_in_curve, CUTS[0], {"curve_slope"}, "curve_"),
    "facts": (leak_in_facts, CUTS[1], {"quality_score"}, "quality_|event_|vix_|risk_|rate_|xs_quality_"),
    "regime": (leak_in_regime, CUTS[3], {"regime.change_prob", "regime.hmm_p_stress"}, "regime"),
    "cross": (leak_in_cross, CUTS[3], {"xs_return_rank", "market_return_equal"}, "xs_|market_"),
}
"""Stage -> how it leaks, the instant, columns that must be found, and how the names of all that are found begin."""


@pytest.mark.parametrize("stage", list(PLANTED))
def test_a_leak_planted_in_a_stage_is_found(
    chain: Chain, bars: Columns, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """A stage that reads what comes later is caught, and nothing is found that it did not touch."""
    plant, until, must, begins = PLANTED[stage]
    plant(monkeypatch)
    found = leaks(chain, bars, facts(), until, whole=False)
    assert must <= found
    assert {name for name in found if not name.startswith(tuple(begins.split("|")))} == set()


def test_the_kinds_of_facts_are_those_of_the_sides() -> None:
    """Facts of every side of featurize are among those that change."""
    assert {type(f) for f in facts()} == {Fundamental, MarketEvent}
    assert {f.TOPIC for f in facts()} == set(SIDES)
