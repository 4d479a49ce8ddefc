"""``mps futures``: dates of contracts, curves, rolls and continuous prices from files of daily rows."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from processors.errors import ConfigError
from processors.futures.chain import INTERESTS, Interest, days_of, read_table
from processors.futures.continuous import METHODS, Method, adjusted, run
from processors.futures.expiry import contract_code, first_notice_date, last_trade_date, listed_months, rule_of
from processors.futures.roll_rules import RollRule
from processors.futures.rolls import CURVE_COLUMNS, Day, RollTracker, month_text

SHORT = {
    "contract_from": "from", "contract_to": "to", "price_from": "price", "price_to": "to price",
    "difference": "diff",
    "open_interest": "interest", "days_to_end": "days",
}  # fmt: skip
WIDE = ("root",)
"""Left out of a table, which has to fit a terminal; --json has all."""

DEFAULT_RULES = ("oi",)

WHAT = ("dates", "curve", "rolls", "continuous")


@click.command()
@click.argument("what", type=click.Choice(WHAT))
@click.argument("root")
@click.option("--files", "files", multiple=True, type=click.Path(path_type=Path),
              help="Parquet or CSV with a row a contract and day; repeatable. Not for dates.")  # fmt: skip
@click.option("--rule", "rules", multiple=True, show_default="oi; volume where the files have no open interest",
              help="oi, oi-next, oi-annual, volume, notice-N, last-N or month+N; repeatable.")  # fmt: skip
@click.option("--interest", type=click.Choice(INTERESTS), default="known", show_default=True,
              help="Rules by open interest go by what was known at a day's end, or by the figure of its own row, which "
              "exchanges publish on the next morning. A curve has the latter.")  # fmt: skip
@click.option("--depth", default=1, show_default=True, type=click.IntRange(1, 12), help="Contracts for each rule.")
@click.option("--method", type=click.Choice(METHODS), default="back_ratio", show_default=True,
              help="How continuous joins the prices.")  # fmt: skip
@click.option("--day", help="Day of the curve, YYYY-MM-DD; the newest.")
@click.option("--from", "first", default="2024-01", show_default=True, help="First contract month of dates.")
@click.option("--to", "last", default="2026-12", show_default=True, help="Last contract month of dates.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def futures(
    *, what: str, root: str, files: tuple[Path, ...], rules: tuple[str, ...], interest: Interest, depth: int,
    method: Method, day: str | None, first: str, last: str, as_json: bool,
) -> None:  # fmt: skip
    """Show dates, the curve, rolls or continuous prices of ROOT, for example GC.

    \b
    mps futures dates CL --from 2024-01 --to 2024-12
    mps futures curve VX --files vx_daily.parquet --day 2012-10-19
    mps futures rolls ES --files es_daily.csv --rule oi --rule last-5 --depth 2
    mps futures continuous GC --files gc_daily.parquet --method back_difference
    """
    rule_of(root, first)
    if what == "dates":
        rows = _dates(root, first, last)
    else:
        if not files:
            raise ConfigError("mps futures", "--files", "none", "at least one file of daily rows")
        table = pd.concat([read_table(f) for f in files], ignore_index=True)
        days = days_of(root, table, ", ".join(f.name for f in files), "same-day" if what == "curve" else interest)
        if what == "curve":
            rows = _curve(root, days, day)
        else:
            chain = list(days)
            found = run(root, chain, _rules(root, chain, rules), depth)
            if what == "rolls":
                rolls = sorted((r for s in found.values() for r in s.rolls), key=lambda r: (r.ts, r.rule, r.depth))
                rows = ({**asdict(r), "ts": f"{np.datetime64(r.ts, 'ns').astype('datetime64[m]')}Z"} for r in rolls)
            else:
                rows = (
                    {"date": _date(d), "rule": rule, "depth": n, "contract": _code(root, int(m)), "price": p}
                    for (rule, n), s in found.items()
                    for d, m, p in zip(s.day, s.month, adjusted(s, method), strict=True)
                    # The first contract is chosen at the end of a day: until then there is nothing to show.
                    if m >= 0
                )
    _print(rows, f"{root} {what}", as_json=as_json)


def _dates(root: str, first: str, last: str) -> Iterator[dict[str, Any]]:
    for month in listed_months(root, first, last):
        notice = first_notice_date(root, month)
        yield {
            "contract": contract_code(root, month),
            "month": month,
            "first_notice": notice.isoformat() if notice else "",
            "last_trade": last_trade_date(root, month).isoformat(),
        }


def _rules(root: str, days: list[Day], named: tuple[str, ...]) -> list[RollRule]:
    """Return the rules that were named, else by open interest, or by volume where no day knows any.

    Raises
    ------
    ConfigError
        A rule goes by what no row has: it would hold whatever contract came first.
    """
    rules = [RollRule(r) for r in named or DEFAULT_RULES]
    if not days:
        return rules
    has = {name: any((getattr(day, name) > 0.0).any() for day in days) for name in ("open_interest", "volume")}
    if not named and not has["open_interest"] and has["volume"]:
        click.echo(f"mps: warning: no open_interest known in these files of {root}: rolled by volume", err=True)
        return [RollRule("volume")]
    for rule in rules:
        if rule.measure and not has[rule.measure]:
            remedy = "volume" if has["volume"] else "last-5"
            wanted = f"it goes by {rule.measure}, and none is known in these files: --rule {remedy}"
            raise ConfigError(f"{root} rolls", "rule", rule.text, wanted)
    return rules


def _curve(root: str, days: Iterator[Day], day: str | None) -> Iterator[dict[str, Any]]:
    tracker = RollTracker(root, [RollRule("last-0")], 1)
    for rows in days:
        if day is not None and _date(rows.day) > day:
            break
        tracker.end_of_day(rows)
    for values in tracker.curve():
        row = dict(zip(CURVE_COLUMNS, values.tolist(), strict=True))
        month = int(row.pop("month"))
        yield {"date": _date(tracker.day), "contract": _code(root, month), "month": month_text(month), **row}


def _date(day: int) -> str:
    return str(np.datetime64(int(day), "D"))


def _code(root: str, month: int) -> str:
    return "" if month < 0 else contract_code(root, month_text(month))


def _print(rows: Iterator[dict[str, Any]], title: str, *, as_json: bool) -> None:
    found = list(rows)
    if as_json:
        for row in found:
            clean = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
            click.echo(json.dumps(clean))
        return
    if not found:
        click.echo(f"{title}: nothing in these files")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title=title)
    shown = [name for name in found[0] if name not in WIDE]
    for name in shown:
        table.add_column(
            SHORT.get(name, name), no_wrap=True, justify="left" if isinstance(found[0][name], str) else "right"
        )
    for row in found:
        table.add_row(*(f"{row[n]:.7g}" if isinstance(row[n], float) else str(row[n]) for n in shown))
    Console().print(table)
