"""``mps models``: what the registry knows of models."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from processors.errors import ConfigError

if TYPE_CHECKING:
    from offline.registry.place import Place
    from offline.registry.registry import Registry
    from offline.registry.versions import ModelVersion
    from offline.selection.objective import Candidate

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object or array.")
NAME = click.argument("name")
SHOWN = (
    "kind", "recipe_id", "recipe_hash", "data_snapshot_id", "dataset_sha256", "pack_id", "pack_hash", "timeframe",
    "horizon_bars", "target", "universe", "trained_from", "trained_until", "judged_from", "judged_until", "experiment",
    "parameters", "lineage", "sharpe", "causal", "ece", "auc", "coverage", "latency_ms", "machine", "fair",
)  # fmt: skip


@click.group()
def models() -> None:
    """List, show and compare registered models, and print their cards.

    A model is named by NAME and WHICH: a version (3) or an alias (candidate: the newest registered; canary: on trial
    with live data; champion: the one that decides). The registry lies in the data folder, or where MPS_REGISTRY_DB and
    MPS_REGISTRY_ARTIFACTS say (docs/models.md).

    \b
    mps models list
    mps models show fx_15m champion
    mps models compare fx_15m champion candidate
    mps models compare fx_linear fx_lgbm fx_tft candidate
    mps models card fx_15m candidate --out card.md
    """


@models.command(name="list")
@click.argument("name", required=False)
@JSON
def list_models(*, name: str | None, as_json: bool) -> None:
    """List the versions of NAME, or of all models, the newest last.

    Sharpe is annual, out of sample, net of costs, and none of too few periods with a position; ms is the median time
    of one row; fair: whether no symbol, asset class, regime or session is served much worse than all together.
    """
    from offline.registry.listing import versions

    found = versions(_place(), name)
    if as_json:
        click.echo(json.dumps([v.as_json() for v in found]))
        return
    if not found:
        raise ConfigError("mps models list", "models", name or "none", "one that was registered by a training")
    table = Table(box=None, pad_edge=False)
    for head in ("model", "aliases", "kind", "until", "Sharpe", "ECE", "AUC", "ms", "fair"):
        table.add_column(head, justify="right" if head in {"Sharpe", "ECE", "AUC", "ms"} else "left", no_wrap=True)
    for v in found:
        f = v.facts
        table.add_row(
            v.label, ", ".join(v.aliases) or "-", f["kind"], f["trained_until"][:10], _number(f["sharpe"], 2),
            _number(f["ece"], 3), _number(f["auc"], 3), _number(f["latency_ms"], 3), "yes" if f["fair"] else "NO",
        )  # fmt: skip
    # Whole, wider than the terminal if need be: a name that is cut can be neither read nor copied.
    Console(width=10_000).print(table)


@models.command()
@NAME
@click.argument("which", default="candidate")
@JSON
def show(*, name: str, which: str, as_json: bool) -> None:
    """Show how a version was made, of what, and its main numbers; WHICH is a number or an alias, candidate if not said.

    Example: mps models show fx_15m candidate
    """
    from offline.registry.listing import find

    found = find(_place(), name, which)
    if as_json:
        click.echo(json.dumps(found.as_json()))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    when = datetime.fromtimestamp(found.created_ms / 1000, UTC).isoformat(timespec="seconds")
    table.add_row("model", f"{found.label}  {', '.join(found.aliases)}")
    table.add_row("registered", when.replace("+00:00", "Z"))
    table.add_row("sha256", found.sha256)
    table.add_row("schema", f"{found.facts['schema_topic']} version {found.facts['schema_version']}")
    for side in ("inputs", "outputs"):
        shapes = (f"{t['name']} {t['dtype']} {tuple(t['shape'])}" for t in found.facts["signature"][side])
        table.add_row(side, "; ".join(shapes))
    for key in SHOWN:
        # Versions that an older MPS registered lack what came later; only one that refines another has a lineage.
        if key in found.facts:
            table.add_row(key, _shown(found.facts[key]))
    table.add_row("files", ", ".join(sorted(found.files)))
    # Whole where a program reads: a digest that is broken can be neither found nor copied.
    Console(width=None if Console().is_terminal else 10_000).print(table)


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME [WHICH...] [NAME [WHICH...]]...")
@click.option("--instability", type=float, help="Cost of a deviation of 1 between the Sharpe ratios of folds.  [0.5]")
@click.option("--dishonesty", type=float, help="Cost of an expected calibration error of 1.  [10]")
@click.option("--delay", type=float, help="Cost of a millisecond of latency.  [0.01]")
@click.option("--trials", "of_trials", is_flag=True, help="Rank the trials of the experiment too, not versions alone.")
@JSON
def compare(
    *, names: tuple[str, ...], instability: float | None, dishonesty: float | None, delay: float | None,
    of_trials: bool, as_json: bool,
) -> None:  # fmt: skip
    """Rank versions of one model or several by Sharpe ratio, net of what makes it doubtful.

    All versions of a NAME, or those that the words after it name: numbers, or candidate, canary and champion. Several
    NAMEs are ranked together where they are of one experiment, as recipes are that predict the same thing.

    \b
    score = Sharpe - instability * sd(Sharpe over folds) - dishonesty * ECE - delay * ms

    Of combinatorial validation Sharpe and sd are mean and deviation over the paths. Models that were judged on rows
    before those that they were trained on (k-fold, combinatorial) stand below the others, without a rank.

    skill is the deflated Sharpe ratio: the probability that there is any, given how many trials the experiment had and
    how far they lie apart; with a star, of fewer than five trials, it is not deflated. Below the table stand the
    probability of backtest overfitting and the p-value that no trial earns anything, of all trials, and what too few
    folds or trials cannot say.

    \b
    mps models compare fx_15m champion candidate --delay 0.1
    mps models compare fx_linear fx_lgbm candidate 3
    """
    from offline.selection.objective import Weights
    from offline.selection.ranking import rank

    registry = _registry()
    chosen = [v for name, which in _asked(names) for v in _versions(registry, name, which)]
    experiments = sorted({v.facts["experiment"] for v in chosen})
    if len(experiments) > 1:
        remedy = "versions of one experiment: train the others with the same --experiment"
        raise ConfigError("mps models compare", "experiments", ", ".join(experiments), remedy)
    given = {"instability": instability, "dishonesty": dishonesty, "delay": delay}
    trials = registry.trials(experiments[0])
    # One that is named twice, by number and alias, stands once.
    candidates = [_candidate(registry, v) for v in {v.label: v for v in chosen}.values()]
    if of_trials:
        candidates += [_of_trial(t) for t in trials.finished]
    ranking = rank(candidates, trials, Weights(**{k: v for k, v in given.items() if v is not None}))
    if as_json:
        click.echo(json.dumps(ranking.as_json()))
        return
    console = Console()
    console.print(ranking.as_table())
    plural = "" if len(trials) == 1 else "s"
    console.print(
        f"\n{len(trials)} trial{plural} of {experiments[0]} finished, {trials.n_failed} did not", highlight=False
    )
    for remark in ranking.remarks():
        console.print(remark, highlight=False, markup=False)


@models.command()
@NAME
@click.argument("which", default="candidate")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write one file, plots inside.")
@JSON
def card(*, name: str, which: str, out: Path | None, as_json: bool) -> None:
    """Print the model card: method, data, predictions by fold and regime, calibration, returns, fairness, limits.

    As Markdown, without the plots on a terminal. --out writes it with the plots inside.

    Example: mps models card fx_15m candidate --out card.md
    """
    from offline.registry.card_text import markdown
    from offline.registry.writing import CARD_TEXT

    registry = _registry()
    found = registry.find(name, which)
    if out is not None:
        try:
            out.write_bytes(registry.file(found, CARD_TEXT))
        except OSError as e:
            raise ConfigError(str(out), "file", e.strerror, "a file that can be written") from e
        click.echo(f"{found.label} in {out}", err=as_json)
    if as_json:
        click.echo(json.dumps(registry.card(found)))
    elif out is None:
        click.echo(markdown(registry.card(found), {}), nl=False)


def _registry() -> "Registry":
    from offline.registry.registry import Registry

    return Registry(_place())


def _place() -> "Place":
    from offline.registry.place import Place

    place = Place.from_environment()
    if not place.exists():
        raise ConfigError("registry", "MPS_REGISTRY_DB", place.shown(), "a registry: none was made here yet")
    return place


def _asked(words: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Return each name with the versions and aliases that follow it."""
    from offline.registry.versions import ALIASES

    out: list[tuple[str, list[str]]] = []
    for word in words:
        if out and (word.isdigit() or word in ALIASES):
            out[-1][1].append(word)
        else:
            out.append((word, []))
    return out


def _versions(registry: "Registry", name: str, which: list[str]) -> "list[ModelVersion]":
    found = [registry.find(name, w) for w in which] or registry.versions(name)
    if not found:
        known = ", ".join(sorted({v.name for v in registry.versions()})) or "none yet"
        raise ConfigError("mps models compare", "model", name, f"one that was registered by a training: {known}")
    return found


def _candidate(registry: "Registry", version: "ModelVersion") -> "Candidate":
    from offline.selection.objective import Candidate

    returns, f = registry.evidence(version).returns, version.facts
    return Candidate(version.label, returns, f["ece"], f["latency_ms"], f["machine"])


def _of_trial(trial: Any) -> "Candidate":
    from offline.selection.objective import Candidate

    return Candidate(f"trial {trial.label}", trial.returns, trial.ece, trial.latency_ms, trial.machine)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict | bool) or value is None else str(value)
