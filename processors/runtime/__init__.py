"""The engine: it drives stages over batches and knows nothing about markets.

Batches, strings, the Avro codec and keyed state are here, the pipeline that chains stages, and the two drivers:
``memory`` (recorded data, tests, training) and ``kafka`` (live, exactly once).
"""
