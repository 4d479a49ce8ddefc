"""What a registration writes: artefacts, facts beside the version, metrics beside the run, and what it refuses."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from offline.registry.card_text import BY_REGIME, COVERAGE, CUMULATIVE, RELIABILITY, ROC, embedded, markdown
from offline.registry.evidence import Evidence
from offline.registry.plots import coverage_plot, cumulative_plot, regimes_plot, reliability_plot, roc_plot
from offline.registry.signature import digests, mlmodel, schema_here
from offline.registry.versions import ALIASES
from processors.errors import ConfigError
from processors.score.model import FORMAT_1, Model

MODEL, CARD, CARD_TEXT, REPORT = "model/model.onnx", "card.json", "card.md", "report.json"
MEASURED = ("auc", "log_loss", "gain", "gain_coin", "brier", "ece", "coverage", "width")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def check_name(name: str) -> None:
    """Refuse a name that cannot stand in an address.

    Raises
    ------
    ConfigError
        It has other characters, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError("registry", "model", name, "letters, digits, dots, dashes and underscores, up to 100")


def check_alias(alias: str) -> None:
    """Refuse an alias that has no meaning.

    Raises
    ------
    ConfigError
        It is none of ours.
    """
    if alias not in ALIASES:
        raise ConfigError("registry", "alias", alias, f"one of {', '.join(ALIASES)}")


def refuse_contradiction(model: Model, evidence: Evidence) -> None:
    """Refuse evidence of another model than the file.

    Raises
    ------
    ConfigError
        What the file says of itself differs.
    """
    card, data = model.card, evidence.dataset
    pairs = {
        "inputs": (tuple(i.name for i in card.inputs), evidence.inputs),
        "pack_id": (card.pack_id, data.pack_id),
        "pack_hash": (card.pack_hash, data.pack_hash),
        "trained_until_ns": (card.trained_until_ns, data.until_ns),
        "horizon_bars": (card.horizon_bars.get(data.timeframe), data.horizon_bars),
    }
    if card.format != FORMAT_1:
        pairs["recipe_hash"] = (card.recipe_hash, evidence.recipe_hash)
        pairs["data_snapshot_id"] = (card.data_snapshot_id, data.snapshot_id)
    # Older files say neither, and what a recipe means may be told in other words than ours.
    if card.packs and "packs" in evidence.recipe:
        pairs["packs"] = (sorted(card.packs), sorted(evidence.recipe["packs"]))
    if card.regime_model and "regime_model" in evidence.recipe:
        pairs["regime_model"] = (card.regime_model, evidence.recipe["regime_model"])
    for key, (stated, told) in pairs.items():
        if stated != told:
            raise ConfigError(model.where, key, stated, f"{told}, as the evidence says: is it of another model?")


def write_artefacts(
    folder: Path, raw: bytes, model: Model, evidence: Evidence, card: dict[str, Any], run_id: str
) -> dict[str, str]:
    """Write all that belongs to a version; return the SHA-256 of each file by its path."""
    for inner in ("model", "evidence", "plots"):
        (folder / inner).mkdir()
    (folder / MODEL).write_bytes(raw)
    (folder / "model" / "MLmodel").write_text(mlmodel(model, run_id))
    evidence.write(folder / "evidence")
    pictures = {
        ROC: roc_plot(card["discrimination"]),
        RELIABILITY: reliability_plot(card["calibration"]["bins"]),
        BY_REGIME: regimes_plot(card["calibration"]["by_regime"]),
        COVERAGE: coverage_plot(card["coverage"], card["metrics"]["all"], card["metrics"]["regime"]),
        CUMULATIVE: cumulative_plot(evidence.returns),
    }
    for picture, png in pictures.items():
        (folder / "plots" / picture).write_bytes(png)
    (folder / CARD).write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    (folder / CARD_TEXT).write_text(markdown(card, {k: embedded(v) for k, v in pictures.items()}))
    (folder / REPORT).write_text(json.dumps(evidence.report, indent=1, sort_keys=True) + "\n")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def facts(evidence: Evidence, card: dict[str, Any]) -> dict[str, Any]:
    """Return what is written beside a version, to be found without opening its files."""
    data, (topic, version) = evidence.dataset, schema_here()
    lineage = {"lineage": evidence.lineage} if evidence.lineage else {}
    returns, whole = card["returns"], card["metrics"]["all"]
    # A ratio without an interval is one of too few periods: a list has no room to say so.
    sharpe = None if returns["sharpe"]["low"] is None else returns["sharpe"]["value"]
    return {
        "kind": evidence.method.kind, "recipe_id": evidence.recipe_id, "recipe_hash": evidence.recipe_hash,
        "data_snapshot_id": data.snapshot_id, "dataset_sha256": data.sha256, "pack_id": data.pack_id,
        "pack_hash": data.pack_hash, "schema_topic": topic, "schema_version": version, "catalogs": digests(),
        "timeframe": data.timeframe, "horizon_bars": data.horizon_bars, "target": data.target,
        "universe": list(data.universe), "trained_from": card["data"]["from"], "trained_until": card["data"]["until"],
        "judged_from": returns["from"], "judged_until": returns["until"], "experiment": evidence.experiment,
        "parameters": evidence.method.parameters, "signature": card["model"]["signature"],
        "sharpe": sharpe, "causal": returns["causal"], "ece": whole["ece"]["value"],
        "auc": whole["auc"] and whole["auc"]["value"], "coverage": whole["coverage"]["value"],
        "latency_ms": card["model"]["latency_ms"]["p50"], "machine": evidence.latency.machine,
        "fair": not card["fairness"]["much_worse"], **lineage,
    }  # fmt: skip


def metrics_of(card: dict[str, Any]) -> dict[str, float | None]:
    """Return the numbers of a card for MLflow's pages: ``all/auc``, ``fold/0/ece``, ``regime/trend/gain``, ..."""
    named = {"all": card["metrics"]["all"]}
    for of in ("fold", "regime"):
        named |= {f"{of}/{group}": numbers for group, numbers in card["metrics"][of].items()}
    out: dict[str, float | None] = {}
    for where, numbers in named.items():
        out |= {f"{where}/{m}": numbers[m]["value"] for m in MEASURED if numbers[m] is not None}
    for of in ("fold", "path"):
        out |= {f"{of}/{k}/sharpe": value for k, value in enumerate(card["returns"][f"sharpe_of_{of}s"])}
    out |= {"sharpe": card["returns"]["sharpe"]["value"], "max_drawdown": card["returns"]["max_drawdown"]}
    return out | {f"latency_ms/{k}": v for k, v in card["model"]["latency_ms"].items()}
