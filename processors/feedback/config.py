"""The file of the feedback side: what is watched and who is told. Read strictly: each error names its line.

docs/freshness.md shows one with every key.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from processors.feedback.rules import DRIFT_EVENT, EVENT_OF_KIND, ROLL_EVENT, STALE_EVENT
from processors.yaml_reader import Read, YamlReader, root_of
from schemas.timeframes import TIMEFRAMES

PORT = 18124
"""Of the HTTP view, unless another is wanted."""
SECRET_BYTES_MIN = 16
"""A shorter secret can be guessed from one recorded request."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Alerts:
    """Which changes become alerts.

    Parameters
    ----------
    timeframes
        Of the consensus. 1m: the others follow it with longer thresholds, and would say the same five times.
    sources
        Whether single vendors count too: one that is silent is to be mended although the price is good.
    """

    timeframes: tuple[str, ...] = ("1m",)
    sources: bool = True


@dataclass(frozen=True, slots=True)
class StaleRate:
    """When many symbols at once are an alert of their own.

    Parameters
    ----------
    window_s
        Event time in which a symbol that was stale still counts. 300: a feed that fails takes its symbols with it
        within their thresholds, 3 to 30 s, and comes back in pieces.
    threshold
        Share of the symbols with an open market. 0.5: half of a class is the feed, not the symbol.
    symbols_min
        Fewer of them make no rate. 3: one of two is a symbol, not a feed.
    """

    window_s: int = 300
    threshold: float = 0.5
    symbols_min: int = 3


@dataclass(frozen=True, slots=True)
class Delivery:
    """How webhooks are tried.

    Parameters
    ----------
    attempts_max
        Then the delivery is dead. 8 with the pauses below: about a minute on average, two at most, then a person reads
        the alert of the dead webhook while it is still news.
    pause_s_first, pause_s_max
        Longest pause after the first attempt, doubled after each, and the limit of doubling.
    timeout_s
        Of one attempt. 10: a receiver should store and answer; what takes longer is its own queue.
    concurrency
        Requests of one webhook at once. 4: keeps a burst of 500 symbols under a minute at 0.4 s an answer.
    pending_max
        Alerts taken from the topic and not done. 1000: what a dead receiver holds back in memory.
    """

    attempts_max: int = 8
    pause_s_first: float = 0.5
    pause_s_max: float = 60.0
    timeout_s: float = 10.0
    concurrency: int = 4
    pending_max: int = 1000


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver; ``symbols`` and ``sources`` are patterns with ``*``, ``kinds`` empty means every kind."""

    name: str
    url: str
    secret: bytes
    events: tuple[str, ...]
    symbols: tuple[str, ...] = ("*",)
    sources: tuple[str, ...] = ("consensus",)
    kinds: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return the webhook without its secret and its query, which often holds a token: for logs."""
        return f"Webhook({self.name}, {self.url.split('?')[0]})"


@dataclass(frozen=True, slots=True)
class FeedbackConfig:
    """All of the file."""

    alerts: Alerts = Alerts()
    stale_rate: StaleRate = StaleRate()
    delivery: Delivery = Delivery()
    webhooks: tuple[Webhook, ...] = ()


def load_config(path: Path, environment: Mapping[str, str] | None = None) -> FeedbackConfig:
    """Return the configuration of a file.

    Parameters
    ----------
    environment
        Where the secrets are; that of the process if None.

    Raises
    ------
    ConfigError
        Names the file, the line, the key, the value and what is allowed.
    """
    root = root_of(path, "docs/freshness.md")
    environment = os.environ if environment is None else environment
    if root is None:
        return FeedbackConfig()
    reader = YamlReader(str(path))
    top = reader.mapping(root, "file", ("alerts", "stale_rate", "delivery", "webhooks"))
    alerts = reader.section(top, "alerts", {"timeframes": reader.texts(TIMEFRAMES, least=0), "sources": reader.flag})
    rate = reader.section(top, "stale_rate", {
        "window_s": reader.whole(1, 86_400), "threshold": reader.number(0.01, 1.0),
        "symbols_min": reader.whole(1, 100_000),
    })  # fmt: skip
    delivery = reader.section(top, "delivery", {
        "attempts_max": reader.whole(1, 100), "pause_s_first": reader.number(0.0, 3600.0),
        "pause_s_max": reader.number(0.0, 3600.0), "timeout_s": reader.number(0.1, 300.0),
        "concurrency": reader.whole(1, 256), "pending_max": reader.whole(1, 100_000),
    })  # fmt: skip
    hooks: list[Webhook] = []
    for node in reader.items(top["webhooks"], "webhooks", 0) if "webhooks" in top else []:
        hook = _webhook(reader, node, environment)
        if hook.name in {h.name for h in hooks}:
            raise reader.wrong(node, "name", hook.name, "each name once: it is part of the idempotency key")
        hooks.append(hook)
    return FeedbackConfig(Alerts(**alerts), StaleRate(**rate), Delivery(**delivery), tuple(hooks))


def _webhook(reader: YamlReader, node: yaml.Node, environment: Mapping[str, str]) -> Webhook:
    patterns = reader.texts(None, least=1)
    fields: dict[str, Read] = {
        "name": reader.text, "url": reader.text, "secret_env": reader.text, "symbols": patterns, "sources": patterns,
        "events": reader.texts((STALE_EVENT, ROLL_EVENT, DRIFT_EVENT), least=1),
        "kinds": reader.texts(tuple(EVENT_OF_KIND), 1),
    }  # fmt: skip
    nodes = reader.mapping(node, "webhooks", tuple(fields))
    for key in ("name", "url", "secret_env", "events"):
        if key not in nodes:
            raise reader.wrong(node, key, None, "is needed")
    found = {key: fields[key](value, key) for key, value in nodes.items()}
    if "|" in found["name"]:
        raise reader.wrong(nodes["name"], "name", found["name"], "without |: it separates the idempotency key")
    _check_url(reader, nodes["url"], found["url"])
    variable = found.pop("secret_env")
    secret = environment.get(variable, "").encode()
    if len(secret) < SECRET_BYTES_MIN:
        # The value itself is never shown.
        said = "unset" if not secret else f"{len(secret)} bytes long"
        remedy = f"set that environment variable to at least {SECRET_BYTES_MIN} bytes (it is {said})"
        raise reader.wrong(nodes["secret_env"], "secret_env", variable, remedy)
    return Webhook(secret=secret, **found)


def _check_url(reader: YamlReader, node: yaml.Node, url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as e:
        raise reader.wrong(node, "url", url, str(e)) from None
    if not host or parts.scheme not in {"http", "https"} or (parts.scheme == "http" and host not in _LOOPBACK):
        raise reader.wrong(node, "url", url, "https://HOST/..., or http:// on this machine only")
    if parts.username or parts.password:
        raise reader.wrong(node, "url", f"https://***@{host}", "without a login: the signature says who we are")
