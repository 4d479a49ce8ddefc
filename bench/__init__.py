"""Side-by-side benchmarks: every figure is a ratio to a peer or to a limit measured in the same run."""
