"""Futures: when a contract ends, when the next one takes over, and prices that run on through both.

``calendars``, ``rules``, ``expiry``
    Last trade and first notice dates from the exchanges' rules, kept as data in ``schemas/reference/futures_*.csv``.
``chain``, ``rolls``, ``continuous``
    The whole curve day by day, the rolls of any rule and depth, and continuous prices.
"""
