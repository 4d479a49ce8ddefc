"""Sending: signed, retried with growing pauses, bounded, once for each key; against a real HTTP server."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.feedback.config import Delivery, Webhook
from processors.feedback.delivery import Deliverer
from processors.feedback.metrics import Metrics
from processors.feedback.rules import Alert, step
from processors.feedback.webhooks import DEAD, RETRY, SENT, fate_of, headers_of, iso, pause_s, sign
from tests.feedback.receiver import SECRET, Receiver, change

FAST = Delivery(attempts_max=4, pause_s_first=0.01, pause_s_max=0.05, timeout_s=0.5, concurrency=3)


class Done(dict[str, tuple[str, int]]):
    """The table of ended deliveries, in memory."""

    async def add(self, key: str, fate: str, attempts: int) -> None:
        """Remember one."""
        self[key] = (fate, attempts)


def alert(n: int = 0) -> Alert:
    return step(None, change("EURUSD:FX", n, "stale", "delayed"), "fx")[1][0]


def send(url: str, *alerts: Alert, done: Done | None = None, **more: Any) -> tuple[Done, list[Alert]]:
    """Deliver alerts to one webhook at once; return what ended how, and the alerts of what gave up."""
    done, dead = Done() if done is None else done, []
    hook = Webhook("desk", url, SECRET.encode(), ("on_data_stale",))

    async def publish(one: Alert) -> None:
        dead.append(one)

    async def main() -> None:
        metrics = Metrics(list, dict, dict, lambda: 0)
        deliverer = Deliverer(FAST, done, publish, metrics, **more)
        assert all(await asyncio.gather(*(deliverer.deliver(hook, one) for one in alerts)))
        await deliverer.disconnect()

    asyncio.run(main())
    return done, dead


def test_a_receiver_that_fails_twice_gets_the_same_body_signed_anew() -> None:
    """Each attempt has the key and the body of the first, its own time, and a signature of both."""
    times = iter((1000.4, 1007.9, 1500.0))
    with Receiver(lambda _, attempt: 503 if attempt < 3 else 200) as receiver:
        done, dead = send(receiver.url, alert(), wall_s=lambda: next(times))
    assert list(done.values()) == [(SENT, 3)]
    assert dead == []
    assert [r.timestamp for r in receiver.requests] == ["1000", "1007", "1500"]
    assert all(r.is_signed for r in receiver.requests)
    assert len({(r.key, r.body) for r in receiver.requests}) == 1
    assert len({r.signature for r in receiver.requests}) == 3
    body = json.loads(receiver.requests[0].body)
    assert (body["event"], body["kind"], body["ts"]) == ("on_data_stale", "stale", "2023-11-14T22:13:20.000000000Z")


@pytest.mark.parametrize(("status", "attempts"), [(500, 4), (429, 4), (404, 1), (302, 1)])
def test_it_gives_up(status: int, attempts: int) -> None:
    """What may pass is tried to the limit, a refusal and a redirect once; either way an alert tells of it."""
    with Receiver(lambda *_: status) as receiver:
        done, dead = send(receiver.url, alert())
    assert len(receiver.requests) == attempts
    assert list(done.values()) == [(DEAD, attempts)]
    assert [(a.kind, a.source, a.value) for a in dead] == [("webhook_dead", "desk", attempts)]


def test_nobody_there_and_nobody_answering_are_tried_again() -> None:
    """A refused connection and a time-out count as attempts that failed."""
    with Receiver(pause_s=1.0) as receiver:
        url = receiver.url
        done, _ = send(url, alert())
    assert list(done.values()) == [(DEAD, 4)]
    done, dead = send(url, alert())
    assert list(done.values()) == [(DEAD, 4)]
    assert "ClientConnectorError" in dead[0].detail


def test_a_burst_is_bounded_and_each_key_is_sent_once() -> None:
    """Forty alerts, each given three times at once: forty requests, three at a time at most; given again, none."""
    alerts = [alert(i) for i in range(40)] * 3
    with Receiver(pause_s=0.01) as receiver:
        done, _ = send(receiver.url, *alerts)
        assert len(receiver.requests) == 40
        send(receiver.url, *alerts, done=done)
    assert len(receiver.requests) == len(set(receiver.accepted())) == 40
    assert receiver.most_at_once <= FAST.concurrency


@given(st.integers(100, 599))
def test_every_status_has_one_fate(status: int) -> None:
    """2xx is sent, what may pass is tried again, and nothing else."""
    assert fate_of(status) == (SENT if status // 100 == 2 else RETRY if status >= 500 or status in {408, 425, 429}
                               else DEAD)  # fmt: skip


@given(
    st.integers(1, 90),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["", "7", "100000", "Fri, 1 Jan", "-3", "\u00b2"]),
)
def test_pauses_grow_are_jittered_and_have_a_limit(attempt: int, uniform: float, asked: str) -> None:
    """Below twice the pause before, below the limit, and at least what the receiver asks for, up to the limit."""
    config = Delivery()
    pause = pause_s(config, attempt, uniform, {"Retry-After": asked} if asked else {})
    longest = min(config.pause_s_max, config.pause_s_first * 2 ** (attempt - 1))
    least = min(float(asked), config.pause_s_max) if asked in ("7", "100000") else 0.0
    assert max(longest * uniform, least) == pause <= config.pause_s_max


def test_the_signature_is_that_of_the_known_answer() -> None:
    """A published value of HMAC-SHA256 (RFC 4231, case 2) with our join of time and body, and the headers."""
    # Key "Jefe", data "what do ya want for nothing?": the join puts a dot, so the case is checked through hmac itself.
    known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    import hashlib
    import hmac

    assert hmac.new(b"Jefe", b"what do ya want for nothing?", hashlib.sha256).hexdigest() == known
    assert sign(b"Jefe", 12, b"{}") == "v1=" + hmac.new(b"Jefe", b"12.{}", hashlib.sha256).hexdigest()
    hook = Webhook("desk", "u", b"Jefe", ("on_data_stale",))
    assert headers_of(hook, alert(), b"{}", 12)["Idempotency-Key"] == f"desk|{alert().id}"
    assert iso(1_398_911_749_000_000_001) == "2014-05-01T02:35:49.000000001Z"
    assert iso(-1) == "1969-12-31T23:59:59.999999999Z"
