"""A model as it is deployed: ONE ONNX file whose metadata says what it reads, what it was trained on, and until when.

Written by ``offline.export``, read by the score stage and the ScoreService.
The graph maps ``x`` (n, n_inputs) float32 to ``logit`` (n, 1) float32: the calibrated log-odds of a positive return.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from deploy.local.paths import home
from processors.errors import ConfigError
from processors.runtime.batch import Columns
from processors.runtime.layout import Layout
from processors.score.annual import TF_MINUTES
from processors.score.inputs import Input, input_matrix

FORMAT = "1"
PREFIX = "mps."
VERSION_CHARS = 16
"""Hex digits of the file's sha256 that every signal carries: 64 bits, no two models of one platform collide."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model file says of itself.

    Parameters
    ----------
    name
        Name of the member, for example ``lgbm_baseline``.
    inputs
        Columns of the gold row in the order of the graph's input.
    required
        Names of inputs that were never null in training: a row without one of them is not scored.
    pack_id, pack_hash
        Feature pack of the rows it was trained on; rows of another pack are not scored.
    horizon_bars
        Timeframe -> horizon in bars; a timeframe that is not here has no model.
    regimes
        Labels in the order of the matrices below.
    gain_vols, loss_vols
        Timeframe -> mean size of a positive and of a negative return, one for each regime, in units of
        ``realized_vol * sqrt(horizon_bars)``.
    residual_quantiles
        Timeframe -> lower and upper quantile of return less predicted mean, in the same units.
    coverage
        Nominal coverage of the interval between them, 0 to 1.
    calibration
        Slope and intercept (Platt) that are folded into the leaves: of record only.
    trained_until_ns
        Newest event time that training or calibration has seen, ends of labels included. Rows at or before it are
        never scored.
    seed, dataset_sha256, versions
        To make the same file again.
    """

    name: str
    inputs: tuple[Input, ...]
    required: tuple[str, ...]
    pack_id: str
    pack_hash: str
    horizon_bars: dict[str, int]
    regimes: tuple[str, ...]
    gain_vols: dict[str, tuple[float, ...]]
    loss_vols: dict[str, tuple[float, ...]]
    residual_quantiles: dict[str, tuple[float, float]]
    coverage: float
    calibration: tuple[float, float]
    trained_until_ns: int
    seed: int
    dataset_sha256: str
    versions: dict[str, str]

    def __post_init__(self) -> None:
        """Refuse a card that could not be scored with.

        Raises
        ------
        ConfigError
            A timeframe is unknown or has no numbers, or a number is impossible.
        """
        for tf, horizon in self.horizon_bars.items():
            if tf not in TF_MINUTES:
                raise ConfigError("model", "horizon_bars", tf, f"one of {', '.join(TF_MINUTES)}")
            sizes = (*self.gain_vols.get(tf, ()), *self.loss_vols.get(tf, ()))
            if horizon < 1 or len(sizes) != 2 * len(self.regimes):
                raise ConfigError("model", f"horizon, gains and losses of {tf}", (horizon, sizes), "a whole set")
            if not all(0 < v < np.inf for v in sizes):
                raise ConfigError("model", f"gain_vols and loss_vols of {tf}", sizes, "positive numbers")
            lo, hi = self.residual_quantiles.get(tf, (1.0, 0.0))
            if not -np.inf < lo <= hi < np.inf:
                raise ConfigError("model", f"residual_quantiles of {tf}", (lo, hi), "two finite numbers in order")

    def to_properties(self) -> dict[str, str]:
        """Return the card as ONNX metadata properties, keys sorted."""
        fields = {k: json.dumps(v, sort_keys=True) for k, v in asdict(self).items()}
        return {PREFIX + k: v for k, v in sorted({**fields, "format": FORMAT}.items())}

    @classmethod
    def from_properties(cls, properties: dict[str, str], where: str) -> "ModelCard":
        """Return the card of ONNX metadata properties.

        Raises
        ------
        ConfigError
            The file is no model of this platform, or of another format.
        """
        raw = {k.removeprefix(PREFIX): v for k, v in properties.items() if k.startswith(PREFIX)}
        if raw.pop("format", None) != FORMAT:
            raise ConfigError(where, "mps.format", properties.get(PREFIX + "format"), f"{FORMAT}: run `mps train`")
        try:
            values: dict[str, Any] = {k: json.loads(v) for k, v in raw.items()}
            values["inputs"] = tuple(Input(**i) for i in values["inputs"])
            for key in ("required", "regimes", "calibration"):
                values[key] = tuple(values[key])
            for key in ("gain_vols", "loss_vols", "residual_quantiles"):
                values[key] = {tf: tuple(v) for tf, v in values[key].items()}
            return cls(**values)
        except (KeyError, TypeError, ValueError) as e:
            raise ConfigError(where, "metadata", repr(e), "a whole card: run `mps train`") from e


class Model:
    """A loaded model: its card, its version and its session.

    Parameters
    ----------
    raw
        Bytes of the ONNX file.
    where
        The file's name, for messages.

    Raises
    ------
    ConfigError
        The bytes are no ONNX model with a card.
    """

    def __init__(self, raw: bytes, where: str) -> None:
        options = ort.SessionOptions()
        # One thread: the platform's parallelism is its partitions, and sums keep one order.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        try:
            self.session = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        except Exception as e:  # the wheel's exceptions share no base of their own
            raise ConfigError(where, "file", f"{len(raw)} bytes", f"an ONNX model ({str(e)[:120]})") from e
        self.where = where
        self.card = ModelCard.from_properties(self.session.get_modelmeta().custom_metadata_map, where)
        self.sha256 = hashlib.sha256(raw).hexdigest()
        self.version = self.sha256[:VERSION_CHARS]
        shape = self.session.get_inputs()[0].shape
        if shape[-1] != len(self.card.inputs):
            raise ConfigError(where, "inputs", len(self.card.inputs), f"the {shape[-1]} inputs of the graph")

    def logits(self, gold: Columns) -> NDArray[np.float64]:
        """Return the calibrated log-odds of a positive return, shape (n,)."""
        if len(gold) == 0:
            return np.zeros(0)
        x = input_matrix(gold, self.card.inputs)
        return self.session.run(None, {"x": x})[0].reshape(-1).astype(np.float64)  # type: ignore[no-any-return]

    def check(self, layout: Layout, pack_id: str, pack_hash: str) -> None:
        """Refuse to serve rows that the model was not trained on.

        Raises
        ------
        ConfigError
            An input is no column of the rows, or the pack is another one; names both.
        """
        missing = [i.name for i in self.card.inputs if i.name not in layout.column]
        if missing:
            raise ConfigError(self.where, "inputs", ", ".join(missing), "columns of gold.v1: run `mps train`")
        found, served = (self.card.pack_id, self.card.pack_hash), (pack_id, pack_hash)
        if found != served:
            raise ConfigError(
                self.where, "pack", " ".join(found), f"the pack that is served, {' '.join(served)}: run `mps train`"
            )


def model_path() -> Path:
    """Return the path of the deployed model: ``MPS_MODEL``, or ``models/baseline.onnx`` of the data folder."""
    named = os.environ.get("MPS_MODEL")
    return Path(named) if named else home().folder / "models" / "baseline.onnx"


def load_model(path: Path | None = None) -> Model:
    """Return the model of a file, whole: where ``<file>.sha256`` lies beside it, the file must have that digest.

    Raises
    ------
    ConfigError
        The file is missing, truncated, altered, or no model of this platform.
    """
    path = path or model_path()
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise ConfigError(str(path), "file", e.strerror, "a model: run `mps train`, or name one in MPS_MODEL") from e
    beside = path.with_name(path.name + ".sha256")
    if beside.is_file():
        stated, found = beside.read_text().split()[0], hashlib.sha256(raw).hexdigest()
        if stated != found:
            raise ConfigError(str(path), "sha256", found, f"{stated}, as {beside.name} says: run `mps train`")
    return Model(raw, str(path))
