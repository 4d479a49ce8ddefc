"""A registry to look at: a sweep of sixteen trials of made-up predictions, two versions. ``sample.py FOLDER``."""

import sys
from pathlib import Path

from offline.registry.place import Place
from offline.registry.registry import Registry
from tests.offline.registry.made import evidence, model_file, out_of_sample, returns


def fill(registry, folder):
    """Run the sweep, and register its best two trials; one of them serves AIG:US as well as the others."""
    for at in range(16):
        with registry.trial("fx_15m", f"l2={at / 10}", {"l2": at / 10}) as done:
            done(returns(n=756, mean=0.0002 + 0.00006 * (at % 8), seed=at), ece=0.01 + 0.002 * at, latency_ms=0.004)
    with registry.trial("fx_15m", "l2=-1", {"l2": -1}):
        pass
    for number, seed in enumerate((7, 15)):
        rows = out_of_sample(skill=0.5 + 0.2 * number, seed=seed)
        daily = returns(n=756, mean=0.0002 + 0.00006 * (seed % 8), seed=seed)
        file = model_file(folder / f"{number}.onnx", 0.1 + number)
        registry.register("fx_15m", file, evidence("fx_15m", rows=rows, returns=daily))
    registry.set_alias("fx_15m", "champion", "1")


if __name__ == "__main__":
    where = Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    fill(Registry(Place.of_folder(where / "registry")), where)
