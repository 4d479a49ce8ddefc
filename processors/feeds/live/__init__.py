"""Live feeds: what venues and vendors send now, as raw ticks.

    frame -> [parse: one pure function a venue] -> ticks -> [gaps marked] -> queue -> [publish] -> ticks.raw.v1

``venues/`` holds the parsers; ``session`` one connection and how it is kept; ``publish`` the way into Kafka; ``raw``
recordings of what was received. Nothing here filters, mends or drops a tick.
"""
