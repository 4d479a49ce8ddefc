"""What the embedded parts have in common: a child process on a loopback port, stopped with the block that started it.

Called by `kafka.py` and `redis.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self, TypedDict, Unpack

from deploy.local import ports
from deploy.local.process import Adopt, Child, spawn
from processors.errors import PlatformError


class PartOptions(TypedDict, total=False):
    """Options of every part.

    Parameters
    ----------
    port
        Refused if in use. None takes the preferred one, or a free one.
    dies_with_us
        On Linux the server stops when this process dies.
    adopt
        Told the child and its port at once, before it answers: whoever dies then leaves a trace of it.
    """

    port: int | None
    dies_with_us: bool
    adopt: Adopt | None


class EmbeddedPart(ABC):
    """A server that lives as long as it is wanted; a part says how it starts at a port.

    Parameters
    ----------
    folder
        What it keeps. Two servers never share one.
    log_folder
        Receives its log.
    options
        See `PartOptions`.
    """

    name: ClassVar[str]
    """For errors."""
    preferred_port: ClassVar[int]
    stop_grace_s: ClassVar[float]

    def __init__(self, folder: Path, log_folder: Path, **options: Unpack[PartOptions]) -> None:
        self.folder = folder.resolve()
        self.log_folder = log_folder.resolve()
        self.child: Child | None = None
        self.port: int | None = None
        """Of the server started last; a later start prefers it."""
        self._required_port = options.get("port")
        self._dies_with_us = options.get("dies_with_us", True)
        self._adopt = options.get("adopt")

    @property
    def address(self) -> str:
        """Return "127.0.0.1:PORT" of the server started last.

        Raises
        ------
        PlatformError
            It was never started.
        """
        if self.port is None:
            raise PlatformError(f"{self.name} was not started yet: it has no address")
        return f"{ports.LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers. After `stop` it comes back on the same port.

        Raises
        ------
        ConfigError
            Port in use, or something that the part needs is missing.
        PlatformError
            The server died or did not answer in time; the message has its last log lines.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_folder.mkdir(parents=True, exist_ok=True)
        preferred = self.port or self.preferred_port
        ports.try_several(self.name, self._start_at, preferred=preferred, required=self._required_port)

    @abstractmethod
    def _start_at(self, port: int) -> None:
        """Start the server at a port and wait until it answers; set ``port``.

        Raises
        ------
        PortTakenError
            Somebody was quicker.
        """

    def _spawn(self, port: int, command: Sequence[str], log_name: str) -> Child:
        self.child = spawn(
            self.name.lower(), command, log_path=self.log_folder / log_name, dies_with_us=self._dies_with_us
        )
        if self._adopt is not None:
            self._adopt(self.child, port)
        return self.child

    def stop(self) -> None:
        """Stop the server cleanly; what it keeps stays. Does nothing if it does not run."""
        if self.child is not None:
            self.child.stop(self.stop_grace_s)
            self.child = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.stop()
