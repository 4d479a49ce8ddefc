"""Rows with labels for a recipe, and what was left out and why.

``sources`` brings gold rows from recorded ticks, ClickHouse, Parquet or an Arrow table of the lake; ``build`` makes a
``TrainingSet`` of them; ``horizons`` says where an outcome is known and what voids it; ``transforms`` and
``offline.labels`` are its kernels; ``encoders`` are fitted inside a fold; ``leakage`` finds what a model must not know.
"""
