"""How MPS is put on machines: embedded parts for a laptop, images, compose files, runbooks."""
