"""Periods a year, by name."""

from processors.errors import ConfigError

PERIODS_A_YEAR = {"daily": 252, "weekly": 52, "monthly": 12, "quarterly": 4, "yearly": 1}


def periods_a_year(period: str = "daily", annualization: float | None = None) -> float:
    """Return how many periods a year has: the given number, else that of the named period.

    Raises
    ------
    ConfigError
        There is no such period, or the number is not positive.
    """
    if annualization is not None:
        if not annualization > 0:
            raise ConfigError("statistics", "annualization", annualization, "a positive number of periods a year")
        return annualization
    if period not in PERIODS_A_YEAR:
        raise ConfigError("statistics", "period", period, f"one of {', '.join(PERIODS_A_YEAR)}")
    return PERIODS_A_YEAR[period]
