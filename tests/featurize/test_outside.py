"""What featurize takes from elsewhere: facts of its sides and of files, and the curve, in the columns of bars."""

from pathlib import Path

import numpy as np
import pytest

from processors.errors import ConfigError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.indicators import layout as c
from processors.featurize.outside import SIDES, Outside
from processors.featurize.stage import Featurize
from processors.reference.records import Fundamental, MarketEvent, Record, avro_of
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.layout import layout_of
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from schemas.features import FOUNDING_PACK
from schemas.instruments import load_instruments
from schemas.registry import load_registry
from tests.featurize.conftest import make_bars
from tests.featurize.everything import MAIN, START_NS

DAY_NS = 86_400_000_000_000


def columns(topic: str, records: list[Record]) -> Columns:
    """Return records as a stage gets them from a side."""
    layout = layout_of(load_registry().current(topic).schema)
    batch = Columns.empty(layout, len(records))
    batch.topic = topic
    for i, record in enumerate(records):
        for name, value in avro_of(record).items():
            if name in layout.symbols:
                value = layout.symbols[name].index(value)  # noqa: PLW2901 - as the codec has it
            elif isinstance(value, str):
                value = STRINGS.code(value)  # noqa: PLW2901
            missing = NULL_LONG if name == "ts_end" else np.nan
            batch[name][i] = missing if value is None else value
    return batch


def figure(metric: str, value: float, known: int) -> Fundamental:
    """Return a figure of the symbol, known so many days after the bars begin."""
    end = START_NS - 30 * DAY_NS
    return Fundamental(MAIN, metric, end, "2013Q3", value, "ratio", end, START_NS + known * DAY_NS, "test")


def filled(outside: Outside, state: State) -> np.ndarray:
    """Return the columns of ten daily bars."""
    batch = make_bars(10, 1, symbol=MAIN, tf="1d", tf_ns=DAY_NS, start_ns=START_NS)
    bars = np.full((10, c.N_BAR), np.nan)
    bars[:, c.END_S] = batch["ts"] / 1e9  # type: ignore[operator]
    row_of = load_instruments().row_of(np.asarray(batch["symbol_id"], np.int64))
    outside.fill(state, batch, row_of, bars)
    return bars


def test_records_of_the_sides_are_kept_and_counted() -> None:
    """A side's batch gives no row: what features read is kept, the rest counted as of no use; bars then know it."""
    stage = Featurize(FeaturizeConfig())
    assert stage.sides == SIDES == ("fundamentals.v1", "events.v1")
    state = stage.open()
    one = stage.step(
        state, columns("fundamentals.v1", [figure("leverage", 2.5, 3), figure("shares_outstanding", 9, 1)])
    )
    assert (one.records, one.rejected, one.counts) == ({}, [], {"fact": 1, "unused_fact": 1})
    vix = MarketEvent("VIX:INDEX", "v", "index", "close", START_NS, START_NS, 17.0, "points", "", "test")
    rate = MarketEvent("TREASURY:US", "t", "rate", "5year", START_NS, START_NS, 0.04, "ratio", "", "test")
    assert stage.step(state, columns("events.v1", [vix, rate])).counts == {"fact": 1, "unused_fact": 1}
    bars = filled(Outside(stage.config, load_instruments()), state)
    known = bars[:, c.END_S] * 1e9 >= START_NS + 3 * DAY_NS
    np.testing.assert_array_equal(bars[:, c.LEVERAGE], np.where(known, 2.5, np.nan))
    assert (bars[:5, c.VIX] == 17.0).all()


def facts_file(folder: Path, value: str) -> Path:
    """Return a file of fundamentals: two figures, known on the third and the fifth day."""
    path = folder / f"fundamentals_{value}.csv"
    days = [np.datetime64(START_NS + d * DAY_NS, "ns").astype("datetime64[s]") for d in (3, 5)]
    path.write_text(
        "symbol_id,metric,period_end,period,value,unit,ts_known\n"
        f"{MAIN},leverage,2013-09-30,2013Q3,{value},ratio,{days[0]}Z\n"
        f"{MAIN},gross_margin,2013-09-30,2013Q3,0.4,ratio,{days[1]}Z\n"
    )
    return path


def test_facts_of_a_file_fill_what_the_topics_do_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MPS_FACTS names files: their facts are known from their times on, and those of a topic stand before them."""
    monkeypatch.setenv("MPS_FACTS", str(facts_file(tmp_path, "7.5")))
    config = FeaturizeConfig.from_environment()
    stage = Featurize(config)
    state = stage.open()
    outside = Outside(config, load_instruments())
    bars = filled(outside, state)
    ends = bars[:, c.END_S] * 1e9
    third, fifth = START_NS + 3 * DAY_NS, START_NS + 5 * DAY_NS
    np.testing.assert_array_equal(bars[:, c.LEVERAGE], np.where(ends >= third, 7.5, np.nan))
    np.testing.assert_array_equal(bars[:, c.GROSS_MARGIN], np.where(ends >= fifth, 0.4, np.nan))
    stage.step(state, columns("fundamentals.v1", [figure("leverage", 2.5, 4)]))
    both = filled(outside, state)[:, c.LEVERAGE]
    assert set(both[ends >= START_NS + 4 * DAY_NS]) == {2.5}
    assert set(both[(ends >= third) & (ends < START_NS + 4 * DAY_NS)]) <= {7.5}


def test_other_facts_or_another_age_are_other_settings(tmp_path: Path) -> None:
    """State that was kept with other files or another age of curves does not fit: the settings say so."""
    files = [(str(facts_file(tmp_path, value)),) for value in ("1", "2")]
    configs = [FeaturizeConfig(), FeaturizeConfig(curve_age_days=6), *(FeaturizeConfig(facts_files=f) for f in files)]
    settings = {Outside(config, load_instruments()).settings for config in configs}
    assert len(settings) == 4


@pytest.mark.parametrize("wrong", [{"facts_files": ("",)}, {"curve_age_days": 0}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    """A file without a name and an age below a day are configuration errors."""
    with pytest.raises(ConfigError):
        FeaturizeConfig(**wrong)  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file stops the start."""
    config = FeaturizeConfig(facts_files=(str(tmp_path / "none.csv"),))
    with pytest.raises(ConfigError, match=r"none\.csv"):
        Outside(config, load_instruments())


def test_the_universe_hears_of_quality_where_rows_have_it() -> None:
    """Rows of the universe carry the issuer's quality as known at the bar's end, if its pack is among ours."""
    bars = make_bars(10, 1, symbol=MAIN, tf="1d", tf_ns=DAY_NS, start_ns=START_NS)
    found = []
    for packs in ((FOUNDING_PACK, "outside_v1"), (FOUNDING_PACK,)):
        stage = Featurize(FeaturizeConfig(packs))
        state = stage.open()
        stage.step(state, columns("fundamentals.v1", [figure("leverage", 1.0, 3)]))
        out = stage.step(state, bars).records
        found.append(np.asarray(out["universe.v1"]["quality_score"]))
        assert len(found[-1]) == 10
        if len(packs) > 1:
            np.testing.assert_array_equal(found[0], out["features.v1"]["features.quality_score"])
    known = np.asarray(bars["ts"]) >= START_NS + 3 * DAY_NS
    assert np.isfinite(found[0]).tolist() == known.tolist()
    assert np.isnan(found[1]).all()
