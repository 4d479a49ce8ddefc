"""Risk, costs and guards of the decision: the ``risk`` and ``costs`` blocks of the strategy file."""

import math
from dataclasses import dataclass, field

from processors.errors import ConfigError
from schemas.instruments import ASSET_CLASSES


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

    def __post_init__(self) -> None:
        """Refuse what no book can mean.

        Raises
        ------
        ConfigError
            A value is out of its range, or an asset class has no fee.
        """
        for key in ("kelly_fraction", "max_nav_per_symbol", "max_adv_share"):
            if not 0 < getattr(self, key) <= 1:
                raise ConfigError("strategy", f"risk.{key}", getattr(self, key), "above 0, at most 1")
        for key in ("vol_target_annual", "nav"):
            if not 0 < getattr(self, key) < math.inf:
                raise ConfigError("strategy", f"risk.{key}", getattr(self, key), "a positive number")
        if not 0 <= self.slippage_bps_per_adv_share < math.inf:
            raise ConfigError("strategy", "costs.slippage", self.slippage_bps_per_adv_share, "zero or more")
        for name in ASSET_CLASSES:
            fee = self.fee_bps.get(name, math.nan)
            # Rebates exist, but a decision that needs one is no decision.
            if not 0 <= fee < math.inf:
                raise ConfigError("strategy", f"costs.fee_bps.{name}", self.fee_bps.get(name), "zero or more")
