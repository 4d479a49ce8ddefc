"""``mps demo`` interrupted and killed: nothing that it started is left, and the next command finds a clean place."""

import fcntl
import json
import os
import pty
import select
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local.kafka_prepare import prepare_kafka
from serving.config import PORT as SCORE_PORT
from tests.chaos.commands import mps, wait_until
from tests.contract.conftest import model
from tests.runtime.ticks import REPOSITORY

__all__ = ["model"]

pytestmark = [pytest.mark.broker, pytest.mark.slow]
SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"


class Terminal:
    """A command at a terminal of its own, whose keys we press."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._keys, screen = pty.openpty()
        self.before = termios.tcgetattr(self._keys)
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments], cwd=REPOSITORY, stdin=screen, stdout=screen, stderr=screen,
            env={**os.environ, "MPS_HOME": str(home), "TERM": "xterm"}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no thread of ours runs yet
        )  # fmt: skip
        os.close(screen)
        self.shown = b""

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C: the terminal interrupts whoever is in front."""
        os.write(self._keys, b"\x03")

    def read(self, timeout_s: float = 0.05) -> bool:
        """Take what is shown; return False where the command has let go of the terminal."""
        with suppress(OSError):
            while select.select([self._keys], [], [], timeout_s)[0]:
                data = os.read(self._keys, 65_536)
                if not data:
                    return False
                self.shown += data
            return True
        return False

    def wait(self, timeout_s: float = 60.0) -> int:
        """Return the exit code."""
        wait_until(lambda: not self.read() or self.popen.poll() is not None, timeout_s, "the end of the command")
        return self.popen.wait(timeout_s)

    def close(self) -> None:
        """End the command if it still runs."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        os.close(self._keys)


@contextmanager
def demo(home: Path) -> Iterator[Terminal]:
    """Run the demo, slowly, at a terminal."""
    terminal = Terminal(home, "demo", "--speed", "1")
    try:
        yield terminal
    finally:
        terminal.close()


def of_home(home: Path) -> list[str]:
    """Return the command lines of all processes that belong to a home, whoever their parent is now."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("MPS_HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:160])
    return found


def running_names(home: Path) -> set[str]:
    """Return the names in the run file."""
    with suppress(FileNotFoundError):
        processes: list[dict[str, Any]] = json.loads((home / "run.json").read_text())["processes"]
        return {p["name"] for p in processes}
    return set()


def wait_while_it_runs(terminal: Terminal, condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds, while the command runs."""

    def holds() -> bool:
        terminal.read()
        assert terminal.popen.poll() is None, terminal.shown.decode()
        return condition()

    wait_until(holds, 60, what)


def wait_for_part(terminal: Terminal, home: Path, name: str) -> None:
    """Wait until the demo has started a process of that name."""
    wait_while_it_runs(terminal, lambda: name in running_names(home), name)


@pytest.fixture
def home(tmp_path: Path, model: Path) -> Iterator[Path]:
    """Return a home of its own; whatever a failed test leaves in it is killed."""
    assert model.exists(), "without one the demo would train first"
    prepare_kafka()
    folder = tmp_path / "home"
    yield folder
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("MPS_HOME") == str(folder):
                process.kill()


@pytest.mark.parametrize("moment", ["registry", "kafka", "feeding"])
def test_ctrl_c_leaves_nothing_behind(home: Path, moment: str) -> None:
    """Ctrl-C at any moment ends the demo with 130: no process, no address, and a terminal as it was."""
    with closing(socket.socket()) as other, demo(home) as terminal:
        # The ports that the parts like best may be taken, and are by somebody on a busy machine.
        with suppress(OSError):
            other.bind(("127.0.0.1", SCORE_PORT))
            other.listen()
        if moment == "feeding":
            wait_while_it_runs(terminal, lambda: b"ticks.raw.v1" in terminal.shown, "the live view")
            time.sleep(1)
            assert terminal.popen.poll() is None, terminal.shown.decode()
            assert len(of_home(home)) > 8, "the parts, the stages, the sink and the service"
            assert "serve" in running_names(home)
        else:
            wait_for_part(terminal, home, moment)
        terminal.press_ctrl_c()
        assert terminal.wait() == 130, terminal.shown.decode()
        assert termios.tcgetattr(terminal._keys) == terminal.before
    assert of_home(home) == []
    assert running_names(home) == set()
    assert not (home / "endpoints.json").exists()
    assert b"Traceback" not in terminal.shown
    assert terminal.shown.rfind(SHOW_CURSOR) >= terminal.shown.rfind(HIDE_CURSOR)


def test_what_a_killed_demo_leaves_is_replaced_and_stopped(home: Path, tmp_path: Path) -> None:
    """After kill -9 the next demo runs, one beside it is refused by name; killed too, ``mps down`` leaves nothing."""
    with demo(home) as killed:
        wait_for_part(killed, home, "kafka")
    with demo(home) as terminal:
        wait_for_part(terminal, home, "reconcile")
        with demo(home) as third:
            assert third.wait() == 2
        assert b"another run is at work here" in third.shown.replace(b"\r\n", b" ")
        assert terminal.popen.poll() is None, terminal.shown.decode()
    with mps(tmp_path / "down", "down", "--json", MPS_HOME=str(home)) as down:
        assert down.wait() == 0, down.err
    wait_until(lambda: of_home(home) == [], 10, "the end of every process")
    with mps(tmp_path / "again", "down", MPS_HOME=str(home)) as again:
        assert again.wait() == 0
    assert again.out == f"nothing runs in {home}\n"
