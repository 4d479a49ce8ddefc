"""The skew of every feature: what the stream published against what the offline batch computes, cell by cell.

    ticks, facts -> Kafka -> reconcile, bars, featurize, regime, cross: five processes -> gold.v1, cross.v1
    the same     -> the same stages in memory, in batches of another size             -> the same rows

``sample`` makes up what recordings lack, ``live`` runs the processes, ``offline`` the batch, ``cells`` compares.
"""
