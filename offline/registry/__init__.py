"""The model registry on MLflow: versions, aliases, evidence, trials, cards.

``registry.Registry`` is what others call. ``evidence`` is what a registration is told, ``card`` what is made of it.
``place`` says where it lies: SQLite and a folder by default, PostgreSQL and S3 where several machines share it.
MLflow is imported when a registry is opened, never before: it takes a second.
"""
