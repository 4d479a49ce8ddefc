"""Models and evidence made up for tests: small graphs, predictions that know a little, returns that follow them."""

from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from offline.export.latency import Latency, processor
from offline.registry.evidence import DatasetSheet, Evidence, FoldSheet, Method, OutOfSample
from offline.selection.trials import Returns
from processors.score.inputs import Input
from processors.score.model import ModelCard
from schemas.features import FOUNDING_PACK, load_pack

MINUTE = 60_000_000_000
DAY = 24 * 60 * MINUTE
START = 1_577_836_800_000_000_000
PACK = load_pack(FOUNDING_PACK)
INPUTS = tuple(Input(f"features.{f.name}", "raw") for f in PACK.features[:6])
UNTIL = START + 400 * DAY


def model_file(path, weight=0.1, **changes):
    """Write a linear model of six inputs that ``weight`` tells from others; return its path."""
    n = len(INPUTS)
    card = replace(
        ModelCard(
            name="linear", inputs=INPUTS, required=(), pack_id=PACK.pack_id, pack_hash=PACK.hash,
            horizon_bars={"15m": 16}, regimes=("trend", "meanrev", "stress"), gain_vols={"15m": (0.8, 0.7, 0.9)},
            loss_vols={"15m": (0.8, 0.7, 1.0)}, residual_quantiles={"15m": (-1.6, 1.5)}, coverage=0.9,
            calibration=(1.0, 0.0), trained_until_ns=UNTIL, seed=1, dataset_sha256="d" * 64,
            versions={"numpy": np.__version__},
        ), **changes,
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["logit"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", n])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor("w", TensorProto.FLOAT, [n, 1], [weight * (i + 1) for i in range(n)])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    helper.set_model_props(model, card.to_properties())
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def out_of_sample(n_times=1200, skill=0.6, seed=0, symbols=("EURUSD:FX", "AIG:US"), horizon=4):
    """Return rows of some symbols at the same quarters of an hour, in four folds; overlapping moves, some skill."""
    rng = np.random.default_rng(seed)
    k = len(symbols)
    steps = rng.standard_normal((n_times + horizon, k))
    move = np.array([steps[i + 1 : i + 1 + horizon].sum(axis=0) for i in range(n_times)]) / np.sqrt(horizon)
    logit = skill * move + 0.5 * rng.standard_normal((n_times, k))
    probability = 1.0 / (1.0 + np.exp(-logit))
    up = (rng.random((n_times, k)) < probability).astype(float)
    at = np.repeat(np.arange(n_times), k)
    return OutOfSample(
        symbols=symbols, regimes=("trend", "meanrev", "stress"), ts_ns=START + at * 15 * MINUTE,
        symbol=np.tile(np.arange(k), n_times), regime=(at // 100) % 3, fold=at * 4 // n_times,
        probability=probability.ravel(), up=up.ravel(), move=move.ravel(), low=np.full(n_times * k, -1.645),
        high=np.full(n_times * k, 1.645), base_rate=np.full(n_times * k, 0.5), horizon_bars=horizon, coverage=0.9,
    )  # fmt: skip


def returns(n=400, mean=0.0006, seed=0, folds=4):
    """Return daily returns with an annual Sharpe ratio of about one."""
    value = mean + 0.01 * np.random.default_rng(seed).standard_normal(n)
    return Returns(START + np.arange(n) * DAY, value, np.arange(n) * folds // n, 252.0, DAY)


def evidence(experiment="fx", **changes):
    """Return whole evidence of the model of ``model_file``."""
    rng = np.random.default_rng(5)
    folds = tuple(
        FoldSheet(START + k * DAY, START + (k + 100) * DAY, START + (k + 101) * DAY, START + (k + 150) * DAY,
                  1000 + k, 600 + k) for k in range(4)
    )  # fmt: skip
    whole = Evidence(
        recipe_id="fx_15m", recipe_hash="a" * 64, recipe={"model": {"kind": "linear"}}, experiment=experiment,
        method=Method("linear", {"l2": 0.3, "solver": {"steps": 100}}, 1, 1, "platt", "split", "walk-forward, 4 folds, "
                      "purged, embargo 1 h", {"numpy": np.__version__}),
        dataset=DatasetSheet("gold@7", "d" * 64, PACK.pack_id, PACK.hash, "15m", 16, "sign of the return",
                             ("EURUSD:FX", "AIG:US"), START, UNTIL, 9000, 8700, {"not warm": 280, "no label": 20}),
        folds=folds, rows=out_of_sample(), returns=returns(), inputs=tuple(i.name for i in INPUTS),
        importance=np.arange(6.0) + 0.2 * rng.random((4, 6)), report={"seed": 1},
        intended_use="Research on two symbols; sizes no position by itself.",
        limits=("Knows no holidays.",), latency=Latency(0.004, 0.006, 1, processor(), 2),
    )  # fmt: skip
    return replace(whole, **changes)
