"""Corporate actions: who announced what and when, the factors that follow, and prices raw or adjusted as known.

``events``
    What was announced, with the time from which it was known.
``factors``
    What follows for prices and volumes, in either of two conventions.
``views``
    Prices of the past in shares of an as-of time, or one return a row, each as known at its row.
``factor_file``
    The files of factors that LEAN writes: read, extended and asked.
"""
