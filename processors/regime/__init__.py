"""Feature rows to gold rows: adds the filtered regime, from Bayesian online change-point detection."""
