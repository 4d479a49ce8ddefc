"""How far a back-fill is with a group, as it stands on disk beside the rows."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from offline.features.bar_order import Place
from offline.features.chain import Entries
from processors.whole_file import write_whole


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far one group is.

    Parameters
    ----------
    chunks
        Number of chunks that are done.
    places
        By partition, where the bars go on.
    bars
        Read so far.
    rows
        Made so far, by symbol.
    left_out
        Bars that gave no row since they came after a later one of their series.
    state
        Changelog of the stages' state: last value of each key; None at the first bar and where the group is done.
    """

    chunks: int = 0
    places: dict[int, Place] = field(default_factory=dict)
    bars: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    done: bool = False
    left_out: int = 0
    state: Entries | None = None


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint of a file, the first one where there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return Checkpoint()
    found["places"] = {int(p): Place(*place) for p, place in found["places"].items()}
    if found["state"] is not None:
        found["state"] = {
            name: {base64.b64decode(k): base64.b64decode(v) for k, v in rows.items()}
            for name, rows in found["state"].items()
        }
    return Checkpoint(**found)


def write_checkpoint(path: Path, at: Checkpoint) -> None:
    """Write a checkpoint, as a whole or not at all."""
    state = None
    if at.state is not None:
        state = {
            name: {base64.b64encode(k).decode(): base64.b64encode(v).decode() for k, v in rows.items()}
            for name, rows in at.state.items()
        }
    places = {p: [place.after, place.newest_ns] for p, place in at.places.items()}
    told = {
        "chunks": at.chunks, "places": places, "bars": at.bars, "rows": at.rows, "done": at.done,
        "left_out": at.left_out, "state": state,
    }  # fmt: skip
    write_whole(path, json.dumps(told))
