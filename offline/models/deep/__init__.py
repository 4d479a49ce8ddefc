"""Sequence models: TFT and N-BEATS, written once against a few operations, trained in JAX, served as an ONNX graph.

    window (n, L, n_inputs) of gold rows -> scaling, nulls -> network -> logit (n, 1), quantiles (n, 3) of the move

``ops.py`` names the operations, ``jax_ops.py`` computes them, ``spox_ops.py`` writes them down as a graph.
"""

import os

XLA_THREADS_VARIABLE, XLA_THREADS = "NPROC", "2"
"""XLA on a processor cuts its sums into as many parts as it has threads: as many as cores unless this variable says
otherwise, and a fit has other bits on a machine of another size. Two use what a small machine has."""

# Here, where all modules of ours that import JAX pass by: it is read once, when JAX first computes.
os.environ.setdefault(XLA_THREADS_VARIABLE, XLA_THREADS)
