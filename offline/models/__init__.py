"""Models behind one interface: what learns from samples, and what was learned as a graph that reads gold rows.

estimator: the interface, the samples, and the kinds by name.
parameters: a kind's parameters, read from a mapping and checked.
checkpoint: whole parts of a fit on disk, so that a killed one goes on.
linear, lgbm, xgb: one row of the table in, probability and three quantiles of the move out.
"""
