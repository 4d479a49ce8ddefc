"""The engine: driver, codec, state, paths."""
