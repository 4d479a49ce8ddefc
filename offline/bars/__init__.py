"""Bars of one second, and the longer ones made of them by the closing rules of the bars stage.

aggregate: ticks to seconds, seconds to bars, as columns.
seconds: its compiled part.
"""
