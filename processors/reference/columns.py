"""What a file of each record may have in its columns, and how one row becomes a record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from processors.errors import ConfigError
from processors.futures.roll_rules import RollRule
from processors.reference import values as v
from processors.reference.records import ALWAYS_NS, ASSET_CLASSES, EVENT_TYPES, Fundamental, MarketEvent, Security
from processors.sessions import calendar_zone
from schemas.instruments import PRICE_BASES

_SYMBOL_ID = v.pattern(r"[A-Za-z0-9][A-Za-z0-9._/+-]*:[A-Z0-9]+", "a ticker and its market, such as AIG:US")
_NAME = v.pattern(r"[a-z0-9][a-z0-9_]*", "a name of lower-case letters, digits and _")
_UNIT = v.pattern(r"[A-Za-z%][A-Za-z0-9 %/_-]*", "a unit, such as USD, shares or ratio")


def _roll_rules(raw: v.Raw) -> str:
    words = v.text(raw).split(" ")
    if len(set(words)) < len(words):
        raise v.Refused("rules separated by a space, each once")
    try:
        return " ".join(RollRule(word).text for word in words)
    except ConfigError as e:
        raise v.Refused(f"rules separated by a space: {e.remedy}") from None


class Inconsistent(ValueError):  # noqa: N818 - a fate, read as a word where it is raised
    """Two values of a row contradict each other; names the column that is shown."""

    def __init__(self, column: str, remedy: str) -> None:
        super().__init__(remedy)
        self.column = column


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file. A column that is not ``required`` may be missing, or empty in a row."""

    parse: v.Parser
    required: bool = False


SECURITY = {
    "security_id": Column(v.pattern(r"[A-Za-z0-9][A-Za-z0-9 :._/+-]*", "letters, digits and : . _ / + -")),
    "symbol_id": Column(_SYMBOL_ID, required=True),
    "symbol": Column(v.pattern(r"[A-Za-z0-9][A-Za-z0-9 ._/+-]*", "a ticker, such as AIG")),
    "isin": Column(v.isin),
    "mic": Column(v.pattern(r"[A-Z0-9]{4}", "four letters or digits of ISO 10383, such as XNYS")),
    "asset_class": Column(v.choice(*ASSET_CLASSES), required=True),
    "price_basis": Column(v.choice(*PRICE_BASES), required=True),
    "currency": Column(v.pattern(r"[A-Z][A-Z0-9]{2,9}", "a code of a currency, such as USD"), required=True),
    "tick_size": Column(v.positive, required=True),
    "lot_size": Column(v.positive, required=True),
    "multiplier": Column(v.positive, required=True),
    "session_calendar": Column(v.calendar, required=True),
    "time_zone": Column(v.time_zone),
    "root": Column(_SYMBOL_ID),
    "contract_month": Column(v.month),
    "roll_rules": Column(_roll_rules),
    "first_notice": Column(v.day),
    "last_trade": Column(v.day),
    "listed": Column(v.day),
    "delisted": Column(v.day),
    "valid_from": Column(v.day_or_instant),
    "valid_to": Column(v.day_or_instant),
    "ts_known": Column(v.instant),
    "source": Column(v.text),
}
FUNDAMENTAL = {
    "symbol_id": Column(_SYMBOL_ID, required=True),
    "metric": Column(_NAME, required=True),
    "period_end": Column(v.day, required=True),
    "period": Column(
        v.pattern(r"\d{4}(Q[1-4]|H[12]|FY|M(0[1-9]|1[0-2]))", "a period such as 2013Q4, 2013H2 or 2013FY")
    ),
    "value": Column(v.number_or_withdrawn, required=True),
    "unit": Column(_UNIT, required=True),
    "ts_event": Column(v.instant),
    "ts_known": Column(v.instant, required=True),
    "source": Column(v.text),
}
EVENT = {
    "symbol_id": Column(_SYMBOL_ID, required=True),
    "event_id": Column(v.text),
    "type": Column(v.choice(*EVENT_TYPES), required=True),
    "name": Column(_NAME, required=True),
    "ts_event": Column(v.instant, required=True),
    "ts_known": Column(v.instant),
    "value": Column(v.number_or_withdrawn),
    "unit": Column(_UNIT),
    "text": Column(v.text),
    "source": Column(v.text),
    "ts_end": Column(v.instant),
}
COLUMNS: dict[type[Security] | type[Fundamental] | type[MarketEvent], dict[str, Column]] = {
    Security: SECURITY,
    Fundamental: FUNDAMENTAL,
    MarketEvent: EVENT,
}
ALIASES = {"calendar": "session_calendar", "partition_key": "root", "lot": "lot_size", "id": "security_id"}
"""Other names that are taken, as the list of instruments has them."""

CONTRACT_MONTHS_BEFORE_MAX = 4
"""Energy contracts stop trading up to two months before delivery, monthly ones up to a month after."""


def security(row: Mapping[str, Any], source: str) -> Security:
    """Return the security of a row of parsed values.

    Raises
    ------
    Inconsistent
        Values of the row contradict each other.
    """
    zone = row["time_zone"] or calendar_zone(row["session_calendar"])
    begin, end = (_in_zone(row[name], zone) for name in ("valid_from", "valid_to"))
    _check_contract(row)
    _check_order(row)
    if end is not None and end <= (ALWAYS_NS if begin is None else begin):
        raise Inconsistent("valid_to", "a time after valid_from")
    known = row["ts_known"]
    listed, delisted = _date_ns(row["listed"]), _date_ns(row["delisted"])
    return Security(
        security_id=row["security_id"] or row["symbol_id"],
        symbol_id=row["symbol_id"],
        symbol=row["symbol"] or row["symbol_id"].partition(":")[0],
        isin=row["isin"] or "",
        mic=row["mic"] or "",
        asset_class=row["asset_class"],
        price_basis=row["price_basis"],
        currency=row["currency"],
        tick_size=row["tick_size"],
        lot_size=row["lot_size"],
        multiplier=row["multiplier"],
        session_calendar=row["session_calendar"],
        time_zone=zone,
        root=row["root"] or "",
        contract_month=row["contract_month"] or "",
        roll_rules=row["roll_rules"] or "",
        first_notice=_date_ns(row["first_notice"]),
        last_trade=_date_ns(row["last_trade"]),
        listed=listed,
        delisted=delisted,
        valid_from=ALWAYS_NS if begin is None else begin,
        valid_to=end,
        ts_known=ALWAYS_NS if known is None else known,
        source=row["source"] or source,
    )


def _in_zone(value: date | int | None, zone: str) -> int | None:
    return v.local_ns(value, zone) if isinstance(value, date) else value


def _date_ns(value: date | None) -> int | None:
    return None if value is None else v.day_ns(value)


def _check_contract(row: Mapping[str, Any]) -> None:
    """Raise where a contract lacks what makes it one, or something else has it."""
    if row["asset_class"] != "future":
        for name in ("root", "contract_month", "roll_rules", "first_notice", "last_trade"):
            if row[name]:
                raise Inconsistent(name, f"empty, since asset_class is {row['asset_class']} and not future")
        return
    if not row["root"]:
        raise Inconsistent("root", "the root of a futures contract, such as GC:CMX")
    if row["contract_month"]:
        for name in ("first_notice", "last_trade"):
            if row[name] and not -CONTRACT_MONTHS_BEFORE_MAX <= _months(row[name], row["contract_month"]) <= 1:
                near = f"from {CONTRACT_MONTHS_BEFORE_MAX} months before {row['contract_month']} to one month after"
                raise Inconsistent(name, f"a date {near}")


def _months(day: date, contract_month: str) -> int:
    year, month = map(int, contract_month.split("-"))
    return 12 * (day.year - year) + day.month - month


def _check_order(row: Mapping[str, Any]) -> None:
    """Raise where dates are out of order."""
    for first, then in (
        ("listed", "first_notice"), ("listed", "last_trade"), ("listed", "delisted"), ("last_trade", "delisted"),
        ("listed", "valid_to"), ("valid_from", "delisted"),
    ):  # fmt: skip
        early, late = _as_date(row[first]), _as_date(row[then])
        if early is not None and late is not None and late < early:
            raise Inconsistent(then, f"a date not before {first}, {early}")


def _as_date(value: date | int | None) -> date | None:
    """Return the date of an instant, UTC; a day off at most, which is no contradiction."""
    if not isinstance(value, int):
        return value
    return datetime.fromtimestamp(value // 1_000_000_000, UTC).date()


def fundamental(row: Mapping[str, Any], source: str) -> Fundamental:
    """Return the figure of a row of parsed values.

    Raises
    ------
    Inconsistent
        It would be known before its period ends, or before it happened.
    """
    end, known = v.day_ns(row["period_end"]), row["ts_known"]
    event = known if row["ts_event"] is None else row["ts_event"]
    if known < end:
        raise Inconsistent("ts_known", f"a time not before period_end, {row['period_end']}: nobody knew it earlier")
    if event > known:
        raise Inconsistent("ts_event", "a time not after ts_known: a figure is published when it is known")
    return Fundamental(
        row["symbol_id"], row["metric"], end, row["period"] or "", row["value"], row["unit"], event, known,
        row["source"] or source,
    )  # fmt: skip


POSITIVE_TYPES = ("dividend", "split", "stock_dividend")
ANNOUNCED_YEARS_MAX = 5
"""Dates of policy meetings and of index changes are announced a year or two before; ten years is a wrong year."""


def event(row: Mapping[str, Any], source: str) -> MarketEvent:
    """Return the event of a row of parsed values; without ``ts_known`` it is known when it happens.

    Raises
    ------
    Inconsistent
        A value or a text is missing, or the value is none of that type.
    """
    kind, value, words = row["type"], row["value"], row["text"] or ""
    happens, known = row["ts_event"], row["ts_known"]
    if value is None and not words and not row.get("withdrawn"):
        raise Inconsistent("value", f"a number, or a text beside it, or {v.WITHDRAWN}")
    if value is not None and not row["unit"]:
        raise Inconsistent("unit", "the unit of the value, such as USD or ratio")
    if kind in POSITIVE_TYPES and value is not None and value <= 0:
        raise Inconsistent("value", f"above 0 for a {kind}")
    if kind == "symbol_change" and not words and not row.get("withdrawn"):
        raise Inconsistent("text", "the new ticker")
    if known is None:
        known = happens
    if known < happens - ANNOUNCED_YEARS_MAX * 366 * 86_400_000_000_000:
        raise Inconsistent("ts_known", f"a time at most {ANNOUNCED_YEARS_MAX} years before ts_event")
    if row["ts_end"] is not None and row["ts_end"] <= happens:
        raise Inconsistent("ts_end", "a time after ts_event, or empty")
    day = datetime.fromtimestamp(happens // 1_000_000_000, UTC).date()
    named = row["event_id"] or f"{row['symbol_id']} {kind} {day}"
    return MarketEvent(
        row["symbol_id"], named, kind, row["name"], happens, known, value, row["unit"] or "", words,
        row["source"] or source, row["ts_end"],
    )  # fmt: skip
