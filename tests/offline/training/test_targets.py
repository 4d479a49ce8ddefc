"""Each target of a recipe changes what is learned, in the unit that the card promises, and a null has no edge."""

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from offline.calibration import sigmoid
from offline.datasets.build import from_rows
from offline.datasets.learned import LEARNING, WEIGHT_MAX, learned
from offline.datasets.sources import GoldRows
from offline.export import gate
from offline.export.fold import fold
from offline.recipes.recipe import (
    AT_TIME,
    TARGETS,
    Barriers,
    LabelSpec,
    ModelRecipe,
    ModelSpec,
    UniverseSpec,
    ValidationSpec,
    check_servable,
)
from offline.training.deploy import card_of
from offline.training.fitting import inputs_of, is_flat, samples_of, train
from offline.training.parts import parts_of
from offline.training.payoffs import payoffs
from offline.training.walk import walk
from processors.errors import ConfigError
from processors.score.model import Model
from tests.offline.models.samples import SMALL
from tests.score.gold_rows import make_gold

RECIPE = ModelRecipe("t", LabelSpec(5), UniverseSpec("1m"), ModelSpec("linear"), feature_packs=("core_value_v1",))
LABELS = {
    "vol_scaled": LabelSpec(5), "none": LabelSpec(5, transform="none"),
    "winsorized": LabelSpec(5, transform="winsorized", winsor_limit=0.8), "sign": LabelSpec(5, "sign"),
    "sharpe": LabelSpec(5, "forward_sharpe"),
    "sharpe winsorized": LabelSpec(5, "forward_sharpe", "winsorized", winsor_limit=0.4),
    "barriers": LabelSpec(5, "triple_barrier"),
    "barriers apart": LabelSpec(5, "triple_barrier", barriers=Barriers(0.5, 1.0)),
}  # fmt: skip

SIDES = ("low", "high")


@cache
def the_set(label, skill=0.5, n=1400):
    return from_rows(replace(RECIPE, label=label), GoldRows(make_gold(n, skill=skill), None, "made up"))[0]


@cache
def trained(label, kind, skill=0.5, n=1400):
    """Return the set, its parts, the model and its file."""
    data = the_set(label, skill, n)
    recipe = replace(RECIPE, label=label, model=ModelSpec(kind, SMALL[kind]))
    parts = parts_of(np.arange(len(data)), data.ts_ns[data.at], data.end_ns, 0)
    model = train(recipe, data, parts, None, lambda _step, _share: None)
    return data, parts, model, fold(model.fitted.graph(), model.head, card_of(recipe, data, parts.all, model))


@pytest.mark.parametrize("kind", ["linear", "lgbm"])
def test_no_two_targets_have_one_graph(kind):
    """All pairs, by the bytes of the trainer's own graph: neither calibration nor card tells them apart."""
    graphs = {name: trained(label, kind)[2].fitted.graph().SerializeToString() for name, label in LABELS.items()}
    for a, b in combinations(graphs, 2):
        assert graphs[a] != graphs[b], f"{a} and {b}"


@pytest.mark.parametrize("name", LABELS)
def test_a_file_of_any_target_passes_the_gate_in_the_unit_of_its_card(name):
    """Bounds hold moves to the horizon's end in volatilities of it, gains and losses are those of such moves."""
    data, parts, model, raw = trained(LABELS[name], "linear")
    assert gate.check(raw, model.fitted, model.head, inputs_of(data, parts.calibrate, 1)) is not None
    said = Model(raw, "file").run(inputs_of(data, parts.calibrate, 1))
    move = data.end_move[parts.calibrate]
    inside = (move >= said.bounds[:, 0]) & (move <= said.bounds[:, 1])
    assert 0.88 < inside.mean() < 0.95
    # A unit forgotten is a factor of ten thousand here.
    width = (said.bounds[:, 1] - said.bounds[:, 0]).mean() / np.ptp(np.quantile(move, (0.05, 0.95)))
    assert 0.7 < width < 1.6
    gains, losses = payoffs(learned(data, parts.all), data.regime[data.at[parts.all]], len(data.regimes), 5)
    assert ((gains > 0.3) & (gains < 1.5) & (losses > 0.3) & (losses < 1.5)).all()


@pytest.mark.parametrize("kind", ["xgb", "lgbm", "linear"])
def test_of_the_direction_alone_quantiles_are_those_of_all_moves(kind):
    """The same for every row, in the trainer's words and in the file's; the log-odds are those of forward_return."""
    data, parts, model, raw = trained(LABELS["sign"], kind)
    x = inputs_of(data, parts.calibrate, 1)
    gate.check(raw, model.fitted, model.head, x)
    said = Model(raw, "file").run(x)
    assert len(np.unique(said.quantiles, axis=0)) == 1
    np.testing.assert_allclose(said.quantiles[0], np.quantile(data.move[parts.fit], (0.05, 0.5, 0.95)), rtol=1e-6)
    other = trained(LABELS["vol_scaled"], kind)[2].fitted.predict(x)
    np.testing.assert_array_equal(model.fitted.predict(x).logit, other.logit)
    assert len(np.unique(other.quantiles, axis=0)) > 10


@pytest.mark.parametrize("at_time", AT_TIME)
def test_intervals_of_barriers_hold_what_the_horizon_ends_with(at_time, tmp_path):
    """As the stream judges them, touched or not: out of sample as many as they promise, and of exits other ones."""
    label = LabelSpec(5, "triple_barrier", barriers=Barriers(0.7, 0.7, at_time))
    data = the_set(label, 0.0, 6000)
    close = np.log(data.close)
    want = (close[data.at + 5] - close[data.at]) / (data.vol[data.at] * np.sqrt(5))
    np.testing.assert_allclose(data.end_move, want, rtol=1e-9, atol=1e-9)
    recipe = replace(
        RECIPE, label=label, model=ModelSpec("linear", SMALL["linear"]), validation=ValidationSpec(folds=3)
    )
    walked = walk(recipe, data, tmp_path, lambda _step, _share: None)
    sample = walked.sample
    np.testing.assert_array_equal(walked.rows.move, data.end_move[sample])
    # The scores that intervals in the stream begin with reach the bounds at the share that these hold.
    assert all(abs(np.quantile(f.scores, 0.9) - 1.0) < 0.05 for f in walked.folds)
    for low, high in (
        (walked.rows.low, walked.rows.high), [np.concatenate([getattr(f, n) for f in walked.folds]) for n in SIDES],
    ):  # fmt: skip
        ended, left = (((low <= m) & (m <= high)).mean() for m in (data.end_move[sample], data.move[sample]))
        assert abs(ended - 0.9) < 0.03
        assert left > ended + 0.03


def test_what_is_learned_of_each_target():
    """Cut moves; weights that make the pinball loss of a move that of the target; all rows alike for the side."""
    every = np.arange(len(the_set(LABELS["vol_scaled"])))
    plain, cut = the_set(LABELS["none"]), the_set(LABELS["winsorized"])
    assert np.abs(learned(cut, every).move).max() == 0.8
    assert np.abs(cut.move).max() > 0.8
    # The loss of a return of which a model tells the move, and the weighted loss of the move, are one and the same.
    unit, quantile = plain.vol[plain.at] * np.sqrt(5), np.linspace(-1.0, 1.0, len(every))

    def pinball(error):
        return np.maximum(0.05 * error, -0.95 * error)

    ratio = pinball(plain.target - unit * quantile) / pinball(plain.move - quantile)
    np.testing.assert_allclose(learned(plain, every).weight, ratio / ratio.mean(), rtol=1e-9)
    sharpe = the_set(LABELS["sharpe"])
    weight = learned(sharpe, every).weight
    assert weight.mean() == pytest.approx(1.0)
    assert weight.max() <= WEIGHT_MAX * 1.5
    assert np.corrcoef(weight * np.abs(sharpe.move), np.abs(sharpe.target))[0, 1] > 0.9
    for label in LABELS.values():
        assert (samples_of(the_set(label), every, 1).side_weight == 1.0).all()


def test_every_target_has_a_label_and_something_to_learn():
    """And one of which nobody thought is refused, where it would be that no price ever moved."""
    assert tuple(LEARNING) == TARGETS
    assert {label.target for label in LABELS.values()} == set(TARGETS)
    assert all(is_flat(the_set(label)) == (label.target == "sign") for label in LABELS.values())
    forgotten = LabelSpec(5)
    object.__setattr__(forgotten, "target", "drawdown")
    with pytest.raises(AssertionError, match="drawdown is a target of recipes without a label"):
        the_set(forgotten)
    data = the_set(LABELS["vol_scaled"])
    with pytest.raises(ConfigError, match=r"drawdown.*one of forward_return, sign"):
        learned(replace(data, meta=replace(data.meta, target="drawdown")), np.arange(len(data)))


@pytest.mark.parametrize("name", ["vol_scaled", "barriers", "barriers apart"])
def test_a_null_signal_has_no_edge(name):
    """Probabilities are about the share of ups, and what score expects of a row is about nothing."""
    data, parts, model, _ = trained(LABELS[name], "linear", 0.0, 3000)
    found = learned(data, parts.all)
    share = float(data.up[parts.all].mean())
    said = model.say(data, parts.calibrate).probability
    # Labels overlap: a quarter of the rows in parts of five is some 150 that are independent.
    noise = 3.0 / np.sqrt(len(parts.calibrate) / 5)
    assert abs(said.mean() - share) < 0.5 * noise
    gain, loss = payoffs(found, data.regime[data.at[parts.all]], len(data.regimes), 5)
    regime = data.regime[data.at[parts.calibrate]]
    expected = said * gain[regime] - (1.0 - said) * loss[regime]
    assert abs(expected.mean()) < noise
    assert sigmoid(model.raw(data, parts.calibrate).logit).std() < 0.2


def test_barriers_with_a_third_outcome_are_for_research():
    """Of one distance or two: the set has the label, and no model of it is exported."""
    label = LabelSpec(5, "triple_barrier", barriers=Barriers(0.5, 1.0, "zero"))
    assert set(np.unique(the_set(label).target)) == {-1.0, 0.0, 1.0}
    check_servable(replace(RECIPE, label=replace(label, barriers=Barriers(0.5, 1.0))))
    with pytest.raises(ConfigError, match="recipe t: at_time is 'zero': at_time: sign to export"):
        check_servable(replace(RECIPE, label=label))
