"""The life of a tick: one stage a folder, chained by ``topology.py``, driven by ``runtime/``.

    vendor feed -> ticks.raw.v1 -> reconcile -> ticks.consensus.v1 -> bars -> bars.v1 -> featurize -> features.v1
                -> regime -> gold.v1 -> score -> signals.v1                       (data.freshness beside it)

``feeds`` publishes raw ticks; ``sinks`` stores what comes out in ClickHouse and Redis.
"""

import hashlib
import os
from pathlib import Path


def _numba_cache() -> str:
    """Return a folder for compiled kernels that belongs to exactly these sources.

    numba notices a change of a kernel's own file, but not of a file whose functions the kernel calls.
    """
    package = Path(__file__).parent
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(package.rglob("*.py")):
        source = file.read_bytes()
        if b"njit" in source or b"@kernel" in source:
            digest.update(source)
    cache = Path(os.environ.get("MPS_CACHE") or package.parent / ".cache")
    return str((cache / "numba" / digest.hexdigest()).resolve())


# Before numba is imported: it reads the variable once.
os.environ.setdefault("NUMBA_CACHE_DIR", _numba_cache())
