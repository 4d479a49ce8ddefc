"""Batch work as flows of steps: ingest, reconcile, featurize, train, promote, score, backtest, compact.

A flow is a function of a run and of its parameters (``flows/``, listed in ``catalog.py``); each step of it is written
down when it is done (``run.py``), so that a run that was killed goes on at the first step that is not. Prefect puts
flows on schedules and shows them (``orchestrator.py``); a signed webhook starts them from outside (``webhook.py``).
"""
