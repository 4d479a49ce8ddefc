"""When flows run, as data: cron, time zone and parameters of each, read strictly with the line in every error."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import yaml

from offline.jobs.catalog import JOBS
from processors.errors import ConfigError
from processors.yaml_reader import YamlReader, root_of

VARIABLE = "MPS_SCHEDULES"
SHIPPED = Path(__file__).with_name("schedules.yaml")
PAGE = "docs/jobs.md"
CRON_FIELDS = 5
"""No seconds: flows are batch work, and Prefect's cron has none either."""
_KEYS = ("flow", "cron", "timezone", "parameters")


@dataclass(frozen=True, slots=True)
class Schedule:
    """One line of the table.

    Parameters
    ----------
    cron
        Five fields.
    timezone
        Name of the IANA database.
    parameters
        All of the flow, checked.
    """

    flow: str
    cron: str
    timezone: str
    parameters: dict[str, Any]

    def next_after(self, at: datetime) -> datetime:
        """Return the first time after another at which it runs, in UTC."""
        from croniter import croniter

        local = at.astimezone(ZoneInfo(self.timezone))
        found: datetime = croniter(self.cron, local).get_next(datetime)
        return found.astimezone(UTC)


def schedules_file(path: Path | None = None) -> Path:
    """Return the file to read: as named, that of the environment, or the shipped one."""
    return path or Path(os.environ.get(VARIABLE) or SHIPPED)


def read_schedules(path: Path) -> list[Schedule]:
    """Return the schedules of a file.

    Raises
    ------
    ConfigError
        Something in it does not fit; names file, line, key and remedy.
    """
    root, reader = root_of(path, PAGE), YamlReader(str(path))
    if root is None:
        raise ConfigError(str(path), "schedules", None, f"a list of schedules; {PAGE} shows one")
    top = reader.mapping(root, "file", ("schedules",))
    if "schedules" not in top:
        raise reader.wrong(root, "schedules", None, f"a list of schedules; {PAGE} shows one")
    return [_schedule(reader, node) for node in reader.items(top["schedules"], "schedules", 0)]


def _schedule(reader: YamlReader, node: yaml.Node) -> Schedule:
    entries = reader.mapping(node, "schedule", _KEYS)
    for key in ("flow", "cron"):
        if key not in entries:
            raise reader.wrong(node, key, None, "must be there")
    flow = _text(reader, entries["flow"], "flow")
    if flow not in JOBS:
        raise reader.wrong(entries["flow"], "flow", flow, f"one of {', '.join(JOBS)}")
    timezone = _text(reader, entries["timezone"], "timezone") if "timezone" in entries else "UTC"
    if timezone not in available_timezones():
        raise reader.wrong(entries["timezone"], "timezone", timezone, "a name such as UTC or Europe/Zurich")
    cron = _text(reader, entries["cron"], "cron")
    from croniter import croniter

    if len(cron.split()) != CRON_FIELDS or not croniter.is_valid(cron):
        raise reader.wrong(entries["cron"], "cron", cron, 'five fields, such as "30 2 * * *" for every day at 2:30')
    return Schedule(flow, cron, timezone, _parameters(reader, entries.get("parameters"), flow, node))


def _parameters(reader: YamlReader, node: yaml.Node | None, flow: str, schedule: yaml.Node) -> dict[str, Any]:
    given: Any = {} if node is None else yaml.SafeLoader("").construct_document(node)
    if not isinstance(given, dict):
        raise reader.wrong(node or schedule, "parameters", given, "a mapping of the flow's parameters")
    try:
        return JOBS[flow].checked({str(k): v for k, v in given.items()})
    except ConfigError as e:
        raise reader.wrong(node or schedule, f"parameters.{e.key}", e.value, str(e.remedy)) from None


def _text(reader: YamlReader, node: yaml.Node, key: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise reader.wrong(node, key, "no text", "a text")
    return str(node.value)
