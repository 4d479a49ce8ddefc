"""Trials of a sweep in the registry: each is written down, whether it came to anything or not.

A trial counts once it is finished: with returns, or failed. One whose process was killed stays begun, and is counted
among those that failed. Deleting a trial in MLflow hides it there, not here: it was looked at.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offline.export.latency import processor
from offline.registry.evidence import RETURNS, read_returns, write_returns
from offline.selection.trials import Returns, Trial, Trials
from processors.errors import ConfigError

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

KIND, TRIAL, REGISTRATION = "mps.kind", "trial", "registration"
MACHINE = "mps.machine"
PAGE = 1000
_PARAM_CHARS_MAX = 6000
_BATCH = 100

Done = Callable[..., None]


@contextmanager
def trial(
    client: "MlflowClient", experiment_id: str, label: str, parameters: dict[str, Any], recipe_hash: str
) -> Iterator[Done]:
    """Write down a trial around its work; call what it gives with the result: returns, ece, latency_ms, metrics.

    A latency is that of this machine, whose name is kept with it.

    Leaving without a result, or by an exception, is a failed trial.
    """
    key = trial_key(parameters, recipe_hash)
    tags = {KIND: TRIAL, "mps.key": key, "mps.parameters": json.dumps(parameters, sort_keys=True)}
    run_id = client.create_run(experiment_id, tags=tags, run_name=label).info.run_id
    log(client, run_id, params=flat(parameters))
    done = False

    def finish(
        returns: Returns, *, ece: float | None = None, latency_ms: float | None = None,
        metrics: dict[str, float] | None = None,
    ) -> None:  # fmt: skip
        nonlocal done
        numbers = {"ece": ece, "latency_ms": latency_ms, "periods_a_year": returns.periods_a_year,
                   "sharpe": returns.sharpe(), **(metrics or {})}  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            write_returns(returns, Path(folder) / RETURNS)
            digest = hashlib.sha256((Path(folder) / RETURNS).read_bytes()).hexdigest()
            client.log_artifact(run_id, str(Path(folder) / RETURNS))
        of = {MACHINE: processor()} if latency_ms is not None else {}
        log(client, run_id, metrics=numbers, tags={"mps.returns": digest, **of})
        # Last: a trial is there with all it has, or not at all.
        client.set_terminated(run_id, "FINISHED")
        done = True

    try:
        yield finish
    finally:
        if not done:
            client.set_terminated(run_id, "FAILED")


def trial_key(parameters: dict[str, Any], recipe_hash: str) -> str:
    """Return what two runs of the same trial have in common."""
    return hashlib.sha256(json.dumps([recipe_hash, parameters], sort_keys=True).encode()).hexdigest()


def read_trials(client: "MlflowClient", experiment: str, experiment_id: str | None) -> Trials:
    """Return all trials of an experiment, the oldest first; a run that repeats another bit for bit is the same trial.

    Raises
    ------
    ConfigError
        The returns of a trial are missing or altered.
    """
    finished: dict[tuple[str, str], Trial] = {}
    n_failed = 0
    for run in _runs(client, experiment_id) if experiment_id else ():
        tags, numbers = run.data.tags, run.data.metrics
        if run.info.status != "FINISHED":
            n_failed += 1
            continue
        same = (tags["mps.key"], tags["mps.returns"])
        if same not in finished:
            finished[same] = Trial(
                run.info.run_id, run.info.run_name or run.info.run_id, json.loads(tags["mps.parameters"]),
                _returns(client, run, numbers.get("periods_a_year")), numbers.get("ece"), numbers.get("latency_ms"),
                tags.get(MACHINE, ""),
            )  # fmt: skip
    return Trials(experiment, tuple(finished.values()), n_failed)


def _runs(client: "MlflowClient", experiment_id: str) -> Iterator["Run"]:
    from mlflow.entities import ViewType

    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], f"tags.`{KIND}` = '{TRIAL}'", ViewType.ALL, PAGE, ["attributes.start_time ASC"], token
        )
        yield from page
        token = page.token
        if not token:
            return


def _returns(client: "MlflowClient", run: "Run", periods_a_year: float | None) -> Returns:
    where = f"trial {run.info.run_id}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(client.download_artifacts(run.info.run_id, RETURNS, folder))
        except Exception as e:  # of MLflow or of its store: they share no base
            raise ConfigError(where, RETURNS, "missing", f"the file that was written ({str(e)[:120]})") from e
        found, stated = hashlib.sha256(path.read_bytes()).hexdigest(), run.data.tags["mps.returns"]
        if found != stated:
            raise ConfigError(where, f"sha256 of {RETURNS}", found, f"{stated}, as it was written")
        return read_returns(path, periods_a_year)


def flat(values: dict[str, Any], above: str = "") -> dict[str, str]:
    """Return nested parameters as texts by dotted name."""
    out: dict[str, str] = {}
    for key, value in values.items():
        name = f"{above}{key}"
        out |= flat(value, f"{name}.") if isinstance(value, dict) else {name: str(value)[:_PARAM_CHARS_MAX]}
    return out


def log(
    client: "MlflowClient",
    run_id: str,
    *,
    params: dict[str, str] | None = None,
    metrics: dict[str, float | None] | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """Write parameters, metrics and tags of a run in as few transactions as MLflow takes."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    numbers = [Metric(k, float(v), now, 0) for k, v in (metrics or {}).items() if v is not None and v == v]  # noqa: PLR0124
    texts = [Param(k, v) for k, v in (params or {}).items()]
    client.log_batch(run_id, metrics=numbers, params=texts[:_BATCH], tags=[RunTag(*t) for t in (tags or {}).items()])
    for first in range(_BATCH, len(texts), _BATCH):
        client.log_batch(run_id, params=texts[first : first + _BATCH])
