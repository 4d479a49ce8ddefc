"""Children are stopped in order, a dead one is noticed, and what a crash has left is found and replaced."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from deploy.local.paths import CHECKOUT, Home
from deploy.local.process import BOOT_ID, ProcessId, spawn, tail
from deploy.local.run_file import read_running, us, write_json
from deploy.local.supervisor import PARTS, STAGES, Supervisor, stop_everything, term_as_interrupt
from processors.errors import ConfigError, PlatformError

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]
NOTES_ITS_END = """
import signal, sys, time
def note(*_):
    with open(sys.argv[1], "a") as order:
        order.write(sys.argv[2])
    sys.exit(0)
signal.signal(signal.SIGTERM, note)
print("up", flush=True)
time.sleep(600)
"""
OWNER = """
import sys, time
from pathlib import Path
from deploy.local.paths import Home
from deploy.local.supervisor import Supervisor, term_as_interrupt
with term_as_interrupt(), Supervisor(Home(Path(sys.argv[1]))) as supervisor:
    supervisor.start("stage", sys.argv[2:])
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def home(tmp_path):
    where = Home(tmp_path / "home")
    yield where
    stop_everything(where)


def start_owner(home: Home, command: list[str]) -> "subprocess.Popen[str]":
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home.folder), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=CHECKOUT,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    return owner


def wait_for_text(path: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in tail(path):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for_end(identity: ProcessId) -> None:
    deadline = time.monotonic() + 10
    while identity.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_all_children_end_with_the_supervisor(home):
    """All children end with the supervisor, and the run file is empty again."""
    with Supervisor(home) as supervisor:
        children = [supervisor.start(name, SLEEP) for name in ("reconcile", "bars")]
        assert [process.name for process in read_running(home)] == ["reconcile", "bars"]
    assert not any(child.identity.is_alive() for child in children)
    assert read_running(home) == []


def test_stages_are_stopped_before_parts(home):
    """Stages end before the parts they write to."""
    order = home.folder / "order"
    with Supervisor(home) as supervisor:
        for name, layer in (("kafka ", PARTS), ("score ", STAGES)):
            command = [sys.executable, "-c", NOTES_ITS_END, str(order), name]
            wait_for_text(supervisor.start(name.strip(), command, layer=layer).log_path, "up")
    assert order.read_text() == "score kafka "


def test_a_deaf_child_is_killed_after_its_grace(home):
    """A child that ignores SIGTERM is killed once its grace is over."""
    with Supervisor(home) as supervisor:
        child = supervisor.start("deaf", STUBBORN)
        wait_for_text(child.log_path, "deaf")
        assert supervisor.stop("deaf", grace_s=0.2) == -signal.SIGKILL


def test_a_dead_child_is_named_with_its_last_words(home):
    """A child that dies is reported by name, exit code and last log line."""
    with Supervisor(home) as supervisor:
        child = supervisor.start("bars", [sys.executable, "-c", "import sys; sys.exit('no such topic: ticks')"])
        child.popen.wait(10)
        with pytest.raises(PlatformError, match=r"bars ended with exit code 1.*\nno such topic: ticks"):
            supervisor.check()


def test_a_child_that_may_end_is_waited_for(home):
    """A replay may end with code 0; a stage may not."""
    with Supervisor(home) as supervisor:
        supervisor.start("replay", [sys.executable, "-c", "pass"], may_end=True)
        supervisor.wait("replay", timeout_s=10)
        supervisor.start("stage", [sys.executable, "-c", "pass"]).popen.wait(10)
        with pytest.raises(PlatformError, match="stage ended with exit code 0"):
            supervisor.check()


def test_a_wait_has_an_end(home):
    """Waiting for a process that does not end is an error after the time given."""
    with Supervisor(home) as supervisor:
        supervisor.start("replay", SLEEP, may_end=True)
        with pytest.raises(PlatformError, match="replay did not end within 0 s"):
            supervisor.wait("replay", timeout_s=0.2)


def test_a_name_is_given_once(home):
    """Two running processes never share a name: a log and a line of the run file belong to one."""
    with Supervisor(home) as supervisor:
        supervisor.start("bars", SLEEP)
        with pytest.raises(ConfigError, match="it runs already"):
            supervisor.start("bars", SLEEP)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_children_end_when_the_supervisor_is_killed(home):
    """After a kill -9 of the supervisor its children end by themselves."""
    owner = start_owner(home, SLEEP)
    [stage] = read_running(home)
    owner.kill()
    owner.communicate()
    wait_for_end(stage.identity)


def test_a_left_over_of_a_killed_supervisor_is_replaced(home):
    """What outlives a kill -9 of its supervisor is found by the next one, and stopped."""
    owner = start_owner(home, STUBBORN)
    wait_for_text(home.logs / "stage.log", "deaf")
    [stage] = read_running(home)
    owner.kill()
    owner.communicate()
    assert stage.identity.is_alive()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deploy.local.supervisor.stop_in_order.__defaults__", (0.2,))
        with Supervisor(home) as supervisor:
            assert not stage.identity.is_alive()
            supervisor.start("stage", SLEEP)
            assert [process.owner for process in read_running(home)] == [us()]


def test_a_second_run_beside_a_living_one_is_refused(home):
    """A second run in the same home is refused with the pid of the first, and harms nothing."""
    owner = start_owner(home, SLEEP)
    with pytest.raises(ConfigError, match=rf"owner is {owner.pid}: another run is at work.*mps down"):
        Supervisor(home).claim()
    [stage] = read_running(home)
    assert stage.identity.is_alive()
    owner.terminate()
    owner.communicate()
    assert not stage.identity.is_alive()


def test_down_stops_a_living_run_and_its_children(home):
    """`stop_everything` ends another supervisor and its children, and names them."""
    owner = start_owner(home, SLEEP)
    [stage] = read_running(home)
    assert stop_everything(home) == ["stage"]
    owner.communicate(timeout=10)
    assert not stage.identity.is_alive()


def test_what_stays_outlives_its_supervisor_until_down(home):
    """Processes that shall stay are left by their supervisor, and ended by `stop_everything`."""
    with Supervisor(home, stays=True) as supervisor:
        child = supervisor.start("kafka", SLEEP, layer=PARTS)
    assert child.identity.is_alive()
    assert Supervisor(home).claim() == []
    assert stop_everything(home) == ["kafka"]
    assert child.popen.wait(10) == -signal.SIGTERM


def test_a_used_pid_is_not_taken_for_our_process():
    """A pid that now belongs to another process is not alive, and is never signalled."""
    of_before = ProcessId(os.getpid(), psutil.Process().create_time() - 100)
    for other in (of_before, replace(us(), born_s=us().born_s - 0.01), replace(us(), boot="of yesterday")):
        assert not other.is_alive()
        other.stop(grace_s=0.1)
        other.kill()


@pytest.mark.skipif(not BOOT_ID.exists(), reason="only Linux names its boots")
def test_a_step_of_the_wall_clock_loses_no_process(home, monkeypatch):
    """Processes are known, and their owner is us, also after the wall clock was stepped: the time of the boot moved."""
    with Supervisor(home) as supervisor:
        supervisor.start("stage", SLEEP)
        seen = psutil.Process.create_time
        monkeypatch.setattr(psutil.Process, "create_time", lambda process: seen(process) + 3600)
        assert [(p.name, p.owner) for p in read_running(home)] == [("stage", us())]


def test_a_run_file_of_before_is_read(home):
    """A process of a version that knew no boots is found, and so is that its owner is gone."""
    with Supervisor(home, stays=True) as supervisor:
        child = supervisor.start("kafka", SLEEP, layer=PARTS)
    born_s = psutil.Process(child.identity.pid).create_time()
    row = {"name": "kafka", "layer": PARTS, "port": None, "pid": child.identity.pid, "born_s": born_s}
    write_json(home.run_file, {"processes": [{**row, "owner": {"pid": os.getpid(), "born_s": 1.0}}]})
    assert [(p.name, p.is_left_over) for p in read_running(home)] == [("kafka", True)]
    assert stop_everything(home) == ["kafka"]
    assert child.popen.wait(10) == -signal.SIGTERM


def test_a_cut_run_file_names_nobody(home):
    """A run file that a full disk cut short is read as an empty one."""
    home.folder.mkdir()
    home.run_file.write_text('{"processes": [{"na')
    assert read_running(home) == []
    assert Supervisor(home).claim() == []


def test_sigterm_stops_what_was_started(home):
    """SIGTERM to the supervisor ends its children like Ctrl-C does."""
    owner = start_owner(home, SLEEP)
    [stage] = read_running(home)
    owner.send_signal(signal.SIGTERM)
    owner.communicate(timeout=10)
    assert not stage.identity.is_alive()


def test_handlers_are_put_back():
    """Outside of `term_as_interrupt` the signal handlers are what they were."""
    before = signal.getsignal(signal.SIGTERM)
    with term_as_interrupt(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_log_tail_is_bounded(tmp_path):
    """The tail of a huge log is its last lines, and that of none is empty."""
    log = tmp_path / "x.log"
    log.write_text("\n".join(str(number) for number in range(100_000)))
    assert tail(log, lines=2) == "99998\n99999"
    assert tail(tmp_path / "none") == ""


def test_a_command_that_is_none_is_named(tmp_path):
    """A program that does not exist ends with its name in the log."""
    child = spawn("x", ["/nowhere/program"], log_path=tmp_path / "x.log")
    assert child.popen.wait(10) != 0
    assert "No such file" in child.obituary()
