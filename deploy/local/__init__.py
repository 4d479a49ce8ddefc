"""The real parts, embedded: Kafka, Redis and the schema registry as child processes of one checkout.

Called by the CLI (`mps up`, `mps demo`) and by the tests.
Nothing here is imported by a stage: a stage sees addresses, never a part.
"""
