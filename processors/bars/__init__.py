"""Bars of one minute to one day from consensus ticks, and the freshness of the consensus."""
