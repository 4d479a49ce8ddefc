"""Sends alerts to webhooks: bounded, retried, once for each idempotency key that is known to be done.

The order of one delivery, which makes a kill at any moment lose nothing::

    answer 2xx -> the key is in the table of done ones, flushed to Kafka -> the alert's offset may be committed

Killed between the first two, the receiver has the alert and we do not know: it is sent again, with the same key. That
is the only case, it concerns at most ``concurrency`` deliveries a webhook, and a receiver that keeps keys sees none.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import aiohttp

from processors.feedback.config import Delivery, Webhook
from processors.feedback.metrics import Metrics
from processors.feedback.rules import Alert, dead_alert
from processors.feedback.webhooks import DEAD, RETRY, SENT, body_of, fate_of, headers_of, key_of, pause_s

LOG = logging.getLogger(__name__)


class Done(Protocol):
    """The deliveries that ended, kept over restarts."""

    def __contains__(self, key: object) -> bool:
        """Return whether a delivery has ended."""

    async def add(self, key: str, fate: str, attempts: int) -> None:
        """Remember that a delivery has ended; returns when that is safe."""


class Deliverer:
    """Delivers alerts to one webhook each time it is called.

    Parameters
    ----------
    config
        Limits.
    done
        Which deliveries have ended.
    publish
        Publishes an alert and returns when it is safe: for a webhook that gave up.
    wall_s, uniform
        The clock of signatures and the jitter: tests bring their own.
    """

    def __init__(
        self, config: Delivery, done: Done, publish: Callable[[Alert], Awaitable[None]], metrics: Metrics,
        wall_s: Callable[[], float] = time.time, uniform: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._config, self._done, self._publish, self._metrics = config, done, publish, metrics
        self._wall_s, self._uniform = wall_s, uniform
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._session: aiohttp.ClientSession | None = None
        self._stopping = asyncio.Event()

    async def close(self) -> None:
        """Begin no further attempt; what is on its way may end."""
        self._stopping.set()

    async def disconnect(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def deliver(self, webhook: Webhook, alert: Alert) -> bool:
        """Send one alert to one webhook unless that is done; return whether it is done now.

        It is not where the process stops meanwhile: the alert must not be acknowledged then.
        """
        key = key_of(webhook, alert)
        # A replay may bring the same alert while the first is on its way.
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                return key in self._done or await self._attempts(webhook, alert, key)
        finally:
            if not lock.locked():
                self._locks.pop(key, None)

    async def _attempts(self, webhook: Webhook, alert: Alert, key: str) -> bool:
        slot = self._slots.setdefault(webhook.name, asyncio.Semaphore(self._config.concurrency))
        attempt, fate, reason = 0, RETRY, ""
        headers: Mapping[str, str] = {}
        while fate == RETRY and attempt < self._config.attempts_max:
            if attempt:
                self._metrics.count("webhook_retries", webhook.name)
                await self._pause(pause_s(self._config, attempt, self._uniform(), headers))
            async with slot:
                if self._stopping.is_set():
                    return False
                attempt += 1
                fate, reason, headers = await self._post(webhook, alert)
        if fate != SENT:
            fate = DEAD
            LOG.error("webhook %s gave up on %s after %d attempts: %s", webhook.name, alert.id, attempt, reason)
            await self._publish(dead_alert(alert, webhook.name, attempt, reason))
        await self._done.add(key, fate, attempt)
        self._metrics.count("webhooks", webhook.name, fate)
        return True

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _post(self, webhook: Webhook, alert: Alert) -> tuple[str, str, Mapping[str, str]]:
        """Return the fate of one attempt, why, and the headers of the answer."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._config.timeout_s)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        body = body_of(alert)
        # Signed anew each time: a retry after the replay window would be refused else.
        headers = headers_of(webhook, alert, body, int(self._wall_s()))
        try:
            async with self._session.post(webhook.url, data=body, headers=headers, allow_redirects=False) as answer:
                return fate_of(answer.status), f"HTTP {answer.status}", answer.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            return RETRY, type(e).__name__, {}
