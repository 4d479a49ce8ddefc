"""What every stage and every schema must keep."""
