"""A model as it is deployed: ONE ONNX file whose metadata says what it reads, what it was trained on, and until when.

Written by ``offline.export``, read by the score stage and the ScoreService. The graph maps ``x`` to, all float32:

    logit      (n, 1)  calibrated log-odds of a positive return
    quantiles  (n, 3)  low, middle and high quantile of the move, never crossing    format 2
    bounds     (n, 2)  conformal interval of the move                               format 2

A card of format 3 also says how strange a row may be (``processors.score.validity``) and whether the interval follows
its misses (``processors.score.adaptive``); its graph is that of format 2.

A move is the log return over the horizon in units of ``realized_vol * sqrt(horizon_bars)``. ``x`` is (n, n_inputs), or
(n, window_bars, n_inputs) with the oldest row first.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection
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
from processors.score.batches import run_rows
from processors.score.inputs import Input, input_matrix
from processors.score.validity import Validity
from processors.score.window import Windows
from processors.score.wire import graph_sha256
from schemas.features import cross_features, pack_ref
from schemas.registry import load_registry
from schemas.timeframes import TIMEFRAMES

F64 = NDArray[np.float64]

FORMAT_1, FORMAT_2, FORMAT_3 = "1", "2", "3"
"""A log-odds alone; a log-odds with quantiles and bounds; those with validity and adaptive intervals. All are read."""
TOPIC = "gold.v1"
"""Of the rows that a model reads."""
PREFIX = "mps."
GRAPH_SHA256 = PREFIX + "graph_sha256"
"""Digest of the graph that the card was written for: a card on another graph is refused."""
_THREE = ("logit", "quantiles", "bounds")
OUTPUTS = {FORMAT_1: ("logit",), FORMAT_2: _THREE, FORMAT_3: _THREE}
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
        First feature pack of the rows it was trained on.
    horizon_bars
        Timeframe -> horizon in bars; a timeframe that is not here has no model.
    regimes
        Labels in the order of the matrices below; rows with another one are not scored.
    gain_vols, loss_vols
        Timeframe -> mean positive return, and mean loss of all others, zeros included, one for each regime, in units
        of ``realized_vol * sqrt(horizon_bars)``.
    residual_quantiles
        Timeframe -> lower and upper quantile of return less predicted mean, in the same units. Empty where the graph
        tells bounds.
    coverage
        Nominal coverage of the interval between them, 0 to 1.
    calibration
        Numbers of the calibration that is folded into the graph, slope and intercept of Platt's: of record only.
    trained_until_ns
        Newest event time that training or calibration has seen, ends of labels included. Rows at or before it are
        never scored.
    seed, dataset_sha256, versions
        To make the same file again.
    kind
        ``linear``, ``lgbm``, ``xgb``, ``tft`` or ``nbeats``; empty in format 1, as is all that follows.
    window_bars
        Rows that a prediction reads, the newest last.
    batch_rows
        How many rows are run together, 0 for all that are there: see ``processors.score.batches``.
    recipe_id, recipe_hash
        What the model was made by.
    data_snapshot_id
        Version of the table of gold rows.
    calibration_method, conformal_method
        For example ``platt`` and ``cqr``.
    schema_version
        Newest version of the schema of ``gold.v1`` when it was trained; 0 where the file does not say.
    packs
        All packs of the rows it was trained on, each as ``id@hash``, the first one first; rows that lack one are not
        scored. Empty where the file does not say: then it is the first alone.
    regime_model
        Whose regimes these rows have (``regime.model``); rows with those of another are not scored. Empty where the
        file does not say: then any are.
    validity_centre, validity_scale
        Middle and spread of each input in training, in the order of ``inputs``; empty up to format 2, as is all that
        follows.
    validity_scores
        Strangeness of calibration rows, ascending: see ``processors.score.validity``.
    adaptive_gamma
        Step of the level by which the interval follows its misses; 0 where it stays as the graph tells it.
    adaptive_scores
        Scores of calibration rows, ascending, that each symbol begins with: see ``processors.score.adaptive``.
    label_stretch_max
        A horizon that takes this times its bars or more with the market open, or over which it shuts, has no outcome;
        from ``adaptive.WHATEVER`` on every one has.
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
    calibration: tuple[float, ...]
    trained_until_ns: int
    seed: int
    dataset_sha256: str
    versions: dict[str, str]
    kind: str = ""
    window_bars: int = 1
    batch_rows: int = 0
    recipe_id: str = ""
    recipe_hash: str = ""
    data_snapshot_id: str = ""
    calibration_method: str = ""
    conformal_method: str = ""
    schema_version: int = 0
    packs: tuple[str, ...] = ()
    regime_model: str = ""
    validity_centre: tuple[float, ...] = ()
    validity_scale: tuple[float, ...] = ()
    validity_scores: tuple[float, ...] = ()
    adaptive_gamma: float = 0.0
    adaptive_scores: tuple[float, ...] = ()
    label_stretch_max: float = 0.0

    @property
    def format(self) -> str:
        """Return the format of the file, by whether the card names a kind, and scores of validity."""
        if not self.kind:
            return FORMAT_1
        return FORMAT_3 if self.validity_scores else FORMAT_2

    @property
    def needs(self) -> tuple[str, ...]:
        """Return all packs that a row must have, each as ``id@hash``."""
        return self.packs or (pack_ref(self.pack_id, self.pack_hash),)

    def __post_init__(self) -> None:
        """Refuse a card that could not be scored with.

        Raises
        ------
        ConfigError
            A timeframe is unknown or has no numbers, or a number is impossible.
        """
        for tf, horizon in self.horizon_bars.items():
            if tf not in TIMEFRAMES:
                raise ConfigError("model", "horizon_bars", tf, f"one of {', '.join(TIMEFRAMES)}")
            sizes = (*self.gain_vols.get(tf, ()), *self.loss_vols.get(tf, ()))
            if horizon < 1 or len(sizes) != 2 * len(self.regimes):
                raise ConfigError("model", f"horizon, gains and losses of {tf}", (horizon, sizes), "a whole set")
            if not all(0 < v < np.inf for v in sizes):
                raise ConfigError("model", f"gain_vols and loss_vols of {tf}", sizes, "positive numbers")
            lo, hi = self.residual_quantiles.get(tf, (1.0, 0.0) if self.format == FORMAT_1 else (0.0, 0.0))
            if not -np.inf < lo <= hi < np.inf:
                raise ConfigError("model", f"residual_quantiles of {tf}", (lo, hi), "two finite numbers in order")
        if self.window_bars < 1:
            raise ConfigError("model", "window_bars", self.window_bars, "a whole number of 1 or more")
        if self.batch_rows < 0:
            raise ConfigError("model", "batch_rows", self.batch_rows, "a whole number of 0 or more")
        first = pack_ref(self.pack_id, self.pack_hash)
        if not (self.needs[0] == first and all("@" in ref for ref in self.needs)):
            raise ConfigError("model", "packs", ", ".join(self.needs), f"{first} and those after it, each as id@hash")
        self._check_conformal()

    def _check_conformal(self) -> None:
        """Refuse numbers of validity and of adaptive intervals that mean nothing; raises ConfigError."""
        widths = (len(self.validity_centre), len(self.validity_scale))
        if self.validity_scores and widths != (len(self.inputs), len(self.inputs)):
            raise ConfigError("model", "validity_centre and validity_scale", widths, f"{len(self.inputs)} each")
        if not all(0.0 <= v < np.inf for v in self.validity_scale):
            raise ConfigError("model", "validity_scale", min(self.validity_scale), "finite numbers, not negative")
        for key in ("validity_scores", "adaptive_scores"):
            scores = np.array(getattr(self, key))
            if not ((scores >= 0.0).all() and (np.diff(scores) >= 0.0).all()):
                raise ConfigError("model", key, f"{len(scores)} numbers", "ascending numbers, not negative")
        if not 0.0 <= self.adaptive_gamma <= 1.0:
            raise ConfigError("model", "adaptive_gamma", self.adaptive_gamma, "from 0 to 1")
        if self.adaptive_gamma and not (
            self.format == FORMAT_3 and len(self.adaptive_scores) and len(self.horizon_bars) == 1
            and self.label_stretch_max >= 1.0 and 0.0 < self.coverage < 1.0
        ):  # fmt: skip
            raise ConfigError(
                "model", "adaptive_gamma", self.adaptive_gamma,
                "0, or a card of format 3 with adaptive_scores, one timeframe, label_stretch_max of 1 or more and a "
                "coverage between 0 and 1",
            )  # fmt: skip

    def to_properties(self) -> dict[str, str]:
        """Return the card as ONNX metadata properties, keys sorted."""
        left_out = {FORMAT_1: (*_OF_FORMAT_2, *_OF_FORMAT_3), FORMAT_2: _OF_FORMAT_3, FORMAT_3: ()}[self.format]
        told = {k: v for k, v in asdict(self).items() if k not in left_out}
        fields = {k: json.dumps(v, sort_keys=True) for k, v in told.items()}
        return {PREFIX + k: v for k, v in sorted({**fields, "format": self.format}.items())}

    @classmethod
    def from_properties(cls, properties: dict[str, str], where: str) -> "ModelCard":
        """Return the card of ONNX metadata properties.

        Raises
        ------
        ConfigError
            The file is no model of this platform, or of another format.
        """
        raw = {k.removeprefix(PREFIX): v for k, v in properties.items() if k.startswith(PREFIX)}
        stated = raw.pop("format", None)
        if stated not in OUTPUTS:
            raise ConfigError(where, "mps.format", stated, f"{' or '.join(OUTPUTS)}: run `mps train`")
        raw.pop("graph_sha256", None)
        try:
            values: dict[str, Any] = {k: json.loads(v) for k, v in raw.items()}
            values["inputs"] = tuple(Input(**i) for i in values["inputs"])
            for key in ("required", "regimes", "calibration", *_OPTIONAL_TUPLES):
                if key in values or key not in _OPTIONAL_TUPLES:
                    values[key] = tuple(values[key])
            for key in ("gain_vols", "loss_vols", "residual_quantiles"):
                values[key] = {tf: tuple(v) for tf, v in values[key].items()}
            needed = {FORMAT_1: (), FORMAT_2: _OF_FORMAT_2, FORMAT_3: (*_OF_FORMAT_2, *_OF_FORMAT_3)}[stated]
            if missing := set(needed) - set(values):
                raise KeyError(*sorted(missing))  # noqa: TRY301 (told below, as for the other fields)
            card = cls(**values)
        except (KeyError, TypeError, ValueError) as e:
            raise ConfigError(where, "metadata", repr(e), "a whole card: run `mps train`") from e
        if card.format != stated:
            found = f"those of a card of format {stated}: run `mps train`"
            raise ConfigError(where, "mps.kind and mps.validity_scores", (card.kind, len(card.validity_scores)), found)
        return card


_OF_FORMAT_2 = (
    "kind", "window_bars", "batch_rows", "recipe_id", "recipe_hash", "data_snapshot_id", "calibration_method",
    "conformal_method",
)  # fmt: skip
_TUPLES_OF_FORMAT_3 = ("validity_centre", "validity_scale", "validity_scores", "adaptive_scores")
_OPTIONAL_TUPLES = ("packs", *_TUPLES_OF_FORMAT_3)
"""Those that not every file has."""
_OF_FORMAT_3 = (*_TUPLES_OF_FORMAT_3, "adaptive_gamma", "label_stretch_max")


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a model says of n rows.

    Parameters
    ----------
    logit
        Shape (n,), calibrated log-odds.
    quantiles, bounds
        Shape (n, 3) and (n, 2), in units of ``realized_vol * sqrt(horizon_bars)``; None in format 1.
    """

    logit: F64
    quantiles: F64 | None = None
    bounds: F64 | None = None


class Model:
    """A loaded model: its card, its version, what it knows of ordinary rows, and its session.

    Parameters
    ----------
    raw
        Bytes of the ONNX file.
    where
        The file's name, for messages.

    Raises
    ------
    ConfigError
        The bytes are no ONNX model with a card, or the card is of another graph.
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
        properties = self.session.get_modelmeta().custom_metadata_map
        self.card = ModelCard.from_properties(properties, where)
        self.sha256 = hashlib.sha256(raw).hexdigest()
        self.version = self.sha256[:VERSION_CHARS]
        told = self.card.validity_centre, self.card.validity_scale, self.card.validity_scores
        self.validity = Validity(*(np.array(numbers) for numbers in told)) if self.card.validity_scores else None
        self._check_graph(raw, properties.get(GRAPH_SHA256))

    def _check_graph(self, raw: bytes, stated: str | None) -> None:
        """Refuse a graph that is not the card's."""
        where, card = self.where, self.card
        shape = self.session.get_inputs()[0].shape
        if shape[-1] != len(card.inputs):
            raise ConfigError(where, "inputs", len(card.inputs), f"the {shape[-1]} inputs of the graph")
        if shape[1:-1] != ([] if card.window_bars == 1 else [card.window_bars]):
            raise ConfigError(where, "window_bars", card.window_bars, f"those of the graph, whose input is {shape}")
        if card.format == FORMAT_1:
            return
        found = tuple(o.name for o in self.session.get_outputs())
        if set(found) != set(OUTPUTS[card.format]):
            raise ConfigError(where, "outputs", found, f"{', '.join(OUTPUTS[card.format])}: of format {card.format}")
        digest = graph_sha256(raw)
        if stated != digest:
            raise ConfigError(where, GRAPH_SHA256, stated, f"{digest}, that of the graph: run `mps train`")

    def outputs(self, gold: Columns, windows: Windows | None = None) -> Outputs:
        """Return what the model says of gold rows.

        Parameters
        ----------
        windows
            Those of the rows, each long enough, where the card's ``window_bars`` is over 1.
        """
        bars = self.card.window_bars
        if bars == 1:
            return self.run(input_matrix(gold, self.card.inputs))
        assert windows is not None, f"{self.where}: scored without its windows of {bars} rows"
        return self._run(len(gold), lambda at: windows.at(at, bars))

    def run(self, x: NDArray[np.float32]) -> Outputs:
        """Return what the model says of inputs, shape (n, n_inputs) or (n, window_bars, n_inputs)."""
        return self._run(len(x), lambda at: x[at])

    def _run(self, n: int, rows: Callable[[NDArray[np.int64]], NDArray[np.float32]]) -> Outputs:
        names = OUTPUTS[self.card.format]
        if n == 0:
            empty = (np.zeros(0), np.zeros((0, 3)), np.zeros((0, 2)))
            return Outputs(*empty[: len(names)])
        # In format 1 the only output, whatever it is named.
        asked = None if len(names) == 1 else names
        logit, *more = (a.astype(np.float64) for a in run_rows(self.session, asked, n, rows, self.card.batch_rows))
        return Outputs(logit.reshape(-1), *more)

    def logits(self, gold: Columns) -> F64:
        """Return the calibrated log-odds of a positive return, shape (n,)."""
        return self.outputs(gold).logit

    def check(self, layout: Layout, served: Collection[str], regime_model: str) -> None:
        """Refuse to serve rows that the model was not trained on.

        Parameters
        ----------
        layout
            Of the rows.
        served
            Packs that the rows have, each as ``id@hash``.
        regime_model
            Whose regimes the rows have.

        Raises
        ------
        ConfigError
            An input is no column of the rows, they are of an older schema, they lack a pack, or their regimes are of
            another model; names both.
        """
        missing = [i.name for i in self.card.inputs if i.name not in layout.column]
        if missing:
            raise ConfigError(self.where, "inputs", ", ".join(missing), "columns of gold.v1: run `mps train`")
        # A newer schema reads as the old one did; of an older one columns of the same name may have meant less.
        newest = load_registry().current(TOPIC).version
        if self.card.schema_version > newest:
            stated = f"{TOPIC} version {self.card.schema_version}"
            raise ConfigError(self.where, "schema", stated, f"version {newest} or older, as rows are served here")
        lacking = [ref for ref in self.card.needs if ref not in served]
        if lacking:
            raise ConfigError(
                self.where, "pack", ", ".join(lacking),
                f"among the packs that are served, {', '.join(served)}: run `mps train`, or see MPS_FEATURE_PACKS",
            )  # fmt: skip
        if self.card.regime_model not in {"", regime_model}:
            raise ConfigError(
                self.where, "regime_model", self.card.regime_model,
                f"{regime_model}, whose regimes are served: train with it, or see MPS_REGIME_MODEL",
            )  # fmt: skip


def model_path() -> Path:
    """Return the path of the deployed model: ``MPS_MODEL``, or ``models/baseline.onnx`` of the data folder."""
    named = os.environ.get("MPS_MODEL")
    return Path(named) if named else home().folder / "models" / "baseline.onnx"


def load_model(path: Path | None = None) -> Model:
    """Return the model of a file, whole: where ``<file>.sha256`` lies beside it, the file must have that digest.

    Raises
    ------
    ConfigError
        The file is missing, truncated, altered, or no model of this platform, or it reads features of the
        cross-section.
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
    model = Model(raw, str(path))
    of_cross = {f"features.{f.name}" for f in cross_features()}
    later = [i.name for i in model.card.inputs if i.name in of_cross]
    if later:
        raise ConfigError(
            str(path), "inputs", ", ".join(later[:3]) + (" ..." if len(later) > 3 else ""),
            "features of gold.v1: those of cross.v1 come after the gold row, when the bars of all symbols are in, and "
            "score holds no row back for them; such a model is for research (docs/cross-section.md)",
        )  # fmt: skip
    return model
