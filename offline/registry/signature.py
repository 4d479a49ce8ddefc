"""What a model file reads and gives, under which schemas, and whether those are what is served."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import yaml

from processors.errors import ConfigError
from processors.score.model import TOPIC, Model
from processors.score.stage import served_packs, served_regime_model
from schemas.features import CATALOGS
from schemas.registry import load_registry

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64"}


@dataclass(frozen=True, slots=True)
class Served:
    """What rows are served with.

    Parameters
    ----------
    packs
        Each as ``id@hash``.
    topic, version
        The topic of the rows, and the newest version of its schema.
    regime_model
        Whose regimes the rows have.
    """

    packs: tuple[str, ...]
    topic: str
    version: int
    regime_model: str

    @classmethod
    def here(cls) -> "Served":
        """Return what this checkout serves in this environment, as the score stage has it.

        Raises
        ------
        ConfigError
            The environment names a pack or a regime model that there is not.
        """
        return cls(served_packs(), TOPIC, load_registry().current(TOPIC).version, served_regime_model())


def refuse_unserved(label: str, model: Model, schema: tuple[str, int], served: Served) -> None:
    """Refuse a model that was trained on other rows than are served.

    Parameters
    ----------
    label
        Name and version of the model, for messages.
    schema
        Topic of the rows that it was trained on, and the version of their schema then. A newer version of the same
        topic reads as the old one did, and inputs are found by name; an older one may lack some.

    Raises
    ------
    ConfigError
        A pack, the regime model or the schema is another.
    """
    lacking = next((ref for ref in model.card.needs if ref not in served.packs), None)
    if lacking is not None:
        same = [p for p in served.packs if p.partition("@")[0] == lacking.partition("@")[0]]
        anew = f"{', '.join(served.packs)}: train anew, or see MPS_FEATURE_PACKS"
        what = f"{same[0]}: the pack has other features now, so train anew" if same else anew
        raise ConfigError(label, "pack", lacking, f"what is served, {what}")
    if model.card.regime_model not in {"", served.regime_model}:
        what = f"{served.regime_model}: train anew, or see MPS_REGIME_MODEL"
        raise ConfigError(label, "regime_model", model.card.regime_model, f"what is served, {what}")
    topic, version = schema
    if topic != served.topic or version > served.version:
        have = f"{served.topic} version {served.version}"
        raise ConfigError(label, "schema", f"{topic} version {version}", f"what is served, {have} (or older)")


def signature(model: Model) -> dict[str, list[dict[str, Any]]]:
    """Return name, dtype and shape of each input and output of the graph, -1 for any length."""
    sides = (("inputs", model.session.get_inputs()), ("outputs", model.session.get_outputs()))
    return {
        side: [
            {"name": t.name, "dtype": _DTYPES.get(t.type, t.type), "shape": [_length(d) for d in t.shape]}
            for t in tensors
        ]
        for side, tensors in sides
    }


def _length(dimension: object) -> int:
    return dimension if isinstance(dimension, int) else -1


def mlmodel(model: Model, run_id: str) -> str:
    """Return the file ``MLmodel`` beside the graph: MLflow's own loaders read the folder with it."""
    import onnx

    sides = {
        side: json.dumps(
            [{"name": t["name"], "tensor-spec": {k: t[k] for k in ("dtype", "shape")}, "type": "tensor"}
             for t in tensors]
        )
        for side, tensors in signature(model).items()
    }  # fmt: skip
    providers = ["CPUExecutionProvider"]
    flavor = {"data": "model.onnx", "onnx_version": onnx.__version__, "providers": providers, "code": None}
    whole = {
        "artifact_path": "model",
        "flavors": {"onnx": flavor, "python_function": {"data": "model.onnx", "loader_module": "mlflow.onnx"}},
        "run_id": run_id,
        "signature": {**sides, "params": None},
    }
    return str(yaml.safe_dump(whole, sort_keys=True))


def digests() -> dict[str, str]:
    """Return the SHA-256 of every catalog that gives features their meaning."""
    files = sorted(p for p in CATALOGS.iterdir() if p.suffix in {".csv", ".yaml"})
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def schema_here() -> tuple[str, int]:
    """Return topic and version of the rows that are trained on now."""
    return TOPIC, load_registry().current(TOPIC).version
