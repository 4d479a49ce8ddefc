"""Knobs of featurize."""

import os
from dataclasses import dataclass

from processors.errors import ConfigError
from schemas.features import FOUNDING_PACK, Pack, load_pack


@dataclass(frozen=True, slots=True)
class FeaturizeConfig:
    """What featurize computes. Windows and decays stand in the feature schema, so that a pack's hash covers them.

    Parameters
    ----------
    pack_ids
        Feature packs of the rows, each once. A row is warm when the first of them is. A model scores rows that have
        all packs of those that it was trained on.
    facts_files
        Files of fundamentals and events, in any form that ``mps reference import`` reads, for facts that no topic has.
    curve_age_days
        Oldest close of a contract that still is a price of the curve. Five days: a weekend with holidays on both sides.
    """

    pack_ids: tuple[str, ...] = (FOUNDING_PACK,)
    facts_files: tuple[str, ...] = ()
    curve_age_days: int = 5

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        ConfigError
            There is no pack, one has no name, or one is named twice; a file has no name; the age is below a day.
        """
        if not all(self.facts_files):
            raise ConfigError("featurize", "facts_files", self.facts_files, "paths, none of them empty")
        if self.curve_age_days < 1:
            raise ConfigError("featurize", "curve_age_days", self.curve_age_days, "1 or more")
        if not self.pack_ids or not all(self.pack_ids) or len(set(self.pack_ids)) < len(self.pack_ids):
            named = ",".join(self.pack_ids)
            raise ConfigError(
                "featurize", "pack_ids", named, "names of packs of schemas/catalogs/packs.yaml, each once"
            )

    @classmethod
    def from_environment(cls) -> "FeaturizeConfig":
        """Return the configuration of the environment.

        ``MPS_FEATURE_PACKS``: names with commas between them. ``MPS_FACTS``: paths, separated as those of PATH are.
        """
        named, facts = os.environ.get("MPS_FEATURE_PACKS"), os.environ.get("MPS_FACTS")
        packs = (FOUNDING_PACK,) if named is None else tuple(name.strip() for name in named.split(","))
        return cls(packs, tuple(facts.split(os.pathsep)) if facts else ())

    def packs(self) -> tuple[Pack, ...]:
        """Return the packs, in their order.

        Raises
        ------
        ConfigError
            There is no pack of a name, or it is one of ``cross.v1``.
        """
        packs = tuple(load_pack(pack_id) for pack_id in self.pack_ids)
        for pack in packs:
            if any(f.source == "cross" for f in pack.features):
                raise ConfigError(
                    "featurize", "pack_ids (MPS_FEATURE_PACKS)", pack.pack_id,
                    "packs of feature rows: leave this one out, its features are in the rows of cross.v1, "
                    "which `mps run cross` publishes whatever the packs",
                )  # fmt: skip
        return packs
