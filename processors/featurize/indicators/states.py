"""States: what kind of market it is, by trend, volatility, zones, stress and liquidity."""

from processors.featurize.indicators import states_stress, states_trend, states_volatility, states_zones
from processors.featurize.indicators.binding import Kernel

KERNELS: dict[str, Kernel] = {
    **states_trend.KERNELS, **states_volatility.KERNELS, **states_zones.KERNELS, **states_stress.KERNELS,
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
