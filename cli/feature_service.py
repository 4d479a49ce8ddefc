"""The feature service over the parts that run here: for `mps serve` and `mps features`."""

from pathlib import Path

from deploy.local.endpoints import Endpoints, from_environment, load_endpoints
from deploy.local.paths import home
from offline.features.service import FeatureService
from processors.errors import ConfigError
from serving.feature_stores import make_feature_service


def versions_folder() -> Path:
    """Return the folder of the back-filled versions."""
    return home().features


def known_endpoints() -> Endpoints:
    """Return the addresses as far as they are known: what was stored is there when nothing runs, too."""
    try:
        return load_endpoints(home())
    except ConfigError:
        return Endpoints(**{"bootstrap_servers": "", "redis_url": "", "registry_url": "", **from_environment()})


def warehouse_url() -> str | None:
    """Return the present address of ClickHouse: of the server, or of the process that owns an embedded one."""
    known = known_endpoints()
    return known.clickhouse_url or known.warehouse_url


def feature_service(clock: str) -> FeatureService:
    """Return the service.

    Raises
    ------
    ConfigError
        Nothing runs here.
    """
    return make_feature_service(load_endpoints(home()).redis_url, warehouse_url, versions_folder(), clock)
