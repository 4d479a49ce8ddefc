"""The sinks: finished topics into ClickHouse, exactly once, and their latest rows into Redis.

Started by ``mps sink``. Each sink keeps its position in the log where it keeps its rows, never in a consumer group,
so that one write carries both and a kill at any moment loses and doubles nothing.
"""
