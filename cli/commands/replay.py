"""``mps replay``: publish recorded ticks to ``ticks.raw.v1``."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from cli.log_end import RAW, newest_event_ns
from cli.options import partitions_option
from deploy.local.endpoints import find_broker
from deploy.local.paths import SHIPPED_TICKS, home
from processors.errors import RetryableError
from processors.feeds.files import Recording, open_recording, present
from processors.feeds.publish import Published, Publisher, ReplayOptions
from processors.reference.in_use import use_reference
from processors.runtime.topics import describe_topics


class Speed(click.ParamType):
    """A positive number, or ``max``."""

    name = "1|10|max"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the number, or ``max``."""
        if value == "max":
            return "max"
        try:
            speed = float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor max", param, ctx)
        if not 0 < speed < float("inf"):
            self.fail(f"{value} is not a positive number", param, ctx)
        return speed


class _Time(click.ParamType):
    """A time as nanoseconds since the epoch; without a zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return nanoseconds since the epoch."""
        if isinstance(value, int):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2014-05-02T12:30 or 2014-05-02", param, ctx)
        since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        # Not timestamp(): a float has no room for microseconds of this century.
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--speed", type=Speed(), default="max", show_default=True, metavar="1|10|max",
              help="Recorded seconds a second, or as fast as it goes. Gaps are cut to 2 s.")  # fmt: skip
@partitions_option
@click.option("--limit", type=click.IntRange(1), help="Most ticks to publish.")
@click.option("--from", "begin_ns", type=_Time(), help="First event time, UTC: 2014-05-02T12:30.")
@click.option("--to", "end_ns", type=_Time(), help="Event time to stop before.")
@click.option("--resume", is_flag=True, help="Go on after what the topic holds already of the same files and options.")
@click.option("--late", is_flag=True, help="Publish although all ticks are older than what the platform has seen.")
@click.option("--strict", is_flag=True, help="Refuse files with rows that would go to the dead letter.")
@click.option("--prefix", default="", help="Stands before the topic's name.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as one JSON object, and no progress bar.")
def replay(
    *, files: tuple[Path, ...], speed: float | str, partitions: int | None, limit: int | None, begin_ns: int | None,
    end_ns: int | None, resume: bool, late: bool, strict: bool, prefix: str, as_json: bool,
) -> None:  # fmt: skip
    """Publish recorded ticks to ticks.raw.v1 with their true event times.

    FILES are Parquet, CSV, LEAN zip, Databento DBN or raw message files, or folders of them; without any, the ticks in
    deploy/demo/market. A table is recognised by its columns: FX and CFD quotes by vendor, Binance book tickers and
    trades, futures trades by contract, Databento trades and top of book, equity trades and one-sided quotes by
    exchange. Files are merged by time. A partition that is quiet while others are not gets clock marks, so that its
    bars close.

    \b
    mps replay                                    the shipped ticks, at full speed
    mps replay --speed 10 --limit 50000           ten times as fast as life
    mps replay my/*.parquet --from 2014-05-02     your own, from a day on
    mps replay --resume                           go on after an interruption
    """
    use_reference(prefix)
    options = ReplayOptions(
        speed=None if isinstance(speed, str) else speed, limit=limit, begin_ns=begin_ns, end_ns=end_ns,
        resume=resume, partitions=partitions, prefix=prefix, late=late,
    )  # fmt: skip
    # What was asked for first: a name that is wrong stays wrong when the platform is up.
    given = present(files or (SHIPPED_TICKS,))
    where = find_broker(home())
    recording = open_recording(given, strict=strict)
    # Before the warnings: to whoever has no broker they are no news.
    describe_topics(where, prefix)
    for warning in (*recording.warnings, *recording.rejects):
        _warn(warning)
    account = _published(where, recording, options, quiet=as_json)
    if as_json:
        click.echo(json.dumps(_account(account, recording)))
    else:
        _print(account)


def _published(where: str, recording: Recording, options: ReplayOptions, *, quiet: bool) -> Published:
    """Publish, with a progress bar where a person watches."""
    bar = _progress_bar()
    task: TaskID | None = None
    if not quiet:
        task = bar.add_task("", total=min(recording.rows, options.limit or recording.rows), clock="", rate="")

    def tell(account: Published, clock_ns: int) -> None:
        if task is not None:
            rate = f"{account.ticks_per_s:,.0f}/s"
            bar.update(task, completed=account.ticks, clock=_utc(clock_ns, "%Y-%m-%d %H:%M:%S"), rate=rate)

    with nullcontext() if quiet else bar:
        return _Publisher(where, tell, _warn).publish(recording, options)


class _Publisher(Publisher):
    """Knows the greatest event time of the topic, where the last records may be older ticks behind newer ones."""

    def _newest_event_ns(self, topic: str, options: ReplayOptions) -> dict[int, int]:
        # A resumed replay goes on with what is no older than what is there.
        if options.resume:
            return {}
        try:
            return newest_event_ns(self.bootstrap_servers, topic.removesuffix(RAW))
        except RetryableError:
            # For a warning only.
            return {}


def _warn(text: str) -> None:
    click.echo(f"mps: warning: {text}", err=True)


def _progress_bar() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("ticks"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[clock]}"),
        TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), console=Console(stderr=True),
    )  # fmt: skip


def _account(account: Published, recording: Recording) -> dict[str, Any]:
    return {
        "ticks": account.ticks,
        "marks": account.marks,
        "records": account.records,
        "skipped": account.skipped,
        "kinds": account.kinds,
        "symbols": account.symbols,
        "first_event": _utc(account.first_event_ns),
        "last_event": _utc(account.last_event_ns),
        "seconds": round(account.seconds, 3),
        "ticks_per_s": round(account.ticks_per_s),
        "gaps_cut": account.gaps_cut,
        "warnings": [*recording.warnings, *account.warnings],
        "rejects": list(recording.rejects),
    }


def _print(account: Published) -> None:
    span = f"{_utc(account.first_event_ns)} to {_utc(account.last_event_ns)}" if account.ticks else "none in that span"
    click.echo(f"{account.ticks:,} ticks ({span}), {account.marks:,} clock marks: {account.records:,} records")
    if account.skipped:
        click.echo(f"{account.skipped:,} of the records were there already")
    if account.gaps_cut:
        click.echo(f"{account.gaps_cut} gaps of the recording were cut to 2 s")
    click.echo("by kind    " + ", ".join(f"{kind} {n:,}" for kind, n in account.kinds.items()))
    click.echo("by symbol  " + ", ".join(f"{symbol} {n:,}" for symbol, n in account.symbols.items()))
    click.echo(f"{account.seconds:.1f} s, {account.ticks_per_s:,.0f} ticks/s")


def _utc(ns: int, form: str = "") -> str:
    if not ns:
        return ""
    at = datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    return at.strftime(form) if form else at.isoformat().replace("+00:00", "Z")
