"""The warehouse: bars, gold rows, the cross-section, signals, freshness and dead letters in ClickHouse.

For analysts and training.

Read ``tables`` for what is in it, ``client`` to open it, ``server`` for how one process shares an embedded one.
"""
