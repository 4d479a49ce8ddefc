"""How a feature of the catalog enters a model: as it is, in volatilities, or not at all."""

from processors.score.inputs import Input
from schemas.features import Feature

PER_VOL_UNITS = ("log ratio", "log ratio per bar", "fraction of close", "fraction of average", "fraction of mean")
"""Units of the feature schema that grow with the volatility."""
PRICE_UNITS = ("price",)
"""Left out: a raw price tells a tree the symbol and the day; each such feature has a sibling free of the price."""


def input_of(feature: Feature) -> Input:
    """Return the column of a model that a feature is."""
    return Input(f"features.{feature.name}", "per_vol" if feature.unit in PER_VOL_UNITS else "raw")


def is_price(feature: Feature) -> bool:
    """Return whether a feature is a raw price."""
    return feature.unit in PRICE_UNITS
