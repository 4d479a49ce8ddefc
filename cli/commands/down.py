"""``mps down``: stop what runs in this home, and remove its data if asked to."""

import json
import shutil
from pathlib import Path

import click

from deploy.local.paths import Home, home
from deploy.local.run_file import read_running
from deploy.local.supervisor import stop_everything
from processors.errors import PlatformError


@click.command()
@click.option(
    "--wipe",
    is_flag=True,
    help="Remove the topics, ClickHouse, Redis, the lake, back-fills and the logs too; models stay.",
)
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was stopped and removed as one JSON object.")
def down(*, wipe: bool, yes: bool, as_json: bool) -> None:
    """Stop everything that runs in this home: stages, services and parts, and what a crash has left.

    A demo that is at work in another terminal is stopped too. Data stays, unless --wipe is given.

    \b
    mps down                 stop; `mps up` brings all of it back
    mps down --wipe --yes    stop, and begin anew
    """
    where = home()
    if as_json and wipe and not yes:
        raise click.UsageError("--json does not ask: say --yes to remove the data")
    data = _data(where) if wipe else []
    if data and not yes:
        size_mb = sum(map(_size_bytes, data)) / 1e6
        running = ", ".join(process.name for process in read_running(where))
        stops = f" stop {running} and" if running else ""
        try:
            sure = click.confirm(f"This will{stops} remove {size_mb:,.0f} MB of data in {where.folder}. Go on?")
        except click.Abort:
            # No terminal, or its end: a script must hear that its data is still there.
            raise click.UsageError("nothing was removed: nobody answered; say --yes to remove the data") from None
        if not sure:
            raise PlatformError("nothing was removed")
    stopped = stop_everything(where)
    removed = [_remove(path) for path in data]
    if as_json:
        click.echo(json.dumps({"home": str(where.folder), "stopped": stopped, "removed": removed}))
        return
    click.echo(f"stopped {', '.join(stopped)}" if stopped else f"nothing runs in {where.folder}")
    if wipe:
        click.echo(f"removed {', '.join(removed)} of {where.folder}" if removed else "there was no data")


def _data(where: Home) -> list[Path]:
    """Return what a run leaves behind, as far as it is there. Models are made by training, not by a run."""
    return [
        path
        for path in (where.kafka, where.clickhouse, where.redis, where.lake, where.features, where.logs)
        if path.exists()
    ]


def _size_bytes(folder: Path) -> int:
    # On disk: the indexes of Kafka are files with holes.
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def _remove(folder: Path) -> str:
    try:
        shutil.rmtree(folder)
    except OSError as e:
        raise PlatformError(f"{folder} was not removed: {e.strerror}; remove it by hand") from e
    return folder.name
