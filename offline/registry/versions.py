"""What a version of a model is called, and what is known of it without opening its files."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

ALIASES = ("candidate", "canary", "champion")
"""The newest registered, the one on trial with live data, the one that decides. Set here; who may become what is
decided elsewhere."""
PREFIX = "mps."
FILES = f"{PREFIX}files"
"""Tag that every version of ours has: its files."""
TEXT_FACTS = frozenset({
    "kind", "recipe_id", "recipe_hash", "data_snapshot_id", "dataset_sha256", "pack_id", "pack_hash", "schema_topic",
    "timeframe", "target", "machine", "trained_from", "trained_until", "judged_from", "judged_until", "experiment",
})  # fmt: skip
"""Facts that are texts as they are; others are JSON."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model.

    Parameters
    ----------
    run_id
        Run whose artefacts it has.
    created_ms
        Wall clock of its registration.
    files
        Artefact -> SHA-256.
    facts
        What ``register`` wrote beside it: kind, recipe, snapshot, pack, schema, period, universe and the main numbers.
    """

    name: str
    version: int
    aliases: tuple[str, ...]
    run_id: str
    created_ms: int
    files: dict[str, str]
    facts: dict[str, Any]

    @property
    def label(self) -> str:
        """Name and version as people write them."""
        return f"{self.name}@{self.version}"

    @property
    def sha256(self) -> str:
        """Digest of the model file."""
        return self.files["model/model.onnx"]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        shown = {k: getattr(self, k) for k in ("name", "version", "run_id", "created_ms")}
        return {**shown, "aliases": list(self.aliases), "sha256": self.sha256, **self.facts, "files": self.files}


def tags_of(facts: dict[str, Any], files: dict[str, str]) -> dict[str, str]:
    """Return what a version is written with."""
    whole = {**facts, "files": files}
    return {PREFIX + k: v if isinstance(v, str) else json.dumps(v, sort_keys=True) for k, v in whole.items()}


def version_of(found: "MlflowVersion", text_facts: frozenset[str]) -> ModelVersion:
    """Return a version as MLflow has it.

    Parameters
    ----------
    text_facts
        Facts that are texts; others are JSON.
    """
    tags = {k.removeprefix(PREFIX): v for k, v in found.tags.items() if k.startswith(PREFIX)}
    facts = {k: v if k in text_facts else json.loads(v) for k, v in tags.items()}
    files = facts.pop("files")
    aliases = tuple(a for a in ALIASES if a in (found.aliases or ()))
    return ModelVersion(
        found.name, int(found.version), aliases, str(found.run_id), int(found.creation_timestamp), files, facts
    )
