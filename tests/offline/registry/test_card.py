"""Model cards: numbers as plain definitions give them, honest intervals, a group that is worse is named."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from offline.calibration import auc
from offline.export.latency import processor
from offline.registry.card import REQUIRED, check_card, make_card
from offline.registry.card_text import BY_REGIME, COVERAGE, CUMULATIVE, RELIABILITY, ROC, markdown
from offline.registry.measures import (
    auc_estimate,
    draws,
    ece_estimate,
    mean_estimate,
    measure,
    reliability_bins,
    roc_points,
    slices,
)
from offline.registry.plots import coverage_plot, cumulative_plot, regimes_plot, reliability_plot, roc_plot
from offline.selection.trials import Trial, Trials
from processors.errors import ConfigError
from processors.score.model import Model
from tests.offline.registry.made import MINUTE, START, evidence, model_file, out_of_sample, returns

NONE = Trials("fx", ())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    file = model_file(tmp_path_factory.mktemp("model") / "m.onnx")
    return Model(file.read_bytes(), "m.onnx")


@pytest.fixture(scope="module")
def card(model):
    return make_card("fx", model, evidence(), NONE)


def test_a_card_says_all_that_its_evidence_says(card):
    """Folds, regimes, groups and dropped rows are there, and its text is Markdown with all plots."""
    assert set(card["metrics"]["fold"]) == {"0", "1", "2", "3"}
    assert set(card["metrics"]["regime"]) == {"trend", "meanrev", "stress"}
    groups = {(g["dimension"], g["group"]) for g in card["fairness"]["groups"]}
    assert {("symbol", "AIG:US"), ("asset_class", "equity"), ("asset_class", "fx"), ("session", "asia")} <= groups
    names = (ROC, RELIABILITY, BY_REGIME, COVERAGE, CUMULATIVE)
    text = markdown(card, {name: f"at/{name}" for name in names})
    for name in names:
        assert f"(at/{name})" in text
    for said in (
        "not warm | 280",
        "gold@7",
        "Knows no holidays.",
        "Brier score 0.2",
        f"{processor()}, 2 cores",
        "nothing can be said: no trial",
    ):
        assert said in text


@pytest.mark.parametrize("field", REQUIRED)
def test_a_card_without_a_field_fails_by_its_name(card, field):
    """Every field, one after another."""
    poor = copy.deepcopy(card)
    *above, last = field.split(".")
    at = poor
    for part in above:
        at = at[part]
    del at[last]
    with pytest.raises(ConfigError, match=f"model card: {field} is None"):
        check_card(poor)


def test_the_numbers_say_what_is_against_the_model(model, card):
    """A model of noise is called one; a model with skill is not, but its narrow universe is named."""
    # Ups follow the probability: taken from others, nothing is known of them.
    rows = out_of_sample()
    mixed = replace(rows, probability=np.random.default_rng(1).permutation(rows.probability))
    lost = make_card("fx", model, evidence(rows=mixed), NONE)["seen_limits"]
    assert any("ups from downs" in line for line in lost)
    assert any("beat both base rate and coin" in line for line in lost)
    assert not any("ups from downs" in line for line in card["seen_limits"])
    assert any("Its universe is EURUSD:FX, AIG:US" in line for line in card["seen_limits"])
    narrow = make_card("fx", model, evidence(rows=replace(rows, low=rows.low / 3, high=rows.high / 3)), NONE)
    assert any("hold less than they say" in line for line in narrow["seen_limits"])


def test_a_gain_over_a_base_rate_that_is_worse_than_a_coin_is_no_evidence(model):
    """Training fell, the judged rows did not: one half beats the base rate by far, and a coin not at all."""
    rng = np.random.default_rng(3)
    rows = out_of_sample()
    up = (rng.random(len(rows)) < 0.5).astype(float)
    p = 0.5 + 0.02 * rng.standard_normal(len(rows))
    fallen = replace(rows, up=up, probability=p, base_rate=np.full(len(rows), 0.35))
    found = make_card("fx", model, evidence(rows=fallen), NONE)
    whole = found["metrics"]["all"]
    loss = -np.mean(np.where(up > 0.5, np.log(p), np.log(1.0 - p)))
    assert whole["gain_coin"]["value"] == pytest.approx(np.log(2.0) - loss)
    assert whole["gain"]["low"] > 0.0 > whole["gain_coin"]["low"]
    assert whole["gain_best"] == whole["gain_coin"]
    (line,) = (line for line in found["seen_limits"] if "beat both" in line)
    assert "over a coin, the better of the two" in line
    text = markdown(found, {})
    assert "| gain | gain, coin |" in text
    assert f"| {whole['gain']['value']:.4f} (" in text
    assert f"| {whole['gain_coin']['value']:.4f} (" in text
    risen = make_card("fx", model, evidence(rows=replace(fallen, base_rate=up.mean() + 0.0 * up)), NONE)
    assert risen["metrics"]["all"]["gain_best"] == risen["metrics"]["all"]["gain"]
    assert any("over the base rate, the better of the two" in line for line in risen["seen_limits"])


def test_a_constant_probability_has_no_area_of_which_anything_is_claimed(model, card):
    """Of a fold or of all rows: the area has no interval, the text says why, the limits name it, the plot is drawn."""
    assert not any("constant" in line for line in card["seen_limits"])
    rows = out_of_sample()
    flat = np.where(rows.fold == 2, 0.47, rows.probability)
    found = make_card("fx", model, evidence(rows=replace(rows, probability=flat)), NONE)
    of = {number: numbers["constant"] for number, numbers in found["metrics"]["fold"].items()}
    assert of == {"0": False, "1": False, "2": True, "3": False}
    assert found["metrics"]["fold"]["2"]["auc"] == {"value": 0.5, "error": 0.0, "low": None, "high": None}
    assert "In 1 of 4 folds (2) its probability is constant: nothing is told apart there." in found["seen_limits"]
    text = markdown(found, {})
    assert text.count("none: the probability is constant") == 1
    assert "0.500 (0.500 to 0.500)" not in text

    whole = make_card("fx", model, evidence(rows=replace(rows, probability=np.full(len(rows), 0.47))), NONE)
    assert "It does not tell ups from downs: its probability is constant." in whole["seen_limits"]
    assert "0.500 (0.500 to 0.500)" not in markdown(whole, {})
    # No curve: whatever the points are.
    shown = whole["discrimination"]
    assert roc_plot(shown) == roc_plot({**shown, "roc": [[0.0, 0.0], [0.2, 0.9], [1.0, 1.0]]})


def test_a_group_of_one_constant_probability_is_served_worse(model):
    """Others are told apart there: that it ranks nothing is no estimate, and needs no interval."""
    rows = out_of_sample(n_times=2400)
    flat = np.where(rows.symbol == 1, 0.5, rows.probability)
    worse = make_card("fx", model, evidence(rows=replace(rows, probability=flat)), NONE)["fairness"]["much_worse"]
    assert ("symbol AIG:US", "auc") in {(w["group"], w["measure"]) for w in worse}


def test_a_card_of_an_older_version_is_printed(card):
    """It says nothing of a coin, nor which probabilities are constant."""
    old = copy.deepcopy(card)
    for numbers in (old["metrics"]["all"], *old["metrics"]["fold"].values(), *old["metrics"]["regime"].values()):
        for name in ("constant", "gain_coin", "gain_best"):
            del numbers[name]
    old["metrics"]["fold"]["1"]["auc"] = {"value": 0.5, "error": 0.0, "low": 0.5, "high": 0.5}
    text = markdown(old, {})
    assert text.count("none: the probability is constant") == 1
    assert " | - | " in text


def test_a_card_says_how_far_its_return_was_earned_in_time(model, card):
    """Walked forward or not, each path, and whether the probability of skill was deflated."""
    seer = replace(returns(), of_paths=(0.5, 1.5, 1.0, 2.0), causal=False)
    one = Trials("fx", (Trial("0", "a", {}, seer),))
    found = make_card("fx", model, evidence(returns=seer), one)
    assert any("later rows" in line for line in found["seen_limits"])
    assert any("not deflated, with 1 trials" in line for line in found["seen_limits"])
    text = markdown(found, {})
    for said in ("of each path | 0.50, 1.50, 1.00, 2.00", "not causal", "less its spread | ", "(probabilistic Sharpe)"):
        assert said in text
    assert not any("later rows" in line for line in card["seen_limits"])
    assert "earlier rows alone" in markdown(card, {})


def test_a_symbol_that_is_served_much_worse_is_named_and_others_are_not(model, card):
    """Its probabilities are shuffled, its intervals are narrow: it is named for both, and its asset class with it."""
    assert card["fairness"]["much_worse"] == []
    rows = out_of_sample(n_times=2400)
    mine = rows.symbol == 1
    probability, low = rows.probability.copy(), rows.low.copy()
    probability[mine] = np.random.default_rng(2).permutation(probability[mine])
    low[mine] = -0.5
    bad = make_card("fx", model, evidence(rows=replace(rows, probability=probability, low=low)), NONE)["fairness"]
    named = {(w["group"], w["measure"]) for w in bad["much_worse"]}
    assert {("symbol AIG:US", "auc"), ("symbol AIG:US", "coverage"), ("asset_class equity", "gain")} <= named
    assert {g for g, _ in named} == {"symbol AIG:US", "asset_class equity"}
    assert bad["verdict"].startswith("served much worse: symbol AIG:US")


def test_a_group_of_few_rows_is_not_judged(model):
    """Too few to say, in words; no interval is made up."""
    few = make_card("fx", model, evidence(rows=out_of_sample(n_times=60)), NONE)
    assert few["fairness"]["verdict"].startswith("nothing can be said")
    assert few["metrics"]["all"]["auc"]["low"] is None
    assert "too few" in markdown(few, {})


def test_the_area_is_that_of_ranks_and_its_error_that_of_independent_rows():
    """Against the plain area, ties and all, and against the formula of Hanley and McNeil's kind by resampling."""
    rng = np.random.default_rng(4)
    n = 3000
    p = np.round(rng.random(n), 2)
    up = (rng.random(n) < 0.3 + 0.4 * p).astype(float)
    got = auc_estimate(p, up, START + np.arange(n) * MINUTE, 1)
    assert got.value == pytest.approx(auc(p, up), abs=1e-12)
    resampled = [auc(p[i], up[i]) for i in (rng.integers(0, n, n) for _ in range(200))]
    assert got.error == pytest.approx(np.std(resampled), rel=0.2)
    assert auc_estimate(p, np.ones(n), START + np.arange(n) * MINUTE, 1) is None


def test_intervals_hold_the_truth_as_often_as_they_say_though_labels_overlap():
    """Means of eight overlapping moves of two symbols that move together: 95 % hold 0, naive ones far less."""
    rng = np.random.default_rng(6)
    h, n, held, naive = 8, 800, 0, 0
    ts = np.repeat(START + np.arange(n) * MINUTE, 2)
    for _ in range(300):
        steps = rng.standard_normal(n + h)
        moves = np.convolve(steps, np.ones(h), "valid")[:n]
        both = np.repeat(moves, 2) + 0.1 * rng.standard_normal(2 * n)
        got = mean_estimate(both, ts, h)
        held += got.low <= 0.0 <= got.high
        naive += abs(both.mean()) <= 1.96 * both.std() / np.sqrt(len(both))
    assert 0.88 < held / 300 < 0.98
    assert naive / 300 < 0.6
    assert draws(ts, h) == n / h


def test_the_interval_of_the_calibration_error_reaches_zero_for_honest_probabilities_alone():
    """Honest ones reach it; ones that are ten points off do not."""
    rng = np.random.default_rng(7)
    ts, p = START + np.arange(4000) * MINUTE, rng.uniform(0.3, 0.7, 4000)
    honest = ece_estimate(p, (rng.random(4000) < p).astype(float), ts, 2)
    wrong = ece_estimate(p, (rng.random(4000) < p + 0.1).astype(float), ts, 2)
    assert honest.low < 0.01
    assert 0.06 < wrong.low < 0.1 < wrong.high


def test_probabilities_that_all_are_the_base_rate_have_no_calibration_error_however_it_drifts():
    """Neither the value nor a resampled one comes from the order of rows in a tie; the diagram is one bin."""
    rng = np.random.default_rng(8)
    n = 4000
    ts, up = START + np.arange(n) * MINUTE, (rng.random(n) < np.linspace(0.3, 0.7, n)).astype(float)
    p = np.full(n, up.mean())
    got = ece_estimate(p, up, ts, 2)
    assert got.value < 1e-9
    assert got.high < 0.01
    order = rng.permutation(n)
    tied = np.round(rng.uniform(0.2, 0.8, n), 1)
    assert ece_estimate(tied, up, ts, 2).value == pytest.approx(ece_estimate(tied[order], up[order], ts, 2).value)
    assert roc_points(p, up) == [(0.0, 0.0), (1.0, 1.0)]


def test_the_curve_has_the_area_that_stands_beside_it():
    """Trapezia below the points are the area by ranks, ties and all; it rises from corner to corner."""
    rng = np.random.default_rng(9)
    p = np.round(rng.random(500), 2)
    up = (rng.random(500) < p).astype(float)
    points = np.array(roc_points(p, up))
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(auc(p, up), abs=1e-12)
    assert (np.diff(points, axis=0) >= 0).all()
    assert points[-1].tolist() == [1.0, 1.0]
    assert roc_points(p, np.ones(500)) == []
    thin = np.array(roc_points(rng.random(500), up, 50))
    assert len(thin) == 51


def test_bands_of_a_reliability_diagram_hold_the_truth_though_labels_overlap():
    """Of honest probabilities most bands hold what was said; bands for independent rows hold it far less often."""
    held, naive, total = 0, 0, 0
    for seed in range(20):
        rows, rng = out_of_sample(n_times=1200, seed=seed), np.random.default_rng(seed)
        # Two symbols at four times, the horizon: eight rows of one outcome.
        block = np.arange(len(rows)) // 8 * 8
        p = rng.uniform(0.2, 0.8, len(rows))[block]
        up = (rng.random(len(rows))[block] < p).astype(float)
        for b in reliability_bins(replace(rows, probability=p, up=up), n_bins=5):
            came = b["frequency"]
            held += b["low"] <= b["probability"] <= b["high"]
            naive += abs(came - b["probability"]) <= 1.96 * np.sqrt(came * (1 - came) / b["rows"])
            total += 1
    assert held / total >= 0.8
    assert naive / total < 0.65


def test_every_row_is_in_one_group_of_each_dimension():
    """Nobody is left out, nobody counted twice."""
    rows = out_of_sample()
    count = {}
    for dimension, _, at in slices(rows):
        count[dimension] = count.get(dimension, 0) + at.astype(int)
    assert set(count) == {"fold", "regime", "symbol", "asset_class", "session"}
    assert all((c == 1).all() for c in count.values())
    assert measure(rows)["rows"] == len(rows)


def test_plots_are_pictures_and_the_same_for_the_same_numbers(card):
    """PNG, byte for byte."""
    calibration = card["calibration"]
    for plot, *of in (
        (roc_plot, card["discrimination"]), (reliability_plot, calibration["bins"]),
        (regimes_plot, calibration["by_regime"]), (cumulative_plot, returns()),
        (coverage_plot, card["coverage"], card["metrics"]["all"], card["metrics"]["regime"]),
    ):  # fmt: skip
        png = plot(*of)
        assert png.startswith(b"\x89PNG")
        assert png == plot(*of)


def test_plots_of_too_few_rows_and_of_rows_of_one_kind_are_drawn_without_what_is_not_known(model):
    """No band, no error and no curve is made up."""
    few = make_card("fx", model, evidence(rows=out_of_sample(n_times=40)), NONE)
    assert all(b["low"] is None for b in few["calibration"]["bins"])
    one = make_card("fx", model, evidence(rows=replace(out_of_sample(), up=np.ones(2400))), NONE)
    assert one["discrimination"] == {"auc": None, "roc": []}
    for card in (few, one):
        assert roc_plot(card["discrimination"]).startswith(b"\x89PNG")
        assert regimes_plot(card["calibration"]["by_regime"]).startswith(b"\x89PNG")
        numbers = (card["coverage"], card["metrics"]["all"], card["metrics"]["regime"])
        assert coverage_plot(*numbers).startswith(b"\x89PNG")
