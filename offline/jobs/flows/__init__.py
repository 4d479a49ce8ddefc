"""The flows: each a function of a run and its parameters, and one that says what its result depends on."""
