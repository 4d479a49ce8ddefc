"""A fit on disk, written whole after each pass, so that a killed one goes on and ends in the same bytes."""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.models.deep.ops import Params
from processors.whole_file import write_whole


@dataclass(slots=True)
class Progressed:
    """Where a fit stands after a pass.

    Parameters
    ----------
    params
        What is trained, without what is frozen.
    optimizer
        Leaves of the optimizer's state, in its own order.
    best
        Parameters of the pass with the best loss of the validation samples.
    best_loss
        That loss; infinite before the first pass.
    epoch, step
        Passes and steps done.
    since_best
        Passes since the best one.
    rng
        Key of the randomness; each step derives its own from it.
    done
        Training has ended.
    losses
        Validation loss of each pass, for the report.
    """

    params: Params
    optimizer: list[NDArray[np.generic]]
    best: Params
    best_loss: float
    epoch: int
    step: int
    since_best: int
    rng: NDArray[np.uint32]
    done: bool
    losses: list[float]


def write(path: Path, of: str, at: Progressed) -> None:
    """Write where a fit stands; a reader sees the old file or the new one, never a part.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """
    numbers = {
        "of": of, "best_loss": at.best_loss, "epoch": at.epoch, "step": at.step, "since_best": at.since_best,
        "done": at.done, "losses": at.losses, "n_optimizer": len(at.optimizer),
    }  # fmt: skip
    arrays: dict[str, NDArray[np.generic]] = {"rng": at.rng}
    arrays |= {f"params/{name}": value for name, value in at.params.items()}
    arrays |= {f"best/{name}": value for name, value in at.best.items()}
    arrays |= {f"optimizer/{i}": value for i, value in enumerate(at.optimizer)}
    buffer = io.BytesIO()
    np.savez(buffer, numbers=np.frombuffer(json.dumps(numbers).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def read(path: Path, of: str) -> Progressed | None:
    """Return where the fit of a fingerprint stands; None where the file is missing, cut, or of another fit."""
    try:
        # Read whole: of a file that is cut, NumPy leaves its own open.
        with np.load(io.BytesIO(path.read_bytes())) as found:
            arrays = {name: found[name] for name in found.files}
        numbers = json.loads(arrays["numbers"].tobytes())
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    if numbers["of"] != of:
        return None

    def under(prefix: str) -> Params:
        return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}

    return Progressed(
        under("params/"), [arrays[f"optimizer/{i}"] for i in range(numbers["n_optimizer"])], under("best/"),
        numbers["best_loss"], numbers["epoch"], numbers["step"], numbers["since_best"], arrays["rng"],
        numbers["done"], numbers["losses"],
    )  # fmt: skip
