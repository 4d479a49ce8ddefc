"""The lake: ticks, bars and gold rows as Delta tables, on disk or S3, for training and for evidence.

Read ``tables`` for what is in it, ``store`` for where it lies, ``table`` for how records come in exactly once,
``reading`` for how they come out again at a snapshot, ``upkeep`` for compaction and vacuum, ``evidence`` for files that
nobody can delete before their time. Filled by ``mps lake sync``.
"""
