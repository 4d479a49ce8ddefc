"""The command line, ``mps``: thin commands over the packages beside it."""
