"""The platform as its users run it: processes on a real broker."""
