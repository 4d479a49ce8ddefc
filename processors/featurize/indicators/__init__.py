"""The indicators: one function each, by family, and beside each function the line that binds it to the catalog.

An indicator is a function of one bar, or of a span of bars: one bar of a stream, or all bars of a series.

    indicator(bar, ring, n, p, s, y)         one bar
    indicator(bars, ring, n, p, s, out)      a span; which of the two it is, the name of its first parameter says

    bar    shape (N_BAR,)            the closed bar and what was known at its end: see ``layout``
    bars   shape (N_BAR, count)      the bars of the span, column by column
    ring   shape (N_SERIES, 2 * W)   recent bars, written twice, so that any window of up to W bars is one slice; this
                                     bar is in it. ``window.tail(ring[R_CLOSE], n, k)`` is the last k closes, oldest
                                     first
    n      number of bars before this one, or before the first of the span
    p      shape (P_MAX,)            parameters, in the order of the binding
    s      shape (n_state,)          state of this indicator alone, zeros before the first bar. After a series that is
                                     longer than one bar it is not used any more
    y      shape (Y_MAX,)            outputs; NaN stands for "not yet" or "not for this bar". It is handed from
                                     indicator to indicator, so each sets every output of its own at every bar
    out    shape (Y_MAX, count)      the same for a span; rows behind the indicator's outputs are its scratch

An indicator is compiled whole (``forceinline``), with the loop over bars inside (``spans``): a call with arrays costs
more than most indicators compute. The form of a span is for those that look at windows: ``rolling`` computes the
windows of eight bars at once.

A new indicator is a function in the file of its family and a line in that family's ``KERNELS``; a known one with other
parameters is a row of the catalog alone. The line says how long ``s`` is (``n_state``) and how far back the ring is
read (``n_bars``); see ``binding``. Nobody checks bounds in compiled code: what is written behind ``s`` is the state of
another.

Windows are computed anew at every bar, from the slice: running sums would drift, and a value would depend on bars
outside its window. Averages with an unbounded memory (exponential, Wilder's) start with the plain mean of their first
window, as TA-Lib's do.
"""
