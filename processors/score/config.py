"""Risk, costs and guards of the decision: the blocks of those names in the file that ``MPS_CONFIG`` names."""

import math
from dataclasses import dataclass, field
from typing import Any

import yaml

from processors.configuration import block_of, checked, number_like
from processors.errors import ConfigError
from processors.yaml_reader import YamlReader
from schemas.freshness import ROW_STALE_AFTER_S
from schemas.instruments import ASSET_CLASSES

RISK = {
    "vol_target": "vol_target_annual",
    "kelly_fraction": "kelly_fraction",
    "max_nav_per_symbol": "max_nav_per_symbol",
    "max_adv_share": "max_adv_share",
    "nav": "nav",
}
GUARDS = {"stale_threshold_s": "stale_threshold_s", "validity_min": "validity_min"}
"""Key in the file -> field of the configuration."""
SLIPPAGE_MODEL = "adv_participation"
"""Linear in the share of the average daily volume."""


@dataclass(frozen=True, slots=True)
class ScoreConfig:
    """What turns a probability into a position.

    Parameters
    ----------
    vol_target_annual
        Annual volatility that one position alone should have. 0.12 is what balanced funds run at.
    kelly_fraction
        Share of the Kelly bet that is taken. 0.35, since full Kelly assumes that the probability is exact: a third
        keeps about five ninths of the growth with a third of the swings.
    max_nav_per_symbol
        Largest share of the net asset value in one symbol. 0.05, so that one wrong symbol costs days, not the year.
    max_adv_share
        Largest share of the average daily volume. 0.02, below which impact stays near linear.
    nav
        Net asset value in the instrument's currency, to compare a position with the daily volume. One million.
    fee_bps
        Fee a side in basis points of the traded value, by asset class. A tenth to a fifth of a basis point is what
        institutions pay for spot FX; exchanges with maker and taker fees take more than one.
    slippage_bps_per_adv_share
        Slippage a side in basis points for trading one whole average daily volume; linear in the share.
    stale_threshold_s
        Timeframe -> age of a row, relative to ``as_of``, past which the ScoreService makes no score; declared with its
        reasons in ``schemas/freshness.py``.
    validity_min
        Rows whose validity is below it have the gate ``low_validity``; 0 turns it off. 0.01: at most one ordinary row
        in a hundred is held back for the strange ones, and the 100 calibration rows that every model has can tell it.
    """

    vol_target_annual: float = 0.12
    kelly_fraction: float = 0.35
    max_nav_per_symbol: float = 0.05
    max_adv_share: float = 0.02
    nav: float = 1_000_000.0
    fee_bps: dict[str, float] = field(
        default_factory=lambda: {"fx": 0.2, "metal": 0.2, "crypto": 1.0, "equity": 1.0, "future": 0.5}
    )
    slippage_bps_per_adv_share: float = 30.0
    stale_threshold_s: dict[str, int] = field(default_factory=lambda: dict(ROW_STALE_AFTER_S))
    validity_min: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what no book can mean.

        Raises
        ------
        ConfigError
            A value is out of its range, or an asset class has no fee.
        """
        for key in ("kelly_fraction", "max_nav_per_symbol", "max_adv_share"):
            if not 0 < getattr(self, key) <= 1:
                raise ConfigError("score", f"risk.{key}", getattr(self, key), "above 0, at most 1")
        for key, value in (("vol_target", self.vol_target_annual), ("nav", self.nav)):
            if not 0 < value < math.inf:
                raise ConfigError("score", f"risk.{key}", value, "a positive number")
        if not 0 <= self.slippage_bps_per_adv_share < math.inf:
            key = "costs.slippage.bps_per_adv_share"
            raise ConfigError("score", key, self.slippage_bps_per_adv_share, "zero or more")
        for name in ASSET_CLASSES:
            fee = self.fee_bps.get(name, math.nan)
            # Rebates exist, but a decision that needs one is no decision.
            if not 0 <= fee < math.inf:
                raise ConfigError("score", f"costs.fee_bps.{name}", self.fee_bps.get(name), "zero or more")
        for name in ROW_STALE_AFTER_S:
            if not self.stale_threshold_s.get(name, 0) > 0:
                key, found = f"guards.stale_threshold_s.{name}", self.stale_threshold_s.get(name)
                raise ConfigError("score", key, found, "a positive number")
        if not 0.0 <= self.validity_min < 1.0:
            raise ConfigError("score", "guards.validity_min", self.validity_min, "from 0 to below 1")

    @classmethod
    def from_environment(cls) -> "ScoreConfig":
        """Return the configuration with what ``score`` in the file that ``MPS_CONFIG`` names says.

        Raises
        ------
        ConfigError
            Names the file, the key, the value and what is allowed.
        """
        default = cls()
        found = block_of("score")
        if found is None:
            return default
        reader, node = found
        blocks = reader.mapping(node, "score", ("risk", "costs", "guards"))
        values: dict[str, Any] = {}
        for block, keys in (("risk", RISK), ("costs", {"fee_bps": "fee_bps"}), ("guards", GUARDS)):
            if block not in blocks:
                continue
            more = ("slippage",) if block == "costs" else ()
            nodes = reader.mapping(blocks[block], f"score.{block}", (*keys, *more))
            for key, name in keys.items():
                if key in nodes:
                    values[name] = number_like(reader, nodes[key], f"score.{block}.{key}", getattr(default, name))
            if "slippage" in nodes:
                values |= _slippage(reader, nodes["slippage"], default)
        return checked(reader, "score", default, values)

    def blocks(self) -> dict[str, Any]:
        """Return the configuration as the file has it."""
        slippage = {"model": SLIPPAGE_MODEL, "bps_per_adv_share": self.slippage_bps_per_adv_share}
        return {
            "risk": {key: getattr(self, name) for key, name in RISK.items()},
            "costs": {"fee_bps": dict(self.fee_bps), "slippage": slippage},
            "guards": {"stale_threshold_s": dict(self.stale_threshold_s), "validity_min": self.validity_min},
        }


def _slippage(reader: YamlReader, node: yaml.Node, default: ScoreConfig) -> dict[str, float]:
    nodes = reader.mapping(node, "score.costs.slippage", ("model", "bps_per_adv_share"))
    if "model" in nodes and (model := reader.text(nodes["model"], "model")) != SLIPPAGE_MODEL:
        raise reader.wrong(nodes["model"], "score.costs.slippage.model", model, f"{SLIPPAGE_MODEL}, the only one")
    if "bps_per_adv_share" not in nodes:
        return {}
    key = "score.costs.slippage.bps_per_adv_share"
    found = number_like(reader, nodes["bps_per_adv_share"], key, default.slippage_bps_per_adv_share)
    return {"slippage_bps_per_adv_share": found}
