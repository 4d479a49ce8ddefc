"""The main job from end to end: recorded ticks in, signals out, and an account that must come out even."""
