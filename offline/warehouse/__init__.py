"""The warehouse: bars, gold rows, signals, freshness and dead letters in ClickHouse, for analysts and training.

Read ``tables`` for what is in it, ``client`` to open it, ``server`` for how one process shares an embedded one.
"""
