"""A Dask cluster on loopback for the tests that need one: a scheduler and two workers, each a process."""

import pytest
from distributed import LocalCluster

LOOPBACK = {
    "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0",
    "scheduler_kwargs": {"dashboard": False},
}  # fmt: skip


@pytest.fixture(scope="module")
def dask_cluster():
    """Run a scheduler and two workers of one thread; a worker that is killed is started again."""
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **LOOPBACK) as cluster:
        yield cluster
