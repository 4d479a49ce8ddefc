"""Where the registry lies, and how to open it: MLflow without telemetry, imported only when it is needed."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deploy.local.paths import home, locked
from processors.errors import ConfigError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DB, ARTIFACTS = "MPS_REGISTRY_DB", "MPS_REGISTRY_ARTIFACTS"
SQLITE = "sqlite:///"
SILENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Environment that MLflow reads at its import."""
_LOCK = 0x6D70_7372  # "mpsr": the number of our advisory lock


@dataclass(frozen=True, slots=True)
class Place:
    """Database of runs and versions, and the folder of what they hold.

    Parameters
    ----------
    db
        ``sqlite:////absolute/path.db``, or ``postgresql://user@host/database``.
    artifacts
        ``file:///folder`` or ``s3://bucket/prefix``.
    """

    db: str
    artifacts: str

    def __post_init__(self) -> None:
        """Name the driver of PostgreSQL that is installed with us: SQLAlchemy takes another where none is named."""
        if self.db.startswith("postgresql://"):
            object.__setattr__(self, "db", self.db.replace("postgresql://", "postgresql+psycopg2://", 1))

    @classmethod
    def of_folder(cls, folder: Path) -> "Place":
        """Return a registry of its own in a folder."""
        return cls(f"{SQLITE}{folder.resolve() / 'registry.db'}", (folder.resolve() / "artifacts").as_uri())

    @classmethod
    def from_environment(cls) -> "Place":
        """Return ``MPS_REGISTRY_DB`` and ``MPS_REGISTRY_ARTIFACTS``, or the folder ``registry`` of the data folder.

        Raises
        ------
        ConfigError
            The database is of another kind, or one that others share has no place for what belongs to it.
        """
        own = cls.of_folder(home().folder / "registry")
        db, artifacts = os.environ.get(DB) or own.db, os.environ.get(ARTIFACTS)
        if "://" not in db:
            db = f"{SQLITE}{Path(db).resolve()}"
        if not db.startswith((SQLITE, "postgresql://", "postgresql+psycopg2://")):
            raise ConfigError("environment", DB, db.partition("://")[0] + "://", "sqlite:///PATH or postgresql://")
        if artifacts is None:
            if not db.startswith(SQLITE):
                remedy = "s3://bucket/prefix, or a folder that all who share the database see"
                raise ConfigError("environment", ARTIFACTS, None, remedy)
            artifacts = (sqlite_path(db).parent / "artifacts").as_uri()
        return cls(db, artifacts if "://" in artifacts else Path(artifacts).resolve().as_uri())

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the registry's one lock: versions are numbered one after another. Free when its holder dies."""
        if self.db.startswith(SQLITE):
            with locked(sqlite_path(self.db).with_suffix(".lock")):
                yield
            return
        from sqlalchemy import NullPool, create_engine, text

        engine = create_engine(self.db, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
            try:
                yield
            finally:
                connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK})

    def exists(self) -> bool:
        """Return whether anything was ever registered here; a server is taken to be there."""
        return not self.db.startswith(SQLITE) or sqlite_path(self.db).is_file()

    def open(self) -> "MlflowClient":
        """Return MLflow's client, with the tables of a new database made.

        Raises
        ------
        ConfigError
            MLflow is not installed, or the database does not open.
        """
        os.environ.update(SILENT)
        # Makes its tables with a line each on stderr.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as e:
            raise ConfigError(
                "registry", "mlflow", "not installed", "in the checkout: pip install -e '.[registry]'"
            ) from e
        if self.db.startswith(SQLITE):
            sqlite_path(self.db).parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.exclusive():  # two that come first would both make the tables
                client = MlflowClient(tracking_uri=self.db, registry_uri=self.db)
                client.search_experiments(max_results=1)
                client.search_registered_models(max_results=1)
        except Exception as e:  # of MLflow, SQLAlchemy or the driver: they share no base
            raise ConfigError("registry", DB, self.shown(), f"a database that opens ({str(e)[:200]})") from e
        return client

    def shown(self) -> str:
        """Return the database without its password."""
        if self.db.startswith(SQLITE):
            return self.db
        parts = urlsplit(self.db)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def sqlite_path(db: str) -> Path:
    """Return the file of a SQLite address."""
    return Path(db.removeprefix(SQLITE))
