"""All forms of files that ``mps replay`` knows. Add yours here."""

from pathlib import Path

from processors.errors import ConfigError
from processors.feeds.binance import BinanceBookTicker, BinanceTrades
from processors.feeds.dealers import DealerQuotes
from processors.feeds.equities import EquityQuotes, EquityTrades
from processors.feeds.futures import ContractTrades, DatabentoTopOfBook, DatabentoTrades
from processors.feeds.own import OwnTicks
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
    OwnTicks(),
)

LACKING_MAX = 2
"""With more columns missing a file is rather of another form than a damaged one of this."""

ALL_FORMS = "all forms: README, Your own ticks"

NUMBERED = frozenset({OwnTicks().name})
"""Forms whose numbers are those of the venues' messages, where one that comes again is a repeat."""


def recognise(path: Path, columns: list[str]) -> Adapter:
    """Return the adapter of a file by its columns.

    Raises
    ------
    ConfigError
        No form has these columns: names the file, its columns, the form most like it and what that form has too.
    """
    found = frozenset(columns)
    fitting = [form for form in FORMS if form.columns <= found and not form.foreign & found]
    if not fitting:
        near = _nearest(found)
        if near:
            lacks = [", ".join(sorted(form.columns - found)) for form in near]
            told = "; ".join(f"{form.name} have also {lack}" for form, lack in zip(near, lacks, strict=True))
            raise ConfigError(
                str(path), f"column {' or '.join(lacks)}", "missing", f"{told}; it has {', '.join(columns)}"
            )
        raise ConfigError(str(path), "columns", ", ".join(columns), f"the form is not known: {_likest(found)}")
    # The form that explains most of the columns.
    return max(fitting, key=lambda form: len(form.columns))


def _nearest(found: frozenset[str]) -> list[Adapter]:
    """Return the forms that lack least of their columns, if that is one or two."""
    lacking = [form for form in FORMS if form.columns - found]
    least = min(len(form.columns - found) for form in lacking)
    return [form for form in lacking if len(form.columns - found) == least <= LACKING_MAX]


def _likest(found: frozenset[str]) -> str:
    """Return what the form of which most columns are there has and these have not, and where the others stand."""
    form = max(FORMS, key=lambda form: len(form.columns & found) / len(form.columns))
    if not form.columns & found:
        return f"no form has any of these columns; {ALL_FORMS}"
    lack = ", ".join(sorted(form.columns - found))
    told = f"have also {lack}" if lack else f"have no {', '.join(sorted(form.foreign & found))}"
    return f"the nearest, {form.name}, {told}; {ALL_FORMS.replace('all', 'other')}"
