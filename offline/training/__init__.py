"""From a recipe to a registered model, in steps that resume.

parts: rows of a training window in three: to fit, to stop on, to calibrate.
fitting: one fit with its calibration and its conformal offsets.
folds: which rows train and which judge, by the recipe.
walk: every fold, and what its model says of rows that it has not seen.
returns: what a simple position would have earned on them; marking: bar by bar; periods: booked in which hours or days.
experiment: whose trial a run is.
deploy: the last fit, of all rows, as one file through the gate.
run: all of it, and into the registry.
table: what it came to, in words and numbers.
"""
