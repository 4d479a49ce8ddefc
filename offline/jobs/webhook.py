"""The door for flows to be started from outside: a signed POST, answered with the key of the run.

202 taken, or taken before      401 not signed as it must be      404 no such flow, or not allowed here
409 the key is another request's      413 too long      422 the parameters do not fit
503 too many wait, the request cannot be kept, or nobody is left who would run it
"""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from aiohttp import web

from offline.jobs.catalog import JOBS, job_named
from offline.jobs.queue import FullError, OtherRequestError, Queue, Worker
from offline.jobs.signature import UnsignedError, verify
from processors.errors import ConfigError

BODY_BYTES_MAX = 65_536
"""Parameters are a few names; a list of some hundred files fits in."""


class Webhook:
    """The application.

    Parameters
    ----------
    secret
        Shared with who may start flows.
    allowed
        Their names.
    wake
        Has the worker look at the queue.
    is_working
        Says whether it lives: without it requests are refused, since nobody would run them.
    clock
        Seconds since the epoch.

    Raises
    ------
    ConfigError
        A flow does not exist.
    """

    def __init__(
        self, secret: bytes, allowed: Collection[str], queue: Queue, wake: Callable[[], None],
        is_working: Callable[[], bool], clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._secret, self._queue, self._wake, self._is_working, self._clock = secret, queue, wake, is_working, clock
        self._allowed = [job_named(name).name for name in allowed]

    def application(self) -> web.Application:
        """Return what aiohttp serves."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_post("/flows/{flow}", self._start)
        return app

    async def _start(self, request: web.Request) -> web.Response:
        try:
            told = self._taken(request, await _body_of(request))
        except _RefusedError as e:
            return web.json_response({"error": e.reason}, status=e.status)
        self._wake()
        return web.json_response(told, status=202)

    def _taken(self, request: web.Request, body: bytes) -> dict[str, Any]:
        """Return what is answered: everything is checked before anything starts."""
        try:
            flow, key = verify(self._secret, request.headers, request.raw_path, body, self._clock())
        except UnsignedError as e:
            raise _RefusedError(401, str(e)) from None
        if flow not in self._allowed:
            known = "not allowed here" if flow in JOBS else "no flow"
            raise _RefusedError(404, f"{flow} is {known}; allowed: {', '.join(self._allowed)}")
        try:
            given = json.loads(body or b"{}")
            if not isinstance(given, dict):
                raise _RefusedError(422, "the body must be a JSON object of parameters")
            JOBS[flow].checked(given)
        except (ValueError, RecursionError) as e:
            raise _RefusedError(422, f"the body must be a JSON object of parameters: {e}") from None
        except ConfigError as e:
            raise _RefusedError(422, str(e)) from None
        if not self._is_working():
            raise _RefusedError(503, "the worker of this webhook has ended: see its log, and start it again")
        try:
            ticket, is_new = self._queue.add(key, flow, given)
        except OtherRequestError as e:
            raise _RefusedError(409, str(e)) from None
        except (FullError, ConfigError, OSError) as e:
            raise _RefusedError(503, str(e)) from None
        return {"key": ticket.key, "flow": flow, "status": ticket.status, "run": ticket.run, "new": is_new}


class _RefusedError(Exception):
    """The answer is no, with a status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


async def _body_of(request: web.Request) -> bytes:
    """Return the body, if it is not too long."""
    too_long = _RefusedError(413, f"at most {BODY_BYTES_MAX} bytes")
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise too_long
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_long from None


def serve_webhook(host: str, port: int, secret: bytes, allowed: Collection[str], tell: Callable[[str], None]) -> None:
    """Take requests and run them until SIGTERM or SIGINT.

    Raises
    ------
    ConfigError
        A flow does not exist, or the address cannot be taken.
    AloneError
        Another webhook runs the same queue.
    """
    queue = Queue()
    worker = Worker(queue, tell)
    thread = threading.Thread(target=worker.run, name="flows")
    hook = Webhook(secret, allowed, queue, worker.wake, thread.is_alive)
    with queue.alone():
        thread.start()
        try:
            asyncio.run(_listen(hook.application(), host, port, tell))
        finally:
            worker.stop()
            thread.join()


async def _listen(app: web.Application, host: str, port: int, tell: Callable[[str], None]) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as e:
            raise ConfigError("mps jobs webhook", "--port", port, f"a free one: {e.strerror}") from None
        at = runner.addresses[0]
        tell(f"listening on http://{at[0]}:{at[1]}/flows/")
        await stop.wait()
    finally:
        await runner.cleanup()
