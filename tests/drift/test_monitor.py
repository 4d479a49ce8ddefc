"""The watch inside featurize: what rows and reports say."""

from itertools import pairwise

import numpy as np
import pytest

from processors.drift.config import DriftConfig
from processors.drift.monitor import LEVELS, stride_of, watched
from processors.errors import ConfigError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.stage import Featurize
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from schemas.features import FOUNDING_PACK, load_features, load_pack
from tests.featurize.conftest import make_bars
from tests.support import assert_same, interleaved, joined

CONFIG = DriftConfig(
    reference_rows=60, stride_bars_max=2, recent_rows=40, recent_days=0, false_alarm_rows=1e5, report_bars=100
)
CALM_BARS, WILD_BARS = 400, 200


def calm_then_wild(symbol: str, seed: int) -> Columns:
    """Return bars whose moves grow fivefold after ``CALM_BARS``."""
    bars = make_bars(CALM_BARS + WILD_BARS, seed, symbol=symbol)
    log_close = np.log(np.asarray(bars["c"]))
    moves = np.diff(log_close, prepend=log_close[0])
    moves[CALM_BARS:] *= 5.0
    scale = np.exp(np.cumsum(moves)) / np.exp(log_close - log_close[0])
    for name in ("o", "h", "l", "c", "vwap", "bid", "ask"):
        bars[name] = np.asarray(bars[name]) * scale
    return bars


@pytest.fixture(name="stage", scope="module")
def _stage() -> Featurize:
    return Featurize(FeaturizeConfig(), CONFIG)


@pytest.fixture(name="bars", scope="module")
def _bars() -> Columns:
    return interleaved([calm_then_wild("BTC-USD:CRYPTO", 1), calm_then_wild("ETH-USD:CRYPTO", 2)], seed=3)


def texts(rows: Columns, name: str) -> list[str]:
    """Return a column of strings."""
    return [STRINGS.text(int(code)) for code in np.asarray(rows[name])]


@pytest.mark.parametrize(("tf", "stride"), [("1m", 15), ("5m", 3), ("15m", 1), ("1h", 1), ("1d", 1)])
def test_what_is_recent_spans_a_day(tf: str, stride: int) -> None:
    """The last hundred observations of a return of one bar span a day at least, in each timeframe."""
    feature = next(f for f in load_pack(FOUNDING_PACK).features if f.name == "log_return_1")
    assert stride_of(feature, tf, DriftConfig()) == max(stride, min(feature.warmup_bars, 20))


def test_rows_name_the_features_in_drift(stage: Featurize, bars: Columns) -> None:
    """While moves are as they were no row is marked; when they grow fivefold the return is named until the end."""
    rows = stage.step(stage.open(), bars).records["features.v1"]
    of_one = np.asarray(rows["symbol_id"]) == STRINGS.code("BTC-USD:CRYPTO")
    named = [STRINGS.array(int(code)) for code in np.asarray(rows["drifted"])[of_one]]
    assert set(named[:CALM_BARS]) == {()}
    assert all("log_return_1" in names for names in named[CALM_BARS + 150 :])


def test_reports_are_due_and_alarms_are_told_at_once(stage: Featurize, bars: Columns) -> None:
    """Each watched feature is reported every ``report_bars`` rows; an alarm stands at the row that is marked first."""
    out = stage.step(stage.open(), bars).records
    rows, reports = out["features.v1"], out["drift.v1"]
    causes = np.array([reports.layout.symbols["cause"][int(i)] for i in np.asarray(reports["cause"])])
    n_watched = len(watched(CONFIG, (load_pack(FOUNDING_PACK),)))
    # A report that is due at the row of an alarm is told once, as the alarm.
    n_due = 2 * n_watched * (CALM_BARS + WILD_BARS) // CONFIG.report_bars
    assert n_due - (causes != "report").sum() <= (causes == "report").sum() <= n_due
    symbol = np.array(texts(reports, "symbol_id"))
    feature = np.array(texts(reports, "feature"))
    alarm = (causes == "alarm") & (feature == "log_return_1") & (symbol == "BTC-USD:CRYPTO")
    assert alarm.sum() == 1
    marked = [
        ts
        for ts, code, s in zip(rows["ts"], rows["drifted"], texts(rows, "symbol_id"), strict=True)
        if s == "BTC-USD:CRYPTO" and "log_return_1" in STRINGS.array(int(code))
    ]
    assert np.asarray(reports["ts"])[alarm].tolist() == [min(marked)]
    assert np.asarray(reports["psi"])[alarm][0] > 0
    assert np.asarray(reports["fill_rate"])[feature == "log_return_1"].min() > 0.9


def test_any_split_and_restore_gives_the_same_watch(stage: Featurize, bars: Columns) -> None:
    """Batches of any size, with the state restored between them, give the same rows and reports."""
    whole = stage.step(stage.open(), bars).records
    state, changelog = stage.open(), dict[bytes, bytes]()
    parts: dict[str, list[Columns]] = {topic: [] for topic in whole}
    for begin, end in pairwise([0, 1, 7, 400, 401, 900, len(bars)]):
        for topic, records in stage.step(state, bars.take(slice(begin, end))).records.items():
            parts[topic].append(records)
        changelog |= dict(state.changed())
        state = stage.open()
        state.restore(changelog)
    for topic, records in whole.items():
        assert_same(joined(parts[topic]), records)


def test_levels_are_described_and_not_bet_on() -> None:
    """A raw price has fill rate, moments and quantiles in its reports, no divergence, and is never named in a row."""
    pack = load_pack(FOUNDING_PACK)
    assert watched(DriftConfig(), (pack,)) == pack.features
    levels = {f.name for f in pack.features if f.unit in LEVELS}
    assert "ema_10_value" in levels
    assert LEVELS & {f.unit for f in load_features()}, "no feature has such a unit"
    out = Featurize(FeaturizeConfig(), CONFIG)
    records = out.step(out.open(), calm_then_wild("BTC-USD:CRYPTO", 1)).records
    reports = records["drift.v1"]
    state = np.array([reports.layout.symbols["state"][int(i)] for i in np.asarray(reports["state"])])
    of_level = np.isin(texts(reports, "feature"), list(levels))
    assert of_level.any()
    assert set(state[of_level]) == {"described"}
    assert "described" not in set(state[~of_level])
    assert np.isnan(np.asarray(reports["psi"])[of_level]).all()
    of_ema = np.array(texts(reports, "feature")) == "ema_10_value"
    assert np.isfinite(np.asarray(reports["q50"])[of_ema]).all()
    named = {name for code in np.asarray(records["features.v1"]["drifted"]) for name in STRINGS.array(int(code))}
    assert named
    assert not named & levels


def test_no_pack_is_no_watch() -> None:
    """Without packs nothing is watched, and rows are marked by nobody."""
    assert watched(DriftConfig(()), (load_pack(FOUNDING_PACK),)) == ()
    quiet = Featurize(FeaturizeConfig(), DriftConfig(()))
    out = quiet.step(quiet.open(), make_bars(50)).records
    assert len(out["drift.v1"]) == 0
    assert {STRINGS.array(int(code)) for code in np.asarray(out["features.v1"]["drifted"])} == {()}


def test_the_packs_that_are_watched_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPS_DRIFT_PACKS names them; empty is none; a wrong knob is refused by name."""
    assert DriftConfig.from_environment().pack_ids == (FOUNDING_PACK,)
    monkeypatch.setenv("MPS_DRIFT_PACKS", "")
    assert DriftConfig.from_environment().pack_ids == ()
    monkeypatch.setenv("MPS_DRIFT_PACKS", "core_value_v1, other_v1")
    assert DriftConfig.from_environment().pack_ids == ("core_value_v1", "other_v1")
    with pytest.raises(ConfigError, match="psi_recovered"):
        DriftConfig(psi_recovered=0.0)
