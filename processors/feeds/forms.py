"""All forms of files that ``mps replay`` knows. Add yours here."""

from pathlib import Path

from processors.errors import ConfigError
from processors.feeds.binance import BinanceBookTicker, BinanceTrades
from processors.feeds.dealers import DealerQuotes
from processors.feeds.equities import EquityQuotes, EquityTrades
from processors.feeds.futures import ContractTrades, DatabentoTopOfBook, DatabentoTrades
from processors.feeds.port import Adapter

FORMS: tuple[Adapter, ...] = (
    DealerQuotes(),
    BinanceBookTicker(),
    BinanceTrades(),
    ContractTrades(),
    DatabentoTrades(),
    DatabentoTopOfBook(),
    EquityTrades(),
    EquityQuotes(),
)


def recognise(path: Path, columns: list[str]) -> Adapter:
    """Return the adapter of a file by its columns.

    Raises
    ------
    ConfigError
        No form has these columns: names the file, the columns and every form known.
    """
    found = frozenset(columns)
    fitting = [form for form in FORMS if form.columns <= found and not form.foreign & found]
    if not fitting:
        known = "; ".join(f"{form.name}: {', '.join(sorted(form.columns))}" for form in FORMS)
        raise ConfigError(str(path), "columns", ", ".join(columns), f"the form is not known. Known forms: {known}")
    # The form that explains most of the columns.
    return max(fitting, key=lambda form: len(form.columns))
