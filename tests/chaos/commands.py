"""Starts ``mps`` as users do, with what it prints in files that can be read while it runs."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.runtime.ticks import REPOSITORY


@dataclass
class Command:
    """One running command."""

    popen: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it has said on standard error so far."""
        return (self.folder / "err").read_text()

    def wait(self, timeout_s: float = 60.0) -> int:
        """Return its exit code."""
        return self.popen.wait(timeout_s)

    def stop(self) -> None:
        """Ask it to end, as an operator does; it must end well."""
        self.popen.terminate()
        assert self.wait() == 0, self.err[-4000:]

    def wait_for(self, words: str, timeout_s: float = 60.0) -> None:
        """Wait until it has said these words on either."""
        wait_until(lambda: words in self.err or words in self.out or self.popen.poll() is not None, timeout_s, words)
        assert words in self.err + self.out, self.err + self.out


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait until a condition holds."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {timeout_s} s in vain for: {what}"
        time.sleep(0.05)


@contextmanager
def mps(folder: Path, *arguments: str, **environment: str) -> Iterator[Command]:
    """Run a command in a home of its own; it is killed at the end of the block if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        popen = subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments], cwd=REPOSITORY, stdout=out, stderr=err,
            stdin=subprocess.DEVNULL, env={**os.environ, "MPS_HOME": str(folder / "home"), **environment},
        )  # fmt: skip
    try:
        yield Command(popen, folder)
    finally:
        if popen.poll() is None:
            popen.kill()
            popen.wait()
