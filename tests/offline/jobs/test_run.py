"""Steps that are done are not done again: after a kill, a failure, a second start."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from offline.jobs.run import FAILED, INTERRUPTED, Record, execute, find, records
from processors.errors import ConfigError, PlatformError, RetryableError
from tests.offline.jobs import child
from tests.runtime.ticks import REPOSITORY


@pytest.fixture
def folder(mps_home, monkeypatch):
    """Return a folder for the log and the input of the made-up flow, with a home of its own."""
    mps_home.mkdir()
    monkeypatch.setattr(child, "FOLDER", mps_home)
    return mps_home


def start(home, *words):
    """Start the made-up flow as a process."""
    command = [sys.executable, "-m", "tests.offline.jobs.child", str(home), *words]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, "MPS_HOME": str(home)}, stdout=subprocess.PIPE, text=True
    )


def files_of(record):
    """Return the content of every file that a run made, and of what its steps came to."""
    out = {path.name: path.read_bytes() for path in (record.folder / "out").iterdir()}
    return out, [(step["name"], step["result"]) for step in record.steps()], record.result


def wait(path):
    """Wait until a file is there."""
    deadline_s = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline_s, f"no {path}"
        time.sleep(0.02)


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(folder, tmp_path, monkeypatch):
    """SIGKILL within the second step: the first is not run twice, the second goes on, and every byte is the same."""
    process = start(folder, "hold")
    wait(folder / "holding")
    with pytest.raises(RetryableError, match="another process"):
        execute(child.job(), {})
    process.kill()
    process.communicate()
    (broken,) = records()
    assert broken.as_json()["status"] == INTERRUPTED
    done = start(folder)
    assert done.communicate()[0].strip() == find(broken.run).result["digest"]
    assert done.returncode == 0
    assert (folder / "log").read_text().splitlines() == ["first", "second", "second again", "third"]
    (whole,) = records()
    assert (whole.run, whole.attempts) == (broken.run, 2)

    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("MPS_HOME", str(other))
    monkeypatch.setattr(child, "FOLDER", other)
    undisturbed = execute(child.job(), {})
    assert undisturbed.run == whole.run
    expected = files_of(undisturbed)
    monkeypatch.setenv("MPS_HOME", str(folder))
    assert files_of(whole) == expected


def test_a_finished_run_is_returned_until_its_input_changes(folder):
    """The same parameters and input are the same run; other ones are another, and so is one that begins anew."""
    first = execute(child.job(), {})
    assert execute(child.job(), {"seed": "1"}) == first
    assert execute(child.job(), {"seed": 2}).run != first.run
    (folder / "input").write_text("more")
    assert execute(child.job(), {}).run != first.run
    anew = execute(child.job(), {}, anew=True)
    assert anew.number == 1
    assert execute(child.job(), {}) == anew
    assert len((folder / "log").read_text().splitlines()) == 12
    assert len(records()) == 4


def test_a_run_that_begins_anew_has_a_folder_of_its_own(folder):
    """Though folders were deleted, whole or in part: what is left of another run's steps is not taken for done."""
    first = execute(child.job(), {})
    second = execute(child.job(), {}, anew=True)
    shutil.rmtree(first.folder)
    third = execute(child.job(), {}, anew=True)
    (third.folder / "run.json").unlink()
    fourth = execute(child.job(), {}, anew=True)
    assert [r.number for r in (first, second, third, fourth)] == [0, 1, 2, 3]
    assert len((folder / "log").read_text().splitlines()) == 12


def test_a_finished_run_whose_effect_was_undone_is_no_answer(folder):
    """The flow says so; it is run again under the same key, and that run is the answer as long as it stands."""
    job = replace(child.job(), stands=lambda result, *, seed, **_: (folder / f"done {seed}").exists() and result)
    first = execute(job, {})
    (folder / "done 1").touch()
    assert execute(job, {}) == first
    (folder / "done 1").unlink()
    second = execute(job, {})
    assert (second.number, second.input_state) == (1, first.input_state)
    assert len((folder / "log").read_text().splitlines()) == 6


def test_a_failed_run_goes_on_although_its_input_has_changed(folder, monkeypatch):
    """What a step left behind may be the change; a run that is not finished is the one that goes on."""

    def fail(run, name, before):
        if name == "third":
            (folder / "input").write_text("changed by the flow itself")
            raise PlatformError("no third")
        return work(run, name, before)

    work = child._work
    monkeypatch.setattr(child, "_work", fail)
    with pytest.raises(PlatformError, match="no third"):
        execute(child.job(), {})
    (failed,) = records()
    assert (failed.status, failed.error) == (FAILED, "PlatformError: no third")
    monkeypatch.setattr(child, "_work", work)
    done = execute(child.job(), {})
    assert (done.run, done.attempts, done.error) == (failed.run, 2, None)
    assert (folder / "log").read_text().splitlines() == ["first", "second", "third again"]


@pytest.mark.parametrize(
    ("given", "key", "said"),
    [
        ({"sed": 1}, "sed", "it has seed, names"),
        ({"seed": "x"}, "seed", "int, 1 by default"),
        ({"seed": 1.5}, "seed", "int, 1 by default"),
        ({"names": {"a": 1}}, "names", "texts"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(folder, given, key, said):
    """Before anything is written: with the flow, the parameter and what is allowed."""
    with pytest.raises(ConfigError) as error:
        execute(child.job(), given)
    assert (error.value.key, said in error.value.remedy) == (key, True)
    assert not (folder / "jobs").exists()


def test_a_run_is_found_by_the_beginning_of_its_name(folder):  # noqa: ARG001 - a home
    """One that is not there, or of which there are two, is an error that says what to do."""
    one: Record = execute(child.job(), {})
    assert find(one.run[:9]) == one
    execute(child.job(), {"seed": 3})
    for name in ("made", "nothing"):
        with pytest.raises(ConfigError):
            find(name)
