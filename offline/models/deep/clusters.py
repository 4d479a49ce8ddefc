"""Which cluster an instrument belongs to, by asset class and root: ``clusters.yaml``."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from offline.models.estimator import I64
from processors.errors import ConfigError
from schemas.instruments import ASSET_CLASSES, Instrument, Instruments

PATH = Path(__file__).with_name("clusters.yaml")
NO_CLUSTER = -1


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters by name, in the order of the file.

    Parameters
    ----------
    names
        Of the clusters.
    by_asset_class, by_root
        Asset class, and root of futures -> position in ``names``.
    """

    names: tuple[str, ...]
    by_asset_class: dict[str, int]
    by_root: dict[str, int]

    def of(self, instrument: Instrument) -> int:
        """Return the position of an instrument's cluster, ``NO_CLUSTER`` where it has none."""
        if instrument.asset_class == "future":
            return self.by_root.get(instrument.partition_key.partition(":")[0], NO_CLUSTER)
        return self.by_asset_class.get(instrument.asset_class, NO_CLUSTER)

    def of_symbols(self, symbols: Sequence[str], instruments: Instruments) -> I64:
        """Return the cluster of each symbol, shape (n,).

        Raises
        ------
        ConfigError
            A symbol is no instrument.
        """
        out = np.empty(len(symbols), np.int64)
        for i, symbol in enumerate(symbols):
            row = instruments.by_symbol.get(symbol)
            if row is None:
                raise ConfigError("clusters", "symbol_id", symbol, "an instrument of the instruments file")
            out[i] = self.of(instruments.rows[row])
        return out


@cache
def read_clusters(path: Path = PATH) -> Clusters:
    """Return the clusters of a file.

    Raises
    ------
    ConfigError
        Names the cluster and what is wrong: an unknown key or asset class, or one that stands in two clusters; or the
        file cannot be read, or is no mapping of clusters.
    """
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise ConfigError(str(path), "clusters", " ".join(str(e).split()), f"a file such as {PATH.name}") from None
    if not isinstance(found, dict) or not all(isinstance(n, str) and isinstance(m, dict) for n, m in found.items()):
        raise ConfigError(str(path), "clusters", found, f"names with asset_classes and roots, as in {PATH.name}")
    by_asset_class: dict[str, int] = {}
    by_root: dict[str, int] = {}
    for at, (name, members) in enumerate(found.items()):
        for key, values in members.items():
            if key not in {"asset_classes", "roots"}:
                raise ConfigError(str(path), f"{name}.{key}", values, "asset_classes or roots")
            if not isinstance(values, list):
                raise ConfigError(str(path), f"{name}.{key}", values, "a list")
            into = by_asset_class if key == "asset_classes" else by_root
            for value in values:
                if key == "asset_classes" and (value not in ASSET_CLASSES or value == "future"):
                    allowed = ", ".join(a for a in ASSET_CLASSES if a != "future")
                    raise ConfigError(str(path), f"{name}.{key}", value, f"one of {allowed}")
                if not isinstance(value, str):
                    raise ConfigError(str(path), f"{name}.{key}", value, "text: put it in quotes")
                if value in into:
                    raise ConfigError(str(path), f"{name}.{key}", value, "each in one cluster")
                into[value] = at
    return Clusters(tuple(found), by_asset_class, by_root)
