"""TA-Lib's volatility functions, made of our indicators."""

from tests.conformance.indicators.support import Mapping, on, run

MAPPING: Mapping = {
    "ATR": lambda p, c: {"": run("atr", c, window=p["timeperiod"])["value"]},
    "NATR": lambda p, c: {"": 100 * run("atr", c, window=p["timeperiod"])["ratio"]},
    "TRANGE": lambda _, c: {"": run("true_range", c)["value"]},
    "ADR": lambda p, c: {"": run("average_range", c, window=p["timeperiod"])["value"]},
    "CVI": lambda p, c: {"": run("chaikin_volatility", c, window=p["timeperiod"], bars=p["rocperiod"])["value"]},
    "MASSI": lambda p, c: {"": run("range_expansion", c, window=p["fastperiod"], bars=p["slowperiod"])["value"]},
    "RVI": lambda p, c: {
        "": on("relative_volatility", c["price"], window=p["timeperiod"], deviation_window=p["stddevperiod"])["value"]
    },
}
"""Function of TA-Lib -> its outputs by the suffix of their columns; the one output of a function has the suffix ""."""
