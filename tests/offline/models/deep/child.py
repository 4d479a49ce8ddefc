"""Fits a network in a process of its own, to be killed; arguments: kind, checkpoint, seconds to wait after a pass."""

import sys
import time
from pathlib import Path

from offline.models.estimator import no_progress
from tests.offline.models.deep.support import make, make_samples

if __name__ == "__main__":
    kind, file, pause_s = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])

    def told(step, _share):
        sys.stdout.write(f"{step}\n")
        sys.stdout.flush()
        time.sleep(pause_s)

    make(kind).fit(
        make_samples(300), make_samples(120, seed=1), seed=7, progress=told if pause_s else no_progress, checkpoint=file
    )
