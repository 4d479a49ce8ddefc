"""Whatever goes wrong around the platform: a clear error or a dead letter with the reason, and nothing else is lost."""
