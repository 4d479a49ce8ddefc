"""Files of format 2: three outputs, bounds for the interval, and cards that stay with their graph."""

import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from processors.errors import ConfigError
from processors.score import score as s
from processors.score.config import ScoreConfig
from processors.score.inputs import Input, input_matrix
from processors.score.model import Model, ModelCard
from processors.score.score import score_rows
from processors.score.wire import graph_sha256
from tests.score.gold_rows import PACK, gold_layout, make_gold

approx = pytest.approx
INPUTS = tuple(Input(n, "raw") for n in ("features.rsi_14_value", "regime.p_stress", "regime.p_trend"))


def make_card(**more):
    fields = {
        "name": "two", "inputs": INPUTS, "required": (), "pack_id": PACK.pack_id, "pack_hash": PACK.hash,
        "horizon_bars": {"1m": 15}, "regimes": ("trend", "meanrev", "stress"), "gain_vols": {"1m": (0.8, 0.7, 0.9)},
        "loss_vols": {"1m": (0.6, 0.65, 0.75)}, "residual_quantiles": {}, "coverage": 0.9, "calibration": (0.7, 0.1),
        "trained_until_ns": 1, "seed": 1, "dataset_sha256": "0", "versions": {}, "kind": "linear", "window_bars": 1,
        "recipe_id": "r1", "recipe_hash": "rh", "data_snapshot_id": "12", "calibration_method": "platt",
        "conformal_method": "cqr",
    }  # fmt: skip
    return ModelCard(**{**fields, **more})


def make_file(card=None, outputs=("quantiles", "bounds", "logit"), sha256=None, shape=("n", 3)):
    """Return a file whose logit is its first input, whose quantiles are all three, whose bounds are the outer two."""
    card = card or make_card()
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Identity", ["flat"], ["quantiles"]),
        helper.make_node("Gather", ["flat", "zero"], ["logit"], axis=1),
        helper.make_node("Gather", ["flat", "ends"], ["bounds"], axis=1),
    ]
    constants = [helper.make_tensor("zero", 7, [1], [0]), helper.make_tensor("ends", 7, [2], [0, 2])]
    width = {"logit": 1, "quantiles": 3, "bounds": 2}
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "two", [value("x", TensorProto.FLOAT, shape)],
        [value(o, TensorProto.FLOAT, ["n", width[o] if len(shape) == 2 else None]) for o in outputs], constants,
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    props = card.to_properties() | {"mps.graph_sha256": sha256 or graph_sha256(made.SerializeToString())}
    helper.set_model_props(made, props)
    return made.SerializeToString()


def test_outputs_are_taken_by_name():
    """Log-odds, quantiles and bounds come by their names, whatever their order in the file; no rows give none."""
    model, gold = Model(make_file(), "m"), make_gold(20)
    x = input_matrix(gold, INPUTS)
    said = model.outputs(gold)
    np.testing.assert_array_equal(said.logit, x[:, 0])
    np.testing.assert_array_equal(said.quantiles, x)
    np.testing.assert_array_equal(said.bounds, x[:, [0, 2]])
    assert said.logit.dtype == said.bounds.dtype == np.float64
    none = model.outputs(gold.take(slice(0, 0)))
    assert (none.logit.shape, none.quantiles.shape, none.bounds.shape) == ((0,), (0, 3), (0, 2))
    np.testing.assert_array_equal(model.logits(gold), said.logit)


def test_a_file_of_format_1_says_its_log_odds_alone(model, later):
    """A file of format 1 is read on, and says nothing of quantiles and bounds; its card has none of the new fields."""
    said = model.outputs(later)
    assert said.logit.shape == (len(later),)
    assert said.quantiles is None
    assert said.bounds is None
    assert model.card.format == "1"
    assert not any("recipe" in key or "kind" in key for key in model.card.to_properties())


def test_the_interval_is_that_of_the_bounds():
    """Where the file tells bounds they are the interval, in returns over the horizon, whatever the card says else."""
    gold = make_gold(30)
    for card in (make_card(), make_card(residual_quantiles={"1m": (-9.0, 9.0)})):
        scored = score_rows(Model(make_file(card), "m"), ScoreConfig(), gold)
        assert (scored.fate == s.SIGNAL).all()
        bounds = input_matrix(gold, INPUTS)[:, [0, 2]].astype(np.float64)
        scale = gold["meta.realized_vol"] * math.sqrt(15)
        np.testing.assert_array_equal(scored.signals["interval.lo"], bounds[:, 0] * scale)
        np.testing.assert_array_equal(scored.signals["interval.hi"], bounds[:, 1] * scale)
        assert (scored.signals["interval.coverage"] == 0.9).all()


def test_a_row_scores_alike_alone_and_in_its_batch():
    """Signals of format 2 have the same bits alone and in a batch."""
    model, gold = Model(make_file(), "m"), make_gold(40)
    whole = score_rows(model, ScoreConfig(), gold).signals
    parts = [score_rows(model, ScoreConfig(), gold.take(slice(i, i + 1))).signals for i in range(40)]
    assert np.concatenate([p.floats for p in parts], axis=1).tobytes() == whole.floats.tobytes()


def test_the_card_survives_the_file():
    """Every field of a card of format 2 is read as it was written."""
    card = make_card(packs=(PACK.ref, "core_state_v1@5ec0"), regime_model="hmm")
    assert Model(make_file(card), "m").card == card
    assert card.format == "2"


@pytest.mark.parametrize("left_out", ["kind", "recipe_hash", "window_bars", "conformal_method", "data_snapshot_id"])
def test_a_card_that_lacks_a_field_is_refused(left_out):
    """A card of format 2 without one of its fields is no whole card."""
    properties = make_card().to_properties()
    properties.pop("mps." + left_out)
    with pytest.raises(ConfigError, match=f"{left_out}|kind"):
        ModelCard.from_properties(properties, "m")


def test_a_card_on_another_graph_is_refused():
    """A graph that is not the one the card was written for is refused, and so is a card that does not say."""
    with pytest.raises(ConfigError, match="graph_sha256"):
        Model(make_file(sha256="ab" * 32), "m")
    model = onnx.load_from_string(make_file())
    kept = {p.key: p.value for p in model.metadata_props if p.key != "mps.graph_sha256"}
    helper.set_model_props(model, kept)
    with pytest.raises(ConfigError, match="graph_sha256"):
        Model(model.SerializeToString(), "m")
    altered = onnx.load_from_string(make_file())
    altered.graph.node[3].attribute[0].i = 0
    with pytest.raises(ConfigError, match=r"graph_sha256|ONNX model"):
        Model(altered.SerializeToString(), "m")


def test_outputs_and_windows_must_be_those_of_the_card():
    """A file without bounds, and one whose window is not the card's, are refused."""
    with pytest.raises(ConfigError, match="outputs"):
        Model(make_file(outputs=("logit", "quantiles")), "m")
    with pytest.raises(ConfigError, match="window_bars is 4"):
        Model(make_file(make_card(window_bars=4)), "m")
    with pytest.raises(ConfigError, match="window_bars is 0"):
        make_card(window_bars=0)
    with pytest.raises(ConfigError, match="batch_rows is -1"):
        make_card(batch_rows=-1)
    Model(make_file(make_card(window_bars=4), shape=("n", 4, 3)), "m").check(gold_layout(), [PACK.ref], "bocpd")


def test_pack_and_inputs_are_checked_at_start_as_ever():
    """A model of another pack, or of a column that rows do not have, is refused at start."""
    model = Model(make_file(), "m")
    model.check(gold_layout(), [PACK.ref], "bocpd")
    with pytest.raises(ConfigError, match="another-hash"):
        model.check(gold_layout(), [f"{PACK.pack_id}@another-hash"], "bocpd")
    layout = gold_layout()
    layout.column.pop("regime.p_trend")
    with pytest.raises(ConfigError, match=r"regime\.p_trend"):
        model.check(layout, [PACK.ref], "bocpd")


def test_the_digest_is_that_of_the_graph_alone():
    """The digest of the wire is that of ONNX's own bytes of the graph; other metadata leaves it, other bytes do not."""
    import hashlib

    raw = make_file()
    model = onnx.load_from_string(raw)
    assert graph_sha256(raw) == hashlib.sha256(model.graph.SerializeToString()).hexdigest()
    assert graph_sha256(b"") == hashlib.sha256(b"").hexdigest()
    for bad in (raw[:-3], b"\xff" * 11, b"\x3a\x05ab", b"\x0b"):
        with pytest.raises(ValueError, match=r"byte|ends"):
            graph_sha256(bad)
