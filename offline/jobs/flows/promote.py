"""Which version of a model decides: ranked by what it earned net of doubts, refused by a rule with a name.

Ranked are the versions of one experiment, that of the newest version: what another horizon or universe earned is
another quantity, whatever the name of the model.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from offline.jobs.run import JobRun
from processors.errors import ConfigError

if TYPE_CHECKING:
    from offline.registry.registry import Registry
    from offline.registry.versions import ModelVersion
    from offline.selection.ranking import Place

OUTPUTS = ("logit", "quantiles", "bounds")
"""What the gate holds against the trainer, output by output."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a version must keep to.

    Parameters
    ----------
    ece_max
        Calibration error out of sample, 0 to 1.
    coverage_off_max
        How far the share of outcomes in the interval may be from what the interval promises.
    """

    ece_max: float
    coverage_off_max: float


def promote(
    run: JobRun, *, model: str, alias: str = "champion", ece_max: float = 0.05, coverage_off_max: float = 0.02,
    deploy: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Give an alias to the best version that passes every rule, and deploy its file if asked to."""
    limits = Limits(ece_max, coverage_off_max)
    judged = run.step("judge", lambda: _judge(model, alias, limits))
    chosen = judged["chosen"]
    if chosen is None:
        return {"ok": False, "promoted": None, **judged}
    run.step("alias", lambda: _name(model, alias, chosen))
    file = run.step("deploy", lambda: _deploy(model, chosen)) if deploy else None
    return {"ok": True, "promoted": f"{model}@{chosen}", "alias": alias, "file": file, **judged}


def state(*, model: str, deploy: bool, **_: Any) -> Any:
    """Return the versions of the model with their aliases, and the digest of the file that is deployed."""
    versions = _registry().versions(model)
    told = {str(v.version): [v.sha256, v.aliases] for v in versions}
    return {"versions": told, "deployed": _deployed() if deploy else None}


def stands(result: dict[str, Any], *, model: str, alias: str, deploy: bool, **_: Any) -> bool:
    """Return whether what a promotion did is still so: an alias or a file may have been put back since.

    Versions and file alone do not tell: put back, they are again as the promotion found them.
    """
    if not result["ok"]:
        return True
    named = {v.label: v.sha256 for v in _registry().versions(model) if alias in v.aliases}
    chosen = result["promoted"]
    return chosen in named and (not deploy or _deployed() == named[chosen])


def _judge(model: str, alias: str, limits: Limits) -> dict[str, Any]:
    """Return the number of the best version that passes, and for each of the others the rules that it breaks.

    The version that has the alias is in force: it stays unless a better one passes. It is no bar to the others where
    its score cannot be held against theirs.
    """
    from offline.selection.objective import Candidate
    from offline.selection.ranking import rank

    registry = _registry()
    known = registry.versions(model)
    if not known:
        raise ConfigError("flow promote", "model", model, "a registered model: `mps models list`")
    newest = known[-1]
    experiment = newest.facts["experiment"]
    versions = {v.label: v for v in known if v.facts["experiment"] == experiment}
    refused: dict[str, list[str]] = {
        v.label: [f"other_experiment: it is of {v.facts['experiment']}, {newest.label} of {experiment}"]
        for v in known if v.label not in versions
    }  # fmt: skip
    candidates = [
        Candidate(v.label, registry.evidence(v).returns, v.facts["ece"], v.facts["latency_ms"])
        for v in versions.values()
    ]
    places = rank(candidates, registry.trials(experiment)).places
    in_force = next((v for v in known if alias in v.aliases), None)
    bar = next((_score(p) for p in places if in_force and p.candidate.label == in_force.label
                and p.candidate.returns.causal), -np.inf)  # fmt: skip
    chosen: ModelVersion | None = None
    for place in places:
        version = versions[place.candidate.label]
        broken = _broken(registry, version, place, limits)
        if in_force is not None and version is not in_force and _score(place) <= bar > -np.inf:
            broken["worse_than_in_force"] = f"{in_force.label} scores {bar:.3f}"
        if broken:
            refused[version.label] = [f"{rule}: {why}" for rule, why in broken.items()]
        elif chosen is None:
            chosen = version
        else:
            refused[version.label] = [f"not_the_best: {chosen.label} is"]
    return {
        "chosen": chosen and chosen.version, "was_in_force": in_force and in_force.label, "refused": refused,
        "scores": {p.candidate.label: p.score.value for p in places},
    }  # fmt: skip


def _score(place: "Place") -> float:
    """Return the score of a version; below every other where it has none."""
    return -np.inf if place.score.value is None else place.score.value


def _broken(registry: "Registry", version: "ModelVersion", place: "Place", limits: Limits) -> dict[str, str]:
    """Return the rules that a version breaks, each with why."""
    facts, broken = version.facts, {}
    evidence = registry.evidence(version)
    if why := _no_proof(evidence.report, version.sha256):
        broken["gate"] = why
    try:
        registry.load(version.name, str(version.version))
    except ConfigError as e:
        broken["not_served"] = str(e)
    if not facts["ece"] <= limits.ece_max:
        broken["ece"] = f"{facts['ece']:.4f} is above {limits.ece_max}"
    off = abs(facts["coverage"] - evidence.rows.coverage)
    if not off <= limits.coverage_off_max:
        broken["coverage"] = (
            f"{facts['coverage']:.4f} is {off:.4f} off {evidence.rows.coverage}, more than {limits.coverage_off_max}"
        )
    if place.score.value is None:
        broken["no_score"] = place.score.says
    if not place.candidate.returns.causal:
        broken["not_causal"] = "judged by models that were trained on later rows: nobody could have earned its returns"
    return broken


def _no_proof(report: dict[str, Any], sha256: str) -> str | None:
    """Return why a report does not prove that a file has passed the gate; None where it does.

    The gate writes what it saw only where it lets a file pass (``offline/export/gate.py``).
    """
    seen = report.get("parity")
    if not isinstance(seen, dict) or not all(np.isfinite(seen.get(name, np.nan)) for name in OUTPUTS):
        return "its evidence does not say that the file computes what was trained"
    if report.get("sha256") != sha256:
        return f"its evidence is of the file {str(report.get('sha256'))[:16]}, not of {sha256[:16]}"
    return None


def _name(model: str, alias: str, version: int) -> str:
    return _registry().set_alias(model, alias, str(version)).label


def _deploy(model: str, version: int) -> dict[str, str]:
    """Put the file where score finds it; stages take it at their next start."""
    from offline.registry.writing import MODEL
    from offline.train_baseline import write_model
    from processors.score.model import model_path

    registry = _registry()
    found = registry.find(model, str(version))
    write_model(model_path(), registry.file(found, MODEL), registry.evidence(found).report)
    return {"path": str(model_path()), "sha256": found.sha256}


def _deployed() -> str | None:
    """Return the digest of the file where score finds it; None where there is none."""
    from processors.score.model import model_path

    try:
        return hashlib.sha256(model_path().read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _registry() -> "Registry":
    from offline.registry.place import Place
    from offline.registry.registry import Registry

    place = Place.from_environment()
    if not place.exists():
        raise ConfigError("registry", "MPS_REGISTRY_DB", place.shown(), "a registry: none was made here yet")
    return Registry(place)
