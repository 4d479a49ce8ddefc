"""The feature service over the parts that run here: for `mps serve` and `mps features`."""

from deploy.local.endpoints import load_endpoints
from deploy.local.paths import home
from offline.features.addresses import known_endpoints, versions_folder, warehouse_url
from offline.features.service import FeatureService
from serving.feature_stores import make_feature_service

__all__ = ["feature_service", "known_endpoints", "versions_folder", "warehouse_url"]


def feature_service(clock: str) -> FeatureService:
    """Return the service.

    Raises
    ------
    ConfigError
        Nothing runs here.
    """
    return make_feature_service(load_endpoints(home()).redis_url, warehouse_url, versions_folder(), clock)
