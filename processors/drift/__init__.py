"""Is a feature still what it was? Fill rate, moments, quantiles, PSI, KL and an anytime-valid test, for each series."""
