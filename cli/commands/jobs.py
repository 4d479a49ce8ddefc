"""``mps jobs``: batch work as flows: run them, look at them, put them on schedules, start them from outside."""

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.progress import Tasks
from processors.errors import ConfigError

if TYPE_CHECKING:
    from offline.jobs.run import Record

SHOWN_RUNS = 20
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")
PARAMETERS = click.option("-p", "--parameter", "parameters", multiple=True, metavar="KEY=VALUE",
                          help="Of the flow; repeat it for another key, or for the next text of a list.")  # fmt: skip
SCHEDULES = click.option("--schedules", type=click.Path(path_type=Path),
                         help="File of schedules.  [MPS_SCHEDULES, else the shipped one]")  # fmt: skip


@click.group()
def jobs() -> None:
    """Run batch work as flows of steps, by hand, by the clock, or from outside.

    A step that is done is not done again: the same command goes on where a killed or failed run was, and returns the
    result at once where nothing has changed since.

    \b
    mps jobs list                         flows, their parameters, when they run next
    mps jobs run compact -p days=7        run one here and now
    mps jobs show                         what ran, and where it stands
    mps jobs serve                        run them by the clock
    mps jobs webhook --port 8088          start them by a signed request
    """


@jobs.command(name="list")
@SCHEDULES
@JSON
def list_(*, schedules: Path | None, as_json: bool) -> None:
    """List the flows: what each reads and writes, its parameters, its schedule and when it runs next.

    Example: mps jobs list --json
    """
    from offline.jobs.catalog import JOBS
    from offline.jobs.schedules import read_schedules, schedules_file

    now = datetime.now(UTC)
    planned = read_schedules(schedules_file(schedules))
    found: list[dict[str, Any]] = [
        {"flow": job.name, "about": job.about, "reads": job.reads, "writes": job.writes, "parameters": job.shown(),
         "schedules": [{"cron": s.cron, "timezone": s.timezone, "next": s.next_after(now).isoformat(),
                        "parameters": s.parameters} for s in planned if s.flow == job.name]}
        for job in JOBS.values()
    ]  # fmt: skip
    if as_json:
        click.echo(json.dumps(found))
        return
    # Whole lines where a program reads.
    console = Console(highlight=False, width=None if Console().is_terminal else 10_000)
    for job in found:
        console.print(f"[bold]{job['flow']}[/]  {job['about']}")
        console.print(f"    {job['reads']} -> {job['writes']}", style="dim")
        console.print(_parameters_table(job["parameters"]))
        for at in job["schedules"]:
            console.print(f"    {at['cron']} {at['timezone']}, next {at['next'][:16]} UTC")


@jobs.command()
@click.argument("flow")
@PARAMETERS
@click.option("--anew", is_flag=True, help="Begin anew, whatever is done already.")
@JSON
def run(*, flow: str, parameters: tuple[str, ...], anew: bool, as_json: bool) -> None:
    """Run FLOW in this process: ingest, reconcile, featurize, train, promote, score, backtest or compact.

    Goes on with an unfinished run of the same parameters at the first step that is not done. Where a run of the same
    parameters and input is finished, prints its result. Exit codes: 0 done, 1 failed or refused, 2 wrong usage,
    130 stopped.

    \b
    mps jobs run ingest -p files=my.parquet -p files=more.parquet
    mps jobs run promote -p model=fx_15m -p deploy=true
    mps jobs run compact --anew --json
    """
    from offline.jobs.catalog import job_named
    from offline.jobs.run import execute

    job, given = job_named(flow), _given(parameters)
    # Like Ctrl-C: a step that is broken off tidies up, and the run says that it was stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Tasks(quiet=as_json) as tasks:
        record = execute(job, given, anew=anew, tell=tasks.add(flow))
    _print_run(record, as_json=as_json)
    if record.is_refused:
        raise click.exceptions.Exit(1)


@jobs.command()
@click.argument("run", required=False)
@click.option("-n", "limit", type=click.IntRange(1), default=SHOWN_RUNS, show_default=True, help="Newest runs listed.")
@JSON
def show(*, run: str | None, limit: int, as_json: bool) -> None:
    """Show the newest runs, or RUN with its steps, times and result; the beginning of its name will do.

    \b
    mps jobs show
    mps jobs show compact-1f0c --json
    """
    from offline.jobs.queue import Queue
    from offline.jobs.run import find, records

    if run is not None:
        # A webhook answers with its own key, before the run has a name.
        ticket = Queue().find(run)
        if ticket is None or ticket.run is not None:
            _print_run(find(run if ticket is None else str(ticket.run)), as_json=as_json)
        elif as_json:
            click.echo(json.dumps(ticket.as_json()))
        else:
            click.echo(f"{ticket.key}  {ticket.flow}  {ticket.status}  {ticket.error or ''}".rstrip())
        return
    found, waiting = [r.as_json() for r in records()[:limit]], Queue().waiting()
    if as_json:
        click.echo(json.dumps({"runs": found, "waiting": [w.as_json() for w in waiting]}))
        return
    table = Table(box=None, pad_edge=False)
    for head in ("run", "status", "began", "steps", "tries"):
        table.add_column(head, no_wrap=True)
    for ticket in waiting:
        table.add_row(ticket.key, "waiting", ticket.received[:19], ticket.flow, "")
    for r in found:
        table.add_row(r["run"], r["status"], r["began"][:19], f"{len(r['steps'])}", f"{r['attempts']}")
    Console(highlight=False).print(table)


@jobs.command()
@SCHEDULES
def serve(*, schedules: Path | None) -> None:
    """Run the flows by their schedules until SIGTERM or Ctrl-C, with Prefect; one at a time.

    PREFECT_API_URL names a Prefect server that shows them; without it one is started on loopback, with its database in
    the data folder. Nothing is sent anywhere.

    Example: mps jobs serve --schedules my.yaml
    """
    from offline.jobs.schedules import read_schedules, schedules_file

    planned = read_schedules(schedules_file(schedules))
    if not planned:
        raise ConfigError(str(schedules_file(schedules)), "schedules", "none", "at least one")
    from offline.jobs.orchestrator import serve_flows

    serve_flows(planned, click.echo)


@jobs.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8088, show_default=True, help="0 for a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--secret-file", type=click.Path(path_type=Path),
              help="File with the secret, 32 bytes or more.  [MPS_WEBHOOK_SECRET]")  # fmt: skip
@click.option("--allow", multiple=True, metavar="FLOW", help="Flows that may be started; repeatable.  "
              "[reconcile, featurize, train, score, backtest, compact]")  # fmt: skip
def webhook(*, port: int, host: str, secret_file: Path | None, allow: tuple[str, ...]) -> None:
    """Start flows by signed requests, one at a time, in the order in which they came.

    POST /flows/FLOW?key=KEY with the parameters as a JSON object; `mps jobs sign` makes the headers. A request that
    comes twice starts one run. What waits survives a restart.

    Example: MPS_WEBHOOK_SECRET=... mps jobs webhook --port 8088
    """
    from offline.jobs.catalog import ALLOWED
    from offline.jobs.signature import read_secret
    from offline.jobs.webhook import serve_webhook

    serve_webhook(host, port, read_secret(secret_file), allow or ALLOWED, click.echo)


@jobs.command()
@click.argument("flow")
@PARAMETERS
@click.option("--url", default="http://127.0.0.1:8088", show_default=True, help="Of the webhook.")
@click.option("--secret-file", type=click.Path(path_type=Path), help="File with the secret.  [MPS_WEBHOOK_SECRET]")
@click.option("--key", help="Of the request: the same key is the same run.  [a new one]")
@JSON
def sign(
    *, flow: str, parameters: tuple[str, ...], url: str, secret_file: Path | None, key: str | None, as_json: bool
) -> None:
    """Print the signed request that starts FLOW, as a curl command; it holds for five minutes.

    A webhook starts ingest and promote only where it was told so, with --allow.

    Example: mps jobs sign compact -p days=7 | sh
    """
    import shlex

    from offline.jobs.catalog import ALLOWED, job_named
    from offline.jobs.signature import path_of, read_secret, signed_headers

    given = _given(parameters)
    checked = job_named(flow).checked(given)
    body = json.dumps({name: checked[name] for name in given}, sort_keys=True)
    if flow not in ALLOWED:
        click.echo(f"a webhook refuses {flow} unless it was started with `--allow {flow}`", err=True)
    path = path_of(flow, key)
    headers = signed_headers(read_secret(secret_file), path, body.encode())
    if as_json:
        click.echo(json.dumps({"url": url + path, "headers": headers, "body": body}))
        return
    words = ["curl", "-sS", "-X", "POST", url + path]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}"]
    click.echo(shlex.join([*words, "-d", body]))


def _given(parameters: tuple[str, ...]) -> dict[str, Any]:
    """Return parameters as they were written; a key that comes again makes a list."""
    found: dict[str, Any] = {}
    for text in parameters:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError("mps jobs", "-p", text, "KEY=VALUE")
        if key in found:
            found[key] = [*(found[key] if isinstance(found[key], list) else [found[key]]), value]
        else:
            found[key] = value
    return found


def _parameters_table(parameters: dict[str, dict[str, Any]]) -> Table:
    """Return a line for each parameter: name, kind, default, and what it is."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    # The same columns under every flow: the longest name is coverage_off_max.
    for width in (4 + 16, 5, 8):
        table.add_column(min_width=width, no_wrap=True)
    table.add_column()
    for name, p in parameters.items():
        # As text: what stands in brackets is no style.
        table.add_row(*map(Text, (f"    {name}", p["kind"], _default(p), p["about"])))
    return table


def _default(parameter: dict[str, Any]) -> str:
    """Return the default of a parameter, ``needed`` where it has none; nothing where it stands for nothing."""
    value = parameter["default"]
    if parameter["needed"]:
        return "needed"
    if value in (None, (), ""):
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _print_run(record: "Record", *, as_json: bool) -> None:
    told = record.as_json()
    if as_json:
        click.echo(json.dumps(told))
        return
    say: Callable[[str], None] = click.echo
    say(f"{told['run']}  {told['status']}  began {told['began'][:19]}" + (f", ended {told['ended'][:19]}"
        if told["ended"] else ""))  # fmt: skip
    for step in told["steps"]:
        seconds = (datetime.fromisoformat(step["ended"]) - datetime.fromisoformat(step["began"])).total_seconds()
        say(f"  {step['name']:<20} {seconds:8.1f} s  {json.dumps(step['result'])[:100]}")
    if told["error"]:
        say(f"  {told['error']}")
    if record.is_refused:
        # Each version with the rules that it breaks.
        for label, broken in told["result"].get("refused", {}).items():
            for rule in broken:
                say(f"  {label} refused by {rule}")
    if told["result"] is not None:
        say(json.dumps(told["result"], indent=1))
    say(told["folder"])
