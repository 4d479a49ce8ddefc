"""Feature rows to gold rows: adds the filtered regime, from Bayesian online change-point detection.

    stage -> kernel           change points of the return, and the labels: the default
          -> context          what one bar tells, for all that follows
          -> joint, bocpd     change points of return, volatility and correlation together
          -> hmm, markov      the hidden Markov model and its filter
          -> cluster          the nearest typical situation

All of it runs live. What looks at a whole series, or back at it, is in ``offline.regime``.
"""
