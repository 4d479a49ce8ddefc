"""The processes that ``mps up`` runs beside the parts: sink, ScoreService and, if wanted, feedback and the stages.

Each is started once, in the background, and waited for until it does its work; one that runs already is left running.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.request import urlopen

import grpc
from confluent_kafka import KafkaException

from deploy.images.health import group as group_fault
from deploy.local.endpoints import Endpoints, announce, load_endpoints
from deploy.local.paths import CHECKOUT
from deploy.local.run_file import read_running
from deploy.local.score_service import serve_command
from deploy.local.stack import PARTS_BY_FIELD, Stack
from deploy.local.supervisor import stop_in_order
from processors.errors import ConfigError, PlatformError
from processors.feedback.config import PORT as FEEDBACK_PORT
from processors.feedback.config import load_config
from processors.runtime.topics import create_changelog, create_topics, partitions_at
from processors.score.model import load_model, model_path
from processors.sinks.stats import ask_stats
from processors.topology import PLATFORM_STAGES

START_S_MAX = 180.0
"""Longest wait for one process: the very first start of a stage compiles its kernels, a minute on two cores."""
FILL_S_MAX = 60.0
"""Longest wait until the stores hold what the topics hold; after that the sink goes on in the background."""
POLL_S = 0.2
ENDING_POLLS = 10
"""A process that is about to end has lost its name before its parent can be told how it ended."""
FEEDBACK_FILE = "MPS_FEEDBACK"
"""Environment variable that names the file of ``mps feedback``."""

Tell = Callable[[str], None]
"""Told what is being done, in a few words."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """One process beside the parts.

    Parameters
    ----------
    state
        ``answers``, ``running`` (a stage has no address), ``filling`` or ``not started``.
    address
        Where it answers, or the consumer group it is in.
    note
        Why it is not started, and what to do.
    """

    name: str
    state: str
    address: str = ""
    note: str = ""


def bring_up(stack: Stack, *, with_stages: bool, tell: Tell) -> list[Service]:
    """Start what is missing of the platform, wait until it answers, and return what runs beside the parts.

    If anything fails, or on Ctrl-C, all that this call has started is stopped again.

    Raises
    ------
    ConfigError
        Another run is at work in this home, or something that is needed is missing on this machine.
    PlatformError
        A process died or did not answer in time; the message has the last lines of its log.
    """
    endpoints = stack.up()
    with _undone_on_failure(stack):
        if not stack.reused:
            # They talk to parts that are gone, at addresses that may be others now.
            parts = PARTS_BY_FIELD.values()
            stop_in_order([p for p in read_running(stack.home) if p.name not in parts])
        tell("creating topics")
        servers = endpoints.bootstrap_servers
        create_topics(servers)
        for stage in PLATFORM_STAGES:
            create_changelog(servers, f"{stage}.changelog", partitions_at(servers))
        missing_model = _missing_model()
        services = [_sink(stack, tell), *_score_service(stack, missing_model, tell), *_feedback(stack, tell)]
        if with_stages:
            services += _stages(stack, missing_model, tell)
        return services


@contextmanager
def _undone_on_failure(stack: Stack) -> Iterator[None]:
    try:
        yield
    except BaseException:
        stack.supervisor.stop_all(even_if_staying=True)
        if not stack.reused:
            stack.home.endpoints_file.unlink(missing_ok=True)
        raise


def _missing_model() -> str:
    """Return why there is no model to score with; an empty text where there is one.

    A model that is there and damaged is an error, not a missing one.
    """
    if not model_path().is_file():
        return f"there is no model at {model_path()} yet: `mps train` makes one, then call `mps up` again"
    load_model()
    return ""


def _sink(stack: Stack, tell: Tell) -> Service:
    _start(stack, "sink", tell, ["sink"], forget="warehouse_url")
    url = _wait(stack, "sink", lambda: _known(stack).warehouse_url)
    begun_s = time.monotonic()
    while not (stats := ask_stats(url)).caught_up:
        _check(stack, "sink")
        if time.monotonic() - begun_s > FILL_S_MAX:
            return Service("sink, SQL", "filling", url)
        # Redis comes back empty, and is filled again from the topics.
        behind = sum(sum(of.get("lag", {}).values()) for of in stats.sinks.values())
        tell(f"filling ClickHouse and Redis, {behind:,} records behind")
        time.sleep(POLL_S)
    return Service("sink, SQL", "answers", url)


def _score_service(stack: Stack, missing_model: str, tell: Tell) -> list[Service]:
    """Return the gRPC services and, where it is served, the REST door of the same process."""
    name = "ScoreService"
    if missing_model:
        return [Service(name, "not started", note=missing_model)]
    if not _runs(stack, "serve"):
        _start(stack, "serve", tell, serve_command(), forget="grpc_address")
    address = _wait(stack, "serve", lambda: _known(stack).grpc_address)
    _wait(stack, "serve", lambda: _serves(address))
    rest = _known(stack).rest_url
    return [Service(name, "answers", address), *([Service("REST", "answers", rest)] if rest else [])]


def _feedback(stack: Stack, tell: Tell) -> list[Service]:
    """Start the feedback process if its file is named: it calls others, so nobody should get it unasked."""
    named = os.environ.get(FEEDBACK_FILE)
    if not named:
        return []
    path = Path(named).resolve()
    load_config(path)
    _start(stack, "feedback", tell, ["feedback", str(path)])
    url = f"http://127.0.0.1:{FEEDBACK_PORT}"
    _wait(stack, "feedback", lambda: _is_well(url + "/health"))
    return [Service("feedback", "answers", url)]


def _is_well(url: str) -> bool:
    with suppress(OSError), urlopen(url, timeout=POLL_S * 10) as answer:  # noqa: S310 - of this machine
        return bool(answer.status == HTTPStatus.OK)
    return False


def _serves(address: str) -> bool:
    from serving.client import check_health

    with grpc.insecure_channel(address) as channel:
        return check_health(channel).is_healthy


def _stages(stack: Stack, missing_model: str, tell: Tell) -> list[Service]:
    wanted = [s for s in PLATFORM_STAGES if not (missing_model and s == "score")]
    for stage in wanted:
        _start(stack, stage, tell, ["run", stage])
    services = []
    for stage in wanted:
        tell(f"starting {stage} (the first time, its kernels are compiled)")
        _wait(stack, stage, lambda stage=stage: _has_members(stage))  # type: ignore[misc]
        services.append(Service(stage, "running", f"group {stage}"))
    if missing_model:
        services.append(Service("score", "not started", note=missing_model))
    return services


def _has_members(stage: str) -> bool:
    # A coordinator that is just being found says so by an error.
    with suppress(KafkaException):
        return group_fault(stage) is None
    return False


def _known(stack: Stack) -> Endpoints:
    return load_endpoints(stack.home)


def _runs(stack: Stack, name: str) -> bool:
    return any(process.name == name for process in read_running(stack.home))


def _start(stack: Stack, name: str, tell: Tell, words: Sequence[str], forget: str = "") -> None:
    """Start a command of ours in the background, unless it runs.

    Parameters
    ----------
    words
        What stands after ``mps``.
    forget
        The address that the process is to announce: an old one must not be taken for it.
    """
    if _runs(stack, name):
        return
    tell(f"starting {name}")
    if forget:
        announce(stack.home, **{forget: None})
    stack.supervisor.start(
        name,
        [sys.executable, "-m", "cli.main", *words],
        environment={"PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")]).rstrip(":")},
    )


def _wait(stack: Stack, name: str, look: Callable[[], T | None]) -> T:
    """Return the first true answer, while the process lives."""
    deadline_s = time.monotonic() + START_S_MAX
    while not (found := look()):
        _check(stack, name)
        if time.monotonic() > deadline_s:
            log = stack.home.logs / f"{name}.log"
            raise PlatformError(f"{name} runs but is not ready after {START_S_MAX:.0f} s; see {log}")
        time.sleep(POLL_S)
    return found


def _check(stack: Stack, name: str) -> None:
    """Raise if the process has ended, whoever started it."""
    stack.supervisor.check()
    if not _runs(stack, name):
        # It may have ended between the two looks, or be about to: then the supervisor soon knows why.
        for _ in range(ENDING_POLLS):
            stack.supervisor.check()
            time.sleep(POLL_S)
        raise ConfigError(str(stack.home.logs / f"{name}.log"), name, "ended", "see that log, then call `mps up` again")
