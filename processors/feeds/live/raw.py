"""Recordings of what was received, line by line, as collectors of WebSocket messages write them.

::

    wss://ws.kraken.com <-> 1618678132.368463                     connected
    wss://ws.kraken.com <- 1618678132.83097: {"event":...}        sent by us
    1618678132.831468: {"connectionID":...}                       received; binary frames as b'...'
    1723161253937085768 {"stream":...}                            likewise, nanoseconds (collectors of JSON lines)

A file is of one venue, which its name begins with: ``kraken.48.0.raw.txt``, ``binance_spot_btcusdt.jsonl.gz``.
"""

import ast
import gzip
import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, NamedTuple

from processors.errors import ConfigError
from processors.feeds.live.catalog import Row, rows
from processors.feeds.live.port import GARBAGE, Parsed
from processors.feeds.live.read import decimal_ns

SUFFIXES = (".raw.txt", ".raw.txt.gz", ".jsonl", ".jsonl.gz")

RECEIVED, SENT, CONNECTED, EMPTY, BROKEN = "received", "sent", "connected", "empty", "broken"

_RECEIVED = re.compile(r"(\d{9,11}(?:\.\d*)?): (.*)\Z", re.DOTALL)
_NANOSECONDS = re.compile(r"(\d{18,19}) (.*)\Z", re.DOTALL)
_OURS = re.compile(r"(\S+) (<->|<-|->) (\d{9,11}(?:\.\d*)?)(?:: (.*))?\Z", re.DOTALL)
NAMES = {
    "okex": "okx", "htx": "huobi", "gate": "gateio", "bitdotcom": "bit.com", "bit_com": "bit.com",
    "fmfw_io": "fmfw", "fmfw.io": "fmfw", "crypto_com": "crypto.com",
}  # fmt: skip
"""Other names of venues: old ones, and those of collectors."""


class Line(NamedTuple):
    """One line: what it is, when, and the frame (or, of a connection, its address)."""

    what: str
    recv_ns: int = 0
    frame: str | bytes = ""


def is_recording(path: Path) -> bool:
    """Return whether the name is that of such a recording."""
    return path.name.endswith(SUFFIXES)


def venue_of(path: Path) -> Row:
    """Return the venue that a file's name begins with; the longest name that fits counts.

    Raises
    ------
    ConfigError
        None does.
    """
    name = path.name.lower()
    known = rows() | {other: rows()[venue] for other, venue in NAMES.items()}
    fitting = [venue for venue in known if re.match(re.escape(venue) + r"(?![a-z0-9])(?!_(?!spot))", name)]
    if not fitting:
        raise ConfigError(str(path), "venue", name.split(".")[0], f"a file name begins with one of {', '.join(known)}")
    return known[max(fitting, key=len)]


def line_of(text: str) -> Line:
    """Return what a line says; ``BROKEN`` where it has no such form."""
    if not text.strip():
        return Line(EMPTY)
    if found := _RECEIVED.match(text):
        # Headers of the handshake, as some collectors write them.
        what = SENT if found[2].startswith("header: ") else RECEIVED
        return Line(what, decimal_ns(found[1]), _frame(found[2]))
    if found := _NANOSECONDS.match(text):
        return Line(RECEIVED, int(found[1]), _frame(found[2]))
    if found := _OURS.match(text):
        what = CONNECTED if found[2] == "<->" else SENT
        return Line(what, decimal_ns(found[3]), found[1] if what == CONNECTED else found[4] or "")
    return Line(BROKEN, frame=text)


def _frame(text: str) -> str | bytes:
    if not text.startswith(("b'", 'b"')):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, bytes) else text


def lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file.

    Raises
    ------
    ConfigError
        It cannot be read to its end.
    """
    try:
        with _opened(path) as f:
            for text in f:
                yield line_of(text.rstrip("\r\n"))
    except (OSError, EOFError, UnicodeDecodeError) as e:
        raise ConfigError(str(path), "file", "truncated, or no text", f"copy it again ({e})") from e


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return TextIOWrapper(gzip.open(path, "rb"), "utf-8", newline="\n")
    return path.open(encoding="utf-8", newline="\n")


def parsed_lines(path: Path) -> Iterator[tuple[Line, Parsed | None]]:
    """Yield each line with what its frame says, None where it has none; a broken line is garbage."""
    venue, memory = venue_of(path).make(), dict[str, Any]()
    for line in lines(path):
        if line.what == CONNECTED:
            memory = {"url": line.frame}
        if line.what == BROKEN:
            yield line, Parsed(GARBAGE, detail="no line of a recording")
        else:
            yield line, venue.parse(line.frame, line.recv_ns, memory) if line.what == RECEIVED else None


class Recorder:
    """Writes a recording as it is received.

    Parameters
    ----------
    path
        The file; what is there is kept and added to.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", newline="\n")

    def connected(self, url: str, at_ns: int) -> None:
        """Note a connection."""
        self._file.write(f"{url} <-> {_seconds(at_ns)}\n")

    def sent(self, url: str, at_ns: int, text: str) -> None:
        """Note what we sent."""
        self._file.write(f"{url} <- {_seconds(at_ns)}: {text}\n")

    def received(self, at_ns: int, frame: str | bytes) -> None:
        """Note a frame; what would break the line or be taken for a binary frame is written as one."""
        text = frame if isinstance(frame, str) else repr(frame)
        if isinstance(frame, str) and ("\n" in frame or "\r" in frame or frame.startswith(("b'", 'b"'))):
            text = repr(frame.encode())
        self._file.write(f"{_seconds(at_ns)}: {text}\n")

    def close(self) -> None:
        """Write what is left and close the file."""
        self._file.close()


def _seconds(ns: int) -> str:
    return f"{ns // 1_000_000_000}.{ns % 1_000_000_000:09d}"
