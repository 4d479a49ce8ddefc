"""What callers see: the gRPC ScoreService."""
