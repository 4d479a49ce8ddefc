"""Flows as Prefect has them: in a process of its own, since Prefect reads its settings once, and takes seconds."""

import os
import subprocess
import sys

import pytest

from offline.jobs.catalog import JOBS
from offline.jobs.orchestrator import API
from offline.jobs.run import execute, records
from offline.lake.store import LakeStore
from tests.offline.lake.conftest import encode, make_records, records_of, sink_at
from tests.runtime.ticks import REPOSITORY

SCRIPT = """
from pathlib import Path
import sys
from offline.jobs.schedules import read_schedules
from offline.jobs.orchestrator import deployments_of, keep_to_ourselves, prefect_server

keep_to_ourselves()
with prefect_server(lambda _: None):
    from prefect.client.orchestration import get_client
    from offline.jobs import prefect_flows

    (deployment,) = deployments_of(read_schedules(Path(sys.argv[1])))
    (planned,) = deployment.schedules
    assert (planned.schedule.cron, planned.schedule.timezone) == ("30 2 * * *", "Europe/Zurich"), planned
    assert deployment.entrypoint == "offline.jobs.prefect_flows.compact", deployment.entrypoint
    assert deployment.parameters["days"] == 7, deployment.parameters
    told = prefect_flows.compact(**deployment.parameters)
    with get_client(sync_client=True) as client:
        names = sorted(run.name.rsplit("-", 1)[0] for run in client.read_task_runs())
print(told["run"])
print(*names, sep=",")
"""
TEXT = """
schedules:
  - {flow: compact, cron: "30 2 * * *", timezone: Europe/Zurich, parameters: {tables: [bars], days: 7}}
"""


@pytest.mark.slow
def test_a_scheduled_flow_is_the_same_run_with_its_steps_as_tasks(mps_home, tmp_path, monkeypatch):
    """When and with what it is served, what it came to; files only in the data folder, none in the user's own."""
    monkeypatch.delenv("MPS_LAKE", raising=False)
    store = LakeStore.at(mps_home / "lake")
    for first in range(0, 40, 20):
        sink = sink_at(store)
        sink.write([records_of("bars.v1", encode("bars.v1", make_records("bars.v1", 20, first)), first)])
        sink.finish()
    (tmp_path / "mine.yaml").write_text(TEXT)
    user = tmp_path / "user"
    user.mkdir()
    kept = {k: v for k, v in os.environ.items() if k not in (API, "PREFECT_HOME")}
    environment = kept | {"HOME": str(user)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "mine.yaml")], cwd=REPOSITORY, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run, tasks = done.stdout.split("\n")[-3:-1]
    (record,) = records()
    assert record.run == run
    assert tasks.split(",") == sorted(step["name"] for step in record.steps())
    assert not (user / ".prefect").exists()
    assert (mps_home / "jobs" / "prefect" / "prefect.db").exists()
    # The table has another version since: by hand it is a run of its own, that finds nothing to do.
    again = execute(JOBS["compact"], {"tables": "bars", "days": 7})
    assert again.result["compacted"]["bars"]["partitions"] == 0
