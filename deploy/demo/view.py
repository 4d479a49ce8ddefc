"""What the demo shows: a live table while it runs, the account and the summary at its end."""

import textwrap
import time

from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from deploy.demo.account import Line
from deploy.demo.monitor import Monitor
from deploy.demo.run import Result
from processors.feeds.publish import Published
from processors.topology import TOPOLOGY

WIDE_COLUMNS = 110
"""Terminal from which an equation and its sum stand side by side: names and figures take 66 of them."""
STAGE_OF = {row.sinks[0]: row.stage for row in TOPOLOGY}


class LiveView:
    """The progress bar of the feed over a table of topics; ``render`` is called a few times a second."""

    def __init__(self, ticks: int) -> None:
        self._bar = Progress(
            SpinnerColumn(), TextColumn("[bold]publishing[/]"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[clock]}"), TimeElapsedColumn(),
        )  # fmt: skip
        self._task = self._bar.add_task("", total=ticks, clock="")
        self._last: dict[str, tuple[float, int]] = {}
        self._rate: dict[str, float] = {}

    def feed_moved(self, account: Published, clock_ns: int) -> None:
        """Take the feed's progress: ticks so far and the recording's clock, ns."""
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(clock_ns // 1_000_000_000))
        self._bar.update(self._task, completed=account.ticks, clock=clock)

    def render(self, monitor: Monitor) -> RenderableType:
        """Return the view of this moment."""
        table = Table(box=None, pad_edge=False)
        for name in ("topic", "written by", "records", "records/s"):
            table.add_column(name, justify="left" if name in ("topic", "written by") else "right")
        for topic, count in monitor.counts().items():
            writer, rate = STAGE_OF.get(topic, _writers(topic)), self._per_s(topic, count)
            table.add_row(topic, writer, f"{count:,}", f"{rate:,.0f}")
        p50, p99 = monitor.latency_ms(0.5), monitor.latency_ms(0.99)
        latency = "" if p50 != p50 else f"tick to signal: p50 {p50:,.0f} ms, p99 {p99:,.0f} ms"  # noqa: PLR0124 - NaN
        return Group(self._bar, table, latency)

    def line(self, counts: dict[str, int]) -> str:
        """Return how far it has come in one line, for a log: topic -> committed records in."""
        shown = {"consensus": "ticks.consensus.v1", "bars": "bars.v1", "signals": "signals.v1"}
        task = self._bar.tasks[0]
        ticks = f"ticks {task.completed:,.0f} of {task.total:,.0f}"
        return ", ".join([ticks, *(f"{name} {counts[topic]:,}" for name, topic in shown.items())])

    def _per_s(self, topic: str, count: int) -> float:
        now = time.monotonic()
        at, before = self._last.get(topic, (now, count))
        if now - at >= 1.0:
            self._rate[topic] = (count - before) / (now - at)
            self._last[topic] = (now, count)
        elif topic not in self._last:
            self._last[topic] = (now, count)
        return self._rate.get(topic, 0.0)


def _writers(topic: str) -> str:
    return {"ticks.raw.v1": "feed", "data.freshness": "reconcile, bars", "dead.letter.v1": "any stage"}.get(topic, "")


def account_view(lines: list[Line], width: int) -> RenderableType:
    """Return the account for a terminal of so many columns: a table where it fits, else two lines an equation."""
    left = max(len(line.what) for line in lines) + max(len(f"{line.left:,}") for line in lines)
    return _account_table(lines, width - left) if width >= WIDE_COLUMNS else _account_lines(lines, width)


def _account_table(lines: list[Line], room: int) -> Table:
    table = Table(title="The account", title_justify="left", box=None, pad_edge=False)
    table.add_column("equation", no_wrap=True)
    table.add_column("records", justify="right", no_wrap=True)
    table.add_column("= sum of", no_wrap=True)
    table.add_column("", no_wrap=True)
    verdicts = max(len(_verdict(line).plain) for line in lines)
    for line in lines:
        # Two spaces stand between the columns.
        table.add_row(line.what, f"{line.left:,}", "\n".join(_sum(line, room - verdicts - 6)), _verdict(line))
    return table


def _account_lines(lines: list[Line], width: int) -> RenderableType:
    """Return each equation with its verdict; below it, where there are several parts, what the sum is of."""
    shown = [Text("The account", style="italic")]
    names, figures = max(len(line.what) for line in lines), max(len(f"{line.left:,}") for line in lines)
    for line in lines:
        shown.append(Text(f"{line.what:<{names}}  {line.left:>{figures},}  ") + _verdict(line))
        if sum(n != 0 for n in line.parts.values()) > 1 or not line.even:
            shown += [Text(f"    {part}", style="dim") for part in _sum(line, width - 4)]
    return Group(*shown)


def _sum(line: Line, width: int) -> list[str]:
    """Return the parts of the sum in lines of at most that width; a name and its figure stay together."""
    text = " + ".join(f"{name}\N{NO-BREAK SPACE}{n:,}" for name, n in line.parts.items() if n) or "0"
    return [part.replace("\N{NO-BREAK SPACE}", " ") for part in textwrap.wrap(text, width)]


def _verdict(line: Line) -> Text:
    if line.even:
        return Text("even", style="green")
    return Text(f"off by {line.left - sum(line.parts.values()):,}", style="bold red")


def summary_table(result: Result, speed: float | None) -> Table:
    """Return the figures of the whole run."""
    table = Table(title="Summary", title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, text in summary(result, speed).items():
        table.add_row(name, text)
    return table


def summary(result: Result, speed: float | None) -> dict[str, str]:
    """Return name -> figure of the summary."""
    reconcile, bars = result.fates.get("reconcile", {}), result.fates.get("bars", {})
    score = result.fates.get("score", {})
    dead = ", ".join(f"{error} {n:,}" for (_, error), n in sorted(result.dead.items(), key=lambda kv: -kv[1]))
    freshness = ", ".join(f"to {state} {n:,}" for state, n in sorted(result.freshness.items()))
    skipped = ", ".join(f"{fate} {n:,}" for fate, n in sorted(score.items()) if fate != "signal")
    rate = result.published.ticks / result.published.seconds if result.published.seconds else 0.0
    queueing = "" if speed else " (at full speed this is mostly waiting in line; see --speed 10)"
    return {
        "ticks in": f"{result.published.ticks:,} at {rate:,.0f}/s, and {result.published.marks:,} clock marks",
        "duplicates": f"{reconcile.get('duplicate', 0):,}",
        "late ticks": f"{reconcile.get('late', 0):,} (bars revised {bars.get('revised', 0):,})",
        "dead letters": f"{sum(result.dead.values()):,}: {dead}" if dead else "0",
        "outliers cut": f"{reconcile.get('cut', 0):,}",
        "bars": f"{result.topics['bars.v1']:,}",
        "gold rows": f"{result.topics['gold.v1']:,}",
        "signals": f"{result.topics['signals.v1']:,} (gold rows without one: {skipped})",
        "freshness changes": f"{result.topics['data.freshness']:,}: {freshness}",
        "tick to signal": f"p50 {result.latency_p50_ms:,.0f} ms, p99 {result.latency_p99_ms:,.0f} ms{queueing}",
        "wall time": f"{result.seconds:,.1f} s from the first tick to the last row stored",
    }
