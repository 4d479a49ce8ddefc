"""Made from ``schemas/proto`` by ``python -m serving.generate``; a test compares."""
