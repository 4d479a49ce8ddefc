"""Regimes of recorded series, for research: what only the future tells, and models that no stage runs.

switching: Markov-switching regressions and autoregressions, filtered by ``processors.regime.markov``.
hindsight: smoothed probabilities and the likeliest path.
segments, laws: change points of a whole series.
"""
