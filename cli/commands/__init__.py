"""One file a command; ``cli.main`` names them."""
