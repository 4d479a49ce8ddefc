"""The feedback side: freshness becomes alerts, alerts become webhooks; started by ``mps feedback``.

    data.freshness, rollovers.v1, drift.v1 -> inbox -> rules -> alerts.v1 -> outbox -> delivery -> HTTP
    bars.v1 (1m)                           -> inbox -> outlier rate, event clock

``rules`` and ``webhooks`` are pure; ``app`` ties the parts. It is not on the tick path: changes of state and bars come
a few a second. One process serves a platform, since stale rates are shares of all symbols.
"""

READS = ("data.freshness", "rollovers.v1", "drift.v1", "bars.v1", "alerts.v1")
WRITES = ("alerts.v1",)
