"""The venues: one small parser each."""
