r"""Reconcile against a known truth, and on the recorded markets of several vendors: ``make reconciliation``.

    truth -> vendors with faults -> RawTick -> the stage of production -> consensus -> error in basis points
                     \-> one vendor alone, plain median, mean of the same ticks ------^
    recorded ticks ---------------^                        \-> dispersion, cuts, trust, disagreement by hour

Run by hand and by ``tests/bench_reconciliation``; writes ``docs/reconciliation.md`` and the plots beside it.
"""
