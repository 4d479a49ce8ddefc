"""Fits on a real Dask cluster: the same bytes as here, whoever dies; what is wrong with a cluster is one clear line."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from offline.recipes.recipe import ModelSpec, ValidationSpec
from offline.training import cluster as of_cluster
from offline.training.cluster import connected
from offline.training.environment import CODE, environment
from offline.training.run import run
from offline.training.workers import HERE, workers_at
from processors.errors import ConfigError, PlatformError
from processors.reference.table import Problem, ReferenceFileError
from tests.offline.training.conftest import LOOPBACK
from tests.offline.training.made import made, plus, recipe_of, rest

ROOT = Path(__file__).parents[3]
DATA = made(4_200)
GRID = replace(
    recipe_of("lgbm"),
    model=ModelSpec("lgbm", {"rounds": 8}, {"num_leaves": (3, 7)}),
    validation=ValidationSpec("nested", 2, embargo_bars=5, inner_folds=2),
)
KILLED = """
import os, signal, sys
from pathlib import Path
from offline.training.run import run
from tests.offline.training.test_cluster import DATA, GRID

def die(step, share):
    if step.startswith("tuning fit 4 of 8"):
        os.kill(os.getpid(), signal.SIGKILL)

run(GRID, DATA, {}, Path(sys.argv[1]) / "model.onnx", Path(sys.argv[1]) / "work", registry=None, progress=die)
"""


def quiet(_step, _share):
    """Say nothing."""


def trained(recipe, folder, workers, progress=quiet):
    """Return the model file, and every file that the run keeps by its name."""
    out = folder / "model.onnx"
    run(recipe, DATA, {}, out, folder / "work", registry=None, progress=progress, workers=workers)
    kept = {p.name: p.read_bytes() for p in sorted((folder / "work").glob("*/*"))}
    return {"model": out.read_bytes(), **kept}


def crossed(error):
    """Return an error as another process gets it."""
    return pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Return what the grid comes to in this process."""
    return trained(GRID, tmp_path_factory.mktemp("here"), HERE)


def test_a_grid_on_a_cluster_gives_the_bytes_of_this_process(dask_cluster, here, tmp_path):
    """Tuning, folds and last fit: model, losses and folds are equal; progress counts them; a done one is not sent."""
    told = []
    with workers_at(dask_cluster.scheduler_address) as workers:
        assert workers.remote
        away = trained(GRID, tmp_path, workers, lambda step, share: told.append((step, share)))
        assert away == here
        assert {"fold-0000.npz", "fold-0001.tuning.json", "last.tuning.json"} < away.keys()
        assert ("tuning fits on the cluster: 8 of 8 done", 1.0) in told
        assert ("folds on the cluster: 2 of 2 done", 1.0) in told
        told.clear()
        next(tmp_path.glob("work/*/fold-0001.npz")).unlink()
        assert trained(GRID, tmp_path, workers, lambda step, share: told.append((step, share))) == here
    assert told[:2] == [("folds on the cluster: 1 of 2 done", 0.5), ("folds on the cluster: 2 of 2 done", 1.0)]


@pytest.mark.parametrize("n_killed", [1, 2])
def test_workers_that_are_killed_change_no_byte(n_killed, dask_cluster, here, tmp_path):
    """SIGKILL to one of two in the middle of the fits, and to both, so that nobody holds the rows any more."""
    with Client(dask_cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(2)
        pids = list(client.run(os.getpid).values())[:n_killed]
    alive = set(pids)

    def kill(step, _share):
        if "3 of 8" in step:
            for pid in alive:
                os.kill(pid, signal.SIGKILL)
            alive.clear()

    with workers_at(dask_cluster.scheduler_address) as workers:
        assert trained(GRID, tmp_path, workers, kill) == here
    assert not alive


def test_a_result_that_is_lost_while_it_is_taken_over_is_computed_again(dask_cluster, monkeypatch):
    """Done, and its worker dead with what is shared before we have it: Dask forgets the task, and we send it anew."""
    take, fates = of_cluster.Cluster._take, []

    def too_late(self, future, *args):
        if not fates:
            with Client(dask_cluster.scheduler_address, set_as_default=False) as client:
                client.wait_for_workers(2)
                for pid in client.run(os.getpid).values():
                    os.kill(pid, signal.SIGKILL)
            while future.status == "finished":
                rest(0.01, quiet)
        fates.append(take(self, future, *args))
        return fates[-1]

    monkeypatch.setattr(of_cluster.Cluster, "_take", too_late)
    with workers_at(dask_cluster.scheduler_address) as workers:
        shared = workers.share([5.0])
        assert workers.map(plus, [1.0, 2.0], quiet, shared=(shared,), what="sum") == [6.0, 7.0]
    assert fates[0] is False
    assert fates.count(True) == 2


def test_recipes_side_by_side_give_the_files_of_one_after_another(dask_cluster, tmp_path):
    """Two kinds at once on the cluster: outcomes in the order of the calls, the files of this process."""
    files, kinds = [], {"linear": {}, "xgb": {"rounds": 8}}
    for address in (dask_cluster.scheduler_address, None):
        folder = tmp_path / str(address is None)
        with workers_at(address) as workers:
            outcomes = workers.side_by_side(
                partial(run, recipe_of(kind, 2, **params), DATA, {}, folder / f"{kind}.onnx", folder / "work",
                        registry=None, progress=quiet, workers=workers)
                for kind, params in kinds.items()
            )  # fmt: skip
        assert [o.report["kind"] for o in outcomes] == list(kinds)
        files.append([o.path.read_bytes() for o in outcomes])
    assert files[0] == files[1]


def test_side_by_side_one_works_here_while_the_others_wait_for_the_cluster(dask_cluster):
    """Four calls that map twice: between maps never two at once, all of them begun before the first has ended."""
    inside, begun, ended, seen = [], [], [], []

    def call(name):
        begun.append(name)
        for _ in range(2):
            inside.append(name)
            seen.append(len(inside))
            inside.remove(name)
            assert workers.map(rest, [0.3], quiet, shared=(), what="rest") == [0.3]
        ended.append(len(begun))
        return name

    with workers_at(dask_cluster.scheduler_address) as workers:
        assert workers.side_by_side(partial(call, name) for name in "abcd") == list("abcd")
    assert set(seen) == {1}
    assert min(ended) == 4


def test_the_first_error_in_order_is_raised_once_the_others_have_ended(dask_cluster):
    """What was begun ends, nothing further is begun."""
    ended = threading.Event()

    def well():
        workers.map(rest, [0.2], quiet, shared=(), what="rest")
        ended.set()

    def ill():
        raise ConfigError("recipe", "folds", 9, "fewer")

    with workers_at(dask_cluster.scheduler_address) as workers, pytest.raises(ConfigError, match="fewer"):
        workers.side_by_side(iter([well, ill]))
    assert ended.is_set()


def test_an_error_of_a_fit_comes_back_as_it_was(dask_cluster, tmp_path):
    """Too few rows for a fold, seen by a worker: the same ConfigError as in this process."""
    few = made(400)
    words = []
    for folder, address in ((tmp_path / "a", None), (tmp_path / "b", dask_cluster.scheduler_address)):
        with workers_at(address) as workers, pytest.raises(ConfigError, match="at least 100 each") as caught:
            run(recipe_of("linear"), few, {}, folder / "m", folder, registry=None, progress=quiet, workers=workers)
        words.append((str(caught.value), caught.value.remedy))
    assert words[0] == words[1]


def test_a_killed_grid_goes_on_where_it_was(here, tmp_path):
    """SIGKILL while the fourth of eight inner fits runs: three are not done again, and the files are the same."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL
    told = []
    assert trained(GRID, tmp_path, HERE, lambda step, _share: told.append(step)) == here
    assert told[0].startswith("tuning fit 4 of 8")


def test_an_address_where_nobody_listens_is_one_line(monkeypatch):
    """It names the address, and what to start."""
    monkeypatch.setattr(of_cluster, "CONNECT_S", 0.5)
    monkeypatch.setenv("MPS_CLUSTER", "tcp://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"tcp://127.0.0.1:9.*dask scheduler") as caught, workers_at():
        pass
    assert "\n" not in str(caught.value)


def test_another_version_on_a_worker_is_refused_by_name(dask_cluster, monkeypatch, tmp_path):
    """Of a package, when the cluster is joined; of our own code, by whichever worker is to compute."""
    other = tmp_path / "numpy-1.0.0.dist-info" / "METADATA"
    other.parent.mkdir()
    other.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0.0\n")
    address = dask_cluster.scheduler_address
    with Client(address, set_as_default=False) as client:
        n_workers = len(client.nthreads())
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        old = subprocess.Popen(
            [sys.executable, "-m", "dask", "worker", address, "--no-nanny", "--no-dashboard", "--nthreads", "1"],
            env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            client.wait_for_workers(n_workers + 1, timeout=120)
            with pytest.raises(ConfigError, match=r"version of numpy is '1.0.0'"), workers_at(address):
                pass
        finally:
            old.terminate()
            old.wait(60)
        while len(client.nthreads()) > n_workers:
            rest(0.1, quiet)
    with workers_at(address) as workers:
        monkeypatch.setattr(of_cluster, "environment", lambda: {**environment(), CODE: "another"})
        with pytest.raises(ConfigError, match="version of code of mps is"):
            workers.map(rest, [0.0], quiet, shared=(), what="rest")


@pytest.mark.parametrize(
    ("lose", "words"),
    [(lambda c: c.scale(0), "no workers for 1 s"), (lambda c: c.close(), "the scheduler went away")],
    ids=["workers", "scheduler"],
)
def test_a_cluster_that_goes_away_is_one_line(lose, words, monkeypatch):
    """All workers, or the scheduler: the error names the address, the remedy, and that what is done is kept."""
    monkeypatch.setattr(of_cluster, "CONNECT_S", 1.0)
    monkeypatch.setattr(of_cluster, "HEALTH_S", 0.2)
    with LocalCluster(n_workers=0, processes=False, protocol="tcp", **LOOPBACK) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(ConfigError, match=r"workers is 0: one or more: `dask worker"), connected(address, 0.2):
            pass
        cluster.scale(1)
        with connected(address, 1.0) as workers:
            told = []

            def progress(step, _share):
                told.append(step)
                if len(told) == 2:
                    lose(cluster)

            with pytest.raises(PlatformError, match=f"{address}: {words}.*what is done is kept"):
                workers.map(rest, [0.0, *[0.5] * 200], progress, shared=(), what="rest")


def test_errors_of_all_forms_cross_to_another_process():
    """What a worker raises is what is caught here, its fields too."""
    config = crossed(ConfigError("file", "key", [1], "none"))
    assert (str(config), config.key, config.value) == ("file: key is [1]: none", "key", [1])
    problem = Problem("f.csv", 3, "price", "-1", "positive")
    table = crossed(ReferenceFileError([problem]))
    assert (str(table), table.problems) == (str(ReferenceFileError([problem])), [problem])
    assert str(crossed(PlatformError("so"))) == "so"
