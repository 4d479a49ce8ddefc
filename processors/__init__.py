"""The life of a tick: one stage a folder, chained by ``topology.py``, driven by ``runtime/``.

    vendor feed -> ticks.raw.v1 -> reconcile -> ticks.consensus.v1 -> bars -> bars.v1 -> featurize -> features.v1
                -> regime -> gold.v1 -> score -> signals.v1                       (data.freshness beside it)

``feeds`` publishes raw ticks; ``sinks`` stores what comes out in ClickHouse and Redis.
"""

import os
import sys
from pathlib import Path

# Before numba is imported: it reads them then. Where that was before us, it shall read them again.
_CACHE = Path(os.environ.get("MPS_CACHE") or Path(__file__).parents[1] / ".cache")
os.environ.setdefault("NUMBA_CACHE_DIR", str((_CACHE / "numba").resolve()))
os.environ.setdefault(
    "NUMBA_CACHE_LOCATOR_CLASSES",
    "processors.kernel_cache.KernelCache,UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator",
)
if "numba" in sys.modules:
    sys.modules["numba"].config.reload_config()
