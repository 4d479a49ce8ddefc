"""Loading a model: what is wrong with a file is said at start."""

import hashlib
import shutil
from dataclasses import replace

import onnx
import pytest

from processors.errors import ConfigError
from processors.score.config import ScoreConfig
from processors.score.model import Model, ModelCard, load_model, model_path
from processors.score.score import SIGNAL, score_rows
from schemas.registry import load_registry
from tests.score.gold_rows import PACK, gold_layout


def with_card(path, properties):
    """Return the model of a file with another card."""
    raw = onnx.load(path)
    del raw.metadata_props[:]
    onnx.helper.set_model_props(raw, properties)
    return Model(raw.SerializeToString(), "x.onnx")


def test_the_card_survives_the_file(model):
    """The card read from the file gives the same properties again."""
    assert ModelCard.from_properties(model.card.to_properties(), "x") == model.card
    assert model.card.horizon_bars == {"1m": 15}


def test_a_missing_model_names_the_remedy(tmp_path):
    """A missing model names the command that makes one."""
    with pytest.raises(ConfigError, match="mps train"):
        load_model(tmp_path / "none.onnx")


def test_an_altered_file_is_refused(trained, tmp_path):
    """A file that is truncated or altered does not load."""
    path = tmp_path / "m.onnx"
    raw = trained[0].read_bytes()
    shutil.copy(str(trained[0]) + ".sha256", str(path) + ".sha256")
    altered = bytearray(raw)
    altered[len(raw) // 2] ^= 1
    for bad in (raw[:-100], bytes(altered), b""):
        path.write_bytes(bad)
        with pytest.raises(ConfigError, match="sha256"):
            load_model(path)
    path.write_bytes(raw)
    assert load_model(path).sha256 == hashlib.sha256(raw).hexdigest()


def test_a_file_that_is_no_model_of_ours_is_refused(trained):
    """Bytes that are no ONNX, and ONNX without a whole card, are refused."""
    with pytest.raises(ConfigError, match="an ONNX model"):
        Model(b"not a model", "x.onnx")
    stranger = onnx.load(trained[0])
    for key, value in (("mps.format", None), ("mps.seed", None), ("mps.inputs", "[]"), ("mps.horizon_bars", "{")):
        kept = {p.key: p.value for p in stranger.metadata_props}
        kept.pop(key)
        if value:
            kept[key] = value
        model = onnx.ModelProto()
        model.CopyFrom(stranger)
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, kept)
        with pytest.raises(ConfigError, match=r"x\.onnx"):
            Model(model.SerializeToString(), "x.onnx")


def test_a_model_of_another_pack_or_schema_is_refused_at_start(model):
    """A model is refused where pack or inputs differ, and both sides are named."""
    model.check(gold_layout(), ["other_v1@another-hash", PACK.ref], "bocpd")
    with pytest.raises(ConfigError, match=rf"{PACK.hash}.*another-hash"):
        model.check(gold_layout(), ["core_value_v1@another-hash"], "bocpd")
    layout = gold_layout()
    layout.column.pop(model.card.inputs[0].name)
    with pytest.raises(ConfigError, match=model.card.inputs[0].name):
        model.check(layout, [PACK.ref], "bocpd")


def test_a_model_of_a_newer_schema_is_refused_at_start(trained):
    """The card names the schema of today; one of tomorrow is refused with both versions, one that says none is not."""
    card, now = load_model(trained[0]).card, load_registry().current("gold.v1").version
    assert card.schema_version == now
    for version, refused in ((now + 1, True), (now - 1, False), (0, False)):
        model = with_card(trained[0], replace(card, schema_version=version).to_properties())
        if refused:
            with pytest.raises(ConfigError, match=rf"gold.v1 version {version}.*version {now} or older"):
                model.check(gold_layout(), [PACK.ref], "bocpd")
        else:
            model.check(gold_layout(), [PACK.ref], "bocpd")


def test_every_pack_of_the_training_must_be_served(trained, model):
    """A model of two packs is refused where the second is not served, or is another; the first comes first."""
    second = "core_state_v1@5ec0"
    card = replace(model.card, packs=(PACK.ref, second))
    of_two = with_card(trained[0], card.to_properties())
    assert (of_two.card, of_two.card.needs) == (card, (PACK.ref, second))
    of_two.check(gold_layout(), [second, PACK.ref], "bocpd")
    for served in ([PACK.ref], [PACK.ref, "core_state_v1@another"]):
        with pytest.raises(ConfigError, match=rf"pack is '{second}'.*{served[-1]}"):
            of_two.check(gold_layout(), served, "bocpd")
    with pytest.raises(ConfigError, match=rf"packs is '{second}, {PACK.ref}': {PACK.ref} and"):
        replace(model.card, packs=(second, PACK.ref))


def test_the_regimes_of_the_training_must_be_served(model):
    """The card says whose regimes the rows had: where others are served, both are named."""
    assert model.card.regime_model == "bocpd"
    model.check(gold_layout(), [PACK.ref], "bocpd")
    with pytest.raises(ConfigError, match=r"regime_model is 'bocpd': hmm, whose.*MPS_REGIME_MODEL"):
        model.check(gold_layout(), [PACK.ref], "hmm")


def test_a_file_from_before_packs_and_regime_model_were_named_loads(trained, model, later):
    """Its one pack is the one it names, its regimes are of any model, and it says of a row what it said."""
    known = {k: v for k, v in model.card.to_properties().items() if k not in {"mps.packs", "mps.regime_model"}}
    old = with_card(trained[0], known)
    assert (old.card.packs, old.card.needs, old.card.regime_model) == ((), (PACK.ref,), "")
    for regime_model in ("bocpd", "hmm"):
        old.check(gold_layout(), [PACK.ref], regime_model)
    with pytest.raises(ConfigError, match="another-hash"):
        old.check(gold_layout(), ["core_value_v1@another-hash"], "bocpd")
    later["regime.model"] = gold_layout().symbols["regime.model"].index("hmm")
    assert (score_rows(old, ScoreConfig(), later).fate == SIGNAL).all()


@pytest.mark.parametrize("bad", [{"gain_vols": {"1m": (0.0, 1.0, 1.0)}}, {"horizon_bars": {"7m": 3}},
                                 {"residual_quantiles": {"1m": (1.0, -1.0)}}, {"loss_vols": {}}])  # fmt: skip
def test_an_impossible_card_is_refused(model, bad):
    """A card with numbers that no market gives is refused."""
    fields = {k: getattr(model.card, k) for k in ModelCard.__slots__}
    with pytest.raises(ConfigError):
        ModelCard(**{**fields, **bad})


def test_the_path_is_that_of_the_environment(monkeypatch, tmp_path):
    """MPS_MODEL names the model; else it is in the data folder."""
    monkeypatch.delenv("MPS_MODEL", raising=False)
    monkeypatch.setenv("MPS_HOME", str(tmp_path))
    assert model_path() == tmp_path.resolve() / "models" / "baseline.onnx"
    monkeypatch.setenv("MPS_MODEL", "elsewhere.onnx")
    assert str(model_path()) == "elsewhere.onnx"


def test_one_thread_scores(model):
    """The session keeps to one thread and the processor."""
    options = model.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert model.session.get_providers() == ["CPUExecutionProvider"]
