"""Sequence models: TFT and N-BEATS, written once against a few operations, trained in JAX, served as an ONNX graph.

    window (n, L, n_inputs) of gold rows -> scaling, nulls -> network -> logit (n, 1), quantiles (n, 3) of the move

``ops.py`` names the operations, ``jax_ops.py`` computes them, ``spox_ops.py`` writes them down as a graph.
"""
