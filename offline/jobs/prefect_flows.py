"""The eight flows as Prefect has them, each step a task; what is done is known by ``run.py`` and not by Prefect."""

import inspect
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from offline.jobs.catalog import JOBS
from offline.jobs.run import Work, execute


def _as_task(name: str, work: Work) -> Any:
    # No result is kept there: the step's own file is.
    return task(work, name=name, cache_policy=NO_CACHE, persist_result=False)()


def _flow(name: str) -> Any:
    """Return a flow of the catalogue, with its parameters as Prefect shows and checks them."""
    job = JOBS[name]

    def body(**parameters: Any) -> dict[str, Any]:
        log = get_run_logger()
        record = execute(job, parameters, around=_as_task, tell=lambda text, _share: log.debug(text))
        log.info("%s in %s", record.run, record.folder)
        if record.is_refused:
            log.warning("refused: %s", record.result)
        return {"run": record.run, "result": record.result}

    body.__name__ = body.__qualname__ = name
    body.__doc__ = job.about
    body.__signature__ = inspect.Signature(list(job.parameters.values()))  # type: ignore[attr-defined]
    return flow(body, name=name, persist_result=False)


ingest = _flow("ingest")
reconcile = _flow("reconcile")
featurize = _flow("featurize")
train = _flow("train")
promote = _flow("promote")
score = _flow("score")
backtest = _flow("backtest")
compact = _flow("compact")
