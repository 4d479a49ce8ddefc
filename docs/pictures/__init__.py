"""Pictures of the documentation, each drawn by a script from the code it shows."""
