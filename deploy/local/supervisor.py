"""Start named child processes, notice when one dies, stop all of them in order.

Called by the stack and by the CLI for the stages. One supervisor is one owner in the run file.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Self

from deploy.local.paths import Home
from deploy.local.process import Child, spawn
from deploy.local.run_file import Running, change_running, read_running, us
from processors.errors import ConfigError, PlatformError

PARTS, STAGES = 0, 1
# A stage finishes its transaction; Kafka closes its logs.
GRACE_S = 20.0
# Another supervisor needs the graces of its stages and of its parts.
OWNER_GRACE_S = 2 * GRACE_S + 5.0


class Supervisor:
    """Owns the processes it starts, until `stop_all`.

    As a context manager it first replaces left-overs of a crash, and stops everything at the end,
    whatever the end is: done, an error, or Ctrl-C.

    Parameters
    ----------
    home
        Where logs and the run file are.
    stays
        The processes shall outlive us: they are started without an owner, and `stop_all` leaves them.
    """

    def __init__(self, home: Home, *, stays: bool = False) -> None:
        self.home = home
        self.stays = stays
        self._children: dict[str, tuple[int, Child]] = {}
        self._may_end: set[str] = set()

    def claim(self) -> list[str]:
        """Stop what a crash has left in this home, and return the names.

        Raises
        ------
        ConfigError
            Another supervisor is at work in this home.
        """
        left = []
        for process in reversed(read_running(self.home)):
            if process.is_left_over:
                left.append(process)
            elif process.owner is not None and process.owner != us():
                raise ConfigError(
                    str(self.home.run_file),
                    "owner",
                    process.owner.pid,
                    f"another run is at work here (its {process.name} is pid {process.identity.pid}); "
                    "wait for it, stop it with `mps down`, or set MPS_HOME to another folder",
                )
        stop_in_order(left)
        change_running(self.home, lambda alive: alive)
        return [process.name for process in left]

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        may_end: bool = False,
        layer: int = STAGES,
        port: int | None = None,
        keep_fds: Sequence[int] = (),
    ) -> Child:
        """Start a process with its log in `logs/NAME.log`.

        Call it from the main thread: on Linux a child is stopped when the thread that started it ends.

        Parameters
        ----------
        name
            Unique among the running ones.
        command
            Program and arguments.
        environment
            Added to ours.
        may_end
            Ending with code 0 is its job, as for a replay; else any end is a failure.
        layer
            `PARTS` or `STAGES`: stages are stopped first.
        port
            Where it listens on loopback, for the run file.
        keep_fds
            File descriptors that it inherits.
        """
        if name in self._children and self._children[name][1].popen.poll() is None:
            raise ConfigError("supervisor", "name", name, "it runs already; stop it first")
        child = spawn(
            name,
            command,
            log_path=self.home.logs / f"{name}.log",
            environment=environment,
            dies_with_us=not self.stays,
            keep_fds=keep_fds,
        )
        self._may_end.discard(name)
        if may_end:
            self._may_end.add(name)
        self.adopt(child, port=port, layer=layer)
        return child

    def adopt(self, child: Child, *, port: int | None = None, layer: int = PARTS) -> None:
        """Own a child that a part has started itself."""
        self._children[child.name] = (layer, child)
        owner = None if self.stays else us()
        entry = Running(child.name, layer, port, child.identity, owner)
        change_running(self.home, lambda alive: [*(p for p in alive if p.identity != child.identity), entry])

    def child(self, name: str) -> Child:
        """Return a process by its name; `KeyError` if there is none."""
        return self._children[name][1]

    def check(self) -> None:
        """Raise if a process has ended that should run: its name, exit code and last log lines.

        Raises
        ------
        PlatformError
            The first one that has died.
        """
        for name, (_, child) in self._children.items():
            code = child.popen.poll()
            if code is not None and not (code == 0 and name in self._may_end):
                raise PlatformError(child.obituary())

    def wait(self, name: str, timeout_s: float, *, each_s: float = 0.1, tick: Callable[[], None] | None = None) -> None:
        """Wait until a process that may end has ended well, while the others live.

        Parameters
        ----------
        name
            Started with `may_end`.
        timeout_s
            Longest wait.
        each_s
            Time between looks.
        tick
            Called at each look; draws progress.

        Raises
        ------
        PlatformError
            One has died, or the time is over.
        """
        deadline_s = time.monotonic() + timeout_s
        while self.child(name).popen.poll() is None:
            self.check()
            if tick is not None:
                tick()
            if time.monotonic() > deadline_s:
                raise PlatformError(f"{name} did not end within {timeout_s:.0f} s; see {self.child(name).log_path}")
            time.sleep(each_s)
        self.check()

    def stop(self, name: str, grace_s: float = GRACE_S) -> int:
        """Stop one process and return its exit code, negative for a signal."""
        _, child = self._children.pop(name)
        code = child.stop(grace_s)
        change_running(self.home, lambda alive: [p for p in alive if p.identity != child.identity])
        return code

    def kill(self, name: str) -> None:
        """Kill one process with SIGKILL and forget it; for tests of recovery."""
        _, child = self._children.pop(name)
        child.identity.kill()
        child.popen.wait()
        change_running(self.home, lambda alive: [p for p in alive if p.identity != child.identity])

    def stop_all(self, *, even_if_staying: bool = False) -> None:
        """Stop every process: stages first, together; then the parts. Those that stay are left."""
        if self.stays and not even_if_staying:
            return
        mine = [Running(c.name, layer, None, c.identity, None) for layer, c in self._children.values()]
        try:
            stop_in_order(mine)
        except KeyboardInterrupt:
            # A second Ctrl-C: whoever presses it wants an end now.
            for process in mine:
                process.identity.kill()
        for _, child in self._children.values():
            child.popen.wait(timeout=GRACE_S)
        self._children.clear()
        change_running(self.home, lambda alive: alive)

    def __enter__(self) -> Self:
        """Replace left-overs of a crash."""
        self.claim()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop every process."""
        self.stop_all()


def stop_in_order(processes: Sequence[Running], grace_s: float = GRACE_S) -> None:
    """Stop processes, the highest layer first, those of one layer together."""
    for layer in sorted({process.layer for process in processes}, reverse=True):
        together = [process.identity for process in processes if process.layer == layer]
        for identity in together:
            identity.ask_to_stop()
        for identity in together:
            identity.stop(grace_s)


def stop_everything(home: Home) -> list[str]:
    """Stop all that runs in a home, its other supervisors too, and return the names; for `mps down`."""
    running = read_running(home)
    owners = {p.owner for p in running if p.owner is not None and p.owner != us() and p.owner.is_alive()}
    for owner in owners:
        # It stops its own children, in order.
        owner.stop(OWNER_GRACE_S)
    stop_in_order(read_running(home))
    change_running(home, lambda alive: alive)
    home.endpoints_file.unlink(missing_ok=True)
    return [process.name for process in running]


@contextlib.contextmanager
def term_as_interrupt() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt, so that context managers stop what they own.

    For the main thread of a command.
    """

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
