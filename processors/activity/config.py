"""Which symbols get which activity bars, from a CSV file, and the knobs of the imbalance bars.

    symbol_id,asset_class,bar
    AIG:US,*,volume:10000
    *,crypto,dollar:1000000

A row holds for the instruments that fit both its columns; ``*`` fits all. Without ``MPS_ACTIVITY_BARS`` there are none.
"""

import csv
import math
import os
from dataclasses import dataclass, fields
from pathlib import Path

from processors.errors import ConfigError
from schemas.activity import NEEDS_SIZES, ActivityBar, parse_activity
from schemas.instruments import ASSET_CLASSES, Instrument, Instruments

VARIABLE = "MPS_ACTIVITY_BARS"
COLUMNS = ("symbol_id", "asset_class", "bar")
ANY = "*"
BARS_MAX = 16
"""Most kinds of bar of one symbol: each is one more update a tick."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One row of the file: the instruments that it picks and their bar; ``where`` is file and line."""

    symbol_id: str
    asset_class: str
    bar: ActivityBar
    where: str

    def picks(self, instrument: Instrument) -> bool:
        """Return whether the row holds for an instrument."""
        return self.symbol_id in (ANY, instrument.symbol_id) and self.asset_class in (ANY, instrument.asset_class)


@dataclass(frozen=True, slots=True)
class ActivityConfig:
    """Which bars there are, and how imbalance bars learn what to expect.

    Parameters
    ----------
    selections
        Rows of the file; none by default, since every kind of bar costs time and the right sizes are a choice of
        research.
    ticks_span_bars
        Span of the moving average of ticks a bar, in bars. 20: a day of a liquid name, some of any other.
    flow_span_bars
        Span of the moving averages of the flow, in bars of the ticks that are expected at first. 20: as long as that of
        the ticks, so that both expectations are of the same past.
    ticks_ratio_max
        The expected ticks stay within the first expectation divided and multiplied by this. 4: a market may be four
        times as fast as thought, but a loop of longer bars that expect longer bars ends.
    bar_ticks_ratio_max
        A bar ends after so many times the first expectation, whatever its imbalance. 16: four times the longest
        expectation.
    """

    selections: tuple[Selection, ...] = ()
    ticks_span_bars: float = 20.0
    flow_span_bars: float = 20.0
    ticks_ratio_max: float = 4.0
    bar_ticks_ratio_max: float = 16.0

    def __post_init__(self) -> None:
        """Check the knobs.

        Raises
        ------
        ConfigError
            A span or a ratio is below 1 or no number, or bars would end before they are expected to.
        """
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if not 1 <= value < math.inf:
                raise ConfigError("activity", field.name, value, "a number of at least 1")
        if self.bar_ticks_ratio_max < self.ticks_ratio_max:
            allowed = f"at least ticks_ratio_max, {self.ticks_ratio_max}"
            raise ConfigError("activity", "bar_ticks_ratio_max", self.bar_ticks_ratio_max, allowed)

    def bars_of(self, instruments: Instruments) -> dict[str, tuple[ActivityBar, ...]]:
        """Return the bars of each symbol that has some, in the order of the file.

        Raises
        ------
        ConfigError
            A row fits no instrument, asks for sizes where none are published, or repeats a bar; names file and line.
        """
        out: dict[str, list[ActivityBar]] = {}
        for row in self.selections:
            found = [i for i in instruments.rows if row.picks(i)]
            if not found:
                key, value = ("symbol_id", row.symbol_id) if row.symbol_id != ANY else ("asset_class", row.asset_class)
                raise ConfigError(row.where, key, value, "fits an instrument of the instruments file")
            sized = [i for i in found if i.price_basis == "trade"] if row.bar.kind in NEEDS_SIZES else found
            if not sized:
                allowed = f"a tick bar: {found[0].symbol_id} has quotes only, and quotes have no volume"
                raise ConfigError(row.where, "bar", row.bar.name, allowed)
            for instrument in sized:
                bars = out.setdefault(instrument.symbol_id, [])
                if row.bar in bars:
                    raise ConfigError(row.where, "bar", row.bar.name, f"once for {instrument.symbol_id}")
                bars.append(row.bar)
                if len(bars) > BARS_MAX:
                    allowed = f"at most {BARS_MAX} for {instrument.symbol_id}"
                    raise ConfigError(row.where, "bar", row.bar.name, allowed)
        return {symbol: tuple(bars) for symbol, bars in out.items()}

    def kept_settings(self) -> str:
        """Return the settings that the kept state depends on: not where the file lies."""
        rows = [(r.symbol_id, r.asset_class, r.bar.name) for r in self.selections]
        return f"{rows} " + " ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self)[1:])


def read_selections(path: Path) -> tuple[Selection, ...]:
    """Return the rows of a file.

    Raises
    ------
    ConfigError
        The file is missing or a row is wrong: names the file, line and column.
    """
    if not path.is_file():
        raise ConfigError(str(path), "file", "missing", f"name a CSV of {','.join(COLUMNS)} in {VARIABLE}")
    with path.open(newline="", encoding="utf-8") as f:
        reader = csv.DictReader(f, strict=True)
        try:
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ConfigError(f"{path}:1", "header", ",".join(reader.fieldnames or ()), ",".join(COLUMNS))
            return tuple(_selection(raw, f"{path}:{reader.line_num}") for raw in reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}:{reader.line_num + 1}", "row", str(error), "a CSV of UTF-8 text") from None


def _selection(raw: dict[str, str], where: str) -> Selection:
    if None in raw or None in raw.values():
        raise ConfigError(where, "row", [v for v in raw.values() if v], f"{len(COLUMNS)} columns: {','.join(COLUMNS)}")
    for key in COLUMNS:
        if raw[key] != raw[key].strip() or not raw[key]:
            raise ConfigError(where, key, raw[key], "neither empty nor with blanks around")
    if raw["asset_class"] not in (ANY, *ASSET_CLASSES):
        raise ConfigError(where, "asset_class", raw["asset_class"], f"{ANY} or one of {', '.join(ASSET_CLASSES)}")
    try:
        bar = parse_activity(raw["bar"])
    except ValueError as error:
        raise ConfigError(where, "bar", raw["bar"], str(error)) from None
    return Selection(raw["symbol_id"], raw["asset_class"], bar, where)


def load_config() -> ActivityConfig:
    """Return the configuration of the environment."""
    path = os.environ.get(VARIABLE, "")
    return ActivityConfig(read_selections(Path(path)) if path else ())
