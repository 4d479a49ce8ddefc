"""A fitted model as ONE ONNX file, without a bit of doubt.

trees: forests as ONNX writes them, and rows that stand on their splits.
lightgbm_trees, xgboost_trees: the forest of a booster, or a refusal by name.
head: calibration, order of quantiles and conformal bounds, in NumPy and as nodes.
fold: graph and head and card into one file.
gate: the file against the trainer, to the bit where bits are promised.
baseline: the file of the first format, one LightGBM with its Platt scaling in the leaves.
"""
