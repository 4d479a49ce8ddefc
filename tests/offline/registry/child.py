"""A process that registers models, and may die on the way: ``child.py DB ARTIFACTS FOLDER NAME FIRST KILL``."""

import os
import signal
import sys
import time
from pathlib import Path

from offline.registry import registry as r
from offline.registry.place import Place
from tests.offline.registry.made import evidence, model_file


def die(*_, **__):
    """Die as a machine without power does."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_the_transaction():
    """Die when the version is written and not yet committed."""
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    @event.listens_for(Session, "before_commit")
    def _(session):
        session.flush()
        if any(type(o).__name__ == "SqlModelVersion" for o in session.identity_map.values()):
            die()


def main(db, artifacts, folder, name, first, kill):
    """Wait for the others, then register two models of its own and one that all register."""
    registry, folder = r.Registry(Place(db, artifacts)), Path(folder)
    if kill == "artefacts":
        registry._client.log_artifacts = die
    elif kill == "commit":
        registry._commit = die
    elif kill == "transaction":
        die_in_the_transaction()
    (folder / f"ready-{first}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    for weight in (float(first), float(first) + 0.5, 99.0):
        registry.register(name, model_file(folder / f"{first}-{weight}.onnx", weight), evidence())


if __name__ == "__main__":
    main(*sys.argv[1:])
