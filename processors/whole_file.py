"""Files that a reader sees whole: the old one or the new one, whatever is killed or pulled out in between."""

import contextlib
import os
from pathlib import Path

from processors.errors import ConfigError


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file, and its folder where there is none, so that it outlasts a power cut too.

    Parameters
    ----------
    content
        Text is written as UTF-8.

    Raises
    ------
    ConfigError
        It cannot be written there; a file that was there is as it was.
    """
    # Of two processes that write the same file each has its own part, and the later one wins.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as e:
        # A full disk is not helped by halves.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        remedy = "a file that can be written, with room on its disk"
        raise ConfigError(str(path), "file", e.strerror or str(e), remedy) from e
