"""What a series of returns is worth, and how sure of it one may be.

Returns are simple returns of one period as fractions, in the order of time, arrays of shape (n,); NaN is a period
without one. ``columns`` carries a statistic over to several series, ``rolling`` to windows.

``returns``, ``drawdown``, ``ratios``, ``benchmark`` and ``tails`` describe; ``sharpe``, ``deflated``, ``overfitting``
and ``superior`` judge: what the same numbers would look like by luck alone.
"""
