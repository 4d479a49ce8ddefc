"""Intervals that hold with a stated probability whatever the model, by the errors it made on rows it had not seen.

``split`` has rows set aside, ``quantile_regression`` corrects a model of quantiles, ``cross`` takes rows that folds or
resamples left out, ``adaptive`` follows a stream that drifts, ``validity`` says how strange a row is. ``scores`` are
the errors that are counted, ``quantiles`` which of them is the bound, ``folds`` who leaves out what.

Rows of the past and of the future must be exchangeable for the promise to hold; ``adaptive`` alone needs nothing.
"""
