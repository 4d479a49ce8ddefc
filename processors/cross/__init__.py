"""The cross-section: what a bar means among all bars of the same timeframe and close.

    universe.v1 (one partition: the bars of all symbols) -> barrier of (ts, tf) -> ranks, market, breadth -> cross.v1

``docs/cross-section.md`` says the rules in words.
"""
