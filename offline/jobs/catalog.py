"""The eight flows, in the order in which a day runs them, and those of them that may be started from outside."""

from dataclasses import replace

from offline.jobs.flows import backtest, compact, ingest, promote, score, stages, train
from offline.jobs.job import Job
from offline.jobs.parameters import ABOUT
from processors.errors import ConfigError
from processors.yaml_reader import near

_FLOWS = (
    Job("ingest", ingest.ingest, ingest.state, "recorded files", "ticks.raw.v1, lake table ticks"),
    Job("reconcile", stages.reconcile, stages.state_of_reconcile, "ticks.raw.v1",
        "ticks.consensus.v1, bars.v1, lake table bars"),
    Job("featurize", stages.featurize, stages.state_of_featurize, "bars.v1",
        "features.v1, gold.v1, lake table gold; with pack a version of the pack"),
    Job("train", train.train, train.state, "recipes, recorded files", "registered versions"),
    Job("promote", promote.promote, promote.state, "registered versions", "an alias; with deploy the model file",
        stands=promote.stands),
    Job("score", score.score, score.state, "lake table gold, a registered version", "scores.parquet"),
    Job("backtest", backtest.backtest, backtest.state, "scores.parquet, lake table gold",
        "returns.parquet, report.json; with evidence a locked copy"),
    Job("compact", compact.compact, compact.state, "every lake table", "the same rows in fewer files"),
)  # fmt: skip
JOBS = {job.name: replace(job, about_parameters=ABOUT[job.name]) for job in _FLOWS}

ALLOWED = ("reconcile", "featurize", "train", "score", "backtest", "compact")
"""Flows that a webhook starts where nobody says otherwise: not ingest, which reads any file it is told, and not
promote, which decides what trades."""


def job_named(name: str) -> Job:
    """Return a flow by its name.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in JOBS:
        raise ConfigError("jobs", "flow", name, f"one of {', '.join(JOBS)}{near(name, list(JOBS))}")
    return JOBS[name]
