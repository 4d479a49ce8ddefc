"""Model cards: what a model is, of what it was made and how far to trust it, written from evidence alone.

People write two fields, what it is for and what it cannot do; all others are measured or read. A field that is missing
fails by its name. ``markdown`` shows a card; ``make_card`` makes it.

References
----------
Mitchell et al. (2019), "Model Cards for Model Reporting".
"""

from typing import Any

import numpy as np

from offline.registry.evidence import Evidence
from offline.registry.fairness import fairness
from offline.registry.measures import Estimate, measure, reliability_bins, roc_points, slices
from offline.registry.signature import digests, schema_here, signature
from offline.selection.luck import deflated_sharpe, overfitting, superiority
from offline.selection.objective import penalised_sharpe, too_few
from offline.selection.stability import importance_stability
from offline.selection.trials import Trials
from offline.statistics.drawdown import max_drawdown
from offline.statistics.sharpe import sharpe_estimate
from processors.errors import ConfigError
from processors.score.model import Model

REQUIRED = (
    "model.name", "model.version", "model.sha256", "model.inputs", "model.signature.inputs", "model.signature.outputs",
    "model.schema", "model.catalogs", "model.latency_ms.p50", "model.latency_ms.p99",
    "model.latency_of.rows", "model.latency_of.machine", "model.latency_of.cores",
    "intended_use", "limits",
    "method.kind", "method.parameters", "method.window_bars", "method.seed", "method.calibration", "method.conformal",
    "method.validation", "method.versions", "method.recipe_id", "method.recipe_hash",
    "data.snapshot_id", "data.sha256", "data.pack_id", "data.pack_hash", "data.timeframe", "data.horizon_bars",
    "data.target", "data.universe", "data.from", "data.until", "data.rows", "data.samples", "data.dropped",
    "folds", "metrics.all", "metrics.fold", "metrics.regime", "returns.sharpe", "returns.sharpe_of_folds",
    "discrimination.roc", "calibration.ece", "calibration.brier", "calibration.brier_parts", "calibration.bins",
    "calibration.by_regime", "coverage.nominal", "coverage.found", "fairness.verdict", "fairness.groups",
    "selection.n_trials", "selection.deflated_sharpe", "selection.overfitting", "selection.superiority",
    "selection.stability",
)  # fmt: skip
MAY_BE_EMPTY = {"method.parameters", "data.dropped", "discrimination.roc"}
"""A model may have no knobs, nothing may have been dropped, and rows that all went one way have no curve."""
REGIME_BINS = 5
"""Bins of the reliability of one regime, which has a part of the rows: fewer, so that each says something."""
SKILL = 0.95
"""Probability of skill below which a card says that luck may explain the return."""
FEW_DRAWS = 200.0
SHORT_YEARS = 1.0
NARROW_UNIVERSE = 10
_YEAR_NS = 365.25 * 86_400e9


def make_card(name: str, model: Model, evidence: Evidence, trials: Trials) -> dict[str, Any]:
    """Return the card of a model as JSON has it.

    Parameters
    ----------
    name
        Of the registered model.
    trials
        Those that it was chosen from.

    Raises
    ------
    ConfigError
        A field is missing, or the dropped rows do not add up.
    """
    e, rows = evidence, evidence.rows
    whole = measure(rows)
    parts = list(slices(rows))
    found = {(dimension, group): measure(rows, at) for dimension, group, at in parts}
    groups = {of: {g: numbers for (d, g), numbers in found.items() if d == of} for of in ("fold", "regime")}
    topic, version = schema_here()
    card = {
        "model": {
            "name": name, "version": model.version, "sha256": model.sha256, "inputs": list(e.inputs),
            "signature": signature(model), "schema": f"{topic}@{version}", "catalogs": digests(),
            "latency_ms": {"p50": e.latency.p50_ms, "p99": e.latency.p99_ms},
            "latency_of": {k: getattr(e.latency, k) for k in ("rows", "machine", "cores")},
        },
        "intended_use": e.intended_use,
        "limits": list(e.limits),
        "method": {**_method(e), "recipe_id": e.recipe_id, "recipe_hash": e.recipe_hash},
        "data": _data(e),
        "folds": [{**{k: _utc(getattr(f, k)) for k in ("train_from_ns", "train_until_ns", "test_from_ns",
                                                     "test_until_ns")}, "n_train": f.n_train, "n_test": f.n_test}
                  for f in e.folds],
        "metrics": {"all": whole, **groups},
        "returns": _returns(e),
        "discrimination": {"auc": whole["auc"], "roc": roc_points(rows.probability, rows.up)},
        "calibration": {
            **{k: whole[k] for k in ("ece", "brier", "brier_parts")}, "bins": reliability_bins(rows),
            "by_regime": {g: reliability_bins(rows, at, REGIME_BINS) for of, g, at in parts if of == "regime"},
        },
        "coverage": {"nominal": rows.coverage, "found": whole["coverage"], "width": whole["width"]},
        "fairness": fairness(whole, found),
        "selection": {
            "experiment": e.experiment, "n_trials": len(trials), "n_failed": trials.n_failed,
            "deflated_sharpe": deflated_sharpe(e.returns, trials).as_json(),
            "overfitting": overfitting(trials).as_json(),
            "superiority": superiority(trials).as_json(),
            "stability": importance_stability(e.importance).as_json(),
            "penalised_sharpe": penalised_sharpe(e.returns).as_json(),
        },
    }  # fmt: skip
    if e.lineage:
        card["lineage"] = e.lineage
    card["seen_limits"] = seen_limits(card)
    plain: dict[str, Any] = _plain(card)
    check_card(plain)
    return plain


def check_card(card: dict[str, Any]) -> None:
    """Refuse a card that lacks a field, or whose dropped rows do not add up.

    Raises
    ------
    ConfigError
        Names the field.
    """
    for field in REQUIRED:
        value: Any = card
        for part in field.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None or (not isinstance(value, int | float) and not value and field not in MAY_BE_EMPTY):
            raise ConfigError("model card", field, value, "a value: every field of a card has its evidence")
    data = card["data"]
    if data["rows"] - sum(data["dropped"].values()) != data["samples"]:
        found = f"{data['rows']} rows, {sum(data['dropped'].values())} dropped, {data['samples']} samples"
        raise ConfigError("model card", "data.dropped", found, "a reason for every row that is no sample")


def seen_limits(card: dict[str, Any]) -> list[str]:
    """Return what the numbers say against the model, in words."""
    out, whole, data = _seen_of_probabilities(card["metrics"]), card["metrics"]["all"], card["data"]
    covered = whole["coverage"]
    nominal = card["coverage"]["nominal"]
    if covered.low is not None and not covered.low <= nominal <= covered.high:
        word = "less" if covered.value < nominal else "more"
        out.append(f"Its intervals hold {word} than they say: {covered.value:.1%} instead of {nominal:.0%}.")
    if whole["draws"] < FEW_DRAWS:
        out.append(f"Few independent outcomes stand behind it: {whole['draws']:,.0f}.")
    years = card["returns"]["years"]
    if years < SHORT_YEARS:
        out.append(f"It was judged on {years * 365.25:,.0f} days: one market, not all of them.")
    if len(data["universe"]) < NARROW_UNIVERSE:
        out.append(f"Its universe is {', '.join(data['universe'])}; of others nothing is known.")
    if not card["returns"]["causal"]:
        out.append("Not causal: the models that judged were trained on later rows too, which nobody has in time.")
    skill = card["selection"]["deflated_sharpe"]
    if skill["value"] is None:
        out.append(f"Whether its return is more than luck: {skill['says']}.")
    elif skill["value"] < SKILL:
        out.append(f"Luck may explain its return: the probability of skill is {skill['value']:.2f}.")
    if skill["numbers"].get("deflated") is False:
        out.append(f"Its probability of skill is not deflated, with {skill['numbers']['n_trials']} trials known.")
    fair = card["fairness"]
    if fair["much_worse"]:
        out.append(fair["verdict"][0].upper() + fair["verdict"][1:] + ".")
    if fair["too_few"]:
        out.append(f"Too few rows to judge: {', '.join(fair['too_few'])}.")
    return out


def _seen_of_probabilities(metrics: dict[str, Any]) -> list[str]:
    """Return what speaks against the probabilities: nothing told apart, no gain, folds of one probability."""
    out, whole = [], metrics["all"]
    area, gain = whole["auc"], whole["gain_best"]
    if whole["constant"]:
        out.append("It does not tell ups from downs: its probability is constant.")
    elif area is None or area.low is None or area.low <= 0.5:
        out.append("No evidence that it tells ups from downs: one half lies in the interval of its AUC.")
    if gain.low is None or gain.low <= 0.0:
        better = "a coin" if whole["gain_coin"].value < whole["gain"].value else "the base rate"
        out.append(
            f"No evidence that its probabilities beat both base rate and coin: the interval of the gain over {better}, "
            "the better of the two, reaches 0."
        )
    constant = [number for number, numbers in metrics["fold"].items() if numbers["constant"]]
    if constant and not whole["constant"]:
        of = f"{len(constant)} of {len(metrics['fold'])} folds ({', '.join(constant)})"
        out.append(f"In {of} its probability is constant: nothing is told apart there.")
    return out


def _method(e: Evidence) -> dict[str, Any]:
    return {k: getattr(e.method, k) for k in e.method.__dataclass_fields__}


def _data(e: Evidence) -> dict[str, Any]:
    sheet = {k: getattr(e.dataset, k) for k in e.dataset.__dataclass_fields__}
    return {**sheet, "from": _utc(sheet.pop("from_ns")), "until": _utc(sheet.pop("until_ns"))}


def _returns(e: Evidence) -> dict[str, Any]:
    r = e.returns
    annual = float(np.sqrt(r.periods_a_year))
    of_period = sharpe_estimate(r.value)
    value, error, low, high = (float(v) * annual for v in of_period)
    return {
        "sharpe": Estimate(value, error, None, None) if too_few(r) else Estimate(value, error, low, high),
        "periods_held": r.n_held(),
        "sharpe_of_folds": r.sharpe_of_folds(),
        "sharpe_of_paths": r.of_paths,
        "causal": r.causal,
        "total": float(np.prod(1.0 + r.value) - 1.0),
        "max_drawdown": max_drawdown(r.value),
        "periods": len(r.value),
        "periods_a_year": r.periods_a_year,
        "years": float(r.ts_ns[-1] - r.ts_ns[0]) / _YEAR_NS,
        "from": _utc(int(r.ts_ns[0])),
        "until": _utc(int(r.ts_ns[-1])),
    }


def _utc(ns: int) -> str:
    return f"{np.datetime64(int(ns), 'ns').astype('datetime64[s]')}Z"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: no number that is none, no array, no tuple."""
    if isinstance(value, Estimate):
        return {k: _plain(v) for k, v in value._asdict().items()}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
