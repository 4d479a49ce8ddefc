"""The container image of MPS: one image for every stage, sink and service."""
