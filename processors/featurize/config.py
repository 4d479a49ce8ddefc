"""Knobs of featurize."""

import os
from dataclasses import dataclass

from processors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class FeaturizeConfig:
    """What featurize computes. Windows and decays stand in the feature schema, so that the pack's hash covers them.

    Parameters
    ----------
    pack_id
        Feature pack of the rows. ``core_value_v1`` is the founding one; a model is trained on one pack.
    """

    pack_id: str = "core_value_v1"

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        ConfigError
            The pack has no name.
        """
        if not self.pack_id:
            raise ConfigError("featurize", "pack_id", self.pack_id, "the name of a pack of schemas/catalogs/packs.yaml")

    @classmethod
    def from_environment(cls) -> "FeaturizeConfig":
        """Return the configuration of the environment: ``MPS_FEATURE_PACK``."""
        pack_id = os.environ.get("MPS_FEATURE_PACK")
        return cls() if pack_id is None else cls(pack_id)
