"""Loopback ports: find a free one, or say who holds the one that was asked for.

Called by every embedded part before it starts.
"""

import contextlib
import errno
import socket
from collections.abc import Callable

import psutil

from processors.errors import ConfigError, PlatformError

LOOPBACK = "127.0.0.1"
ANY = 0
"""Asks the system for a free port."""


def is_free(port: int) -> bool:
    """Return whether a server could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


class PortTakenError(PlatformError):
    """Another process took the port between our look and our server's start."""


def named_failure(text: str) -> PlatformError:
    """Return the error of a part that died, by the last words in its log."""
    kind = PortTakenError if "address already in use" in text.lower() else PlatformError
    return kind(text)


def try_several(part: str, start: Callable[[int], None], *, preferred: int, required: int | None) -> None:
    """Start a part at a port; at another one if somebody was quicker, unless the port is required.

    Parameters
    ----------
    part
        Name of the part, for the error.
    start
        Called with the port; raises `PortTakenError` if it was taken meanwhile.
    preferred
        See `choose`.
    required
        See `choose`.
    """
    for last in (False, False, True):
        port = choose(part, preferred=preferred, required=required)
        try:
            start(port)
        except PortTakenError:
            if last or required is not None:
                raise
            preferred = ANY
        else:
            return


def listen(part: str, *, preferred: int, required: int | None = None) -> socket.socket:
    """Return a socket that listens on loopback, for a server that takes it over: no look that another can outrun.

    Parameters
    ----------
    part
        Name of the part, for the error.
    preferred
        See `choose`.
    required
        See `choose`.

    Raises
    ------
    ConfigError
        The required port is in use.
    PortTakenError
        It was taken while we looked.
    """
    found: list[socket.socket] = []
    try_several(part, lambda port: found.append(_listening(port)), preferred=preferred, required=required)
    return found[0]


def _listening(port: int) -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((LOOPBACK, port))
        server.listen()
    except OSError as error:
        server.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"port {port} is in use on {LOOPBACK} by {holder(port)}") from error
        raise
    return server


def choose(part: str, *, preferred: int, required: int | None = None, other_than: int = ANY) -> int:
    """Return the port a part shall listen on.

    Parameters
    ----------
    part
        Name of the part, for the error.
    preferred
        Taken when it is free; else, and for `ANY`, the system picks another.
    required
        Taken or refused, never replaced: the user asked for this one.
    other_than
        Never the answer of the system's pick: a port that is promised already, but not yet listened on.

    Raises
    ------
    ConfigError
        The required port is in use.
    """
    if required is not None:
        if not is_free(required):
            raise ConfigError(
                part,
                "port",
                required,
                f"it is in use on {LOOPBACK} by {holder(required)}; stop that process or choose another port",
            )
        return required
    if preferred != ANY and is_free(preferred):
        return preferred
    port = other_than
    while port == other_than:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
    return port


def holder(port: int) -> str:
    """Return "NAME (pid N)" of the process that listens on the port, as far as we may see it."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.laddr[1:2] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"


def accepts(port: int, timeout_s: float = 0.2) -> bool:
    """Return whether something answers on the loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_s):
            return True
    except OSError:
        return False
