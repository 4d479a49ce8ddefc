"""The feature schema as data: what every feature means, and which features make a pack.

``catalogs/indicator_feature_schema_v1.csv`` has one row a feature; ``catalogs/packs.yaml`` names subsets of them. The
content hash of a pack covers every cell of its rows, in order: it travels in rows, models and signals, and a change
in the meaning of a feature shows as another hash. ``schemas.generate`` writes the Avro records from the same rows.
"""

import csv
import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from processors.errors import ConfigError

CATALOGS = Path(__file__).parent / "catalogs"
SCHEMA_CSV = CATALOGS / "indicator_feature_schema_v1.csv"
PACKS_YAML = CATALOGS / "packs.yaml"
RELEASED = CATALOGS / "released"
"""A file a pack, written when it was released and never again (``tests/featurize/released.py``)."""

FOUNDING_PACK = "core_value_v1"
"""Pack that every row has unless it is told otherwise, and that the baseline reads."""

STAGE_OF_PREFIX = {"cross_": "cross", "regime_": "regime"}
"""How the name of an indicator begins -> stage that computes it; featurize computes all others, and may have none
whose name begins so."""

WARMUP, OPTIONAL = "warmup", "optional"
MISSING_POLICIES = (WARMUP, OPTIONAL)
"""warmup: null until the window is full, and the row is not warm before. optional: null where the instrument has no
quotes or volumes; never part of warm."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One row of the feature schema.

    Parameters
    ----------
    name
        Field in the Avro record, column in ClickHouse, input of models.
    family
        ``value``; others hold states, events, episodes and vectors.
    indicator
        Kernel that computes it: a name in ``processors.featurize.program``.
    parameters
        ``key=value`` joined by semicolons; ``output`` names one of the kernel's outputs.
    timeframe
        ``all`` in every row. Reserved: nothing acts on it.
    warmup_bars
        Number of bars, this one included, before it can be there.
    missing_policy
        One of ``MISSING_POLICIES``.
    """

    name: str
    family: str
    indicator: str
    parameters: str
    timeframe: str
    dtype: str
    unit: str
    range: str
    warmup_bars: int
    missing_policy: str
    version: int
    meaning: str

    @property
    def source(self) -> str:
        """Stage that computes it: featurize, regime or cross."""
        by_prefix = (stage for prefix, stage in STAGE_OF_PREFIX.items() if self.indicator.startswith(prefix))
        return next(by_prefix, "featurize")

    @property
    def output(self) -> str:
        """Which output of the kernel."""
        return dict(p.split("=") for p in self.parameters.split(";"))["output"]

    @property
    def numbers(self) -> dict[str, float]:
        """Parameters of the kernel, in the order of the row."""
        pairs = (p.split("=") for p in self.parameters.split(";"))
        return {key: float(value) for key, value in pairs if key != "output"}


@dataclass(frozen=True, slots=True)
class Pack:
    """An immutable subset of the feature schema."""

    pack_id: str
    features: tuple[Feature, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of the rows in canonical JSON, hexadecimal."""
        rows = [asdict(f) for f in self.features]
        canonical = json.dumps([self.pack_id, rows], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def ref(self) -> str:
        """The pack as a row names it."""
        return pack_ref(self.pack_id, self.hash)


def pack_ref(pack_id: str, pack_hash: str) -> str:
    """Return a pack as a row names it: ``id@hash``."""
    return f"{pack_id}@{pack_hash}"


def read_features(path: Path) -> tuple[Feature, ...]:
    """Return the rows of a feature schema.

    Raises
    ------
    ConfigError
        The file is missing, or a row is wrong: names file, line and column.
    """
    if not path.is_file():
        raise ConfigError(str(path), "file", "missing", "restore it: the schemas are generated from it")
    with path.open(newline="") as f:
        features = tuple(_feature(raw, f"{path}:{line}") for line, raw in enumerate(csv.DictReader(f), start=2))
    names = [f.name for f in features]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(str(path), "name", name, "each feature once")
    return features


def _feature(raw: dict[str, str], where: str) -> Feature:
    whole = {}
    for key in ("warmup_bars", "version"):
        text = raw.get(key) or ""
        if not text.isdigit() or int(text) < 1:
            raise ConfigError(where, key, text, "a whole number from 1")
        whole[key] = int(text)
    policy = raw.get("missing_policy")
    if policy not in MISSING_POLICIES:
        raise ConfigError(where, "missing_policy", policy, f"one of {', '.join(MISSING_POLICIES)}")
    text_keys = ("name", "family", "indicator", "parameters", "timeframe", "dtype", "unit", "range", "meaning")
    for key in text_keys:
        if not raw.get(key):
            raise ConfigError(where, key, raw.get(key), "must not be empty")
    pairs = [p.partition("=") for p in raw["parameters"].split(";")]
    if any(not key or not value for key, _, value in pairs) or "output" not in {key for key, _, _ in pairs}:
        raise ConfigError(where, "parameters", raw["parameters"], "key=value;...;output=name")
    if raw["dtype"] != "double":
        raise ConfigError(where, "dtype", raw["dtype"], "double")
    return Feature(
        raw["name"], raw["family"], raw["indicator"], raw["parameters"], raw["timeframe"], raw["dtype"], raw["unit"],
        raw["range"], whole["warmup_bars"], str(policy), whole["version"], raw["meaning"],
    )  # fmt: skip


@cache
def load_catalog() -> tuple[Feature, ...]:
    """Return every feature of the schema, in the order of the file."""
    return read_features(SCHEMA_CSV)


@cache
def load_features() -> tuple[Feature, ...]:
    """Return the features of feature and gold rows, in the order of the wire."""
    return tuple(f for f in load_catalog() if f.source != "cross")


@cache
def bar_features() -> tuple[Feature, ...]:
    """Return the features that featurize computes."""
    return tuple(f for f in load_catalog() if f.source == "featurize")


@cache
def cross_features() -> tuple[Feature, ...]:
    """Return the features of ``cross.v1``, in the order of the wire."""
    return tuple(f for f in load_catalog() if f.source == "cross")


def packs_file() -> dict[str, dict[str, Any]]:
    """Return what the file of packs says, by id in its order: read once for each state of the file."""
    return _packs_of(PACKS_YAML, PACKS_YAML.stat().st_mtime_ns)


@cache
def _packs_of(path: Path, _: int) -> dict[str, dict[str, Any]]:
    packs: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["packs"]
    return packs


@cache
def cross_packs() -> tuple["Pack", ...]:
    """Return the packs whose features are all of the cross-section, in the order of the file."""
    packs = (load_pack(pack_id) for pack_id in packs_file())
    return tuple(pack for pack in packs if all(f.source == "cross" for f in pack.features))


@cache
def load_pack(pack_id: str) -> Pack:
    """Return a pack by its id.

    Raises
    ------
    ConfigError
        No such pack, a feature of it is not in the schema, or its rows are no longer those it was locked with or
        released with.
    """
    packs = packs_file()
    if pack_id not in packs:
        raise ConfigError(str(PACKS_YAML), "pack_id", pack_id, f"one of {', '.join(packs)}")
    by_name = {f.name: f for f in load_catalog()}
    for name in packs[pack_id]["features"]:
        if name not in by_name:
            raise ConfigError(str(PACKS_YAML), pack_id, name, f"a feature of {SCHEMA_CSV.name}")
    pack = Pack(pack_id, tuple(by_name[name] for name in packs[pack_id]["features"]))
    locked = packs[pack_id]["sha256"]
    if pack.hash != locked:
        raise ConfigError(
            str(PACKS_YAML), f"sha256 of {pack_id}", locked,
            f"the rows give {pack.hash}: a pack is immutable, so make a new one with its own id",
        )  # fmt: skip
    released = RELEASED / f"{pack_id}.json"
    if released.is_file() and json.loads(released.read_text())["sha256"] != pack.hash:
        raise ConfigError(
            str(PACKS_YAML), f"rows of {pack_id}", pack.hash,
            f"not what {released.name} of {RELEASED} has: what is released stays, so make a new pack with its own id",
        )  # fmt: skip
    return pack
