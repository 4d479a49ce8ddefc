"""From a recipe to a registered model, in steps that resume.

parts: rows of a training window in three: to fit, to stop on, to calibrate.
fitting: one fit with its calibration and its conformal offsets.
folds: which rows train and which judge, by the recipe.
tuning: which parameters of a grid each training window chooses.
walk: every fold, and what its model says of rows that it has not seen.
returns: what a simple position would have earned on them; marking: bar by bar; periods: booked in which hours or days.
experiment: whose trial a run is.
deploy: the last fit, of all rows, as one file through the gate.
run: all of it, and into the registry.
by_cluster: a network refined for each cluster of instruments, judged beside the one it began with.
cluster_rows: the rows of one cluster.
beside: which of the two is better, in numbers and in words.
workers: where fits run: here, or on a Dask cluster.
cluster: how a Dask cluster does them, and what is said when it does not.
environment: what has to be the same there as here.
threads: how products of matrices keep one order of their sums.
table: what it came to, in words and numbers.
"""
