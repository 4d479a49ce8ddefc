"""The addresses of the parts: from the environment in production, from the running stack on a laptop.

Called by the CLI and by every process that talks to a part.
"""

import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields

from deploy.local.paths import Home, locked
from deploy.local.run_file import write_json
from processors.errors import ConfigError


class NothingRunsError(ConfigError):
    """An address is needed, and neither a running stack nor the environment has it: the cause comes first."""

    def __init__(self, home: Home, field: str) -> None:
        remedy = f"start the parts with `mps up`, or set {VARIABLES[field]}"
        super().__init__(str(home.endpoints_file), field, None, remedy)
        self.args = (f"nothing runs here yet: {remedy}",)


@dataclass(frozen=True)
class Endpoints:
    """Where the parts answer.

    Parameters
    ----------
    bootstrap_servers
        Kafka, "host:port,...".
    redis_url
        "redis://host:port/db".
    registry_url
        Confluent-compatible schema registry, "http://host:port".
    clickhouse_url
        "clickhouse://user:password@host:port/database" of a server. None: chDB at `clickhouse_path`.
    clickhouse_path
        Folder of chDB. One process owns it.
    warehouse_url
        HTTP address of the process that owns chDB, set by that process.
    grpc_address
        "host:port" of the ScoreService, set by that process.
    rest_url
        Root of the REST door beside it, "http://host:port", set by that process; None where it has none.
    """

    bootstrap_servers: str
    redis_url: str
    registry_url: str
    clickhouse_url: str | None = None
    clickhouse_path: str | None = None
    warehouse_url: str | None = None
    grpc_address: str | None = None
    rest_url: str | None = None


VARIABLES = {
    "bootstrap_servers": "MPS_BOOTSTRAP_SERVERS",
    "redis_url": "MPS_REDIS_URL",
    "registry_url": "MPS_REGISTRY_URL",
    "clickhouse_url": "MPS_CLICKHOUSE_URL",
    "clickhouse_path": "MPS_CLICKHOUSE_PATH",
    "warehouse_url": "MPS_WAREHOUSE_URL",
    "grpc_address": "MPS_GRPC_ADDRESS",
    "rest_url": "MPS_REST_URL",
}
"""Field -> environment variable; the variable wins over the file."""

REQUIRED = ("bootstrap_servers", "redis_url", "registry_url")


def from_environment() -> dict[str, str]:
    """Return the fields that the environment sets."""
    return {field: os.environ[name] for field, name in VARIABLES.items() if os.environ.get(name)}


def load_endpoints(home: Home) -> Endpoints:
    """Return the addresses: each from its environment variable, else from the running stack.

    Raises
    ------
    ConfigError
        An address is in neither.
    """
    found: dict[str, str | None] = {**_read(home), **from_environment()}
    for field in REQUIRED:
        if not found.get(field):
            raise NothingRunsError(home, field)
    known = {field.name for field in fields(Endpoints)}
    return Endpoints(**{name: value for name, value in found.items() if name in known})  # type: ignore[arg-type]


def find_broker(home: Home) -> str:
    """Return the brokers' addresses, for commands that need nothing else.

    Raises
    ------
    ConfigError
        They are neither in the environment nor in a running stack.
    """
    return from_environment().get("bootstrap_servers") or load_endpoints(home).bootstrap_servers


def save_endpoints(home: Home, endpoints: Endpoints) -> None:
    """Write the addresses for other processes of this home; what the environment sets is not written."""
    # The environment may hold passwords, and may be another one next time.
    given = from_environment()
    with _locked(home):
        write_json(home.endpoints_file, {k: v for k, v in asdict(endpoints).items() if k not in given})


def announce(home: Home, **addresses: str | None) -> Endpoints:
    """Change addresses in the file of the running stack: `announce(home, grpc_address="127.0.0.1:50051")`.

    Only what is named changes, whoever else announces at the same time; None takes an address back. What the
    environment sets is not written.

    Raises
    ------
    ConfigError
        No stack runs here, and the environment does not name one.
    """
    load_endpoints(home)
    given = from_environment()
    with _locked(home):
        write_json(home.endpoints_file, {**_read(home), **{k: v for k, v in addresses.items() if k not in given}})
    return load_endpoints(home)


def _locked(home: Home) -> AbstractContextManager[None]:
    # Not the file itself: it is replaced at each writing.
    return locked(home.folder / "endpoints.lock")


def _read(home: Home) -> dict[str, str | None]:
    try:
        found: dict[str, str | None] = json.loads(home.endpoints_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found
