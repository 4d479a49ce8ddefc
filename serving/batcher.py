"""Requests that wait are answered together: one thread, one read of the store, one run of the model for all of them.

A lone request waits for nobody. While the thread works, others gather and go next; so the cost of a request falls as
load rises, and the loop stays free for health and streams.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grpc

from serving.aborts import FAULT
from serving.engine import Answer
from serving.requests import Asked, Failure

LOG = logging.getLogger(__name__)

T = TypeVar("T")

TOGETHER_MAX = 256
"""Most requests of one run, about 15 ms: those behind it still meet their deadlines."""


class Batcher:
    """Puts requests to the engine, a run at a time.

    Parameters
    ----------
    score
        ``ScoreEngine.score``: called from one thread only.
    pending_max
        Most requests that wait; more get RESOURCE_EXHAUSTED.
    """

    def __init__(self, score: Callable[[Sequence[Asked]], list[Answer]], pending_max: int) -> None:
        self._score, self._pending_max = score, pending_max
        self._pending: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="score")
        self._runner: asyncio.Task[None] | None = None

    async def answers(self, asked: Sequence[Asked]) -> list[Answer]:
        """Return the answer to each request, in their order. Requests of a cancelled caller are not run."""
        if len(self._pending) + len(asked) > self._pending_max:
            message = f"{len(self._pending)} requests wait, limit {self._pending_max}: try again later"
            return [Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, message)] * len(asked)
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Answer]] = [loop.create_future() for _ in asked]
        self._pending.extend(zip(asked, futures, strict=True))
        if self._runner is None or self._runner.done():
            self._runner = loop.create_task(self._run())
        return list(await asyncio.gather(*futures))

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Return what a call gives in the engine's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def close(self) -> None:
        """End the thread once its run is done."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            run: list[tuple[Asked, asyncio.Future[Answer]]] = []
            while self._pending and len(run) < TOGETHER_MAX:
                one = self._pending.popleft()
                # Done already: its caller's deadline has passed.
                if not one[1].done():
                    run.append(one)
            try:
                answers = await loop.run_in_executor(self._thread, self._score, [one for one, _ in run])
            except Exception:
                # A fault of ours must reach every caller, not end the runner.
                LOG.exception("%d requests have no answer", len(run))
                answers = [Failure(grpc.StatusCode.INTERNAL, FAULT)] * len(run)
            for (_, future), answer in zip(run, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
