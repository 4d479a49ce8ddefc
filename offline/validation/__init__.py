"""Train and test rows over time: which rows a model may learn from, and which may judge it.

``walk_forward`` and ``periods`` go forward in rows or in calendar periods, ``combinatorial`` and ``kfold`` hold out
folds of the whole, ``panel`` carries any of them over to rows of many symbols and purges by label ends, ``leakage``
refuses a split whose training labels reach into the test window. Tuning splits the training rows once more
(``offline.training.tuning``).

Every splitter has ``split(n)`` over rows in the order of time, and yields ``Split``.
"""
