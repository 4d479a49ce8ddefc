"""One child process: started in its own session, known by pid and birth, stopped by name of signal.

Called by the embedded parts and by the supervisor.
A pid alone is not a name: pids are used again. Pid and creation time are, on Linux as a time since the boot, which no
step of the wall clock moves.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

BOUND_EXEC = Path(__file__).with_name("bound_exec.py")

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# psutil derives the creation time from boot time and clock ticks of 10 ms: equal within this.
BIRTH_TOLERANCE_S = 0.05
POLL_S = 0.02
LOG_TAIL_LINES = 15
LOG_TAIL_BYTES = 16_384


@dataclass(frozen=True)
class ProcessId:
    """A process that we started, as it can be found again by a later run.

    Parameters
    ----------
    pid
        Process id, also the id of its process group: each child leads its own.
    born_s
        Creation time, seconds since the boot that is named, else since the epoch.
    boot
        Id of the boot; empty where the system tells none, and in a run file of before.
    """

    pid: int
    born_s: float
    boot: str = ""

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """Return the identity of a process that runs.

        Raises
        ------
        psutil.NoSuchProcess
            None does.
        """
        try:
            told = Path(f"/proc/{pid}/stat").read_bytes()
            boot = BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            return cls(pid, psutil.Process(pid).create_time())
        # Behind the name, which stands in parentheses and may hold anything; proc(5) has it as the 22nd field.
        ticks = int(told.rpartition(b")")[2].split()[19])
        return cls(pid, ticks / os.sysconf("SC_CLK_TCK"), boot)

    def is_alive(self) -> bool:
        """Return whether that very process still runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            same = (
                ProcessId.of(self.pid) == self
                if self.boot
                else abs(process.create_time() - self.born_s) < BIRTH_TOLERANCE_S
            )
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def stop(self, grace_s: float) -> None:
        """Stop the process: SIGTERM, then SIGKILL for its group once the grace is over.

        Parameters
        ----------
        grace_s
            Seconds the process gets to end by itself.
        """
        if self.ask_to_stop() and not self._ends_within(grace_s):
            self.kill()

    def ask_to_stop(self) -> bool:
        """Send SIGTERM and return whether there was anyone to receive it."""
        return self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process and its group at once, and wait until it is gone."""
        if self.is_alive():
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self._send(signal.SIGKILL)
            self._ends_within(grace_s=10)

    def _send(self, number: signal.Signals) -> bool:
        if not self.is_alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def _ends_within(self, grace_s: float) -> bool:
        deadline_s = time.monotonic() + grace_s
        while self.is_alive():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(POLL_S)
        return True


@dataclass(frozen=True)
class Child:
    """A running child of this process.

    Parameters
    ----------
    name
        What people call it: "kafka", "reconcile".
    popen
        Its handle; `poll()` reaps it.
    identity
        Its pid and birth.
    log_path
        Where its standard output and error go.
    """

    name: str
    popen: "subprocess.Popen[bytes]"
    identity: ProcessId
    log_path: Path

    def stop(self, grace_s: float) -> int:
        """Stop the child and return its exit code, negative for a signal."""
        self.identity.stop(grace_s)
        return self.popen.wait(timeout=10)

    def obituary(self) -> str:
        """Return name, exit code and the last log lines: the text of the error when it died."""
        return f"{self.name} ended with exit code {self.popen.poll()}; last lines of its log:\n" + tail(self.log_path)


Adopt = Callable[[Child, int], None]
"""Told of a new child and its port."""


def spawn(
    name: str,
    command: Sequence[str],
    *,
    log_path: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    dies_with_us: bool = True,
    keep_fds: Sequence[int] = (),
) -> Child:
    """Start a command in its own session, with output appended to a log file.

    Own session: a Ctrl-C at the terminal reaches us only, and we stop the children in order.

    Parameters
    ----------
    name
        What people call the process.
    command
        Program and arguments.
    log_path
        Receives standard output and error.
    environment
        Added to our own environment.
    folder
        Working folder; ours if None.
    dies_with_us
        On Linux the child gets SIGTERM when the thread that called this ends:
        call it from a thread that lives as long as the child shall.
    keep_fds
        File descriptors that the child inherits, under the same numbers.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    full = list(command)
    if dies_with_us:
        full = [sys.executable, "-I", "-S", str(BOUND_EXEC), str(os.getpid()), *full]
    with log_path.open("ab") as log:
        popen = subprocess.Popen(
            full,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
            pass_fds=keep_fds,
        )
    return Child(name, popen, ProcessId.of(popen.pid), log_path)


def tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """Return the last lines of a log file; an empty text if there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
        text = log.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])
