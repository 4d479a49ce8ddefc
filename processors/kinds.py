"""Enums of the schemas as kernels count them, by their places in the Avro files: a test holds them to those."""

TRADE, QUOTE, CLOCK, STATUS, CORRECTION = range(5)
"""Kinds of ticks. A clock is called heartbeat in ``ticks.raw.v1``."""
CONTINUOUS, AUCTION, HALTED = range(3)
"""Trading phases."""
NONE, FRESH, DELAYED, STALE, CLOSED, GAP = range(6)
"""Previous states of freshness; the state itself has no ``none``, and so begins with fresh."""
