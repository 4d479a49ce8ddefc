"""Training: splits that do not leak, equal bytes, an honest report."""

import json
import re

import numpy as np
import pytest

from offline import train_baseline as t
from offline.dataset import make_dataset, model_inputs
from offline.export.errors import ExportError
from processors.errors import ConfigError
from processors.runtime.strings import STRINGS
from processors.score.model import load_model
from tests.score.gold_rows import PACK, START_NS, concat, gold_layout, make_gold

HOUR = 3_600_000_000_000


@pytest.fixture(scope="module")
def gold():
    return concat(
        make_gold(2500), make_gold(1500, symbol="NZDUSD:FX", seed=2, start_ns=START_NS + 8 * HOUR),
        make_gold(150, tf="1h", seed=3),
    )  # fmt: skip


def test_no_label_reaches_into_the_next_part(gold):
    """Labels of fit end an embargo before calibration; no label seen ends after trained_until; the rest is later."""
    data = make_dataset(gold)
    split = t.split_by_time(data)
    assert not (split.fit & split.calibration).any()
    assert not ((split.fit | split.calibration) & split.later).any()
    first_calibration = data.ts_ns[split.calibration].min()
    assert data.end_ns[split.fit].max() + t.EMBARGO_NS <= first_calibration
    seen = split.fit | split.calibration
    assert data.end_ns[seen].max() == split.trained_until_ns
    assert data.ts_ns[seen].max() < split.trained_until_ns
    assert data.ts_ns[split.later].min() > split.trained_until_ns
    assert 0.2 < split.later.mean() < 0.45


def test_training_stops_where_it_is_told(gold):
    """No label ends after the time that is named."""
    data = make_dataset(gold)
    until = START_NS + 20 * HOUR
    split = t.split_by_time(data, until)
    assert split.trained_until_ns <= until
    with pytest.raises(ConfigError, match="labelled rows"):
        t.split_by_time(data, START_NS + HOUR)


def test_too_few_rows_are_told_with_times_for_people_and_what_to_do(gold):
    """The error has the span of the rows as ISO times, no nanoseconds, and says to name more recordings."""
    data = make_dataset(gold)
    day = np.datetime64(START_NS, "ns").astype("datetime64[D]")
    few = data.take(data.ts_ns < START_NS + 6 * HOUR)
    for rows, until in ((few, None), (data, START_NS + HOUR), (data.take(data.ts_ns < START_NS + 13 * HOUR), None)):
        with pytest.raises(ConfigError) as e:
            t.split_by_time(rows, until)
        assert f"{len(rows):,} labelled rows from {day}T" in str(e.value)
        assert "name more of them" in str(e.value)
        assert not re.search(r"\d{12}", str(e.value))


def test_as_much_as_is_asked_for_is_enough(gold):
    """Where rows are too few, the number of times that is told makes them enough, and is not wildly more."""
    data = make_dataset(gold)
    for hours in (8, 13):
        rows = int((data.ts_ns < START_NS + hours * HOUR).sum())
        few = data.take(np.argsort(data.ts_ns, kind="stable")[:rows])
        with pytest.raises(ConfigError) as e:
            t.split_by_time(few)
        told = re.search(r"about ([\d.]+) times as much is needed", str(e.value))
        assert told is not None, str(e.value)
        n = int(float(told[1]) * rows)
        assert n < len(data)
        t.split_by_time(data.take(np.argsort(data.ts_ns, kind="stable")[:n]))
    assert "many times as much" in t._remedy(data, 0)


def test_later_rows_do_not_change_the_model(gold, tmp_path):
    """Prices and features after the end of training leave every byte of the model as it was."""
    until = START_NS + 24 * HOUR
    t.train_baseline(gold, tmp_path / "a.onnx", until_ns=until)
    changed = gold.take(np.arange(len(gold)))
    after = changed["ts"] > until
    assert after.sum() > 500
    changed["meta.close"][after] *= 1.5
    changed[model_inputs(gold, PACK)[0].name][after] += 3.0
    changed = changed.take(np.flatnonzero(~after | (np.arange(len(after)) % 2 == 0)))
    t.train_baseline(changed, tmp_path / "b.onnx", until_ns=until)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_same_rows_in_any_order_give_the_same_bytes(gold, tmp_path):
    """The same seed gives the same bytes, whatever order the rows come in; another seed gives others."""
    order = np.random.default_rng(5).permutation(len(gold))
    t.train_baseline(gold, tmp_path / "a.onnx", seed=4)
    t.train_baseline(gold.take(order), tmp_path / "b.onnx", seed=4)
    t.train_baseline(gold, tmp_path / "c.onnx", seed=5)
    a, b, c = ((tmp_path / f"{x}.onnx").read_bytes() for x in "abc")
    assert a == b
    assert a != c


def test_the_card_names_whose_regimes_the_rows_had(gold, tmp_path):
    """Those of another model are named, and of several none is."""
    for where, named in ((slice(None), "hmm"), (slice(0, 50), "")):
        rows = gold.take(np.arange(len(gold)))
        rows["regime.model"][where] = rows.layout.symbols["regime.model"].index("hmm")
        t.train_baseline(rows, tmp_path / "m.onnx")
        assert load_model(tmp_path / "m.onnx").card.regime_model == named


def test_the_report_measures_later_rows_and_says_what_it_cannot_show(gold, tmp_path):
    """The report counts later rows only, finds the planted skill, and lies beside the model."""
    steps = []
    report = t.train_baseline(gold, tmp_path / "m.onnx", progress=steps.append)
    assert json.loads((tmp_path / "m.onnx.json").read_text())["sha256"] == report["sha256"]
    model = load_model(tmp_path / "m.onnx")
    assert model.sha256 == report["sha256"]
    assert steps == ["label", "fit", "calibrate", "export", "judge"]
    everything = report["out_of_sample"][0]
    data = make_dataset(gold)
    later = (data.ts_ns > model.card.trained_until_ns + t.EMBARGO_NS) & (data.tf == 0)
    assert everything["n"] == report["rows"]["later"] == later.sum()
    assert everything["auc"] > 0.8
    assert everything["log_loss"] < everything["log_loss_base_rate"]
    assert "cannot show" in report["limits"]
    # The hourly rows are too few to be scored.
    assert list(model.card.horizon_bars) == ["1m"]


def test_without_skill_the_report_shows_none(tmp_path):
    """Where features know nothing, the area is within three standard errors of one half and the slope is small."""
    report = t.train_baseline(make_gold(4000, skill=0.0, seed=8), tmp_path / "m.onnx")
    row = report["out_of_sample"][0]
    assert abs(row["auc"] - 0.5) < 3 * row["auc_standard_error"]
    assert report["calibration"]["slope"] < 0.5


def test_a_failing_export_leaves_the_old_model(gold, tmp_path, monkeypatch):
    """Where parity fails nothing is written, and the old model stays."""
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")

    def fail(*_):
        raise ExportError("planted")

    monkeypatch.setattr(t, "check_parity", fail)
    with pytest.raises(ExportError, match="planted"):
        t.train_baseline(gold, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_rows_that_cannot_teach_are_left_out(gold):
    """Cold, stale and flat rows are no training rows, and a set without any is refused."""
    rows = gold.take(slice(0, 100))
    n = len(make_dataset(rows))
    assert n == 85
    rows["warm"][:10] = 0
    rows["quality.stale"][10:20] = 1
    rows["meta.realized_vol"][20:30] = 0.0
    assert len(make_dataset(rows)) == n - 30
    with pytest.raises(ConfigError, match="labelled rows"):
        make_dataset(gold.take(slice(0, 10)))
    with pytest.raises(ConfigError, match="gold rows"):
        make_dataset(gold.take(slice(0, 0)))
    rows["packs"][50:] = STRINGS.array_code(("core_value_v1@another",))
    with pytest.raises(ConfigError, match="rows that have core_value_v1@"):
        make_dataset(rows)


def test_no_raw_price_is_an_input():
    """Inputs are found from the layout; none is a raw price, and returns come in volatilities."""
    inputs = {i.name: i.scale for i in model_inputs(make_gold(1), PACK)}
    assert inputs["regime.p_stress"] == "raw"
    assert inputs["features.log_return_1"] == "per_vol"
    assert len(inputs) < len([n for n in gold_layout().names if n.startswith(("features.", "regime."))])


def test_conformal_bounds_hold_their_share():
    """Split conformal bounds hold at least the nominal share of new residuals, on average."""
    rng = np.random.default_rng(6)
    held = []
    for _ in range(300):
        lo, hi = t.conformal_quantiles(rng.standard_normal(99), 0.9)
        fresh = rng.standard_normal(200)
        held.append(((fresh >= lo) & (fresh <= hi)).mean())
    assert 0.895 < np.mean(held) < 0.93


def test_regime_means_are_drawn_to_the_overall_mean():
    """A regime without rows has the mean size of all moves; the longer the horizon, the less its rows say."""
    move = np.array([1.0] * 1000 + [3.0] * 1000 + [-2.0] * 1000)
    regime = np.array([0] * 1000 + [1] * 2000)
    gain, loss = t.mean_size_by_regime(move, regime, 3, 1)
    assert gain.tolist() == pytest.approx([(1000 + 100) / 1050, (3000 + 100) / 1050, 2.0])
    assert loss.tolist() == pytest.approx([2.0, 2.0, 2.0])
    assert t.mean_size_by_regime(move, regime, 3, 10)[0][0] == pytest.approx((100 + 100) / 150)
    for nothing in (np.zeros(5), np.ones(5), -np.ones(5)):
        with pytest.raises(ConfigError, match="none"):
            t.mean_size_by_regime(nothing, np.zeros(5, np.int64), 3, 1)


def test_what_does_not_move_is_no_bet_on_falling():
    """As many ups as downs of one size and a fifth flat: nothing is expected of a row, in a regime without rows too."""
    move = np.array([1.5] * 400 + [-1.5] * 400 + [0.0] * 200)
    gain, loss = t.mean_size_by_regime(move, np.zeros(1000, np.int64), 2, 1)
    assert 0.4 * gain - 0.6 * loss == pytest.approx([0.0, 0.0], abs=1e-12)
